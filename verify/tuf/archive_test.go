package tuf

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pack makes an archive of the files, below a folder.
func pack(t testing.TB, at files, folder string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(at)) {
		if err := w.WriteHeader(&tar.Header{Name: folder + name, Mode: 0o644, Size: int64(len(at[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(at[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestUnpack: an archive says what the mirror says that it was made of, wherever in
// it the files lie, and each attack on a mirror is refused in it too.
func TestUnpack(t *testing.T) {
	r := newRepo(t)
	r.targets["other.json"] = []byte(`{"trusted":3}`)
	at := r.publish(make(files))
	for _, c := range []struct{ folder, document, want string }{
		{"", "", `{"trusted":1}`},
		{"repository/", "", `{"trusted":1}`},
		{"./repository/", "other.json", `{"trusted":3}`},
		{"/repository/", "", `{"trusted":1}`},
	} {
		m, err := Unpack(Archive{Name: "a", Root: at["1.root.json"], Files: pack(t, at, c.folder), TrustedRoot: c.document, Now: origin})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		} else if string(m.TrustedRoot) != c.want || m.Expires().Name == "" {
			t.Errorf("%+v: %+v", c, m)
		}
	}
	moved := make(files)
	for name, raw := range at {
		moved[strings.Replace(name, "targets/", "elsewhere/", 1)] = raw
	}
	if _, err := Unpack(Archive{Name: "a", Root: at["1.root.json"], Files: pack(t, moved, ""), Targets: "elsewhere", Now: origin}); err != nil {
		t.Error(err)
	}
	if _, err := Unpack(Archive{Name: "a", Root: at["1.root.json"], Files: pack(t, moved, ""), Now: origin}); ReasonOf(err) != Absent {
		t.Errorf("targets elsewhere: %v", err)
	}
	for _, a := range attacks {
		if !a.fresh || strings.HasPrefix(a.name, "signing config") {
			continue // it is not compared with one of before, nor is there such a document
		}
		r := newRepo(t)
		evil := r.publish(make(files))
		first := evil["1.root.json"]
		r.next(evil, "timestamp", "snapshot", "targets")
		a.attack(r, evil)
		want := a.reason
		if want == Unreachable {
			want = Absent
		}
		m, err := Unpack(Archive{Name: "a", Root: first, Files: pack(t, evil, "repository/"), Now: origin})
		if ReasonOf(err) != want {
			t.Errorf("%s: %+v, reason %q, not %q: %v", a.name, m, ReasonOf(err), want, err)
		}
	}
}

// holes makes an archive of n files of size zeros each that takes next to no room even
// before it is compressed: the zeros are the hole of a sparse file (pax, GNU sparse 1.0).
func holes(t testing.TB, n, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	entry := func(kind byte, name, data string) {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", len(data), kind))
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		if _, err := zip.Write(append(h, data+strings.Repeat("\x00", -len(data)&511)...)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		var records string
		for _, r := range []string{"major=1", "minor=0", fmt.Sprintf("name=f%d", i), fmt.Sprintf("realsize=%d", size)} {
			r = " GNU.sparse." + r + "\n"
			records += fmt.Sprint(len(r)+2) + r // two digits
		}
		entry('x', "x", records)
		entry('0', "f", "0\n"+strings.Repeat("\x00", 510)) // a map of no piece
	}
	zip.Write(make([]byte, 1024))
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestUnpackHostile: archives that are none, or too much.
func TestUnpackHostile(t *testing.T) {
	at := newRepo(t).publish(make(files))
	zeros := func(n int) []byte { return make([]byte, n) }
	bomb := files{}
	for i := range 40 {
		bomb[fmt.Sprintf("f%d", i)] = zeros(1 << 20)
	}
	many := files{}
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("f%d", i)] = nil
	}
	good := pack(t, at, "")
	for name, c := range map[string]struct {
		files []byte
		want  Reason
	}{
		"nothing":                  {nil, Malformed},
		"no gzip":                  {[]byte("{}"), Malformed},
		"cut":                      {good[:len(good)/2], Malformed},
		"a bomb":                   {pack(t, bomb, ""), Oversized},
		"a bomb of holes":          {holes(t, 40, 1<<20), Oversized},
		"few holes":                {holes(t, 20, 1<<20), Absent},
		"a large file":             {pack(t, files{"timestamp.json": zeros(maxTargets + 1)}, ""), Oversized},
		"many files":               {pack(t, many, ""), Oversized},
		"larger than what is read": {zeros(maxFile + 1), Oversized},
		"one file by two names":    {pack(t, files{"timestamp.json": at["timestamp.json"], "x/../timestamp.json": []byte("{}")}, ""), Malformed},
		"none of the files":        {pack(t, files{"x": nil}, ""), Absent},
	} {
		m, err := Unpack(Archive{Name: "a", Root: at["1.root.json"], Files: c.files, Now: origin})
		if ReasonOf(err) != c.want {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for _, root := range [][]byte{nil, []byte("{}"), zeros(MaxRoot + 1)} {
		if m, err := Unpack(Archive{Name: "a", Root: root, Files: good, Now: origin}); ReasonOf(err) == "" {
			t.Errorf("a root of %d bytes: %+v, %v", len(root), m, err)
		}
	}
}

// TestUnpackPublicGood unpacks the real metadata of Sigstore's public instance.
func TestUnpackPublicGood(t *testing.T) {
	at := make(files)
	dir := filepath.Join("testdata", "public-good")
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if rel, rerr := filepath.Rel(dir, path); rerr == nil {
			at[filepath.ToSlash(rel)] = raw
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	a := Archive{Name: "a", Root: at["5.root.json"], Files: pack(t, at, "repository/"), Now: time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)}
	m, err := Unpack(a)
	if err != nil || !bytes.Contains(m.TrustedRoot, []byte("rekor.sigstore.dev")) {
		t.Fatalf("%+v, %v", m, err)
	}
	a.Now = a.Now.AddDate(0, 0, 7)
	if _, err := Unpack(a); ReasonOf(err) != Expired {
		t.Errorf("a week later: %v", err)
	}
}

// FuzzUnpack: whatever is in an archive is refused for a reason, unless it is the good one.
func FuzzUnpack(f *testing.F) {
	at := newRepo(f).publish(make(files))
	good := pack(f, at, "repository/")
	f.Add(good, at["1.root.json"])
	f.Add([]byte("x"), []byte("{}"))
	f.Fuzz(func(t *testing.T, raw, root []byte) {
		m, err := Unpack(Archive{Name: "a", Root: root, Files: raw, Now: origin})
		switch {
		case err == nil && string(m.TrustedRoot) != `{"trusted":1}`:
			t.Errorf("it says %s", m.TrustedRoot)
		case err != nil && ReasonOf(err) == "":
			t.Errorf("no reason: %v", err)
		}
	})
}
