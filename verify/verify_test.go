package verify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/big"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// shelf is a store's contents, held in memory.
type shelf struct {
	entries []attach.Attachment
	errs    []error // yielded behind the entries
	content map[v1.Hash][]byte
	broken  map[v1.Hash]error // what reading this content ends in
}

func newShelf() *shelf {
	return &shelf{content: make(map[v1.Hash][]byte), broken: make(map[v1.Hash]error)}
}

func (s *shelf) List(_ context.Context, _ attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(yield func(attach.Attachment, error) bool) {
		for _, e := range s.entries {
			if slices.Contains(kinds, e.Kind) && !yield(e, nil) {
				return
			}
		}
		for _, err := range s.errs {
			if !yield(attach.Attachment{}, err) {
				return
			}
		}
	}
}

func (s *shelf) Open(ctx context.Context, sub attach.Subject, a attach.Attachment) (io.ReadCloser, error) {
	return s.Blob(ctx, sub, a.Desc)
}

func (s *shelf) Blob(_ context.Context, _ attach.Subject, d v1.Descriptor) (io.ReadCloser, error) {
	if err := s.broken[d.Digest]; err != nil {
		return nil, err
	}
	b, ok := s.content[d.Digest]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, attach.ErrNotFound)
	}
	return attach.Check(io.NopCloser(bytes.NewReader(b)), d)
}

func (s *shelf) Manifest(_ context.Context, _ attach.Subject, digest v1.Hash) (attach.Manifest, error) {
	if err := s.broken[digest]; err != nil {
		return attach.Manifest{}, err
	}
	b, ok := s.content[digest]
	if !ok {
		return attach.Manifest{}, fmt.Errorf("manifest %s: %w", digest, attach.ErrNotFound)
	}
	return attach.Manifest{Raw: b, Desc: v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(b))}}, nil
}

// put keeps content as a store would and returns the entry.
func (s *shelf) put(t *testing.T, c attach.Content) attach.Attachment {
	t.Helper()
	rc, err := c.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	s.content[c.Body.Digest] = b
	a := attach.Attachment{
		Kind: c.Kind, Annotations: c.Annotations, Type: c.MediaType,
		Desc: v1.Descriptor{MediaType: types.MediaType(c.MediaType), Digest: c.Body.Digest, Size: c.Body.Size},
	}
	s.entries = append(s.entries, a)
	return a
}

// image puts a manifest and returns it as a subject.
func (s *shelf) image(t *testing.T, name string) attach.Subject {
	t.Helper()
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":%q},"layers":[],"annotations":{"name":%q}}`,
		types.OCIManifestSchema1, attach.DigestOf([]byte("{}")), name)
	d := attach.DigestOf(raw)
	s.content[d] = raw
	s.content[attach.DigestOf([]byte("{}"))] = []byte("{}")
	return attach.Subject{Repo: "registry.example/app", Desc: v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: d, Size: int64(len(raw))}}
}

