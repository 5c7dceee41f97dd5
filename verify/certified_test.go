package verify_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s)
	must(t, err)
	return raw
}

// TestPlotsAreGood: what tests spoil is accepted as long as nobody spoils it.
func TestPlotsAreGood(t *testing.T) {
	for _, envelope := range []bool{false, true} {
		for version := 1; version <= 2; version++ {
			p := newPlot(t, envelope, version)
			c := p.judge()
			if c.Outcome != verify.Accept || c.Evidence[0].Identity == nil {
				t.Errorf("envelope %v, Rekor %d: %s %s: %s", envelope, version, c.Outcome, c.Reason, c.Detail)
				continue
			}
			if id := c.Evidence[0].Identity; id.Subject != someone || id.Issuer != voucher || !id.Time.Equal(p.now) {
				t.Errorf("signed by %+v", id)
			}
		}
	}
}

// legacy makes what cosign keeps beside a signature in annotations.
func (p *plot) legacy(sig, msg, stamped, payload []byte) map[string]string {
	p.t.Helper()
	cert, _ := p.certificate(p.t, p.order)
	return p.legacyBy(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), logging{sig: sig, cert: cert, sum: sumOf(msg), payload: payload}, stamped)
}

func sumOf(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

func (p *plot) legacyBy(cert []byte, l logging, stamped []byte) map[string]string {
	p.t.Helper()
	_, _, body := l.bodyV1(p.t)
	return map[string]string{
		cosign.CertificateAnnotation: string(cert),
		cosign.BundleAnnotation: string(text(p.t, object{
			"SignedEntryTimestamp": b64(p.promise(p.t, p.rekor, body, p.now, 7)),
			"Payload":              object{"body": b64(body), "integratedTime": p.now.Unix(), "logIndex": 7, "logID": hexOf(p.rekor.id[:])},
		})),
		cosign.TimestampAnnotation: string(text(p.t, object{"SignedRFC3161Timestamp": b64(p.stamp(p.t, stamped, p.now))})),
	}
}

// TestCertifiedImages verifies images by identity, in each form in which signatures and
// statements are attached, and refuses each for another identity.
func TestCertifiedImages(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	for name, c := range map[string]struct {
		put  func(p *plot, s *shelf, sub attach.Subject)
		rule verify.Rule
	}{
		"cosign signature": {rule: signatureRule(1), put: func(p *plot, s *shelf, sub attach.Subject) {
			p.order.key = privateSigner{k}
			content := signature(t, k, sub.Desc.Digest.String(), nil)
			sig := unb64(t, content.Annotations[cosign.SignatureAnnotation])
			for n, v := range p.legacy(sig, readAll(t, content.Body), sig, nil) {
				content.Annotations[n] = v
			}
			s.put(t, content)
		}},
		"cosign attestation": {rule: attestationRule(payload.SPDX), put: func(p *plot, s *shelf, sub attach.Subject) {
			p.order.key = privateSigner{k}
			content := attestation(t, k, sub.Desc.Digest, payload.SPDX)
			env := readAll(t, content.Body)
			sig, body := openEnvelope(t, env)
			for n, v := range p.legacy(sig, pae(payload.MediaType, body), env, body) {
				content.Annotations[n] = v
			}
			s.put(t, content)
		}},
		"bundle of a signature": {rule: signatureRule(1), put: func(p *plot, s *shelf, sub attach.Subject) {
			p.payload = statement(sub.Desc.Digest, payload.Sign)
			b, _ := p.make()
			s.bundle(text(t, b))
		}},
		"bundle of an attestation": {rule: attestationRule(payload.SPDX), put: func(p *plot, s *shelf, sub attach.Subject) {
			p.payload, p.version = statement(sub.Desc.Digest, payload.SPDX), 2
			b, _ := p.make()
			s.bundle(text(t, b))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlot(t, true, 1)
			s := newShelf()
			sub := s.image(t, "app")
			c.put(p, s, sub)
			verifyAs := func(names keyless.Names, sub attach.Subject) verify.Check {
				id, err := keyless.NewIdentity(names)
				must(t, err)
				v, err := verify.New(verify.Trust{Root: p.parsed(t), Identities: []keyless.Identity{id}}, verify.Policy{Rules: []verify.Rule{c.rule}})
				must(t, err)
				verdict, err := v.Verify(t.Context(), s, sub)
				must(t, err)
				return verdict.Checks[1]
			}
			check := verifyAs(p.names, sub)
			if check.Outcome != verify.Accept {
				t.Fatalf("%s: %s: %+v", check.Reason, check.Detail, check.Evidence)
			}
			if id := check.Evidence[0].Identity; id == nil || id.Subject != someone || len(check.Evidence[0].Signers) != 0 {
				t.Errorf("signed by %+v", id)
			}
			check = verifyAs(keyless.Names{Subject: "x" + someone, Issuer: voucher}, sub)
			if check.Outcome != verify.Reject || check.Evidence[0].Reason != verify.UntrustedIdentity {
				t.Errorf("for another identity: %s %+v", check.Outcome, check.Evidence)
			}
			// The same entry hung from another image.
			check = verifyAs(p.names, s.image(t, "other"))
			if check.Outcome != verify.Reject || check.Evidence[0].Reason != verify.WrongSubject {
				t.Errorf("on another image: %s %+v", check.Outcome, check.Evidence)
			}
		})
	}
}

// TestIdentityNeedsRoot: nobody can vouch for a name when no authority is trusted.
func TestIdentityNeedsRoot(t *testing.T) {
	id, err := keyless.NewIdentity(keyless.Names{Subject: someone, Issuer: voucher})
	must(t, err)
	_, err = verify.New(verify.Trust{Identities: []keyless.Identity{id}}, verify.Policy{Rules: []verify.Rule{signatureRule(1)}})
	if err == nil {
		t.Error("an identity without root was accepted")
	}
	root := newForge(t).parsed(t)
	if _, err = verify.New(verify.Trust{Root: root, Identities: []keyless.Identity{id, id}}, verify.Policy{Rules: []verify.Rule{signatureRule(2)}}); err == nil {
		t.Error("one identity given twice was taken for two")
	}
}

// TestOffline: to verify opens no connection and asks for no name.
func TestOffline(t *testing.T) {
	was := http.DefaultTransport
	http.DefaultTransport = &http.Transport{DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
		t.Errorf("somebody dials %s %s", network, address)
		return nil, errors.New("no network")
	}}
	resolver := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		t.Errorf("somebody asks %s %s for a name", network, address)
		return nil, errors.New("no network")
	}}
	t.Cleanup(func() { http.DefaultTransport, net.DefaultResolver = was, resolver })
	for version := 1; version <= 2; version++ {
		if c := newPlot(t, true, version).judge(); c.Outcome != verify.Accept {
			t.Errorf("Rekor %d: %s %s", version, c.Reason, c.Detail)
		}
		// What is missing is missing: nobody is asked whom nobody named.
		p := newPlot(t, true, version)
		p.logs = nil
		if c := p.judge(); c.Reason != verify.LogEntryMissing {
			t.Errorf("Rekor %d: no entry: %s %s", version, c.Reason, c.Detail)
		}
	}
}
