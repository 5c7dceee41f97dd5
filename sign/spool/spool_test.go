package spool_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/spool"
)

// TestSpool keeps content in memory and in a file: it comes back as it was, as
// often as is asked, and nothing is left behind.
func TestSpool(t *testing.T) {
	content := bytes.Repeat([]byte("hallmark"), 1000)
	for name, expect := range map[string]int64{"memory": 100, "file": 101, "nothing expected": 0} {
		dir := t.TempDir()
		s, err := spool.New(expect, 100, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(s, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		var last *io.SectionReader
		for range 2 {
			last = s.Reader()
			if got, err := io.ReadAll(last); err != nil || !bytes.Equal(got, content) || s.Size() != int64(len(content)) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		part := make([]byte, 8)
		if _, err := s.ReadAt(part, 16); err != nil || string(part) != "hallmark" {
			t.Errorf("%s: %q, %v", name, part, err)
		}
		if n, err := s.ReadAt(part, int64(len(content))); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d bytes behind the end, %v", name, n, err)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := last.ReadAt(part, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: read after Close: %v", name, err)
		}
		if _, err := s.Write(part); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: written after Close: %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}

func TestNoFolder(t *testing.T) {
	if _, err := spool.New(2, 1, "/no/such/folder"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
