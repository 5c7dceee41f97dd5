package keyless

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/hallmark-oci/hallmark/sign/key"
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
// authorities: those of the material, which the texts name.
func (r *Root) with(sort int, m root.TrustedMaterial, texts ...[]byte) *Root {
	var c composed
	sum := sha256.New()
	for i := range c {
		c[i] = &root.BaseTrustedMaterial{}
		if r != nil {
			c[i] = r.trusted
		}
	}
	c[sort] = m
	var out Root
	if r != nil {
		out = *r
	}
	fmt.Fprintf(sum, "%x with %d %q\n", out.sum, sort, texts)
	out.trusted, out.sum = c, [sha256.Size]byte(sum.Sum(nil))
	return &out
}

// certificates reads certificates of authorities in PEM.
func certificates(text []byte) ([]*x509.Certificate, error) {
	if len(text) > MaxChain {
		return nil, fmt.Errorf("%d bytes of certificates, at most %d are read: %w", len(text), MaxChain, ErrRoot)
	}
	certs, err := key.ParseCertificates(string(text))
	if err != nil {
		return nil, fmt.Errorf("the certificates: %w: %w", err, ErrRoot)
	}
	return certs, nil
}

// authorities reads certificates that all may issue others.
func authorities(text []byte) ([]*x509.Certificate, error) {
	certs, err := certificates(text)
	if err != nil {
		return nil, err
	}
	return certs, allIssue(certs)
}

// allIssue checks that all the certificates are those of issuers.
func allIssue(certs []*x509.Certificate) error {
	for _, c := range certs {
		if !c.IsCA || !c.BasicConstraintsValid || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return fmt.Errorf("the certificate of %q is none for issuing others: %w", c.Subject, ErrRoot)
		}
	}
	return nil
}

// WithAuthorities returns a root that believes these certificate authorities, and none
// of the other root's; its logs and clocks it believes as before. The texts are PEM:
// certificates of which each is believed by itself, and those that stand between them
// and what they issue, which may be empty. Each counts as long as it says itself. The
// other root may be nil.
func (r *Root) WithAuthorities(roots, intermediates []byte) (*Root, error) {
	tops, err := authorities(roots)
	if err != nil {
		return nil, err
	}
	var between []*x509.Certificate
	if len(intermediates) > 0 {
		if between, err = authorities(intermediates); err != nil {
			return nil, err
		}
	}
	believed := &issuers{all: make([]root.CertificateAuthority, len(tops))}
	for i, top := range tops {
		believed.all[i] = &root.FulcioCertificateAuthority{
			Root: top, Intermediates: between, ValidityPeriodStart: top.NotBefore, ValidityPeriodEnd: top.NotAfter,
		}
	}
	return r.with(issuing, believed, roots, intermediates), nil
}

// issuers are certificate authorities alone.
type issuers struct {
	root.BaseTrustedMaterial
	all []root.CertificateAuthority
}

// FulcioCertificateAuthorities implements root.TrustedMaterial.
func (i *issuers) FulcioCertificateAuthorities() []root.CertificateAuthority { return i.all }

// WithClock returns a root that believes this timestamp authority, and none of the other
// root's; all others it believes as before. The text is PEM: the certificate of the
// authority, those above it, and last the one that is believed by itself. The first may
// be left away where timestamps bring it. The other root may be nil.
func (r *Root) WithClock(chain []byte) (*Root, error) {
	certs, err := certificates(chain)
	if err != nil {
		return nil, err
	}
	tsa := &root.SigstoreTimestampingAuthority{}
	from := certs[0]
	if !certs[0].IsCA {
		tsa.Leaf, certs = certs[0], certs[1:]
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("the chain of the timestamp authority ends with its own certificate, and the last one is to be believed by itself: %w", ErrRoot)
	}
	if err := allIssue(certs); err != nil {
		return nil, fmt.Errorf("of the chain of the timestamp authority only the first may be its own: %w", err)
	}
	tsa.Root, tsa.Intermediates = certs[len(certs)-1], certs[:len(certs)-1]
	tsa.ValidityPeriodStart, tsa.ValidityPeriodEnd = from.NotBefore, from.NotAfter
	return r.with(timing, &clock{tsa: tsa}, chain), nil
}

// clock is one timestamp authority alone.
type clock struct {
	root.BaseTrustedMaterial
	tsa root.TimestampingAuthority
}

// TimestampingAuthorities implements root.TrustedMaterial.
func (c *clock) TimestampingAuthorities() []root.TimestampingAuthority {
	return []root.TimestampingAuthority{c.tsa}
}
