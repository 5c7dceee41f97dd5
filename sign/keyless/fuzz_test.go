package keyless

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzToken: what is no token is refused for a reason, and its secret part is told to
// nobody.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "e30.e30.e30", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJpIiwiYXVkIjpbInNpZ3N0b3JlIl0sImV4cCI6OTk5OTk5OTk5OSwic3ViIjoicyJ9.c2lnbmF0dXJl"} {
		f.Add(seed)
	}
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseToken(text, "", now)
		if err == nil {
			if got.Subject() == "" || got.Issuer() == "" {
				t.Errorf("a token of nobody: %v", got)
			}
			return
		}
		var r *Refusal
		if !errors.As(err, &r) || r.Reason == "" {
			t.Fatalf("no reason: %v", err)
		}
		if i := strings.LastIndexByte(text, '.'); i >= 0 && len(text)-i > 40 && strings.Contains(err.Error(), text[i+1:]) {
			t.Errorf("the signature is in %v", err)
		}
	})
}

// FuzzServices: a configuration is read or refused.
func FuzzServices(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[{"url":"https://ca.example","majorApiVersion":1,"validFor":{"start":"2026-01-01T00:00:00Z"},"operator":"o"}],"rekorTlogUrls":[{"url":"https://log.example","majorApiVersion":1,"validFor":{"start":"2026-01-01T00:00:00Z"}}],"rekorTlogConfig":{"selector":"ANY"},"tsaConfig":{"selector":"EXACT","count":1}}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[{}],"rekorTlogUrls":[{"validFor":{}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := ParseServices(raw)
		if err != nil {
			return
		}
		for _, annotated := range []bool{true, false} {
			if err := s.Check(time.Unix(1_800_000_000, 0), annotated); err != nil {
				continue
			}
			p, err := s.authorities(time.Unix(1_800_000_000, 0))
			if err != nil || p.need != 1 || len(p.list) == 0 || len(p.list) > maxServices {
				t.Errorf("%+v: %v", p, err)
			}
			for _, at := range p.list {
				if private(at.URL) != nil {
					t.Errorf("a token would go to %q", at.URL)
				}
			}
		}
	})
}

// FuzzTrusted: a trusted root is read or refused.
func FuzzTrusted(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"baseUrl":"https://log.example","hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":"MFkw","keyDetails":"PKIX_ECDSA_P256_SHA_256","validFor":{"start":"2026-01-01T00:00:00Z"}},"logId":{"keyId":"AAAA"}}],"certificateAuthorities":[{"uri":"https://ca.example","certChain":{"certificates":[{"rawBytes":"MIIB"}]}}]}`))
	f.Fuzz(func(_ *testing.T, raw []byte) { ParseTrusted(raw) })
}

// FuzzCertificates: what a certificate authority answers is read or refused.
func FuzzCertificates(f *testing.F) {
	f.Add([]byte(`{"signedCertificateEmbeddedSct":{"chain":{"certificates":["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if certs, err := readCertificates(raw); err == nil && (len(certs) == 0 || len(certs) > maxChain) {
			t.Errorf("%d certificates", len(certs))
		}
	})
}

// FuzzEntry: no answer of a log that was not asked is taken for the entry.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"x":{"body":"eyJraW5kIjoiZHNzZSIsImFwaVZlcnNpb24iOiIwLjAuMSIsInNwZWMiOnsic2lnbmF0dXJlcyI6W3t9XX19","logID":"ab","verification":{"inclusionProof":{"checkpoint":"o\n1\nAAAA\n\n","treeSize":1,"rootHash":"000000"},"signedEntryTimestamp":"AAAA"}}}`), uint32(1))
	f.Add([]byte(`{"logIndex":"1","logId":{"keyId":"AAAA"},"kindVersion":{"kind":"hashedrekord","version":"0.0.2"},"inclusionProof":{"checkpoint":{"envelope":"o\n1\nAAAA\n"}},"canonicalizedBody":"eyJraW5kIjoiaGFzaGVkcmVrb3JkIiwiYXBpVmVyc2lvbiI6IjAuMC4yIn0="}`), uint32(2))
	s, w := &Signer{leaf: &x509.Certificate{Raw: []byte("a certificate")}}, &work{signature: []byte("a signature"), envelope: []byte("{}")}
	f.Fuzz(func(t *testing.T, raw []byte, version uint32) {
		read := readRekor1
		if version != 1 {
			read = readRekor2
		}
		e, err := read(raw)
		if err != nil {
			return
		}
		coherent(e, version)
		if w.recordedIn(e, s) == nil && !strings.Contains(string(e.GetCanonicalizedBody()), "YSBzaWduYXR1cmU") {
			t.Errorf("taken for the entry: %s", raw)
		}
	})
}

// FuzzSVID: what a Workload API answers is read or refused.
func FuzzSVID(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x15\x0a\x13\x0a\x0aspiffe://a\x12\x05a.b.c"))
	f.Add([]byte("\x00\x00\x00\x00\x02\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, token, err := firstSVID(raw)
		if err == nil && (!strings.HasPrefix(id, "spiffe://") || len(id)+len(token) > len(raw)) {
			t.Errorf("%q, %q", id, token)
		}
	})
}

// FuzzReturned: with whatever a browser comes back that does not know the state.
func FuzzReturned(f *testing.F) {
	f.Add("code=a&state=b")
	f.Add("state=&state=&error=access_denied")
	d, v := &door{state: "JBSWY3DPEHPK3PXPJBSWY3DPEH"}, &visit{client: newClient(Network{})}
	f.Fuzz(func(t *testing.T, query string) {
		if back := d.read(v, query); back.err == nil && !strings.Contains(query, "JBSWY3DPEHPK3PXPJBSWY3DPEH") {
			t.Errorf("the code %q was taken from %q", back.code, query)
		}
	})
}

// TestVectors are the examples of the specifications: RFC 7636, appendix B, and OpenID
// Connect Core, appendix A.3.
func TestVectors(t *testing.T) {
	v := visit{verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	if got := v.challenge(); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %s", got)
	}
	id := base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"1e9gdk7","alg":"RS256"}`)) + ".e30.e30"
	if got := accessHash(id, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Errorf("at_hash %s", got)
	}
}
