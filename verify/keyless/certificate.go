package keyless

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// readLeaf reads the signer's certificate and whom it names, before anybody is
// asked whether it can be believed.
func readLeaf(der []byte) (*x509.Certificate, Signer, error) {
	leaf, err := parseLeaf(der)
	if err != nil {
		return nil, Signer{}, err
	}
	signer := Signer{Certificate: sha256.Sum256(leaf.Raw), Authority: leaf.Issuer.String(), Serial: leaf.SerialNumber.Text(16)}
	if signer.Subject, err = subject(leaf); err != nil {
		return nil, signer, refuse(Unfit, "%v", err)
	}
	if signer.Issuer, err = issuer(leaf); err != nil {
		return nil, signer, refuse(Unfit, "%v", err)
	}
	switch {
	case leaf.IsCA:
		return nil, signer, refuse(Unfit, "the certificate is one for issuing others")
	case !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning):
		return nil, signer, refuse(Unfit, "the certificate is none for signing code")
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return nil, signer, refuse(Unfit, "the certificate is none for signatures")
	}
	if signer.Key, err = key.NewPublic(leaf.PublicKey); err != nil {
		return nil, signer, refuse(Unfit, "the key of the certificate: %v", err)
	}
	return leaf, signer, nil
}

// parseLeaf reads a certificate that came with a signature.
func parseLeaf(der []byte) (*x509.Certificate, error) {
	switch {
	case len(der) == 0:
		return nil, refuse(Mismatch, "the signature comes without a certificate")
	case len(der) > maxCertificate:
		return nil, refuse(CertificateMalformed, "a certificate of %d bytes, at most %d are read", len(der), maxCertificate)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse(CertificateMalformed, "the certificate: %v", err)
	}
	return leaf, nil
}

// sanOID identifies the extension with the names.
func sanOID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// fulcioOID identifies what certificates of Sigstore have of their own
// (Fulcio's docs/oid-info.md): 1 and 8 the issuer, 7 a name of the kind "user!domain".
func fulcioOID(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}
}

// subject returns the one name of the certificate. A certificate with two is for
// two, and which one signed cannot be told. Names of different kinds never have the
// same text: an e-mail address has an "@" and no "://", a URI has the latter, and a
// user name neither.
func subject(leaf *x509.Certificate) (string, error) {
	other, err := otherNames(leaf)
	if err != nil {
		return "", err
	}
	if n := len(leaf.URIs) + len(leaf.EmailAddresses) + len(leaf.DNSNames) + len(leaf.IPAddresses) + len(other); n != 1 {
		return "", fmt.Errorf("the certificate has %d names, not one", n)
	}
	isURI := func(s string) bool { return strings.Contains(s, "://") }
	switch {
	case len(leaf.URIs) == 1:
		if s := leaf.URIs[0].String(); isURI(s) {
			return s, nil
		}
	case len(leaf.EmailAddresses) == 1:
		if s := leaf.EmailAddresses[0]; strings.Contains(s, "@") && !isURI(s) {
			return s, nil
		}
	case len(other) == 1:
		// What is left unknown as critical is the extension with this name.
		leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions, sanOID().Equal)
		if s := other[0]; isUserName(s) && !isURI(s) {
			return s, nil
		}
	}
	return "", errors.New("the certificate has no name of a kind that identifies a signer")
}

// isUserName reports whether the text is as Fulcio makes it of a user name: "user!domain",
// without "@", which Fulcio allows in neither part.
func isUserName(s string) bool {
	user, domain, ok := strings.Cut(s, "!")
	return ok && user != "" && domain != "" && !strings.Contains(domain, "!") && !strings.Contains(s, "@")
}

// otherNames returns the names of Fulcio's own kind (RFC 5280, otherName).
func otherNames(leaf *x509.Certificate) ([]string, error) {
	i := slices.IndexFunc(leaf.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(sanOID()) })
	if i < 0 {
		return nil, nil
	}
	var seq []asn1.RawValue
	if rest, err := asn1.Unmarshal(leaf.Extensions[i].Value, &seq); err != nil || len(rest) > 0 {
		return nil, errors.New("the names of the certificate cannot be read")
	}
	var names []string
	for _, v := range seq {
		if v.Class != asn1.ClassContextSpecific || v.Tag != 0 {
			continue
		}
		var name struct {
			ID    asn1.ObjectIdentifier
			Value asn1.RawValue `asn1:"tag:0,explicit"`
		}
		text := ""
		rest, err := asn1.UnmarshalWithParams(v.FullBytes, &name, "tag:0")
		if err == nil && len(rest) == 0 && name.ID.Equal(fulcioOID(7)) {
			rest, err = asn1.UnmarshalWithParams(name.Value.Bytes, &text, "utf8")
		}
		if err != nil || len(rest) > 0 || text == "" {
			return nil, errors.New("a name of the certificate cannot be read")
		}
		names = append(names, text)
	}
	return names, nil
}

