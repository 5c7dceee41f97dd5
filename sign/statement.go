package sign

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// PayloadAnnotation is an annotation of the attestations that are written here:
// the digest of the statement inside the envelope. It tells at a glance whether
// an entry may hold the same statement. Nobody vouches for it, so it decides
// nothing by itself.
const PayloadAnnotation = "dev.hallmark.payload"

// StatementOptions say what is attested.
type StatementOptions struct {
	// PredicateType is a short name as cosign has them (spdxjson, cyclonedx,
	// slsaprovenance1, vuln, openvex, custom ...) or a URI.
	PredicateType string
	// Predicate is the document. It is checked against its type and read
	// several times, as a stream. It must not change meanwhile; a change is
	// noticed and nothing is attached.
	Predicate payload.Source
	// Now is the time that a predicate of type custom carries.
	Now time.Time
	// Reference returns the name of the statement's subject. It is the
	// subject's repository where Reference is nil.
	Reference func(attach.Subject) string
	// Again adds an attestation even where the same key attested the same before.
	Again bool
	// Storage is where attestations are kept. As referrers they are Sigstore bundles
	// as cosign 3 writes them, around the same envelope.
	Storage attach.Storage
	// Strict has what is kept under tags kept in strict image form; see attach.Content.
	Strict bool
	// TempDir is where large attestations that exist are kept while they are
	// compared, the system's directory for temporary files where empty.
	TempDir string
}

// Statement signs an in-toto statement (v0.1, as cosign writes it) that says
// the predicate about the subject, and attaches one DSSE envelope for each
// signer, all in one Put; where both storages are wanted, one for each, that of the
// tag first. A document that is not what its type says is refused
// with payload.ErrMalformed.
func Statement(ctx context.Context, w attach.Writer, subject attach.Subject, opts StatementOptions, signers []Signer) ([]attach.Receipt, error) {
	list, err := parties(signers)
	if err != nil {
		return nil, err
	}
	if err := checkSubject(subject); err != nil {
		return nil, err
	}
	st, err := predicateStatement(subject, opts)
	if err != nil {
		return nil, fmt.Errorf("attest %s: %w", subject, err)
	}
	var parcels []attach.Parcel
	for _, p := range list {
		contents, err := st.contents(ctx, p, subject, opts)
		if err != nil {
			return nil, fmt.Errorf("attest %s with key %s: %w", subject, p.public.Fingerprint(), err)
		}
		for _, c := range contents {
			parcels = append(parcels, attach.Parcel{Subject: subject, Content: c})
		}
	}
	return w.Put(ctx, parcels...)
}

