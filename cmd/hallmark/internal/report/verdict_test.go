package report

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
)

// TestNoSubject: a policy that decides by the name alone has nothing looked up, and its
// verdict speaks of no digest.
func TestNoSubject(t *testing.T) {
	v := Verdicts{Images: []Verdict{NewVerdict("registry.example/pause:1", verify.Verdict{Outcome: verify.Accept})}}
	for _, format := range []string{"text", "json"} {
		if got := string(render(t, format, v)); strings.Contains(got, "digest") || !strings.Contains(got, "registry.example/pause:1") {
			t.Errorf("%s: %s", format, got)
		}
	}
}

// TestOrder: the same facts in another order are the same document.
func TestOrder(t *testing.T) {
	places := []attach.Place{place(attach.Journal, "b"), place(attach.Journal, "a"), place(attach.FallbackTag, "f"), place("other", ""), place(attach.Referrers, ""), place(attach.CosignTag, "t")}
	var entries []attach.Attachment
	for _, kind := range []attach.Kind{attach.Artifact, attach.Signature, attach.SBOM, attach.Attestation} {
		for _, content := range []string{"1", "2", "3"} {
			entries = append(entries, attachment(kind, "t", content, places...))
		}
	}
	build := func() []byte {
		var list []Entry
		var evidence []verify.Evidence
		for _, a := range entries {
			list = append(list, NewEntry(a))
			evidence = append(evidence, verify.Evidence{Attachment: a, Outcome: verify.Outcome(a.Desc.Digest.Hex[0] % 3)})
		}
		verdict := NewVerdict("x", verify.Verdict{Checks: []verify.Check{{Evidence: evidence}}})
		return slices.Concat(render(t, "json", NewListing("x", "y", list, []error{io.EOF, errors.New("a")})),
			render(t, "json", Verdicts{Images: []Verdict{verdict}}))
	}
	want := build()
	for range 10 {
		slices.Reverse(entries[3:])
		slices.Reverse(entries)
		for i := range entries {
			entries[i].Places = slices.Clone(entries[i].Places)
			slices.Reverse(entries[i].Places[i%3:])
		}
		if got := build(); !bytes.Equal(got, want) {
			t.Fatalf("another order gives another document:\n%s\n%s", got, want)
		}
	}
}
