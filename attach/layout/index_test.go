package layout

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
)

// TestForeignKept writes beside descriptors and fields of other tools.
func TestForeignKept(t *testing.T) {
	s := create(t)
	sub := putRandom(t, s, "v1")
	foreign := `{"schemaVersion":2,"x-top":{"n":12345678901234567890,"s":"<&>"},"annotations":{"k":"v"},"manifests":[` +
		`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + sub.Desc.Digest.String() + `","size":` + jsonOf(t, sub.Desc.Size) +
		`,"x-own":[1,{"a":null}],"annotations":{"org.opencontainers.image.ref.name":"v1","other":"ä"}},` +
		`{"mediaType":"text/plain","digest":"sha512:` + strings.Repeat("ab", 64) + `","size":3},` +
		`{"strange":true}]}`
	file := filepath.Join(path(s), indexFile)
	if err := os.WriteFile(file, []byte(foreign), 0o664); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o664); err != nil {
		t.Fatal(err)
	}
	putRandom(t, s, "v2")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	decode(t, []byte(foreign), &before)
	decode(t, raw, &after)
	got := after["manifests"].([]any)
	if len(got) != 4 {
		t.Fatalf("%d descriptors, want 4", len(got))
	}
	after["manifests"] = got[:3]
	if jsonOf(t, before) != jsonOf(t, after) {
		t.Errorf("before %s\nafter  %s", jsonOf(t, before), jsonOf(t, after))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o664 {
		t.Errorf("mode of index.json became %v, %v", info.Mode(), err)
	}
}

func decode(t *testing.T, raw []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// FuzzIndex parses anything; what parses is kept by a round trip.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[]}`))
	f.Add([]byte(`{"manifests":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":-1}],"a":{"b":[]}}`))
	f.Add([]byte(`{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"x"}}, 3, null, "s"]}`))
	f.Add([]byte(`[[[[[`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := parseIndex(raw)
		if err != nil {
			if !attach.Judged(err) {
				t.Fatalf("error without a class: %v", err)
			}
			return
		}
		out, err := x.encode()
		if err != nil {
			t.Fatal(err)
		}
		y, err := parseIndex(out)
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		again, err := y.encode()
		if err != nil || !bytes.Equal(out, again) || len(x.entries) != len(y.entries) {
			t.Fatalf("not stable: %s then %s, %v", out, again, err)
		}
	})
}

// TestReadersSeeWhole reads index.json over and over while it is written.
func TestReadersSeeWhole(t *testing.T) {
	s := create(t)
	putRandom(t, s, "v1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 60 {
			raw := []byte(`{"layers":[],"annotations":{"n":"` + jsonOf(t, i) + `"}}`)
			if err := s.medium.PutManifest(t.Context(), "n", "application/vnd.oci.image.manifest.v1+json", raw); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	reads := 0
	for {
		select {
		case <-done:
			t.Logf("%d reads", reads)
			return
		default:
			reads++
			if _, err := s.Resolve(t.Context(), "v1"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// FuzzHead reads any manifest; what it makes of one agrees with the rest of the module.
func FuzzHead(f *testing.F) {
	f.Add([]byte(`{"layers":[]}`))
	f.Add([]byte(`{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json"}`))
	f.Add([]byte(`{"config":{"mediaType":"a/b"},"subject":{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":1}}`))
	f.Add([]byte(`{"subject":{"digest":"../x"}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := parseHead(raw)
		if err != nil {
			if !attach.Judged(err) {
				t.Fatalf("error without a class: %v", err)
			}
			return
		}
		if h.mediaType == "" {
			t.Fatal("a manifest without type")
		}
		if h.subject != nil && h.subject.Digest.Hex != "" {
			if _, err := blobPath(h.subject.Digest); err != nil {
				t.Fatal(err)
			}
		}
	})
}
