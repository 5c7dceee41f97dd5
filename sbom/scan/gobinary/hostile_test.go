package gobinary_test

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOldProgramIsUnknown(t *testing.T) {
	r, ok := read(t, synthetic("", "", 0), whole)
	if !ok || len(r.Packages) > 0 || len(r.Unknowns) != 1 || !strings.Contains(r.Unknowns[0], "1.17") {
		t.Errorf("got %v %v", r, ok)
	}
}

func TestNoProgram(t *testing.T) {
	valid := synthetic("go1.20", framed("path\tx\n"), 2)
	shifted := slices.Insert(slices.Clone(valid), 4096, 0)
	text := slices.Clone(valid)
	text[0] = '#'
	for name, b := range map[string][]byte{
		"text": text, "unaligned": shifted, "zeros": make([]byte, 200<<10), "short": valid[:100],
		"cut":     valid[:128<<10+40],
		"version": synthetic("rust1.20", "", 2),
		"java":    append([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x37"), valid[8:]...),
	} {
		if r, ok := read(t, b, whole); ok {
			t.Errorf("%s: got %v", name, r)
		}
	}
}

// TestEndlessCandidates checks that a file full of unfinished build information
// takes time and memory in proportion to its length.
func TestEndlessCandidates(t *testing.T) {
	one := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	one = append(one, "\x04go1.\xff\xff\xff\x01xxxxxxx"...) // modules of 4 MiB - 1
	b := append([]byte("\x7fELF"), make([]byte, 64<<10-4)...)
	for len(b)%16 != 0 {
		b = append(b, 0)
	}
	b = append(b, bytes.Repeat(one, (24<<20)/len(one))...)
	if len(one)%16 != 0 {
		t.Fatalf("candidates of %d bytes", len(one))
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	before := s.TotalAlloc
	read(t, b, whole)
	runtime.ReadMemStats(&s)
	if took := s.TotalAlloc - before; took > 72<<20 {
		t.Errorf("a file of %d MiB took %d MiB", len(b)>>20, took>>20)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(synthetic("go1.26.1", framed("path\tx.y/z\nmod\tx.y\tv1.0.0\th1:a=\n"), 2)[120<<10:], 100)
	f.Add(synthetic("", "", 0)[120<<10:], 1<<20)
	f.Add([]byte("MZ\x00\x00"), 1)
	f.Add([]byte("\x7fELF\x02\x01"), 7)
	f.Add([]byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x80\x02\x00\x00\x00\xff\xff\xff\xff"), 7)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		padded := append(bytes.Clone(b), make([]byte, 64<<10)...)
		one, okOne := read(t, padded, func() int { return len(padded) })
		many, okMany := read(t, padded, func() int { return max(step, 64) })
		if okOne != okMany {
			t.Fatalf("one piece: %v, pieces of %d: %v", okOne, step, okMany)
		}
		if d := cmp.Diff(one, many); d != "" {
			t.Fatalf("one piece and pieces of %d differ:\n%s", step, d)
		}
		if okOne {
			components(t, one)
		}
	})
}
