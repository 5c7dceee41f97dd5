package sign

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// The annotations by which cosign 3 tells what is in a bundle (cosign's
// specs/BUNDLE_SPEC.md). Nobody vouches for them.
const (
	BundleContentAnnotation   = "dev.sigstore.bundle.content"
	BundlePredicateAnnotation = "dev.sigstore.bundle.predicateType"
	// bundledEnvelope is the content of bundles that hold a DSSE envelope.
	bundledEnvelope = "dsse-envelope"
)

// Bundle returns the Sigstore bundle around a DSSE envelope as cosign 3 attaches it,
// ready to be put: a manifest that refers to the subject and whose one layer is the
// bundle. The hint names the key, base64 of the SHA-256 of its DER. Annotations may
// be added.
func Bundle(subject v1.Descriptor, envelope attach.Body, hint, predicateType string, annotations map[string]string) (attach.Content, error) {
	material, err := bundle.KeyMaterial(hint)
	if err != nil {
		return attach.Content{}, err
	}
	return bundled(subject, envelope, material, predicateType, annotations)
}

// bundled is Bundle with any verification material.
func bundled(subject v1.Descriptor, envelope attach.Body, material []byte, predicateType string, annotations map[string]string) (attach.Content, error) {
	wrapped := bundle.Wrap(material, envelope.Size, envelope.Open)
	sum, err := digest(wrapped.Open)
	if err != nil {
		return attach.Content{}, err
	}
	all := map[string]string{BundleContentAnnotation: bundledEnvelope, BundlePredicateAnnotation: predicateType}
	for k, v := range annotations {
		all[k] = v
	}
	return artifact.Manifest{
		Form:        artifact.ArtifactForm,
		Type:        bundle.MediaType,
		Layers:      []artifact.Layer{{MediaType: bundle.MediaType, Body: attach.Body{Digest: sum, Size: wrapped.Size, Open: wrapped.Open}}},
		Annotations: all,
		Subject:     &subject,
	}.Content()
}

// Hint returns what bundles name a key by: the base64 of its fingerprint.
func Hint(f key.Fingerprint) string { return base64.StdEncoding.EncodeToString(f[:]) }

// bundle returns the bundle around an envelope of the statement, ready to be put.
func (st *statement) bundle(envelope attach.Body, evidence Evidence, p party, s attach.Subject, again bool, tempDir string) (attach.Content, error) {
	annotations := map[string]string{PayloadAnnotation: st.digest.String()}
	if again {
		annotations[AgainAnnotation] = rand.Text()
	}
	c, err := bundled(s.Desc, envelope, evidence.Material, st.predicateType, annotations)
	if err != nil {
		return c, fmt.Errorf("bundle the envelope: %w", err)
	}
	if !again && p.witness == nil {
		c.Same = st.sameBundle(p.public, s, tempDir)
	}
	return c, nil
}

// sameBundle returns the function that knows a bundle that holds this very
// statement with a good signature by the key. Only one that claims to hold it is
// fetched; where the list of referrers tells no annotations, its manifest is asked.
func (st *statement) sameBundle(public *key.Public, s attach.Subject, tempDir string) func(context.Context, attach.Reader, attach.Attachment) bool {
	return func(ctx context.Context, r attach.Reader, a attach.Attachment) bool {
		claims := func(annotations map[string]string) bool {
			return annotations[PayloadAnnotation] == st.digest.String()
		}
		if len(a.Annotations) > 0 && !claims(a.Annotations) {
			return false
		}
		m, err := r.Manifest(ctx, s, a.Desc.Digest)
		if err != nil {
			return false
		}
		img, err := cosign.Parse(m.Raw)
		if err != nil || len(img.Entries) != 1 || img.Entries[0].Err != nil || !claims(img.Annotations) {
			return false
		}
		layer := img.Entries[0].Desc
		if !strings.HasPrefix(string(layer.MediaType), bundle.MediaTypePrefix) || layer.Size > dsse.MaxSize {
			return false
		}
		rc, err := r.Blob(ctx, s, layer)
		if err != nil {
			return false
		}
		defer rc.Close()
		return st.bundledIn(rc, layer.Size, public, tempDir)
	}
}

// bundledIn is like signedIn for the envelope in a bundle.
func (st *statement) bundledIn(r io.Reader, size int64, public *key.Public, tempDir string) bool {
	b, err := bundle.Open(r, size)
	if err != nil {
		return false
	}
	defer b.Close()
	env := b.Envelope()
	return env != nil && !b.HasCertificate && st.signedIn(env, env.Size(), public, tempDir)
}
