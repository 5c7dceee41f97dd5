package keyless

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// The question to Fulcio and its answer (fulcio.proto, CreateSigningCertificate).
type certificateRequest struct {
	PublicKeyRequest struct {
		PublicKey struct {
			Algorithm string `json:"algorithm"`
			Content   string `json:"content"`
		} `json:"publicKey"`
		ProofOfPossession []byte `json:"proofOfPossession"`
	} `json:"publicKeyRequest"`
}

type certificateAnswer struct {
	Embedded *struct {
		Chain struct {
			Certificates []string `json:"certificates"`
		} `json:"chain"`
	} `json:"signedCertificateEmbeddedSct"`
}

// certify asks for a certificate and checks it.
func (s *Signer) certify(ctx context.Context, t Token) error {
	authorities, err := s.services.authorities(s.now())
	if err != nil {
		return err
	}
	body, err := s.request(t)
	if err != nil {
		return err
	}
	_, err = gather(ctx, s.client.net, authorities, func(at root.Service) (struct{}, error) {
		return struct{}{}, s.certifyAt(ctx, at, t, body)
	})
	return err
}

// request is the question for a certificate. It may be asked twice: another
// certificate for the same key harms nobody.
func (s *Signer) request(t Token) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(t.Subject()))
	proof, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		return nil, err
	}
	var q certificateRequest
	q.PublicKeyRequest.PublicKey.Algorithm = "ECDSA"
	q.PublicKeyRequest.PublicKey.Content = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	q.PublicKeyRequest.ProofOfPossession = proof
	return json.Marshal(q)
}

// certifyAt asks one authority.
func (s *Signer) certifyAt(ctx context.Context, at root.Service, t Token, body []byte) error {
	raw, err := s.client.do(ctx, call{
		method: http.MethodPost, url: join(at.URL, "/api/v2/signingCert"), body: body,
		contentType: "application/json", accept: "application/json",
		header: map[string]string{"Authorization": "Bearer " + t.text},
		ok:     []int{http.StatusOK, http.StatusCreated},
	})
	if err != nil {
		return err
	}
	certs, err := readCertificates(raw)
	if err != nil {
		return refuse(Malformed, err, "the certificate from %s", bare(at.URL))
	}
	s.leaf = certs[0]
	return s.checkCertificate(t, certs[1:], bare(at.URL))
}

// readCertificates returns the certificates of the answer, at least one, the leaf first.
func readCertificates(raw []byte) ([]*x509.Certificate, error) {
	var a certificateAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	switch {
	case a.Embedded == nil || len(a.Embedded.Chain.Certificates) == 0:
		return nil, errors.New("no certificate with an SCT in it")
	case len(a.Embedded.Chain.Certificates) > maxChain:
		return nil, fmt.Errorf("more than %d certificates", maxChain)
	}
	var all []*x509.Certificate
	for _, text := range a.Embedded.Chain.Certificates {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, fmt.Errorf("certificate %d is not one in PEM", len(all)+1)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	return all, nil
}

// checkCertificate says whether the certificate is the one that was asked for, and
// notes the chain above it and whom it names.
func (s *Signer) checkCertificate(t Token, above []*x509.Certificate, from string) error {
	if !s.key.PublicKey.Equal(s.leaf.PublicKey) {
		return refuse(OtherKey, nil, "the certificate from %s is of another key than the one that was sent", from)
	}
	said, err := certificate.SummarizeCertificate(s.leaf)
	if err != nil {
		return refuse(Malformed, err, "the certificate from %s", from)
	}
	s.name, s.issuer = said.SubjectAlternativeName, said.Issuer
	names := len(s.leaf.EmailAddresses) + len(s.leaf.URIs) + len(s.leaf.DNSNames) + len(s.leaf.IPAddresses)
	switch {
	case names > 1:
		return refuse(OtherIdentity, nil, "the certificate from %s has %d names, not one", from, names)
	case !t.claims.named(s.name):
		return refuse(OtherIdentity, nil, "the certificate from %s names %.200q, the identity token is for %.200q", from, s.name, t.claims.names())
	case !slices.Contains(t.claims.issuers(), s.issuer):
		return refuse(OtherIdentity, nil, "the certificate from %s names the issuer %.200q, the identity token comes from %.200q", from, s.issuer, t.claims.Issuer)
	}
	now := s.now()
	if now.After(s.leaf.NotAfter) || now.Add(leeway).Before(s.leaf.NotBefore) {
		return refuse(Untrusted, nil, "the certificate from %s is valid from %s to %s, and it is %s", from,
			s.leaf.NotBefore.UTC().Format(time.RFC3339), s.leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return s.checkChain(above, from)
}

// checkChain finds the way up to the trusted root, which is to be the one that the
// authority tells, and checks that a trusted log saw the certificate.
func (s *Signer) checkChain(above []*x509.Certificate, from string) error {
	leaf := *s.leaf
	// Go does not know names of the kind otherName, which were read above.
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), subjectAltName().Equal)
	chains, err := verify.VerifyLeafCertificate(leaf.NotBefore, &leaf, s.trusted)
	if err != nil {
		return refuse(Untrusted, err, "the certificate from %s is issued by no authority of the trusted root", from)
	}
	if leaf.IsCA {
		return refuse(Untrusted, nil, "the certificate from %s is that of an authority", from)
	}
	if err := verify.VerifySignedCertificateTimestamp(chains, 1, s.trusted); err != nil {
		return refuse(NoSCT, err, "the certificate from %s was seen by no certificate log of the trusted root", from)
	}
	leads := func(chain []*x509.Certificate) bool {
		strange := func(c *x509.Certificate) bool { return !slices.ContainsFunc(chain[1:], c.Equal) }
		return !slices.ContainsFunc(above, strange)
	}
	i := slices.IndexFunc(chains, leads)
	if i < 0 {
		return refuse(Untrusted, nil, "the certificate from %s comes with a chain that is not the one to the trusted root", from)
	}
	s.chain = chains[i][1:]
	return nil
}

// join puts a path behind the address of a service.
func join(base, path string) string { return strings.TrimRight(base, "/") + path }