func newKey(t *testing.T, a key.Algorithm) *key.Private {
	t.Helper()
	k, err := key.Generate(a)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signBytes(t *testing.T, k *key.Private, msg []byte) []byte {
	t.Helper()
	sig, err := k.Sign(t.Context(), bytes.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// signature makes a cosign signature of the digest.
func signature(t *testing.T, k *key.Private, digest string, annotations map[string]string) attach.Content {
	t.Helper()
	raw, err := payload.NewSimpleSigning("registry.example/app", digest, annotations)
	if err != nil {
		t.Fatal(err)
	}
	return cosign.NewSignature(raw, signBytes(t, k, raw))
}

// sealed signs the payload and returns its envelope.
func sealed(t *testing.T, k *key.Private, p dsse.Payload) io.ReadCloser {
	t.Helper()
	pae, err := p.PAE()
	if err != nil {
		t.Fatal(err)
	}
	msg, err := io.ReadAll(pae)
	if err != nil {
		t.Fatal(err)
	}
	env, err := dsse.Seal(p, dsse.Signature{Sig: signBytes(t, k, msg)})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := env.Open()
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

// envelope makes a DSSE envelope of any payload.
func envelope(t *testing.T, k *key.Private, payloadType string, body []byte) []byte {
	t.Helper()
	p := dsse.Payload{Type: payloadType, Size: int64(len(body)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	}}
	rc := sealed(t, k, p)
	defer rc.Close()
	out, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func statement(digest v1.Hash, predicateType string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":%q,"subject":[{"name":"registry.example/app","digest":{"sha256":%q}}],"predicate":{"a":1}}`, predicateType, digest.Hex)
}

func attestation(t *testing.T, k *key.Private, digest v1.Hash, predicateType string) attach.Content {
	t.Helper()
	return cosign.NewAttestation(attach.Bytes(envelope(t, k, payload.MediaType, statement(digest, predicateType))), predicateType)
}

func signatureRule(threshold int) verify.Rule {
	return verify.Rule{Name: "signature", Kind: attach.Signature, Threshold: threshold, Exhaustive: true}
}

func attestationRule(types ...string) verify.Rule {
	return verify.Rule{Name: "attestation", Kind: attach.Attestation, PredicateTypes: types, Threshold: 1, Exhaustive: true}
}

// judge verifies with one rule and returns that rule's check.
func judge(t *testing.T, r attach.Reader, s attach.Subject, rule verify.Rule, keys ...*key.Private) (verify.Verdict, verify.Check) {
	t.Helper()
	var trust verify.Trust
	for _, k := range keys {
		trust.Keys = append(trust.Keys, k.PublicKey())
	}
	v, err := verify.New(trust, verify.Policy{Rules: []verify.Rule{rule}})
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := v.Verify(t.Context(), r, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(verdict.Checks) < 2 {
		return verdict, verdict.Checks[0]
	}
	return verdict, verdict.Checks[1]
}

func TestNewRefuses(t *testing.T) {
	k := newKey(t, key.ECDSAP256).PublicKey()
	one := verify.Trust{Keys: []*key.Public{k}}
	for name, c := range map[string]struct {
		trust verify.Trust
		rules []verify.Rule
	}{
		"nobody trusted":           {verify.Trust{}, []verify.Rule{signatureRule(1)}},
		"nil key":                  {verify.Trust{Keys: []*key.Public{nil}}, []verify.Rule{signatureRule(1)}},
		"nothing asked":            {one, nil},
		"threshold zero":           {one, []verify.Rule{signatureRule(0)}},
		"threshold negative":       {one, []verify.Rule{signatureRule(-1)}},
		"one key twice for two":    {verify.Trust{Keys: []*key.Public{k, k}}, []verify.Rule{signatureRule(2)}},
		"attestation of no type":   {one, []verify.Rule{attestationRule()}},
		"kind that has no meaning": {one, []verify.Rule{{Name: "x", Kind: attach.SBOM, Threshold: 1}}},
		"zero rule":                {one, []verify.Rule{{}}},
	} {
		if _, err := verify.New(c.trust, verify.Policy{Rules: c.rules}); !errors.Is(err, verify.ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
	}
}

func TestZeroValuesDoNotPass(t *testing.T) {
	var v verify.Verdict
	if v.Outcome == verify.Accept || verify.All(nil) == verify.Accept || verify.All([]verify.Outcome{verify.Accept, 0}) == verify.Accept {
		t.Error("a zero value is accepted")
	}
	if got := verify.All([]verify.Outcome{verify.Undetermined, verify.Reject, verify.Accept}); got != verify.Reject {
		t.Errorf("one rejection among others gives %s", got)
	}
	if got := verify.All([]verify.Outcome{verify.Accept, verify.Outcome(7)}); got != verify.Undetermined {
		t.Errorf("an unknown outcome gives %s", got)
	}
}

// TestSignatureRejects is the table of what must not count as a signature.
func TestSignatureRejects(t *testing.T) {
	ours, theirs := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	annotate := func(c attach.Content, name, value string) attach.Content {
		c.Annotations[name] = value
		return c
	}
	for name, c := range map[string]struct {
		make func(s *shelf, digest v1.Hash) attach.Content
		want verify.Reason
	}{
		"stranger's key": {func(_ *shelf, d v1.Hash) attach.Content {
			return signature(t, theirs, d.String(), nil)
		}, verify.UntrustedKey},
		"signed for another image": {func(*shelf, v1.Hash) attach.Content {
			return signature(t, ours, attach.DigestOf([]byte("other")).String(), nil)
		}, verify.WrongSubject},
		"no signature": {func(_ *shelf, d v1.Hash) attach.Content {
			return annotate(signature(t, ours, d.String(), nil), cosign.SignatureAnnotation, "")
		}, verify.SignatureMalformed},
		"signature not base64": {func(_ *shelf, d v1.Hash) attach.Content {
			return annotate(signature(t, ours, d.String(), nil), cosign.SignatureAnnotation, "!!!")
		}, verify.SignatureMalformed},
		"signature of another payload": {func(_ *shelf, d v1.Hash) attach.Content {
			other := signature(t, ours, attach.DigestOf([]byte("other")).String(), nil)
			return annotate(signature(t, ours, d.String(), nil), cosign.SignatureAnnotation, other.Annotations[cosign.SignatureAnnotation])
		}, verify.UntrustedKey},
		"certificate is garbage": {func(_ *shelf, d v1.Hash) attach.Content {
			return annotate(signature(t, ours, d.String(), nil), cosign.CertificateAnnotation, "garbage")
		}, verify.CertificateMalformed},
		"public key in the place of a certificate": {func(_ *shelf, d v1.Hash) attach.Content {
			return annotate(signature(t, theirs, d.String(), nil), cosign.CertificateAnnotation, string(theirs.PublicKey().PEM()))
		}, verify.CertificateMalformed},
		"certificate of another key": {func(_ *shelf, d v1.Hash) attach.Content {
			return annotate(signature(t, ours, d.String(), nil), cosign.CertificateAnnotation, certificate(t))
		}, verify.CertificateMismatch},
		"log entry is garbage": {func(_ *shelf, d v1.Hash) attach.Content {
			return annotate(signature(t, ours, d.String(), nil), cosign.BundleAnnotation, `{"a":`)
		}, verify.BundleMalformed},
		"payload is no simple signing": {func(*shelf, v1.Hash) attach.Content {
			raw := []byte(`{"hello":1}`)
			return cosign.NewSignature(raw, signBytes(t, ours, raw))
		}, verify.PayloadMalformed},
		"payload has a member twice": {func(_ *shelf, d v1.Hash) attach.Content {
			raw := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q,"docker-manifest-digest":"sha256:%064d"},"type":"cosign container image signature"},"optional":null}`, d, 0)
			return cosign.NewSignature(raw, signBytes(t, ours, raw))
		}, verify.PayloadMalformed},
		"payload of another type": {func(_ *shelf, d v1.Hash) attach.Content {
			raw := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"atomic container signature"},"optional":null}`, d)
			return cosign.NewSignature(raw, signBytes(t, ours, raw))
		}, verify.PayloadMalformed},
		"payload too large": {func(_ *shelf, d v1.Hash) attach.Content {
			raw := append(bytes.Repeat([]byte(" "), verify.MaxPayload), '{', '}')
			return cosign.NewSignature(raw, signBytes(t, ours, raw))
		}, verify.EntryLimit},
		"media type of something else": {func(_ *shelf, d v1.Hash) attach.Content {
			c := signature(t, ours, d.String(), nil)
			c.MediaType = "application/octet-stream"
			return c
		}, verify.UnsupportedFormat},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			sub := s.image(t, "app")
			s.put(t, c.make(s, sub.Desc.Digest))
			verdict, check := judge(t, s, sub, signatureRule(1), ours)
			if verdict.Outcome != verify.Reject || check.Reason != verify.NoneAccepted || len(check.Evidence) != 1 || check.Evidence[0].Reason != c.want {
				t.Fatalf("verdict %s, check %s %+v, want the entry rejected for %s", verdict.Outcome, check.Reason, check.Evidence, c.want)
			}
			// The same entry beside a good one changes nothing.
			s.put(t, signature(t, ours, sub.Desc.Digest.String(), nil))
			if verdict, check = judge(t, s, sub, signatureRule(1), ours); verdict.Outcome != verify.Accept {
				t.Errorf("a bad entry beside a good one: %s, %s", verdict.Outcome, check.Detail)
			}
		})
	}
}

// certificate returns a self-signed certificate of a fresh key.
func certificate(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestSignatureAccepts(t *testing.T) {
	for _, alg := range key.Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			k := newKey(t, alg)
			s := newShelf()
			sub := s.image(t, "app")
			if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Reject || c.Reason != verify.NoSignature {
				t.Errorf("unsigned: %s %s", v.Outcome, c.Reason)
			}
			s.put(t, signature(t, k, sub.Desc.Digest.String(), map[string]string{"env": "prod"}))
			if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Accept {
				t.Fatalf("%s: %s %s", v.Outcome, c.Reason, c.Detail)
			}
			rule := signatureRule(1)
			rule.Annotations = map[string]string{"env": "prod"}
			if v, _ := judge(t, s, sub, rule, k); v.Outcome != verify.Accept {
				t.Error("the right annotation is refused")
			}
			for _, want := range []map[string]string{{"env": "test"}, {"other": "prod"}, {"env": ""}} {
				rule.Annotations = want
				if v, c := judge(t, s, sub, rule, k); v.Outcome != verify.Reject || c.Evidence[0].Reason != verify.AnnotationMismatch {
					t.Errorf("annotation %v: %s", want, v.Outcome)
				}
			}
		})
	}
}

