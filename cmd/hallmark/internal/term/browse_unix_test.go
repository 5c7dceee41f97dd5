//go:build unix

package term

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestBrowse opens an address with a program that stands in for xdg-open.
func TestBrowse(t *testing.T) {
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
