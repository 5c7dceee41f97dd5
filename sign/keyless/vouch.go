package keyless

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign"
	sealed "github.com/hallmark-oci/hallmark/sign/bundle"
	"github.com/hallmark-oci/hallmark/sign/dsse"
)

// work is one signature and what it is over.
type work struct {
	signature []byte
	sum       [sha256.Size]byte // of what was signed
	// Of an envelope: its payload, the type of that, and the whole in JSON.
	payload, envelope []byte
	payloadType       string
}

// newWork reads what was signed.
func newWork(s sign.Signed) (*work, error) {
	w := &work{signature: s.Signature}
	if s.Envelope == nil {
		w.sum = sha256.Sum256(s.Message)
		return w, nil
	}
	if s.Envelope.Size > MaxPayload {
		return nil, refuse(TooLarge, nil, "a statement of %d bytes; at most %d are signed without a key, sign it with one (--key)", s.Envelope.Size, MaxPayload)
	}
	closed, err := dsse.Seal(*s.Envelope, dsse.Signature{Sig: s.Signature})
	if err != nil {
		return nil, err
	}
	pae, err := readAll(s.Envelope.PAE)
	if err != nil {
		return nil, err
	}
	w.sum = sha256.Sum256(pae)
	w.payloadType, w.payload = s.Envelope.Type, pae[len(pae)-int(s.Envelope.Size):]
	w.envelope, err = readAll(closed.Open)
	return w, err
}

func readAll(open func() (io.ReadCloser, error)) ([]byte, error) {
	rc, err := open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

var _ sign.Witness = (*Signer)(nil)

// Vouch has the signature timestamped and logged and returns the evidence, verified
// as a whole. It implements sign.Witness. What services or their answers are to be
// blamed for is a [*Refusal].
func (s *Signer) Vouch(ctx context.Context, signed sign.Signed) (sign.Evidence, error) {
	w, err := newWork(signed)
	if err != nil {
		return sign.Evidence{}, err
	}
	logs, clocks, err := s.services.choose(s.now(), signed.Annotated)
	if err != nil {
		return sign.Evidence{}, err
	}
	g, err := s.clock(ctx, clocks, w, signed.Annotated)
	if err != nil {
		return sign.Evidence{}, err
	}
	g.entries, err = gather(ctx, s.client.net, logs, func(at root.Service) (*protorekor.TransparencyLogEntry, error) { return s.record(ctx, at, w) })
	if err != nil {
		return sign.Evidence{}, err
	}
	material, err := s.verified(w, g)
	if err != nil {
		return sign.Evidence{}, err
	}
	e := sign.Evidence{Material: material}
	if signed.Annotated {
		if e.Annotations, err = s.annotations(g); err != nil {
			return sign.Evidence{}, err
		}
	}
	if err := s.judged(w, e.Material, e.Annotations); err != nil {
		return sign.Evidence{}, err
	}
	return e, nil
}

// clock has the signature timestamped. As an annotation the timestamp of an
// attestation is over its whole envelope, where cosign looks for that, and not over
// the signature in it as in a bundle: that takes one more.
func (s *Signer) clock(ctx context.Context, clocks panel, w *work, annotated bool) (g gathered, err error) {
	over := func(what []byte) func(root.Service) ([]byte, error) {
		return func(at root.Service) ([]byte, error) { return s.stamp(ctx, at, what) }
	}
	g.stamps, err = gather(ctx, s.client.net, clocks, over(w.signature))
	if err != nil || !annotated || len(g.stamps) == 0 {
		return g, err
	}
	if g.annotated = g.stamps[0]; w.envelope == nil {
		return g, nil
	}
	more, err := gather(ctx, s.client.net, panel{1, clocks.list}, over(w.envelope))
	if err == nil {
		g.annotated = more[0]
	}
	return g, err
}

// gathered is what the services answered.
type gathered struct {
	stamps    [][]byte
	annotated []byte // the timestamp of the annotations, nil where none is wanted
	entries   []*protorekor.TransparencyLogEntry
}

// verified puts everything into a bundle, verifies that as a stranger would who is
// told whom to expect, and returns its verification material in JSON.
func (s *Signer) verified(w *work, g gathered) ([]byte, error) {
	material := &protobundle.VerificationMaterial{
		Content:     &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: s.leaf.Raw}},
		TlogEntries: g.entries,
	}
	if len(g.stamps) > 0 {
		material.TimestampVerificationData = new(protobundle.TimestampVerificationData)
	}
	for _, t := range g.stamps {
		list := &material.TimestampVerificationData.Rfc3161Timestamps
		*list = append(*list, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: t})
	}
	whole := &protobundle.Bundle{MediaType: sealed.MediaType, VerificationMaterial: material}
	w.put(whole)
	raw, err := protojson.Marshal(whole)
	if err != nil {
		return nil, refuse(Unverifiable, err, "write the bundle")
	}
	// What is verified is what was written: the text, and not what it was made of.
	var read bundle.Bundle
	if err := read.UnmarshalJSON(raw); err != nil {
		return nil, refuse(Unverifiable, err, "read the finished bundle")
	}
	if err := s.verify(&read, w, len(g.entries)); err != nil {
		return nil, refuse(Unverifiable, err, "verify the finished bundle")
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, parts["verificationMaterial"])
	return compact.Bytes(), err
}

