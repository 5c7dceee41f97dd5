package bundle_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hallmark-oci/hallmark/sign/bundle"
)

// temporary makes the folder for temporary files one of the test's own.
func temporary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	temporaryIn(t, dir)
	return dir
}

// temporaryIn sets the folder for temporary files by the names that systems have for it.
func temporaryIn(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
}

// empty checks that nothing is left in a folder.
func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// sizes are bundles that are kept in memory and in a file, at the border and beyond.
func sizes() map[string]string {
	text := doc(v03, keyOnly, envelope)
	return map[string]string{
		"small":           text,
		"last in memory":  strings.Repeat(" ", bundle.MaxMemory-len(text)) + text,
		"first in a file": strings.Repeat(" ", bundle.MaxMemory-len(text)+1) + text,
		"large":           large(text),
	}
}

// TestClose reads an envelope as often as is asked, and nothing after Close.
func TestClose(t *testing.T) {
	dir := temporary(t)
	for name, text := range sizes() {
		b, err := bundle.Open(strings.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var last *io.SectionReader
		for range 2 {
			last = b.Envelope()
			got, err := io.ReadAll(last)
			if err != nil || `"dsseEnvelope":`+string(got) != envelope || last.Size() != int64(len(got)) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
		for _, r := range []*io.SectionReader{last, b.Envelope()} {
			if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s: read after close: %v", name, err)
			}
		}
		empty(t, dir)
	}
}

// TestOpenSize refuses content that is shorter or longer than was said.
func TestOpenSize(t *testing.T) {
	dir := temporary(t)
	for name, text := range sizes() {
		for _, off := range []int64{-1, 1, 1 << 20} {
			if b, err := bundle.Open(strings.NewReader(text), int64(len(text))+off); !errors.Is(err, bundle.ErrMalformed) || b != nil {
				t.Errorf("%s, size off by %d: %v", name, off, err)
			}
		}
	}
	if _, err := bundle.Open(strings.NewReader(""), -1); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("negative size: %v", err)
	}
	empty(t, dir)
}

// TestOpenUnread takes no failure of the reader for a malformed bundle, not even
// where what came before it is malformed.
func TestOpenUnread(t *testing.T) {
	dir := temporary(t)
	reset := errors.New("connection reset")
	for name, text := range sizes() {
		for _, in := range []string{text, text[:len(text)/2], text[:len(text)-1] + "]"} {
			r := io.MultiReader(strings.NewReader(in), iotest.ErrReader(reset))
			if b, err := bundle.Open(r, int64(len(text))); !errors.Is(err, reset) || errors.Is(err, bundle.ErrMalformed) || b != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	empty(t, dir)
}

// TestOpenNoRoom takes a missing folder for temporary files for what it is.
func TestOpenNoRoom(t *testing.T) {
	temporaryIn(t, filepath.Join(t.TempDir(), "gone"))
	for name, text := range sizes() {
		b, err := bundle.Open(strings.NewReader(text), int64(len(text)))
		if len(text) <= bundle.MaxMemory {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, os.ErrNotExist) || errors.Is(err, bundle.ErrMalformed) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
