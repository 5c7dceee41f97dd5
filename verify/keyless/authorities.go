package keyless

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prototrust "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// Authorities are what a [Root] is made from where there is no trusted_root.json.
// None of them has a time in which it counts: certificates have their own, and a log
// counts for ever.
type Authorities struct {
	// Certificates and Timestamps are those who issue certificates and timestamps.
	Certificates, Timestamps []Chain
	// Logs record signatures, CertificateLogs certificates.
	Logs, CertificateLogs []Log
}

// A Chain holds the certificates of one authority, in PEM and in any order: one or
// more that are signed by themselves, and those below them. That of a timestamp
// authority may begin with the certificate that makes timestamps.
type Chain struct {
	URI string // for messages
	PEM []byte
}

// A Log is a transparency log that hashes with SHA-256.
type Log struct {
	// URL is where it is. Its host is the name under which a Rekor 2 log signs.
	URL string
	// PEM is its public key: ECDSA, RSA with PKCS #1 v1.5, or Ed25519.
	PEM []byte
}

// NewRoot returns the root of the authorities. What cannot be used is refused with
// [ErrRoot].
func NewRoot(a Authorities) (*Root, error) {
	p := &prototrust.TrustedRoot{MediaType: root.TrustedRootMediaType01}
	for _, sort := range []struct {
		what   string
		chains []Chain
		to     *[]*prototrust.CertificateAuthority
	}{
		{"certificate authority", a.Certificates, &p.CertificateAuthorities},
		{"timestamp authority", a.Timestamps, &p.TimestampAuthorities},
	} {
		for _, c := range sort.chains {
			made, err := c.authorities()
			if err != nil {
				return nil, unusable(sort.what, c.URI, err)
			}
			*sort.to = append(*sort.to, made...)
		}
	}
	for _, sort := range []struct {
		what string
		logs []Log
		to   *[]*prototrust.TransparencyLogInstance
	}{
		{"transparency log", a.Logs, &p.Tlogs},
		{"certificate log", a.CertificateLogs, &p.Ctlogs},
	} {
		for _, l := range sort.logs {
			made, err := l.instance()
			if err != nil {
				return nil, unusable(sort.what, l.URL, err)
			}
			*sort.to = append(*sort.to, made)
		}
	}
	raw, err := protojson.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	return ParseRoot(raw)
}

// unusable says what cannot be used, and wraps [ErrRoot].
func unusable(what, at string, err error) error {
	if errors.Is(err, ErrRoot) {
		return fmt.Errorf("%s %s: %w", what, at, err)
	}
	return fmt.Errorf("%s %s: %w: %w", what, at, err, ErrRoot)
}

// always is from the beginning on.
func always() *protocommon.TimeRange {
	return &protocommon.TimeRange{Start: &timestamppb.Timestamp{}}
}

// authorities returns the chain, once for each certificate at its top.
func (c Chain) authorities() ([]*prototrust.CertificateAuthority, error) {
	below, tops, err := c.read()
	if err != nil {
		return nil, err
	}
	var all []*prototrust.CertificateAuthority
	for _, top := range tops {
		chain := &protocommon.X509CertificateChain{}
		for _, cert := range append(slices.Clone(below), top) {
			chain.Certificates = append(chain.Certificates, &protocommon.X509Certificate{RawBytes: cert.Raw})
		}
		all = append(all, &prototrust.CertificateAuthority{
			Subject: &protocommon.DistinguishedName{}, Uri: c.URI, CertChain: chain, ValidFor: always(),
		})
	}
	return all, nil
}

// read returns the certificates below the tops, one that issues none first, and the
// tops, which are those that bear their own name.
func (c Chain) read() (below, tops []*x509.Certificate, err error) {
	certs, err := certificates(c.PEM)
	if err != nil {
		return nil, nil, err
	}
	if len(certs) > maxChain {
		return nil, nil, fmt.Errorf("more than %d certificates", maxChain)
	}
	leaves := 0
	for _, cert := range certs {
		switch {
		case bytes.Equal(cert.RawSubject, cert.RawIssuer):
			tops = append(tops, cert)
		case !cert.IsCA:
			leaves++
			below = append([]*x509.Certificate{cert}, below...)
		default:
			below = append(below, cert)
		}
	}
	switch {
	case leaves > 1:
		return nil, nil, fmt.Errorf("%d certificates that may issue none, at most one is wanted", leaves)
	case len(tops) == 0:
		return nil, nil, errors.New("no certificate is signed by itself, so that the chain has no end")
	}
	return below, tops, nil
}

// certificates reads certificates of authorities in PEM, at most [MaxChain] bytes of it.
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

// instance returns the log under the identifier of its key.
func (l Log) instance() (*prototrust.TransparencyLogInstance, error) {
	block, rest := pem.Decode(l.PEM)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("its key is not one block of PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	kind := keyDetails(public)
	if kind == protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED {
		return nil, fmt.Errorf("a key of type %T, or of a size, that no log is known to have", public)
	}
	id := sha256.Sum256(block.Bytes)
	return &prototrust.TransparencyLogInstance{
		BaseUrl: l.URL, HashAlgorithm: protocommon.HashAlgorithm_SHA2_256, LogId: &protocommon.LogId{KeyId: id[:]},
		PublicKey: &protocommon.PublicKey{RawBytes: block.Bytes, KeyDetails: kind, ValidFor: always()},
	}, nil
}

// keyDetails names the kind of key as trusted roots do.
func keyDetails(public any) protocommon.PublicKeyDetails {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
		case elliptic.P384():
			return protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384
		case elliptic.P521():
			return protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512
		}
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 2048:
			return protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256
		case 3072:
			return protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256
		case 4096:
			return protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256
		}
	case ed25519.PublicKey:
		return protocommon.PublicKeyDetails_PKIX_ED25519
	}
	return protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED
}
