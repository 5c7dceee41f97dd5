package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// forest is a shelf whose manifests may be indexes.
type forest struct {
	*shelf
	indexes map[v1.Hash]bool
}

// Manifest implements attach.Reader.
func (f *forest) Manifest(ctx context.Context, s attach.Subject, d v1.Hash) (attach.Manifest, error) {
	m, err := f.shelf.Manifest(ctx, s, d)
	if f.indexes[d] {
		m.Desc.MediaType = types.OCIImageIndex
	}
	return m, err
}

// blob keeps content and returns its descriptor as JSON.
func (f *forest) blob(text string) string {
	d := attach.DigestOf([]byte(text))
	f.content[d] = []byte(text)
	return fmt.Sprintf(`{"mediaType":"application/octet-stream","size":%d,"digest":%q}`, len(text), d)
}

// manifest keeps an image manifest with the layers.
func (f *forest) manifest(layers ...string) v1.Hash {
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"config":%s,"layers":[%s]}`, f.blob("config"), strings.Join(layers, ","))
	f.content[attach.DigestOf(raw)] = raw
	return attach.DigestOf(raw)
}

// index keeps an index of the manifests.
func (f *forest) index(children ...v1.Hash) v1.Hash {
	var list []string
	for _, c := range children {
		list = append(list, fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q}`, types.OCIManifestSchema1, len(f.content[c]), c))
	}
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[%s]}`, strings.Join(list, ","))
	d := attach.DigestOf(raw)
	f.content[d], f.indexes[d] = raw, true
	return d
}

// TestDeepIndex reads every blob of every manifest of a nested index, once, and
// finds whatever is wrong anywhere in it.
func TestDeepIndex(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	layer := attach.DigestOf([]byte("layer"))
	for name, c := range map[string]struct {
		build  func(f *forest) v1.Hash
		want   verify.Outcome
		reason verify.Reason
		detail string
	}{
		"nested, shared parts once": {build: func(f *forest) v1.Hash {
			img := f.manifest(f.blob("layer"), f.blob("layer"))
			return f.index(f.index(img, f.manifest(f.blob("layer"), f.blob("other"))), img)
		}, want: verify.Accept, reason: verify.Accepted, detail: "3 blobs, 16 bytes"},
		"empty index": {build: func(f *forest) v1.Hash { return f.index() }, want: verify.Accept, reason: verify.Accepted, detail: "0 blobs"},
		"four levels": {build: func(f *forest) v1.Hash {
			return f.index(f.index(f.index(f.index(f.manifest()))))
		}, want: verify.Accept, reason: verify.Accepted},
		"five levels": {build: func(f *forest) v1.Hash {
			return f.index(f.index(f.index(f.index(f.index(f.manifest())))))
		}, want: verify.Reject, reason: verify.ContentLimit},
		"child is gone": {build: func(f *forest) v1.Hash {
			img := f.manifest()
			i := f.index(f.index(img))
			delete(f.content, img)
			return i
		}, want: verify.Reject, reason: verify.BlobMissing},
		"child out of reach": {build: func(f *forest) v1.Hash {
			img := f.manifest()
			f.broken[img] = errors.New("reset")
			return f.index(img)
		}, want: verify.Undetermined, reason: verify.Unreachable},
		"child is garbage": {build: func(f *forest) v1.Hash {
			img := f.manifest()
			f.content[img] = []byte("garbage")
			return f.index(img)
		}, want: verify.Reject, reason: verify.BlobDigest},
		"inner index is garbage": {build: func(f *forest) v1.Hash {
			inner := f.index()
			f.content[inner] = []byte("[")
			return f.index(inner)
		}, want: verify.Reject, reason: verify.BlobDigest},
		"layer of a child changed": {build: func(f *forest) v1.Hash {
			i := f.index(f.manifest(), f.manifest(f.blob("layer")))
			f.content[layer] = []byte("lAyer")
			return i
		}, want: verify.Reject, reason: verify.BlobDigest},
		"layer of a child shorter": {build: func(f *forest) v1.Hash {
			i := f.index(f.manifest(f.blob("layer")))
			f.content[layer] = []byte("laye")
			return i
		}, want: verify.Reject, reason: verify.BlobDigest},
		"layer of a child denied": {build: func(f *forest) v1.Hash {
			f.broken[layer] = fmt.Errorf("401: %w", attach.ErrDenied)
			return f.index(f.manifest(f.blob("layer")))
		}, want: verify.Undetermined, reason: verify.AccessDenied},
		"too many blobs": {build: func(f *forest) v1.Hash {
			var layers []string
			for i := range 20001 {
				layers = append(layers, fmt.Sprintf(`{"size":1,"digest":"sha256:%064x"}`, i))
			}
			return f.index(f.manifest(layers...))
		}, want: verify.Reject, reason: verify.ContentLimit},
	} {
		t.Run(name, func(t *testing.T) {
			f := &forest{shelf: newShelf(), indexes: make(map[v1.Hash]bool)}
			root := c.build(f)
			sub := attach.Subject{Repo: "registry.example/app", Desc: v1.Descriptor{MediaType: types.OCIImageIndex, Digest: root, Size: int64(len(f.content[root]))}}
			f.put(t, signature(t, k, root.String(), nil))
			v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{signatureRule(1)}, Deep: true})
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := v.Verify(t.Context(), f, sub)
			if err != nil {
				t.Fatal(err)
			}
			last := verdict.Checks[len(verdict.Checks)-1]
			if verdict.Outcome != c.want || last.Reason != c.reason || !strings.Contains(last.Detail, c.detail) {
				t.Errorf("%s %s %s, want %s %s %s", verdict.Outcome, last.Reason, last.Detail, c.want, c.reason, c.detail)
			}
		})
	}
}
