package cosign

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	coci "github.com/sigstore/cosign/v2/pkg/oci"
	cempty "github.com/sigstore/cosign/v2/pkg/oci/empty"
	clayout "github.com/sigstore/cosign/v2/pkg/oci/layout"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	"github.com/sigstore/cosign/v2/pkg/oci/signed"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/hallmark-oci/hallmark/attach"
)

// Cosign's own library is the judge of what is cosign's format.

func entry(t testing.TB, c attach.Content) Entry {
	t.Helper()
	e, err := NewEntry(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func contents() []attach.Content {
	withCert := NewSignature([]byte(`{"n":1}`), []byte("second"))
	withCert.Annotations[BundleAnnotation] = `{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":1,"logIndex":2,"logID":"ab"}}`
	big := bytes.Repeat([]byte("x"), attach.MaxData+1)
	return []attach.Content{
		NewSignature([]byte(`{"n":1}`), []byte("first <&>")),
		withCert,
		NewSignature(big, []byte("third")),
	}
}

// save writes a layout as cosign saves it, with one image of signatures.
func save(t *testing.T, manifest []byte, blobs map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	for hex, b := range blobs {
		if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256", hex), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err = path.AppendDescriptor(v1.Descriptor{
		MediaType: ManifestType, Size: int64(len(manifest)), Digest: attach.DigestOf(manifest),
		Annotations: map[string]string{"kind": "dev.cosignproject.cosign/sigs"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCosignReadsOurs puts an image of ours into the kind of layout that cosign
// saves, and lets cosign read it.
func TestCosignReadsOurs(t *testing.T) {
	var img Image
	blobs := make(map[string][]byte)
	for _, c := range contents() {
		img.Entries = append(img.Entries, entry(t, c))
		rc, _ := c.Body.Open()
		blobs[c.Body.Digest.Hex], _ = io.ReadAll(rc)
	}
	manifest, config, err := img.Encode()
	if err != nil {
		t.Fatal(err)
	}
	blobs[attach.DigestOf(config).Hex] = config
	blobs[attach.DigestOf(manifest).Hex] = manifest
	dir := save(t, manifest, blobs)
	index, err := clayout.SignedImageIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	sigs, err := index.Signatures()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(sigs, validate.Fast); err != nil {
		t.Errorf("not a valid image: %v", err)
	}
	got, err := sigs.Get()
	if err != nil || len(got) != 3 {
		t.Fatalf("%d signatures, %v", len(got), err)
	}
	for i, c := range contents() {
		payload, err := got[i].Payload()
		if err != nil || attach.DigestOf(payload) != c.Body.Digest {
			t.Errorf("payload %d: %q, %v", i, payload, err)
		}
		sig, err := got[i].Base64Signature()
		if err != nil || sig != c.Annotations[SignatureAnnotation] {
			t.Errorf("signature %d: %q, %v", i, sig, err)
		}
		annotations, _ := got[i].Annotations()
		if d := cmp.Diff(c.Annotations, annotations); d != "" {
			t.Errorf("annotations %d: %s", i, d)
		}
	}
	if b, err := got[1].Bundle(); err != nil || b == nil || b.Payload.LogID != "ab" {
		t.Errorf("bundle: %+v, %v", b, err)
	}
}

// TestConfigIsCosigns compares the config that cosign makes of the same layers,
// member by member.
func TestConfigIsCosigns(t *testing.T) {
	var sigs []coci.Signature
	var img Image
	for _, c := range contents() {
		img.Entries = append(img.Entries, entry(t, c))
		rc, _ := c.Body.Open()
		payload, _ := io.ReadAll(rc)
		sig, err := static.NewSignature(payload, c.Annotations[SignatureAnnotation])
		if err != nil {
			t.Fatal(err)
		}
		sigs = append(sigs, sig)
	}
	theirs, err := mutate.AppendSignatures(cempty.Signatures(), false, sigs...)
	if err != nil {
		t.Fatal(err)
	}
	want, err := theirs.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	manifest, got, err := img.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &b) != nil {
		t.Fatal("configs are no JSON")
	}
	if d := cmp.Diff(b, a); d != "" {
		t.Errorf("config: %s", d)
	}
	raw, _ := theirs.RawManifest()
	var m, n map[string]any
	if json.Unmarshal(manifest, &m) != nil || json.Unmarshal(raw, &n) != nil {
		t.Fatal("manifests are no JSON")
	}
	for _, name := range []string{"schemaVersion", "mediaType"} {
		if m[name] != n[name] {
			t.Errorf("%s: %v, cosign has %v", name, m[name], n[name])
		}
	}
}

// TestWeReadCosigns reads what cosign makes of signatures and attestations.
func TestWeReadCosigns(t *testing.T) {
	base, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	si := signed.Image(base)
	for i := range 3 {
		sig, err := static.NewSignature(fmt.Appendf(nil, "payload %d", i), base64.StdEncoding.EncodeToString([]byte{byte(i)}))
		if err != nil {
			t.Fatal(err)
		}
		if si, err = mutate.AttachSignatureToImage(si, sig); err != nil {
			t.Fatal(err)
		}
	}
	att, err := static.NewAttestation([]byte("{}"), static.WithLayerMediaType(DSSE), static.WithAnnotations(map[string]string{"predicateType": "https://spdx.dev/Document"}))
	if err != nil {
		t.Fatal(err)
	}
	if si, err = mutate.AttachAttestationToImage(si, att); err != nil {
		t.Fatal(err)
	}
	sigs, _ := si.Signatures()
	raw, err := sigs.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := Parse(raw)
	if err != nil || len(img.Entries) != 3 {
		t.Fatalf("%+v, %v", img, err)
	}
	for i, e := range img.Entries {
		want := NewSignature(fmt.Appendf(nil, "payload %d", i), []byte{byte(i)})
		if e.Err != nil || e.ID() != want.ID() {
			t.Errorf("signature %d: %+v", i, e)
		}
	}
	atts, _ := si.Attestations()
	if raw, err = atts.RawManifest(); err != nil {
		t.Fatal(err)
	}
	if img, err = Parse(raw); err != nil || len(img.Entries) != 1 {
		t.Fatalf("%+v, %v", img, err)
	}
	if want := NewAttestation(attach.Bytes([]byte("{}")), "https://spdx.dev/Document"); img.Entries[0].ID() != want.ID() {
		t.Errorf("attestation: %+v", img.Entries[0])
	}
	a := img.Entries[0].Attachment(attach.Attestation, attach.Place{})
	if a.Type != "https://spdx.dev/Document" || a.Desc.Annotations != nil || a.ID() != img.Entries[0].ID() {
		t.Errorf("attachment: %+v", a)
	}
}
