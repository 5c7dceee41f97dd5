package storetest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
)

// A Place is where a store keeps things: one repository or layout, empty at first.
type Place struct {
	// Open returns a store that shares nothing with others but the medium, as
	// that of another process would.
	Open func(t *testing.T) attach.Store
	// Put puts an image into the place under the tag, past the store, as a
	// foreign tool does. It overwrites what the tag had.
	Put func(t *testing.T, tag string, img v1.Image)
	// Closed says that the place answers for the referrers tag with something else,
	// so that other tools never see whole manifests.
	Closed bool
}

// Run holds a store to the contract. Each test has a place of its own.
func Run(t *testing.T, place func(t *testing.T) Place) {
	tests := []struct {
		name string
		test func(t *testing.T, p Place)
	}{
		{"round trip of all kinds", roundTrip},
		{"view first", viewFirst},
		{"put twice", putTwice},
		{"two keys over one payload", twoKeys},
		{"planted twin", plantedTwin},
		{"several SBOMs", severalSBOMs},
		{"many writers", manyWriters},
		{"same stands for", sameStandsFor},
		{"unknown names", unknownNames},
		{"foreign entries stay", foreignStay},
		{"overwritten view heals", viewHeals},
		{"journal is no view", journalIsNoView},
		{"large body", largeBody},
		{"many subjects", manySubjects},
		{"bad parcels", badParcels},
		{"publish", publish},
		{"cancelled and completed", cancelled},
		{"remove", removes},
		{"remove whole manifests", removesWhole},
		{"repair", repairs},
		{"orphans", orphans},
		{"whole manifest", wholeManifest},
		{"bad manifests", badManifests},
		{"many manifests", manyManifests},
		{"manifests that differ in annotations", sharedManifest},
		{"strict image form", strictForm},
		{"both forms", bothForms},
		{"planted twin in image form", strictTwin},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, place(t)) })
	}
}

// subject puts an image of its own into the place and resolves it.
func (p Place) subject(t *testing.T, s attach.Store, tag string) attach.Subject {
	t.Helper()
	img, err := random.Image(256, 2)
	if err != nil {
		t.Fatal(err)
	}
	img = mutate.MediaType(img, types.OCIManifestSchema1)
	p.Put(t, tag, img)
	sub, err := s.Resolve(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := img.Digest(); sub.Desc.Digest != want || sub.Desc.MediaType != types.OCIManifestSchema1 || sub.Desc.Size == 0 {
		t.Fatalf("%s resolved to %+v, want %s", tag, sub, want)
	}
	return sub
}

// NewSignature returns the content of a signature entry over the subject that
// is as cosign makes it, save that the signature itself is a hash of the note.
// Entries with different notes are signatures by different keys over one payload.
func NewSignature(s attach.Subject, note string) attach.Content {
	sum := sha256.Sum256([]byte(note))
	return cosign.NewSignature(payload(s.Desc.Digest), sum[:])
}

// payload is the simple signing payload for the digest (containers/image,
// simple signing; fields as in cosign's SIGNATURE_SPEC).
func payload(digest v1.Hash) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"example.com/app"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
}

// newAttestation returns an attestation entry whose statement names the subject.
func newAttestation(s attach.Subject, note string) attach.Content {
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://example.com/note","subject":[{"name":"app","digest":{"sha256":%q}}],"predicate":{"note":%q}}`,
		s.Desc.Digest.Hex, note)
	envelope := fmt.Appendf(nil, `{"payloadType":"application/vnd.in-toto+json","payload":%q,"signatures":[{"sig":"AAAA"}]}`,
		base64.StdEncoding.EncodeToString([]byte(statement)))
	return cosign.NewAttestation(attach.Bytes(envelope), "https://example.com/note")
}

func newSBOM(note string) attach.Content {
	return cosign.NewSBOM(attach.Bytes(fmt.Appendf(nil, `{"spdxVersion":"SPDX-2.3","name":%q}`, note)), cosign.SPDXJSON, "all")
}

func newArtifact(note string) attach.Content {
	return attach.Content{
		Kind:        attach.Artifact,
		MediaType:   "text/plain",
		Annotations: map[string]string{"note": note},
		Body:        attach.Bytes([]byte("a note: " + note)),
	}
}

// put puts contents for one subject and demands success.
func put(t *testing.T, s attach.Store, sub attach.Subject, contents ...attach.Content) []attach.Receipt {
	t.Helper()
	parcels := make([]attach.Parcel, len(contents))
	for i, c := range contents {
		parcels[i] = attach.Parcel{Subject: sub, Content: c}
	}
	receipts, err := s.Put(t.Context(), parcels...)
	if err != nil {
		t.Fatal(err)
	}
	if len(receipts) != len(contents) {
		t.Fatalf("%d receipts for %d contents", len(receipts), len(contents))
	}
	return receipts
}

// collect lists everything and demands that there is no error.
func collect(t *testing.T, s attach.Reader, sub attach.Subject, kinds ...attach.Kind) map[attach.ID]attach.Attachment {
	t.Helper()
	all, errs := attach.Collect(t.Context(), s, sub, kinds...)
	for _, err := range errs {
		t.Error(err)
	}
	byID := make(map[attach.ID]attach.Attachment, len(all))
	for _, a := range all {
		byID[a.ID()] = a
	}
	return byID
}

// open reads an attachment to its end.
func open(t *testing.T, s attach.Reader, sub attach.Subject, a attach.Attachment) []byte {
	t.Helper()
	rc, err := s.Open(t.Context(), sub, a)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// wanted checks that everything is listed where it should be: in the view,
// where the kind has one, and in the journal.
func wanted(t *testing.T, s attach.Reader, sub attach.Subject, contents ...attach.Content) {
	t.Helper()
	got := collect(t, s, sub)
	for _, c := range contents {
		a, ok := got[c.ID()]
		if !ok {
			t.Errorf("%s %s is gone", c.Kind, c.ID())
			continue
		}
		if _, ok := a.Found(attach.Journal); !ok {
			t.Errorf("%s %s is not in the journal: %+v", c.Kind, c.ID(), a.Places)
		}
		if _, ok := a.Found(attach.CosignTag); !ok && c.Kind != attach.Artifact {
			t.Errorf("%s %s is not in the view: %+v", c.Kind, c.ID(), a.Places)
		}
	}
}

// foreign makes the image that a foreign tool puts under a cosign tag: the
// contents as layers, made by go-containerregistry alone.
func foreign(t *testing.T, contents ...attach.Content) v1.Image {
	t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for _, c := range contents {
		rc, err := c.Body.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:       static.NewLayer(raw, types.MediaType(c.MediaType)),
			Annotations: c.Annotations,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// layers returns the layers of a manifest of the subject's repository.
func layers(t *testing.T, s attach.Reader, sub attach.Subject, digest v1.Hash) []v1.Descriptor {
	t.Helper()
	m, err := s.Manifest(t.Context(), sub, digest)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Layers []v1.Descriptor }
	if err := json.Unmarshal(m.Raw, &list); err != nil {
		t.Fatal(err)
	}
	return list.Layers
}