func TestThresholdCountsKeys(t *testing.T) {
	a, b := newKey(t, key.ECDSAP256), newKey(t, key.Ed25519)
	s := newShelf()
	sub := s.image(t, "app")
	digest := sub.Desc.Digest.String()
	s.put(t, signature(t, a, digest, nil))
	s.put(t, signature(t, a, digest, map[string]string{"n": "2"}))
	v, c := judge(t, s, sub, signatureRule(2), a, b)
	if v.Outcome != verify.Reject || c.Reason != verify.ThresholdNotMet {
		t.Errorf("one key twice: %s %s", v.Outcome, c.Reason)
	}
	s.put(t, signature(t, b, digest, nil))
	if v, c = judge(t, s, sub, signatureRule(2), a, b); v.Outcome != verify.Accept {
		t.Errorf("two keys: %s %s", v.Outcome, c.Detail)
	}
}

// TestOpenQuestions shows that what could not be obtained is never a no.
func TestOpenQuestions(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	for name, c := range map[string]struct {
		err  error
		want verify.Reason
	}{
		"registry down":  {errors.New("connection refused"), verify.Unreachable},
		"denied":         {fmt.Errorf("401: %w", attach.ErrDenied), verify.AccessDenied},
		"out of time":    {context.DeadlineExceeded, verify.Deadline},
		"broken off":     {io.ErrUnexpectedEOF, verify.Unreachable},
		"not signed yet": {nil, verify.NoSignature},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			sub := s.image(t, "app")
			want := verify.Undetermined
			if c.err != nil {
				s.errs = []error{c.err}
			} else {
				want = verify.Reject
			}
			if v, check := judge(t, s, sub, signatureRule(1), k); v.Outcome != want || check.Reason != c.want {
				t.Errorf("listing: %s %s", v.Outcome, check.Reason)
			}
			if c.err == nil {
				return
			}
			a := s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
			if v, _ := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Accept {
				t.Errorf("an unreadable place hides a good signature: %s", v.Outcome)
			}
			s.errs = nil
			s.broken[a.Desc.Digest] = c.err
			if v, check := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Undetermined || check.Reason != c.want {
				t.Errorf("payload: %s %s", v.Outcome, check.Reason)
			}
			s.broken[sub.Desc.Digest] = c.err
			if v, check := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Undetermined || check.Reason != c.want {
				t.Errorf("subject: %s %s", v.Outcome, check.Reason)
			}
		})
	}
}

