package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// seedLayout returns a layout in a tar file: an image, what "cosign save" hangs from
// it, and a referrer.
func seedLayout(f *testing.F) []byte {
	f.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	put := func(name, body string) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o644}); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			f.Fatal(err)
		}
	}
	put("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
	var list []string
	blob := func(body, annotations string) string {
		h := attach.DigestOf([]byte(body))
		put(blobsDir+"/"+h.Hex, body)
		list = append(list, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d,"annotations":{%s}}`, h, len(body), annotations))
		return h.String()
	}
	image := blob(`{"layers":[]}`, `"kind":"dev.cosignproject.cosign/image"`)
	blob(`{"layers":[],"annotations":{"a":"sigs"}}`, `"kind":"dev.cosignproject.cosign/sigs"`)
	blob(`{"layers":[],"subject":{"digest":"`+image+`","size":13,"mediaType":"a/b"}}`, ``)
	put("index.json", `{"schemaVersion":2,"manifests":[`+strings.Join(list, ", ")+`]}`)
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return buf.Bytes()
}

// FuzzArchiveLayout opens any bytes as a layout in a tar file and reads all that the
// store reads of one: whatever is returned has the digest that it is returned for.
func FuzzArchiveLayout(f *testing.F) {
	seed := seedLayout(f)
	f.Add(seed)
	f.Add(seed[:2000])
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{})
		if err != nil {
			return
		}
		defer s.Close()
		readAll(t, s)
	})
}

// readAll reads the images of a layout and what refers to them.
func readAll(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	images, err := s.Images(ctx)
	if err != nil {
		return
	}
	for _, img := range images {
		digest := img.Subject.Desc.Digest
		mf, err := s.medium.Manifest(ctx, digest.String())
		if err != nil || attach.DigestOf(mf.Raw) != digest {
			t.Fatalf("%s reads as %s, %v", digest, attach.DigestOf(mf.Raw), err)
		}
		if _, err := s.Resolve(ctx, digest.String()); err != nil {
			t.Fatal(err)
		}
		list, _, err := s.medium.Referrers(ctx, digest)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := s.medium.Referrers(ctx, digest)
		if err != nil || !reflect.DeepEqual(list, again) {
			t.Fatalf("referrers %v, and then %v, %v", list, again, err)
		}
		for _, d := range list {
			mf, err := s.medium.Manifest(ctx, d.Digest.String())
			if err != nil || !strings.Contains(string(mf.Raw), digest.Hex) {
				t.Fatalf("%s does not name %s, to which it refers: %v", d.Digest, digest, err)
			}
		}
	}
}

// FuzzSaved reads any index.json as one of a layout that "cosign save" wrote: each tag
// that it implies names an entry, and is a tag of the one image; the entry with the
// tag is the same one after it was adopted. What is read again from the file is what
// was read.
func FuzzSaved(f *testing.F) {
	one := func(kind, hex string) string {
		return `{"mediaType":"a/b","digest":"sha256:` + strings.Repeat(hex, 64) + `","size":1,"annotations":{"kind":"dev.cosignproject.cosign/` + kind + `"}}`
	}
	f.Add([]byte(`{"manifests":[` + one("image", "a") + `,` + one("sigs", "b") + `,` + one("atts", "c") + `]}`))
	f.Add([]byte(`{"manifests":[` + one("imageIndex", "a") + `,` + one("sigs", "b") + `,` + one("sigs", "c") + `]}`))
	f.Add([]byte(`{"manifests":[` + one("image", "a") + `,` + one("image", "b") + `,` + one("atts", "c") + `]}`))
	f.Add([]byte(`{"a":{}, "manifests":[{}, {},1,1 , ` + one("other", "a") + `]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := parseIndex(raw)
		if err != nil {
			return
		}
		for _, tag := range x.implied() {
			d, ok, _ := x.saved(tag)
			if !ok || d.Annotations[kindName] == "" {
				t.Fatalf("the tag %s names %+v", tag, d)
			}
			image, ok := x.savedImage()
			if !ok || !strings.HasPrefix(tag, "sha256-"+image.hash().Hex+".") {
				t.Fatalf("the tag %s is not that of the image", tag)
			}
			y := x.clone()
			y.adopt(tag)
			if got, ok, err := y.find(tag); !ok || err != nil || got.Digest != d.Digest && !x.tagged(tag) {
				t.Fatalf("%s was %s and is %s", tag, d.Digest, got.Digest)
			}
		}
		before := descriptors(x)
		x.forget(raw, bytes.NewReader(raw))
		if after := descriptors(x); !reflect.DeepEqual(before, after) {
			t.Fatalf("read as %v, and again as %v", before, after)
		}
	})
}

func descriptors(x *index) (list []v1.Descriptor) {
	for _, e := range x.entries {
		d, err := x.desc(e)
		if err != nil {
			panic(err)
		}
		list = append(list, d)
	}
	return list
}