// put puts the signature, and what it is over, into a bundle.
func (w *work) put(b *protobundle.Bundle) {
	if w.envelope == nil {
		b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: w.sum[:]},
			Signature:     w.signature,
		}}
		return
	}
	b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		Payload: w.payload, PayloadType: w.payloadType, Signatures: []*protodsse.Signature{{Sig: w.signature}},
	}}
}

// verify asks for what a careful stranger asks for: the log of certificates, every
// log entry, a time, the name and its issuer.
func (s *Signer) verify(b *bundle.Bundle, w *work, logs int) error {
	v, err := verify.NewVerifier(s.trusted, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(logs), verify.WithObserverTimestamps(1))
	if err != nil {
		return err
	}
	identity, err := verify.NewShortCertificateIdentity(s.issuer, "", s.name, "")
	if err != nil {
		return err
	}
	artifact := verify.WithArtifactDigest("sha256", w.sum[:])
	if w.envelope != nil {
		artifact = verify.WithoutArtifactUnsafe() // the subject is the caller's
	}
	_, err = v.Verify(b, verify.NewPolicy(artifact, verify.WithCertificateIdentity(identity)))
	return err
}

// annotations returns the evidence as cosign's annotations hold it: the promise of
// one log, and one timestamp.
func (s *Signer) annotations(g gathered) (map[string]string, error) {
	e := g.entries[0]
	promise := e.GetInclusionPromise().GetSignedEntryTimestamp()
	if len(promise) == 0 {
		return nil, refuse(BadEntry, errors.New("no promise of the log (SET)"), "the log entry")
	}
	type payload struct {
		Body  []byte `json:"body"`
		Time  int64  `json:"integratedTime"`
		Index int64  `json:"logIndex"`
		LogID string `json:"logID"`
	}
	log, err := json.Marshal(struct {
		SignedEntryTimestamp []byte
		Payload              payload
	}{promise, payload{e.GetCanonicalizedBody(), e.GetIntegratedTime(), e.GetLogIndex(), hex.EncodeToString(e.GetLogId().GetKeyId())}})
	if err != nil {
		return nil, err
	}
	var chain bytes.Buffer
	for _, c := range s.chain {
		if err := pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return nil, err
		}
	}
	all := map[string]string{
		cosign.CertificateAnnotation: string(s.leafPEM()),
		cosign.ChainAnnotation:       chain.String(),
		cosign.BundleAnnotation:      string(log),
	}
	if g.annotated == nil {
		return all, nil
	}
	stamp, err := json.Marshal(struct{ SignedRFC3161Timestamp []byte }{g.annotated})
	all[cosign.TimestampAnnotation] = string(stamp)
	return all, err
}