func TestBadListingRejects(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	for _, err := range []error{attach.ErrMalformed, attach.ErrLimit, attach.ErrDigest} {
		s := newShelf()
		sub := s.image(t, "app")
		s.errs = []error{fmt.Errorf("view: %w", err)}
		if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Reject || c.Reason != verify.NoneAccepted {
			t.Errorf("%v: %s %s", err, v.Outcome, c.Reason)
		}
	}
}

func TestSubject(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
	s.content[sub.Desc.Digest] = []byte(`{"other":"manifest"}`)
	if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Reject || c.Reason != verify.SubjectDigest {
		t.Errorf("other bytes under the digest: %s %s", v.Outcome, c.Reason)
	}
	delete(s.content, sub.Desc.Digest)
	if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Reject || c.Reason != verify.SubjectMissing {
		t.Errorf("no such manifest: %s %s", v.Outcome, c.Reason)
	}
}

// TestAttestationRejects is the table of what must not count as an attestation.
func TestAttestationRejects(t *testing.T) {
	ours, theirs := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	const want = payload.SPDX
	raw := func(k *key.Private, payloadType string, body []byte) attach.Content {
		return cosign.NewAttestation(attach.Bytes(envelope(t, k, payloadType, body)), want)
	}
	for name, c := range map[string]struct {
		make func(d v1.Hash) attach.Content
		want verify.Reason
	}{
		"stranger's key":    {func(d v1.Hash) attach.Content { return attestation(t, theirs, d, want) }, verify.UntrustedKey},
		"another image":     {func(v1.Hash) attach.Content { return attestation(t, ours, attach.DigestOf([]byte("x")), want) }, verify.WrongSubject},
		"marked otherwise":  {func(d v1.Hash) attach.Content { return attestation(t, ours, d, payload.Vuln) }, verify.PredicateType},
		"type only claimed": {func(d v1.Hash) attach.Content { return raw(ours, payload.MediaType, statement(d, payload.Vuln)) }, verify.PredicateType},
		"payload type":      {func(d v1.Hash) attach.Content { return raw(ours, "text/plain", statement(d, want)) }, verify.PayloadType},
		"payload not JSON":  {func(v1.Hash) attach.Content { return raw(ours, payload.MediaType, []byte("not json")) }, verify.PayloadMalformed},
		"no subject": {func(v1.Hash) attach.Content {
			return raw(ours, payload.MediaType, []byte(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],"predicate":{}}`))
		}, verify.PayloadMalformed},
		"no envelope": {func(v1.Hash) attach.Content { return cosign.NewAttestation(attach.Bytes([]byte("garbage")), want) }, verify.EntryMalformed},
		"nobody signed": {func(v1.Hash) attach.Content {
			return cosign.NewAttestation(attach.Bytes([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`)), want)
		}, verify.EntryMalformed},
		"payload given twice": {func(d v1.Hash) attach.Content {
			e := envelope(t, ours, payload.MediaType, statement(d, want))
			return cosign.NewAttestation(attach.Bytes(append(e[:len(e)-1:len(e)-1], `,"payload":"e30="}`...)), want)
		}, verify.EntryMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			sub := s.image(t, "app")
			s.put(t, c.make(sub.Desc.Digest))
			verdict, check := judge(t, s, sub, attestationRule(want), ours)
			if verdict.Outcome != verify.Reject || len(check.Evidence) != 1 || check.Evidence[0].Reason != c.want {
				t.Fatalf("verdict %s, check %s %+v, want the entry rejected for %s", verdict.Outcome, check.Reason, check.Evidence, c.want)
			}
			s.put(t, attestation(t, ours, sub.Desc.Digest, want))
			if verdict, check = judge(t, s, sub, attestationRule(want), ours); verdict.Outcome != verify.Accept {
				t.Errorf("a bad entry beside a good one: %s, %s", verdict.Outcome, check.Detail)
			}
		})
	}
}