// contents signs the statement once and returns what is to be attached.
func (st *statement) contents(ctx context.Context, p party, s attach.Subject, opts StatementOptions) ([]attach.Content, error) {
	envelope, evidence, err := st.envelope(ctx, p, opts.Storage.Tags())
	if err != nil {
		return nil, err
	}
	var all []attach.Content
	if opts.Storage.Tags() {
		c := cosign.NewAttestation(envelope, st.predicateType)
		c.Annotations[PayloadAnnotation] = st.digest.String()
		maps.Copy(c.Annotations, evidence.Annotations)
		switch {
		case opts.Again:
			markAgain(c)
		case p.witness == nil:
			c.Same = st.same(p.public, s, envelope.Digest, opts.TempDir)
		}
		c.Strict = opts.Strict
		all = append(all, c)
	}
	if opts.Storage.Referrers() {
		c, err := st.bundle(envelope, evidence, p, s, opts.Again, opts.TempDir)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// statement is a statement that is ready to be signed.
type statement struct {
	dsse.Payload
	predicateType string
	digest        v1.Hash           // of the statement
	sum           [sha256.Size]byte // of its PAE
}

// predicateStatement returns the statement of a predicate about the subject.
func predicateStatement(subject attach.Subject, opts StatementOptions) (*statement, error) {
	uri, predicate, err := payload.NewPredicate(opts.PredicateType, opts.Predicate, opts.Now)
	if err != nil {
		return nil, err
	}
	about := payload.Subject{
		Name:   reference(opts.Reference, subject),
		Digest: map[string]string{"sha256": subject.Desc.Digest.Hex},
	}
	return newStatement(payload.StatementV01, uri, about, predicate)
}

func newStatement(version, uri string, about payload.Subject, predicate payload.Source) (*statement, error) {
	source, err := payload.NewStatement(version, uri, []payload.Subject{about}, predicate)
	if err != nil {
		return nil, err
	}
	st := &statement{
		Payload:       dsse.Payload{Type: payload.MediaType, Size: source.Size, Open: source.Open},
		predicateType: uri,
	}
	if st.digest, err = digest(st.Open); err != nil {
		return nil, err
	}
	pae, err := digest(st.PAE)
	if err != nil {
		return nil, err
	}
	_, err = hex.Decode(st.sum[:], []byte(pae.Hex))
	return st, err
}

// digest reads what open yields and returns its digest.
func digest(open func() (io.ReadCloser, error)) (v1.Hash, error) {
	rc, err := open()
	if err != nil {
		return v1.Hash{}, err
	}
	defer rc.Close()
	h := sha256.New()
	if _, err := io.Copy(h, rc); err != nil {
		return v1.Hash{}, err
	}
	return hashOf(h), nil
}

func hashOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// envelope signs the statement and returns the envelope with the evidence for its
// signature.
func (st *statement) envelope(ctx context.Context, p party, annotated bool) (attach.Body, Evidence, error) {
	sig, err := p.sign(ctx, st.PAE)
	if err != nil {
		return attach.Body{}, Evidence{}, err
	}
	evidence, err := p.vouch(ctx, Signed{Signature: sig, Envelope: &st.Payload, Annotated: annotated})
	if err != nil {
		return attach.Body{}, Evidence{}, err
	}
	sealed, err := st.seal(sig)
	return sealed, evidence, err
}

// seal returns the envelope as a body. What is sealed into it is hashed on the
// way: had the document changed since it was signed, the envelope would be one
// that nobody can verify.
func (st *statement) seal(sig []byte) (attach.Body, error) {
	inside := sha256.New()
	watched := st.Payload
	watched.Open = func() (io.ReadCloser, error) {
		rc, err := st.Open()
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.TeeReader(rc, inside), rc}, nil
	}
	envelope, err := dsse.Seal(watched, dsse.Signature{Sig: sig})
	if err != nil {
		return attach.Body{}, err
	}
	outside, err := digest(envelope.Open)
	if err != nil {
		return attach.Body{}, err
	}
	if hashOf(inside) != st.digest {
		return attach.Body{}, fmt.Errorf("the document changed while it was signed: %w", ErrUnfit)
	}
	final, err := dsse.Seal(st.Payload, dsse.Signature{Sig: sig})
	if err != nil {
		return attach.Body{}, err
	}
	return attach.Body{Digest: outside, Size: final.Size, Open: final.Open}, nil
}

// same returns the function that knows a good attestation by the key of the
// same statement. Only an entry that claims to hold this very statement is
// fetched, at most dsse.MaxSize bytes of it.
func (st *statement) same(public *key.Public, s attach.Subject, envelope v1.Hash, tempDir string) func(context.Context, attach.Reader, attach.Attachment) bool {
	return func(ctx context.Context, r attach.Reader, a attach.Attachment) bool {
		if string(a.Desc.MediaType) != cosign.DSSE || a.Annotations[PayloadAnnotation] != st.digest.String() ||
			a.Annotations[cosign.PredicateTypeAnnotation] != st.predicateType || burdened(a) {
			return false
		}
		if a.Desc.Digest == envelope {
			return true // the bytes that were verified a moment ago
		}
		rc, err := r.Open(ctx, s, a)
		if err != nil {
			return false
		}
		defer rc.Close()
		return st.signedIn(rc, a.Desc.Size, public, tempDir)
	}
}

// signedIn reports whether the envelope holds this very statement with a good
// signature by the key.
func (st *statement) signedIn(r io.Reader, size int64, public *key.Public, tempDir string) bool {
	e, err := dsse.Open(r, size, dsse.Options{TempDir: tempDir})
	if err != nil {
		return false
	}
	defer e.Close()
	sum, err := e.Sum()
	if err != nil || sum != st.sum {
		return false
	}
	return slices.ContainsFunc(e.Signatures(), func(sig dsse.Signature) bool {
		return holds(public, sig.Sig, sum, e.PAE)
	})
}
