package keyless

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// The object identifiers of SHA-256 (RFC 5754) and of the names of a certificate (RFC 5280).
func sha256OID() asn1.ObjectIdentifier      { return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1} }
func subjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// stampRequest asks for a timestamp (RFC 3161, section 2.4.1).
type stampRequest struct {
	Version int
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Sum       []byte
	}
	Nonce       *big.Int
	Certificate bool `asn1:"optional"`
}

// stamp asks a timestamp authority when the signature, or the envelope with it, was
// there, and checks that the answer is over that and by a trusted authority, and that it
// is the one to this question: it has the number of it (RFC 3161, section 2.4.2).
func (s *Signer) stamp(ctx context.Context, at root.Service, over []byte) ([]byte, error) {
	sum := sha256.Sum256(over)
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, err
	}
	q := stampRequest{Version: 1, Nonce: nonce, Certificate: true}
	q.Imprint.Algorithm = pkix.AlgorithmIdentifier{Algorithm: sha256OID(), Parameters: asn1.NullRawValue}
	q.Imprint.Sum = sum[:]
	der, err := asn1.Marshal(q)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.do(ctx, call{
		method: http.MethodPost, url: at.URL, body: der,
		contentType: "application/timestamp-query", accept: "application/timestamp-reply",
		ok: []int{http.StatusOK, http.StatusCreated},
	})
	if err != nil {
		return nil, err
	}
	if err := s.checkStamp(answer, over, bare(at.URL)); err != nil {
		return nil, err
	}
	if t, err := timestamp.ParseResponse(answer); err != nil || t.Nonce == nil || t.Nonce.Cmp(nonce) != 0 {
		return nil, refuse(BadTimestamp, errors.New("it does not have the number of the question"), "the timestamp from %s answers another question", bare(at.URL))
	}
	return answer, nil
}

// checkStamp verifies the answer of a timestamp authority.
func (s *Signer) checkStamp(answer, over []byte, from string) error {
	var why []error
	for _, tsa := range s.trusted.TimestampingAuthorities() {
		t, err := tsa.Verify(answer, over)
		if err == nil && (t.Time.Before(s.leaf.NotBefore) || t.Time.After(s.leaf.NotAfter)) {
			err = errors.New("its time is outside of the validity of the certificate")
		}
		if err == nil {
			return nil
		}
		why = append(why, err)
	}
	if len(why) == 0 {
		why = append(why, errors.New("the trusted root names no timestamp authority"))
	}
	return refuse(BadTimestamp, errors.Join(why...), "the timestamp from %s is not of this signature, or by nobody who is trusted", from)
}