// TestAttestationIsNoSignature: "scanned and failed" must never read as "approved".
func TestAttestationIsNoSignature(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	s.put(t, attestation(t, k, sub.Desc.Digest, payload.Custom))
	bundled(t, s, envelope(t, k, payload.MediaType, statement(sub.Desc.Digest, payload.Custom)))
	if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Reject {
		t.Errorf("%s %s", v.Outcome, c.Reason)
	}
	bundled(t, s, envelope(t, k, payload.MediaType, statement(sub.Desc.Digest, payload.Sign)))
	if v, c := judge(t, s, sub, signatureRule(1), k); v.Outcome != verify.Accept {
		t.Errorf("a signature in a bundle: %s %s %s", v.Outcome, c.Reason, c.Detail)
	}
}

// bundled hangs a Sigstore bundle from the image as a referrer.
func bundled(t *testing.T, s *shelf, dsse []byte) {
	t.Helper()
	const mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	b := fmt.Appendf(nil, `{"mediaType":%q,"verificationMaterial":{"publicKey":{"hint":%q},"tlogEntries":[]},"dsseEnvelope":%s}`,
		mediaType, base64.StdEncoding.EncodeToString([]byte("hint")), dsse)
	s.content[attach.DigestOf(b)] = b
	m := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":%q},"layers":[{"mediaType":%q,"size":%d,"digest":%q}]}`,
		types.OCIManifestSchema1, mediaType, attach.DigestOf([]byte("{}")), mediaType, len(b), attach.DigestOf(b))
	d := attach.DigestOf(m)
	s.content[d] = m
	s.entries = append(s.entries, attach.Attachment{
		Kind: attach.Artifact, Type: mediaType,
		Desc: v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: d, Size: int64(len(m))},
	})
}

