package journal

import (
	"bytes"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// fuzzed is the subject of fuzz targets.
func fuzzed() v1.Hash { return attach.DigestOf([]byte("subject")) }

// FuzzGoneIn: what is taken for a tombstone names the subject and an entry that can be.
func FuzzGoneIn(f *testing.F) {
	subject := v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 7, Digest: fuzzed()}
	s := New(nil, "r/app")
	for _, native := range []bool{true, false} {
		raw, _, err := s.newTombstone(subject, single(attach.Signature, attach.ID{1}), native).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"annotations":{"dev.hallmark.gone":"1"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		name := goneIn(raw, subject.Digest)
		if name == "" {
			return
		}
		if !validName(name) || !bytes.Contains(raw, []byte("hallmark")) {
			t.Errorf("%q", name)
		}
		if other := goneIn(raw, attach.DigestOf([]byte("other"))); other != "" {
			t.Errorf("a tombstone of two subjects: %q", other)
		}
	})
}

// FuzzReadIndex: what is read of an index under the referrers tag is written as it
// was read, with what other tools put there.
func FuzzReadIndex(f *testing.F) {
	entry := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":3,"digest":"` + fuzzed().String() + `","artifactType":"a/b","annotations":{"k":"v"},"x":1}`
	for _, seed := range []string{
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + entry + `],"annotations":{"theirs":"1"}}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{},3,null]}`,
		`{"mediaType":"application/vnd.oci.image.index.v1+json"}`, `{"manifests":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, entries, err := readIndex(attach.Manifest{Raw: raw, Desc: v1.Descriptor{Digest: attach.DigestOf(raw)}}, fuzzed())
		if err != nil {
			if !attach.Judged(err) {
				t.Error(err)
			}
			return
		}
		again, err := x.encode(entries)
		if err != nil {
			return // malformed entries, or too many bytes
		}
		y, same, err := readIndex(attach.Manifest{Raw: again, Desc: v1.Descriptor{Digest: attach.DigestOf(again)}}, fuzzed())
		if err != nil || len(same) != len(entries) {
			t.Fatalf("%s: %d entries, not %d: %v", again, len(same), len(entries), err)
		}
		for i, e := range entries {
			if (e.Err == nil) != (same[i].Err == nil) || e.Err == nil && e.ID() != same[i].ID() {
				t.Errorf("entry %d is another: %v, %v", i, e, same[i])
			}
		}
		for name := range x {
			if _, ok := y[name]; !ok {
				t.Errorf("member %q is lost", name)
			}
		}
	})
}

// FuzzNameInTag: a tag tells one name of one kind or none, and nothing that cosign's
// tags or the garbage collection of registries take for theirs.
func FuzzNameInTag(f *testing.F) {
	name := single(attach.SBOM, attach.ID{2})
	for _, seed := range []string{tagOf(fuzzed(), name), goneTagOf(fuzzed(), name), tagPrefix(fuzzed()) + "sig", tagPrefix(fuzzed()) + strings.Repeat("1", nameLen) + ".hm.gone"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		for suffix, make := range map[string]func(v1.Hash, string) string{tagSuffix: tagOf, goneSuffix: goneTagOf} {
			name, ok := nameInTag(fuzzed(), tag, suffix)
			if !ok {
				continue
			}
			if make(fuzzed(), name) != tag || !validName(name) || strings.Contains(tag, ".sig") || kindDigit(kindOf(name)) != name[:1] {
				t.Errorf("tag %q, name %q", tag, name)
			}
			if _, other := nameInTag(attach.DigestOf([]byte("other")), tag, suffix); other {
				t.Errorf("%q is of two subjects", tag)
			}
		}
		s := tagNames(fuzzed(), []string{tag})
		if len(s.names)+len(s.gone) > 1 {
			t.Errorf("%q is an entry and a tombstone", tag)
		}
	})
}