// issuer returns who vouches for the subject. It stands in an older extension as
// bare text and in a newer one as DER; where both are there they must agree.
func issuer(leaf *x509.Certificate) (string, error) {
	var old, now string
	for _, e := range leaf.Extensions {
		switch {
		case e.Id.Equal(fulcioOID(1)):
			old = string(e.Value)
		case e.Id.Equal(fulcioOID(8)):
			if err := certificate.ParseDERString(e.Value, &now); err != nil {
				return "", fmt.Errorf("the issuer in the certificate: %v", err)
			}
		}
	}
	switch {
	case old == "" && now == "":
		return "", errors.New("the certificate names no issuer of the identity")
	case now == "":
		return old, nil
	case old != "" && old != now:
		return "", fmt.Errorf("the certificate names two issuers of the identity, %q and %q", old, now)
	}
	return now, nil
}

// chains returns the chains from the certificate to a trusted root. At each of the
// times every certificate of some chain must have been valid.
func (r *Root) chains(leaf *x509.Certificate, times []time.Time) ([][]*x509.Certificate, error) {
	var all [][]*x509.Certificate
	for _, t := range times {
		found, err := r.chainsAt(leaf, t)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// chainsAt returns the chains that were valid at one time.
func (r *Root) chainsAt(leaf *x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	late := false
	for _, ca := range r.trusted.FulcioCertificateAuthorities() {
		found, err := ca.Verify(leaf, at)
		if err == nil {
			return found, nil
		}
		late = late || r.issuedBy(ca, leaf)
	}
	if late {
		return nil, refuse(Expired, "the signature was made at %s, when the certificate, or the authority above it, was not valid", at.UTC().Format(time.RFC3339))
	}
	return nil, refuse(Untrusted, "no trusted authority issued the certificate")
}

// endOf returns when the first certificate of the chains ceases to be valid.
func endOf(chains [][]*x509.Certificate) time.Time {
	var first time.Time
	for _, c := range slices.Concat(chains...) {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// Issued returns the key of the material's certificate, where a trusted authority issued
// it, at whatever time that was. Nothing else is asked of it.
func (r *Root) Issued(m Material) (*key.Public, error) {
	leaf, signer, err := readLeaf(m.Certificate)
	if err != nil {
		return nil, err
	}
	if _, err := r.chainsAt(leaf, leaf.NotBefore); err != nil {
		return nil, err
	}
	return signer.Key, nil
}

// issuedBy reports whether the authority would do if the time were another, so that
// what is wrong is the time. It says nothing else.
func (r *Root) issuedBy(ca root.CertificateAuthority, leaf *x509.Certificate) bool {
	f, ok := ca.(*root.FulcioCertificateAuthority)
	if !ok {
		return false
	}
	above := append(slices.Clone(f.Intermediates), f.Root)
	return slices.ContainsFunc(above, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubject, leaf.RawIssuer) && leaf.CheckSignatureFrom(c) == nil && permits(f, leaf)
	})
}

// permits reports whether the chain holds at a time when all of it is valid, if there
// is one: otherwise more than the time is wrong with it.
func permits(f *root.FulcioCertificateAuthority, leaf *x509.Certificate) bool {
	without := *f
	without.ValidityPeriodStart, without.ValidityPeriodEnd = time.Time{}, time.Time{}
	_, err := without.Verify(leaf, leaf.NotBefore)
	var invalid x509.CertificateInvalidError
	return err == nil || errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

// seenByLogs checks that enough trusted certificate logs signed that they saw the
// certificate. One log that did so twice is one.
func (r *Root) seenByLogs(chains [][]*x509.Certificate, want int) error {
	if err := sigstore.VerifySignedCertificateTimestamp(chains, want, r.trusted); err != nil {
		return refuse(NoSCT, "the certificate logs: %v", err)
	}
	return nil
}