// TestFlippedBytes flips every bit of payload, signature and envelope in turn:
// none may be accepted.
func TestFlippedBytes(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	sub := newShelf().image(t, "app")
	good, err := payload.NewSimpleSigning("r/app", sub.Desc.Digest.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	sig := signBytes(t, k, good)
	flip := func(b []byte, i int) []byte {
		out := slices.Clone(b)
		out[i] ^= 1 << (i % 8)
		return out
	}
	try := func(what string, i int, rule verify.Rule, c attach.Content) {
		s := newShelf()
		sub := s.image(t, "app")
		s.put(t, c)
		if v, _ := judge(t, s, sub, rule, k); v.Outcome != verify.Reject {
			t.Fatalf("%s with byte %d changed: %s", what, i, v.Outcome)
		}
	}
	for i := range good {
		try("payload", i, signatureRule(1), cosign.NewSignature(flip(good, i), sig))
	}
	for i := range sig {
		try("signature", i, signatureRule(1), cosign.NewSignature(good, flip(sig, i)))
	}
	env := envelope(t, k, payload.MediaType, statement(sub.Desc.Digest, payload.SPDX))
	for i := range env {
		changed := flip(env, i)
		// The key ID is a hint that no signature covers.
		if bytes.Contains(changed, []byte(`"keyid":""`)) || !bytes.Contains(changed, []byte(`"sig"`)) {
			try("envelope", i, attestationRule(payload.SPDX), cosign.NewAttestation(attach.Bytes(changed), payload.SPDX))
		}
	}
}

func TestDeep(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "app")
	s.put(t, signature(t, k, sub.Desc.Digest.String(), nil))
	v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{signatureRule(1)}, Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	config := attach.DigestOf([]byte("{}"))
	for name, c := range map[string]struct {
		change func()
		want   verify.Outcome
		reason verify.Reason
	}{
		"whole":   {func() {}, verify.Accept, verify.Accepted},
		"changed": {func() { s.content[config] = []byte("[]") }, verify.Reject, verify.BlobDigest},
		"longer":  {func() { s.content[config] = []byte("{} ") }, verify.Reject, verify.BlobDigest},
		"missing": {func() { delete(s.content, config) }, verify.Reject, verify.BlobMissing},
		"down":    {func() { s.broken[config] = errors.New("reset") }, verify.Undetermined, verify.Unreachable},
	} {
		s.content[config], s.broken[config] = []byte("{}"), nil
		c.change()
		verdict, err := v.Verify(t.Context(), s, sub)
		if err != nil {
			t.Fatal(err)
		}
		last := verdict.Checks[len(verdict.Checks)-1]
		if verdict.Outcome != c.want || last.Reason != c.reason {
			t.Errorf("%s: %s %s, want %s %s", name, verdict.Outcome, last.Reason, c.want, c.reason)
		}
	}
}
