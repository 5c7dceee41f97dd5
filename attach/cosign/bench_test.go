package cosign_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// BenchmarkParse reads a view as full as hallmark makes them.
func BenchmarkParse(b *testing.B) {
	raw := fullView(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		img, err := cosign.Parse(raw)
		if err != nil || len(img.Entries) != attach.MaxView {
			b.Fatal(len(img.Entries), err)
		}
	}
}

// BenchmarkEncode writes it back.
func BenchmarkEncode(b *testing.B) {
	img, err := cosign.Parse(fullView(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := img.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkID finds the identities of its entries.
func BenchmarkID(b *testing.B) {
	img, err := cosign.Parse(fullView(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range img.Entries {
			e.ID()
		}
	}
}

// fullView returns the manifest of a view with as many signatures as hallmark
// writes into one.
func fullView(b *testing.B) []byte {
	var img cosign.Image
	for i := range attach.MaxView {
		payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},"image":{"docker-manifest-digest":"sha256:%064x"},"type":"cosign container image signature"},"optional":{"n":"%d"}}`, 7, i)
		e, err := cosign.NewEntry(cosign.NewSignature([]byte(payload), []byte(strings.Repeat(string(rune('a'+i%26)), 71))))
		if err != nil {
			b.Fatal(err)
		}
		img.Entries = append(img.Entries, e)
	}
	raw, _, err := img.Encode()
	if err != nil {
		b.Fatal(err)
	}
	return raw
}
