package migrate_test

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/migrate"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

const spdx = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[]}`

func place(t *testing.T) (*layout.Store, attach.Subject) {
	t.Helper()
	s, err := layout.Create(t.Context(), filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := s.PutImage(t.Context(), "v1", img)
	if err != nil {
		t.Fatal(err)
	}
	return s, subject
}

func put(t *testing.T, s attach.Store, subject attach.Subject, c attach.Content) {
	t.Helper()
	if _, err := s.Put(t.Context(), attach.Parcel{Subject: subject, Content: c}); err != nil {
		t.Fatal(err)
	}
}

// one migrates and returns the only answer.
func one(t *testing.T, s *layout.Store, subject attach.Subject, o migrate.Options) migrate.Moved {
	t.Helper()
	moved, bad, err := migrate.Image(t.Context(), s, subject, o)
	if err != nil || len(moved) != 1 || len(bad) != 0 {
		t.Fatalf("%+v, %v", moved, err)
	}
	return moved[0]
}

// TestRoundTrip moves an attestation and back: its envelope is the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s, subject := place(t)
		k, err := key.Generate(key.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		receipts, err := sign.Statement(t.Context(), s, subject, sign.StatementOptions{
			PredicateType: "spdxjson", Predicate: payload.Bytes([]byte(spdx)), Strict: strict,
		}, []sign.Signer{k})
		if err != nil {
			t.Fatal(err)
		}
		before := receipts[0].Attachment
		there := one(t, s, subject, migrate.Options{To: attach.InReferrers, DeleteOld: true})
		if there.Stays != "" || there.Removal == nil || there.Receipt.Attachment.Type != bundle.MediaType {
			t.Fatalf("%+v", there)
		}
		back := one(t, s, subject, migrate.Options{To: attach.InTags, DeleteOld: true})
		if back.Stays != "" || back.Receipt.Attachment.ID() != before.ID() || back.Removal.Shown != "" {
			t.Errorf("strict %v: %+v, want the attestation %+v", strict, back.Receipt, before)
		}
		all, errs := attach.Collect(t.Context(), s, subject)
		if len(all) != 1 || len(errs) != 0 || all[0].ID() != before.ID() {
			t.Errorf("%+v, %v", all, errs)
		}
	}
}

// TestSBOMs moves documents of every type, with their scope.
func TestSBOMs(t *testing.T) {
	for _, mt := range []string{cosign.SPDXJSON, cosign.SPDXText, cosign.CycloneDXJSON, cosign.CycloneDXXML, cosign.SyftJSON} {
		s, subject := place(t)
		c := cosign.NewSBOM(attach.Bytes([]byte(spdx)), mt, "all")
		put(t, s, subject, c)
		if m := one(t, s, subject, migrate.Options{To: attach.InReferrers, DeleteOld: true}); m.Stays != "" || m.Removal == nil {
			t.Fatalf("%s: %+v", mt, m)
		}
		if m := one(t, s, subject, migrate.Options{To: attach.InTags, DeleteOld: true}); m.Stays != "" || m.Receipt.Attachment.ID() != c.ID() {
			t.Errorf("%s: %+v", mt, m)
		}
	}
}

// TestStays has what cannot be moved stay, with a reason, and nothing removed.
func TestStays(t *testing.T) {
	envelope := func(statement string) []byte {
		return []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"` + statement + `","signatures":[{"sig":"AAAA"}]}`)
	}
	with := func(c attach.Content, name string) attach.Content {
		c.Annotations[name] = "{}"
		return c
	}
	whole := func(t *testing.T, s attach.Subject, mediaType, content string) attach.Content {
		c, err := artifact.Manifest{
			Form: artifact.ArtifactForm, Type: mediaType, Subject: &s.Desc,
			Layers: []artifact.Layer{{MediaType: mediaType, Body: attach.Bytes([]byte(content))}},
		}.Content()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	wrapped := func(material string) string {
		// {"_type":"https://in-toto.io/Statement/v1","predicateType":"https://example.com/x","subject":[{"digest":{"sha256":"00..."}}]}
		statement := "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9leGFtcGxlLmNvbS94Iiwic3ViamVjdCI6W3siZGlnZXN0Ijp7InNoYTI1NiI6IjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAifX1dfQ=="
		return `{"mediaType":"` + bundle.MediaType + `","verificationMaterial":{` + material + `},"dsseEnvelope":` + string(envelope(statement)) + `}`
	}
	for name, c := range map[string]struct {
		to      attach.Storage
		content func(*testing.T, attach.Subject) attach.Content
		why     string
	}{
		"signature": {attach.InReferrers, func(*testing.T, attach.Subject) attach.Content {
			return cosign.NewSignature([]byte("{}"), []byte("s"))
		}, "sign again"},
		"certificate": {attach.InReferrers, func(*testing.T, attach.Subject) attach.Content {
			return with(cosign.NewAttestation(attach.Bytes(envelope("e30=")), "x"), cosign.CertificateAnnotation)
		}, "would be lost"},
		"log entry": {attach.InReferrers, func(*testing.T, attach.Subject) attach.Content {
			return with(cosign.NewAttestation(attach.Bytes(envelope("e30=")), "x"), cosign.BundleAnnotation)
		}, "would be lost"},
		"garbage": {attach.InReferrers, func(*testing.T, attach.Subject) attach.Content {
			return cosign.NewAttestation(attach.Bytes([]byte("garbage")), "x")
		}, "malformed"},
		"annotated SBOM": {attach.InReferrers, func(*testing.T, attach.Subject) attach.Content {
			return with(cosign.NewSBOM(attach.Bytes([]byte(spdx)), cosign.SPDXJSON, "all"), "note")
		}, "would be lost"},
		"other artifact": {attach.InTags, func(t *testing.T, s attach.Subject) attach.Content {
			return whole(t, s, "text/plain", "x")
		}, "neither a Sigstore bundle nor an SBOM"},
		"certificate in a bundle": {attach.InTags, func(t *testing.T, s attach.Subject) attach.Content {
			return whole(t, s, bundle.MediaType, wrapped(`"certificate":{"rawBytes":"AAAA"}`))
		}, "would be lost"},
		"garbage in a bundle": {attach.InTags, func(t *testing.T, s attach.Subject) attach.Content {
			return whole(t, s, bundle.MediaType, "garbage")
		}, "malformed"},
		"bundle of a message": {attach.InTags, func(t *testing.T, s attach.Subject) attach.Content {
			return whole(t, s, bundle.MediaType, `{"mediaType":"`+bundle.MediaType+`","verificationMaterial":{"publicKey":{"hint":"k"}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="}}`)
		}, "no DSSE envelope"},
	} {
		t.Run(name, func(t *testing.T) {
			s, subject := place(t)
			put(t, s, subject, c.content(t, subject))
			m := one(t, s, subject, migrate.Options{To: c.to, DeleteOld: true})
			if m.Receipt != nil || m.Removal != nil || !strings.Contains(m.Stays, c.why) {
				t.Errorf("%+v, want %q", m, c.why)
			}
			if all, errs := attach.Collect(t.Context(), s, subject); len(all) != 1 || len(errs) != 0 {
				t.Errorf("%+v, %v", all, errs)
			}
		})
	}
	// The same bundle without what would be lost is moved.
	s, subject := place(t)
	put(t, s, subject, whole(t, subject, bundle.MediaType, wrapped(`"publicKey":{"hint":"k"}`)))
	m := one(t, s, subject, migrate.Options{To: attach.InTags})
	if m.Stays != "" || m.Receipt == nil || m.Removal != nil || m.Receipt.Attachment.Type != "https://example.com/x" {
		t.Fatalf("%+v", m)
	}
	rc, err := s.Open(t.Context(), subject, m.Receipt.Attachment)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if raw, err := io.ReadAll(rc); err != nil || !bytes.HasPrefix(raw, []byte(`{"payloadType":`)) {
		t.Errorf("%s, %v", raw, err)
	}
}
