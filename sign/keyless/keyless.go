// Package keyless signs without a key that anybody has to keep. Who signs proves
// who he is to a certificate authority (Fulcio), which certifies a key that was made
// a moment ago for that name and for ten minutes. A timestamp authority (RFC 3161)
// says when the signature was there, a public log (Rekor) records it for ever, and
// the key is forgotten.
//
// Who signs is told by an identity token (OpenID Connect). [Sources] gets it from where
// a job or workload runs, [Login] from the issuer at which a person logs in.
//
// A [Signer] is good until its certificate expires:
//
//  1. [New] checks the identity token before anybody is asked: for whom it is, until
//     when it is valid, whom it names.
//  2. It makes a key and has it certified. The certificate must be of that key, name
//     whom the token names, be issued by an authority of the trusted root, and carry
//     the signature of a trusted certificate log (SCT, RFC 6962).
//  3. [Signer.Vouch] has each signature timestamped: over that signature, by a trusted
//     authority.
//  4. It has the signature logged: the entry must be of that signature, certificate
//     and digest, with the proof of a trusted log that it is in there.
//  5. What came together is verified as a whole, as strangers would do it, by the
//     library of Sigstore and by package verify/keyless, before it is handed out.
//
// A service that is busy, or to which the connection breaks, is asked again within
// bounds (RFC 9110, Retry-After), and one that cannot be reached at all is replaced by
// another of the signing configuration where its selector leaves the choice. Every
// request may be sent twice: another certificate and another timestamp harm nobody, and
// logs tell of the entry that they have, whose proof Rekor 2 gives only in its tiles. The
// code of a login is good for one use and sent once.
//
// The permanent record comes last, so that what fails before leaves none. No answer
// is believed: whatever does not hold is a [Refusal] that says what, and nothing is
// to be stored then. The identity token is a secret that goes to the certificate
// authority alone, and into no error and no log.
package keyless

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	judge "github.com/hallmark-oci/hallmark/verify/keyless"
)

// Options say with whose help is signed.
type Options struct {
	// Token proves who signs.
	Token Token
	// Services are asked.
	Services *Services
	// Trusted is the trusted root in the JSON form of Sigstore: whose answers count.
	Trusted *Trusted
	// Network carries the requests.
	Network
}

// Trusted is a trusted root: whose certificates, log entries and timestamps count.
type Trusted struct {
	root.TrustedMaterial
	root *judge.Root // the same, for those who judge
}

// ParseTrusted reads a trusted root in the JSON form of Sigstore, media type
// application/vnd.dev.sigstore.trustedroot+json;version=0.1. The error is a [*Refusal].
func ParseTrusted(raw []byte) (*Trusted, error) {
	strict, err := judge.ParseRoot(raw)
	if err != nil {
		return nil, refuse(Unusable, err, "read the trusted root")
	}
	material, err := root.NewTrustedRootFromJSON(raw)
	if err == nil && (len(material.FulcioCertificateAuthorities()) == 0 || len(material.RekorLogs()) == 0) {
		err = errors.New("it names no certificate authority, or no transparency log")
	}
	if err != nil {
		return nil, refuse(Unusable, err, "read the trusted root")
	}
	return &Trusted{material, strict}, nil
}

// A Signer signs with a key that was certified for a few minutes. It implements
// sign.Witness and is safe for concurrent use.
type Signer struct {
	services *Services
	trusted  *Trusted
	now      func() time.Time
	client   *client
	key      *ecdsa.PrivateKey
	leaf     *x509.Certificate
	chain    []*x509.Certificate // above the leaf, the root last
	name     string              // that the certificate names
	issuer   string
}

// New makes a key and has it certified. The error is a [*Refusal].
func New(ctx context.Context, o Options) (*Signer, error) {
	s := &Signer{services: o.Services, trusted: o.Trusted, now: o.Now, client: newClient(o.Network, o.Token.text)}
	if err := o.Token.check(s.now()); err != nil {
		return nil, err
	}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if err := s.certify(ctx, o.Token); err != nil {
		return nil, err
	}
	return s, nil
}

// Name is whom the certificate names.
func (s *Signer) Name() string { return s.name }

// Issuer is who vouches for the name, a URL.
func (s *Signer) Issuer() string { return s.issuer }

// Until is when the certificate expires. Nothing is to be signed with it after that.
func (s *Signer) Until() time.Time { return s.leaf.NotAfter }

// Identity is whom to ask for to have the signatures accepted.
func (s *Signer) Identity() (judge.Identity, error) {
	return judge.NewIdentity(judge.Names{Subject: s.name, Issuer: s.issuer})
}

// Root is the trusted root under which they are accepted.
func (s *Signer) Root() *judge.Root { return s.trusted.root }

// Public returns the public key.
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign signs the SHA-256 of the message.
func (s *Signer) Sign(_ context.Context, message io.Reader) ([]byte, error) {
	h := sha256.New()
	if _, err := io.Copy(h, message); err != nil {
		return nil, err
	}
	return ecdsa.SignASN1(rand.Reader, s.key, h.Sum(nil))
}
