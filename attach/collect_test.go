package attach

import (
	"context"
	"iter"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A toldList yields what it was made of, and can do nothing else.
type toldList struct {
	Reader
	all []Attachment
}

func (l toldList) List(context.Context, Subject, ...Kind) iter.Seq2[Attachment, error] {
	return func(yield func(Attachment, error) bool) {
		for _, a := range l.all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// TestCollectSizes: a place that tells a false size of a signature comes first, and
// the signature is listed with its true one all the same, and with its own places.
func TestCollectSizes(t *testing.T) {
	digest := DigestOf([]byte("signature"))
	at := func(size int64, tag string) Attachment {
		return Attachment{
			Kind: Signature, Desc: v1.Descriptor{MediaType: "application/x", Digest: digest, Size: size},
			Places: []Place{{Scheme: CosignTag, Tag: tag}},
		}
	}
	all, errs := Collect(t.Context(), toldList{all: []Attachment{at(7, "lie"), at(9, "a"), at(7, "lie"), at(9, "b")}}, Subject{})
	if len(errs) > 0 || len(all) != 2 {
		t.Fatalf("%+v, %v", all, errs)
	}
	for i, want := range []struct {
		size   int64
		places int
	}{{7, 1}, {9, 2}} {
		if all[i].Desc.Size != want.size || len(all[i].Places) != want.places {
			t.Errorf("entry %d is %+v, want size %d at %d places", i, all[i], want.size, want.places)
		}
	}
}
