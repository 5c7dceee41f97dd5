package term

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestNobodyToAsk: where no terminal is, nothing is asked and nothing is read,
// so that a pipeline neither hangs nor gives a secret away.
func TestNobodyToAsk(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.WriteString("secret\n"); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	text := strings.NewReader("secret\n")
	var out bytes.Buffer
	if got, err := AskSecret(text, &out, "password: "); !errors.Is(err, ErrNoTerminal) || got != nil || text.Len() != 7 {
		t.Errorf("a reader: %q, %v, %d bytes left", got, err, text.Len())
	}
	for _, f := range []*os.File{r, null} {
		if got, err := AskSecret(f, &out, "password: "); !errors.Is(err, ErrNoTerminal) || got != nil || Is(f) {
			t.Errorf("%s: %q, %v", f.Name(), got, err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("it asked %q", out.String())
	}
	left := make([]byte, 7)
	if n, err := r.Read(left); err != nil || string(left[:n]) != "secret\n" {
		t.Errorf("the pipe holds %q, %v", left[:n], err)
	}
	if Is(nil) {
		t.Error("nothing is a terminal")
	}
}
