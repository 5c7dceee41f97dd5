package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
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

// TestBrowse opens an address with a program that stands in for xdg-open.
func TestBrowse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a script stands in for xdg-open")
	}
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\nprintf %s \"$*\" > "+told+".new && mv "+told+".new "+told+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	display := []string{"A=b", "DISPLAY=:0", "PATH=" + os.Getenv("PATH")}
	const at = "https://issuer.example/auth?a=$(id)&b=1"
	if err := Browse("linux", display, at); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && got == nil; time.Sleep(10 * time.Millisecond) {
		got, _ = os.ReadFile(told)
	}
	if string(got) != at {
		t.Errorf("it opened %q", got)
	}
	nothing := []string{"DISPLAY=", "XDISPLAY=:0"}
	if err := Browse("linux", nothing, "https://issuer.example/"); !errors.Is(err, ErrNoBrowser) {
		t.Errorf("without a display: %v", err)
	}
	for _, at := range []string{"file:///etc/passwd", "-h", "javascript:1", ""} {
		if err := Browse("linux", display, at); !errors.Is(err, ErrNoBrowser) {
			t.Errorf("%q: %v", at, err)
		}
	}
	for goos, want := range map[string][]string{
		"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}, "freebsd": nil,
	} {
		if got := opener(goos, nothing); !slices.Equal(got, want) {
			t.Errorf("%s: %q", goos, got)
		}
	}
}
