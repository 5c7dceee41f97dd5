package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestConfirm: only a plain yes is one, and who is no terminal is not asked.
func TestConfirm(t *testing.T) {
	for text, want := range map[string]bool{
		"y\n": true, "Y\n": true, "yes\r\n": true, " YES \n": true, "y": true,
		"": false, "\n": false, "n\n": false, "no\n": false, "yy\n": false, "\ny\n": false, "yes please\n": false,
		strings.Repeat(" ", 200) + "y\n": false,
	} {
		if got, err := agreed(t.Context(), strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	left := strings.NewReader("y\nthe rest")
	if ok, err := agreed(t.Context(), left); !ok || err != nil || left.Len() != len("the rest") {
		t.Errorf("%v, %v, %d bytes left", ok, err, left.Len())
	}
	var out bytes.Buffer
	if ok, err := Confirm(t.Context(), strings.NewReader("y\n"), &out, "go on?"); ok || !errors.Is(err, ErrNoTerminal) || out.Len() > 0 {
		t.Errorf("%v, %v, asked %q", ok, err, out.String())
	}
	silent, end := io.Pipe()
	defer end.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := agreed(ctx, silent); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", ok, err)
	}
}
