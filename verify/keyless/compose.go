package keyless

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// The sorts of authorities that a root is composed of.
const (
	issuing    = iota // certificate authorities
	witnessing        // certificate logs
	logging           // transparency logs
	timing            // timestamp authorities
)

// composed takes each sort of authorities from a root of its own.
type composed [4]root.TrustedMaterial

// FulcioCertificateAuthorities implements root.TrustedMaterial.
func (c composed) FulcioCertificateAuthorities() []root.CertificateAuthority {
	return c[issuing].FulcioCertificateAuthorities()
}

// CTLogs implements root.TrustedMaterial.
func (c composed) CTLogs() map[string]*root.TransparencyLog { return c[witnessing].CTLogs() }

// RekorLogs implements root.TrustedMaterial.
func (c composed) RekorLogs() map[string]*root.TransparencyLog { return c[logging].RekorLogs() }

// TimestampingAuthorities implements root.TrustedMaterial.
func (c composed) TimestampingAuthorities() []root.TimestampingAuthority {
	return c[timing].TimestampingAuthorities()
}

// PublicKeyVerifier implements root.TrustedMaterial: keys are trusted elsewhere.
func (composed) PublicKeyVerifier(id string) (root.TimeConstrainedVerifier, error) {
	return nil, fmt.Errorf("no key %q", id)
}

// Compose returns a root that believes the certificate authorities and certificate logs
// of the first one, the transparency logs of the second, with what is asked of their
// witnesses, and the timestamp authorities of the third. Where one is nil, nobody of that
// sort is believed.
func Compose(certificates, logs, clocks *Root) *Root {
	var c composed
	sum := sha256.New()
	for sort, r := range []*Root{certificates, certificates, logs, clocks} {
		c[sort] = &root.BaseTrustedMaterial{}
		if r != nil {
			c[sort] = r.trusted
			fmt.Fprintf(sum, "%d %x\n", sort, r.sum)
		}
	}
	out := &Root{trusted: c, sum: [sha256.Size]byte(sum.Sum(nil))}
	if logs != nil {
		out.witnesses, out.threshold = logs.witnesses, logs.threshold
	}
	return out
}

// with returns a root that differs from this one, which may be nil, in one sort of
// authorities: those of the other root.
func (r *Root) with(sort int, other *Root) *Root {
	var c composed
	var out Root
	if r != nil {
		out = *r
	}
	for i := range c {
		c[i] = &root.BaseTrustedMaterial{}
		if r != nil {
			c[i] = r.trusted
		}
	}
	c[sort] = other.trusted
	sum := sha256.Sum256(fmt.Appendf(nil, "%x with %d of %x", out.sum, sort, other.sum))
	out.trusted, out.sum = c, sum
	return &out
}

// WithAuthorities returns a root that believes these certificate authorities, and none
// of the other root's; its logs and clocks it believes as before. The texts are PEM:
// certificates that are believed by themselves, and those that stand between them and
// what they issue, which may be empty. Each counts as long as it says itself. The other
// root may be nil. What cannot be used is refused with [ErrRoot].
func (r *Root) WithAuthorities(roots, intermediates []byte) (*Root, error) {
	if len(intermediates) > 0 {
		certs, err := certificates(intermediates)
		if err != nil {
			return nil, fmt.Errorf("what stands between: %w", err)
		}
		for _, c := range certs {
			if bytes.Equal(c.RawSubject, c.RawIssuer) {
				return nil, fmt.Errorf("%q bears its own name and is to stand below another one: to believe it, name it among the roots: %w", c.Subject, ErrRoot)
			}
		}
	}
	own, err := NewRoot(Authorities{Certificates: []Chain{{URI: "of the files", PEM: slices.Concat(roots, []byte("\n"), intermediates)}}})
	if err != nil {
		return nil, err
	}
	return r.with(issuing, own), nil
}

// WithClock returns a root that believes this timestamp authority, and none of the other
// root's; all others it believes as before. The text is PEM: the certificate of the
// authority, which may be left away where timestamps bring it, those above it, and one
// that is signed by itself. The other root may be nil.
func (r *Root) WithClock(chain []byte) (*Root, error) {
	own, err := NewRoot(Authorities{Timestamps: []Chain{{URI: "of the file", PEM: chain}}})
	if err != nil {
		return nil, err
	}
	return r.with(timing, own), nil
}
