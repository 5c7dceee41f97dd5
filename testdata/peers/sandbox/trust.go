package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/timestamp-authority/v2/pkg/signer"
)

// material is what a client has to trust: chains leaf or intermediate first, and
// the keys of the logs.
type material struct {
	fulcio, tsa []*x509.Certificate
	ct, rekor1  crypto.PublicKey
	rekor2      ed25519.PublicKey
}

// writeTrust writes the trusted root, the signing configurations, the keys that
// cosign 2 wants one by one, and serves a TUF repository of the first two.
func (s *sandbox) writeTrust(m material) error {
	since := time.Now().Add(-time.Hour)
	trusted, err := s.trustedRoot(m, since)
	if err != nil {
		return err
	}
	spare, err6 := s.doubled(v1.ServiceSelector_ANY, since)
	every, err7 := s.doubled(v1.ServiceSelector_ALL, since)
	v1, err1 := s.signingConfig(s.url(rekor1Name), 1, since)
	v2, err2 := s.signingConfig(s.url(rekor2Name), 2, since)
	ct, err3 := cryptoutils.MarshalPublicKeyToPEM(m.ct)
	rekor1, err4 := cryptoutils.MarshalPublicKeyToPEM(m.rekor1)
	rekor2, err5 := cryptoutils.MarshalPublicKeyToPEM(m.rekor2)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"trusted_root.json": trusted, "signing_config.v1.json": v1, "signing_config.v2.json": v2,
		"signing_config.spare.json": spare, "signing_config.every.json": every,
		"ctlog.pub": ct, "rekor1.pub": rekor1, "rekor2.pub": rekor2,
	} {
		if err := s.write(name, data); err != nil {
			return err
		}
	}
	repo, err := newRepository(map[string][]byte{"trusted_root.json": trusted, "signing_config.v0.2.json": v2})
	if err != nil {
		return err
	}
	for name, data := range repo {
		if err := s.write("tuf/"+name, data); err != nil {
			return err
		}
	}
	s.fronts[tufName].Serve(http.FileServer(http.Dir(s.path("tuf"))))
	return s.write("root.json", repo["1.root.json"])
}

// writeForeign writes the trusted root of an instance that looks like this one and
// has other keys: nothing that was made here may be accepted under it.
func (s *sandbox) writeForeign(m material) error {
	fulcio, err := newAuthority()
	if err != nil {
		return err
	}
	tsa, err := newClock()
	if err != nil {
		return err
	}
	ct, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rekor1, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rekor2, _, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	foreign := material{fulcio: fulcio.Certs, tsa: tsa, ct: ct.Public(), rekor1: rekor1.Public(), rekor2: rekor2}
	since := time.Now().Add(-time.Hour)
	for name, x := range map[string]material{
		"all":    foreign,
		"fulcio": {fulcio: foreign.fulcio, tsa: m.tsa, ct: m.ct, rekor1: m.rekor1, rekor2: m.rekor2},
		"ctlog":  {fulcio: m.fulcio, tsa: m.tsa, ct: foreign.ct, rekor1: m.rekor1, rekor2: m.rekor2},
		"rekor":  {fulcio: m.fulcio, tsa: m.tsa, ct: m.ct, rekor1: foreign.rekor1, rekor2: foreign.rekor2},
		"tsa":    {fulcio: m.fulcio, tsa: foreign.tsa, ct: m.ct, rekor1: m.rekor1, rekor2: m.rekor2},
	} {
		raw, err := s.trustedRoot(x, since)
		if err != nil {
			return err
		}
		if err := s.write("foreign/"+name+".json", raw); err != nil {
			return err
		}
	}
	return nil
}

// newClock makes the certificates of a timestamp authority, leaf first.
func newClock() ([]*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return signer.NewTimestampingCertWithChain(key)
}

func (s *sandbox) trustedRoot(m material, since time.Time) ([]byte, error) {
	logs := make(map[string]*root.TransparencyLog)
	add := func(to map[string]*root.TransparencyLog, url string, id []byte, key crypto.PublicKey, hash crypto.Hash) {
		to[hex.EncodeToString(id)] = &root.TransparencyLog{
			BaseURL: url, ID: id, ValidityPeriodStart: since, HashFunc: crypto.SHA256, PublicKey: key, SignatureHashFunc: hash,
		}
	}
	rekor1, err := keyID(m.rekor1)
	if err != nil {
		return nil, err
	}
	add(logs, s.url(rekor1Name), rekor1, m.rekor1, crypto.SHA256)
	_, rekor2, err := note.KeyHash(rekor2Origin, m.rekor2)
	if err != nil {
		return nil, err
	}
	add(logs, s.url(rekor2Name), rekor2, m.rekor2, crypto.SHA512)
	ctLogs := make(map[string]*root.TransparencyLog)
	ct, err := keyID(m.ct)
	if err != nil {
		return nil, err
	}
	add(ctLogs, s.url(ctName)+"/"+ctPrefix, ct, m.ct, crypto.SHA256)
	last := len(m.tsa) - 1
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: m.fulcio[1], Intermediates: m.fulcio[:1], URI: s.url(fulcioName), ValidityPeriodStart: since,
		}}, ctLogs,
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Root: m.tsa[last], Intermediates: m.tsa[1:last], Leaf: m.tsa[0], URI: s.url(tsaName), ValidityPeriodStart: since,
		}}, logs)
	if err != nil {
		return nil, err
	}
	return tr.MarshalJSON()
}

// keyID returns the identity of a log by RFC 6962: the digest of its key.
func keyID(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	sum := sha256.Sum256(der)
	return sum[:], err
}

// signingConfig names the services that signers ask, with one of the two logs.
func (s *sandbox) signingConfig(rekor string, version uint32, since time.Time) ([]byte, error) {
	return configuration(s.one(fulcioName, "", 1, since), s.one(oidcName, "", 1, since),
		[]root.Service{{URL: rekor, MajorAPIVersion: version, ValidityPeriodStart: since, Operator: operator}},
		s.one(tsaName, timestampPath, 1, since), v1.ServiceSelector_ANY)
}

// doubled names each service of Rekor v2's, and beside it one of another operator that
// is gone, which is newer.
func (s *sandbox) doubled(selector v1.ServiceSelector, since time.Time) ([]byte, error) {
	two := func(name, path string, version uint32) []root.Service {
		all := s.one(name, path, version, since)
		gone := all[0]
		gone.URL, gone.Operator, gone.ValidityPeriodStart = "http://127.0.0.1:1"+path, "gone.test", since.Add(time.Minute)
		return append(all, gone)
	}
	return configuration(two(fulcioName, "", 1), s.one(oidcName, "", 1, since), two(rekor2Name, "", 2), two(tsaName, timestampPath, 1), selector)
}

// operator is whose the services are.
const operator = "sandbox.test"

func (s *sandbox) one(name, path string, version uint32, since time.Time) []root.Service {
	return []root.Service{{URL: s.url(name) + path, MajorAPIVersion: version, ValidityPeriodStart: since, Operator: operator}}
}

func configuration(ca, oidc, logs, clocks []root.Service, selector v1.ServiceSelector) ([]byte, error) {
	how := root.ServiceConfiguration{Selector: selector}
	sc, err := root.NewSigningConfig(root.SigningConfigMediaType02, ca, oidc, logs, how, clocks, how)
	if err != nil {
		return nil, err
	}
	return sc.MarshalJSON()
}
