package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// oneManifest is a Reader that has one manifest.
type oneManifest struct{ raw []byte }

func (o oneManifest) Manifest(context.Context, Subject, v1.Hash) (Manifest, error) {
	return Manifest{Raw: o.raw}, nil
}
func (oneManifest) List(context.Context, Subject, ...Kind) iter.Seq2[Attachment, error] { return nil }
func (oneManifest) Open(context.Context, Subject, Attachment) (io.ReadCloser, error) {
	return nil, ErrNotFound
}
func (oneManifest) Blob(context.Context, Subject, v1.Descriptor) (io.ReadCloser, error) {
	return nil, ErrNotFound
}

func TestChildren(t *testing.T) {
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var digests []v1.Hash
	for _, p := range []string{"linux/amd64", "linux/arm/v7", "windows/amd64"} {
		img, err := random.Image(10, 1)
		if err != nil {
			t.Fatal(err)
		}
		platform, err := v1.ParsePlatform(p)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // each is listed twice
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
		}
		d, _ := img.Digest()
		digests = append(digests, d)
	}
	raw, err := index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	s := Subject{Repo: "r", Desc: v1.Descriptor{MediaType: types.OCIImageIndex}}
	children, err := Children(t.Context(), oneManifest{raw}, s)
	if err != nil || len(children) != 3 {
		t.Fatalf("%d children, %v", len(children), err)
	}
	for i, c := range children {
		if c.Subject.Desc.Digest != digests[i] || c.Subject.Repo != "r" || c.Subject.Desc.Platform != nil {
			t.Errorf("child %d: %+v", i, c)
		}
	}
	for want, at := range map[string]int{"linux/amd64": 0, "linux/arm": 1, "linux/arm/v7": 1, "windows/amd64": 2, "linux/arm/v6": -1, "linux/s390x": -1} {
		p, _ := v1.ParsePlatform(want)
		c, err := Select(children, *p)
		switch {
		case at < 0:
			if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "linux/arm/v7") {
				t.Errorf("%s: %v, %v", want, c, err)
			}
		case err != nil || c.Subject.Desc.Digest != digests[at]:
			t.Errorf("%s: %v, %v", want, c, err)
		}
	}
	s.Desc.MediaType = types.OCIManifestSchema1
	if children, err := Children(t.Context(), oneManifest{nil}, s); err != nil || children != nil {
		t.Errorf("children of an image: %v, %v", children, err)
	}
}

func TestParseIndexRefuses(t *testing.T) {
	good := `{"mediaType":"m","size":1,"digest":"sha256:` + strings.Repeat("0", 64) + `"}`
	for in, want := range map[string]error{
		`{"manifests":[` + good + `]}`: nil,
		`{"manifests":[]}`:             nil,
		`{}`:                           ErrMalformed,
		`{"manifests":[{}]}`:           ErrMalformed,
		`{"manifests":[` + good + `],"manifests":[]}`:  ErrMalformed,
		`{"manifests":[` + good + `,` + good + `,{}]}`: ErrLimit,
	} {
		list, err := ParseIndex([]byte(in), 2)
		if !errors.Is(err, want) || want == nil && err != nil || want != nil && list != nil {
			t.Errorf("%s: %v, %v", in, list, err)
		}
	}
}

// TestParseReferrers sees that a malformed entry spoils only itself.
func TestParseReferrers(t *testing.T) {
	good := `{"mediaType":"m","size":1,"digest":"sha256:` + strings.Repeat("0", 64) + `"}`
	list, err := ParseReferrers([]byte(`{"manifests":[{},`+good+`,"x",`+good+`]}`), 4)
	var bad Spoiled
	if len(list) != 2 || !errors.As(err, &bad) || len(bad) != 2 || !Judged(err) {
		t.Errorf("%v, %v", list, err)
	}
	list, err = ParseReferrers([]byte(`{"manifests":[{},`+good+`,`+good+`]}`), 2)
	if len(list) != 1 || !errors.Is(err, ErrUnfinished) || Judged(err) || errors.As(err, &bad) {
		t.Errorf("%v, %v", list, err)
	}
}

// FuzzMembers looks for panics and for members named twice that are let through.
func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"a":[{"x":"\"a\":"}]},"\u0061b":"{"}`))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Add([]byte(`{"a" : [{"b":1},{"b":1}] , "c":{"a":{}}}`))
	f.Add([]byte(`{"":"","\\":"\\"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Members(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || m != nil {
				t.Errorf("%v, %v", m, err)
			}
			return
		}
		for name, value := range m {
			if strings.HasPrefix(string(value), "{") {
				if _, err := Members(value); err != nil {
					t.Errorf("member %q of %s: %v", name, raw, err)
				}
			}
			twice := fmt.Sprintf(`%s,%q:0}`, strings.TrimRight(string(raw), " \t\r\n}"), name)
			if strings.Count(string(raw), "}") == 1 && strings.ToValidUTF8(name, "") == name && !strings.ContainsAny(name, "\x00\x7f\\\"") {
				if _, err := Members([]byte(twice)); err == nil {
					t.Errorf("%s was accepted", twice)
				}
			}
		}
	})
}

// FuzzParseReferrers looks for panics, for errors that are no judgements, and for
// lists that are good to one reader and bad to the other.
func FuzzParseReferrers(f *testing.F) {
	good := `{"mediaType":"m","size":1,"digest":"sha256:` + strings.Repeat("0", 64) + `"}`
	f.Add([]byte(`{"manifests":[` + good + `,{},7]}`))
	f.Add([]byte(`{"manifests":[` + good + `,` + good + `]}`))
	f.Add([]byte(`{"manifests":{"a":1}}`))
	f.Add([]byte(`{"manifests":[{},{},{},{},{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		const limit = 4
		list, err := ParseReferrers(raw, limit)
		all, strict := ParseIndex(raw, limit)
		var bad Spoiled
		open := errors.Is(err, ErrUnfinished)
		if err != nil && Judged(err) == open || len(list) > limit || err != nil && !open && !errors.As(err, &bad) && list != nil {
			t.Errorf("%d entries, %v", len(list), err)
		}
		if (err == nil) != (strict == nil) || strict != nil && all != nil || len(list)+len(bad) > limit {
			t.Errorf("%v, but %v", err, strict)
		}
	})
}
