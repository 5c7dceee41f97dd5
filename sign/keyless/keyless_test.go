package keyless_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/keyless"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// shelf is a writer that keeps what is put.
type shelf struct{ parcels []attach.Parcel }

func (s *shelf) Put(_ context.Context, parcels ...attach.Parcel) ([]attach.Receipt, error) {
	s.parcels = append(s.parcels, parcels...)
	return make([]attach.Receipt, len(parcels)), nil
}

var subject = attach.Subject{Repo: "registry.example/app", Desc: ggcr.Descriptor{
	MediaType: "application/vnd.oci.image.manifest.v1+json", Size: 100, Digest: attach.DigestOf([]byte("an image")),
}}

// attempt signs an image in the world and returns what was stored.
func attempt(w *world, version uint32, in attach.Storage) ([]attach.Parcel, error) {
	return attemptWith(w.options(version), in)
}

func attemptWith(o keyless.Options, in attach.Storage) ([]attach.Parcel, error) {
	s, err := keyless.New(context.Background(), o)
	if err != nil {
		return nil, err
	}
	var kept shelf
	_, err = sign.Image(context.Background(), &kept, []attach.Subject{subject}, []sign.Signer{s}, sign.ImageOptions{Storage: in})
	return kept.parcels, err
}

// TestHonest signs in a world in which nobody lies: what is refused elsewhere is
// refused for what is wrong there.
func TestHonest(t *testing.T) {
	for _, c := range []struct {
		version uint32
		in      attach.Storage
		stored  int
	}{{1, attach.InTags, 1}, {1, attach.InReferrers, 1}, {2, attach.InReferrers, 1}, {1, attach.InBoth, 2}} {
		t.Run(fmt.Sprintf("rekor %d, %s", c.version, c.in), func(t *testing.T) {
			w := newWorld(t)
			parcels, err := attempt(w, c.version, c.in)
			if err != nil || len(parcels) != c.stored {
				t.Fatalf("%d stored, %v", len(parcels), err)
			}
			if paths := w.paths(); paths[0] != fulcioPath || paths[1] != tsaPath {
				t.Errorf("asked %q: the permanent record comes last", paths)
			}
			for _, p := range parcels {
				if p.Content.Same != nil {
					t.Error("something that stands already may be taken for this signature")
				}
			}
			if c.in.Tags() {
				for _, name := range []string{cosign.CertificateAnnotation, cosign.ChainAnnotation, cosign.BundleAnnotation, cosign.TimestampAnnotation} {
					if parcels[0].Content.Annotations[name] == "" {
						t.Errorf("no annotation %s", name)
					}
				}
			}
		})
	}
}

// TestStatement attests. The timestamp in cosign's annotation is over the envelope and
// that of the bundle over the signature.
func TestStatement(t *testing.T) {
	for _, in := range attach.Storages() {
		w := newWorld(t)
		s, err := keyless.New(context.Background(), w.options(1))
		if err != nil {
			t.Fatal(err)
		}
		var kept shelf
		opts := sign.StatementOptions{PredicateType: "custom", Predicate: payload.Bytes([]byte(`{"a":1}`)), Now: time.Now(), Storage: in}
		if _, err = sign.Statement(context.Background(), &kept, subject, opts, []sign.Signer{s}); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		want, stamps := 1, 1
		if in == attach.InBoth {
			want = 2
		}
		if in.Tags() {
			stamps = 2
		}
		got := 0
		for _, p := range w.paths() {
			if p == tsaPath {
				got++
			}
		}
		if len(kept.parcels) != want || got != stamps {
			t.Errorf("%s: %d stored, %d timestamps", in, len(kept.parcels), got)
		}
	}
}

// TestLargeStatement: what is too large for a log is refused before anybody is asked
// for a timestamp.
func TestLargeStatement(t *testing.T) {
	w := newWorld(t)
	s, err := keyless.New(context.Background(), w.options(2))
	if err != nil {
		t.Fatal(err)
	}
	large := payload.Bytes([]byte(`{"a":"` + strings.Repeat("x", keyless.MaxPayload) + `"}`))
	opts := sign.StatementOptions{PredicateType: "https://predicate.example/v1", Predicate: large, Now: time.Now(), Storage: attach.InReferrers}
	var kept shelf
	_, err = sign.Statement(context.Background(), &kept, subject, opts, []sign.Signer{s})
	if reasonOf(err) != keyless.TooLarge || len(kept.parcels) != 0 || len(w.paths()) != 1 {
		t.Errorf("%v, asked %q", err, w.paths())
	}
}

// other is the key of somebody else, and strangeCA an authority that nobody knows.
var (
	other        = newKey()
	strangeCA, _ = func() (*x509.Certificate, error) { c, _, err := ca.GenerateRootCa(); return c, err }()
)

// liar is a lie and the reason for which nothing is signed.
type liar struct {
	version uint32 // of the log; 0 means both
	lies    lies
	want    keyless.Reason
}

func (l liar) versions() []uint32 {
	if l.version != 0 {
		return []uint32{l.version}
	}
	return []uint32{1, 2}
}

// refused checks that every liar is found out, and that nothing is stored.
func refused(t *testing.T, all map[string]liar) {
	for name, l := range all {
		for _, version := range l.versions() {
			t.Run(fmt.Sprintf("%s, rekor %d", name, version), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.lies = l.lies
				parcels, err := attempt(w, version, attach.InReferrers)
				var r *keyless.Refusal
				if !errors.As(err, &r) || r.Reason != l.want || len(parcels) != 0 {
					t.Fatalf("%d stored, want %s: %v", len(parcels), l.want, err)
				}
				if !strings.Contains(err.Error(), w.address()) && l.want != keyless.Unverifiable {
					t.Errorf("it does not say which service it was: %v", err)
				}
				for _, part := range strings.Split(token(nil), ".")[1:] {
					if strings.Contains(err.Error(), part) {
						t.Errorf("the token is in %v", err)
					}
				}
				if l.want != keyless.OtherEntry && l.want != keyless.BadEntry && l.want != keyless.Unverifiable && slices.Contains(w.paths(), rekor1Path) && l.lies.fronts == nil {
					t.Errorf("the log was asked although %v", err)
				}
			})
		}
	}
}

// TestCertificateLies is what the certificate authority can do wrong.
func TestCertificateLies(t *testing.T) {
	certificate := func(f func(*x509.Certificate)) lies { return lies{certificate: f} }
	issuerOf := func(name string) lies {
		return certificate(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: must(asn1.MarshalWithParams(name, "utf8"))}}
		})
	}
	refused(t, map[string]liar{
		"another key":            {lies: lies{key: other.Public()}, want: keyless.OtherKey},
		"another name":           {lies: certificate(func(c *x509.Certificate) { c.EmailAddresses = []string{"eve@example.test"} }), want: keyless.OtherIdentity},
		"a name with more":       {lies: certificate(func(c *x509.Certificate) { c.EmailAddresses = []string{person + "x"} }), want: keyless.OtherIdentity},
		"a second name":          {lies: certificate(func(c *x509.Certificate) { c.EmailAddresses = append(c.EmailAddresses, "eve@example.test") }), want: keyless.OtherIdentity},
		"a name of another kind": {lies: certificate(func(c *x509.Certificate) { c.URIs = []*url.URL{must(url.Parse("https://x.example"))} }), want: keyless.OtherIdentity},
		"no name":                {lies: certificate(func(c *x509.Certificate) { c.EmailAddresses = nil }), want: keyless.Malformed},
		"another issuer":         {lies: issuerOf("https://other.example"), want: keyless.OtherIdentity},
		"an issuer with a slash": {lies: issuerOf(issuer + "/"), want: keyless.OtherIdentity},
		"no issuer":              {lies: certificate(func(c *x509.Certificate) { c.ExtraExtensions = nil }), want: keyless.OtherIdentity},
		"another authority":      {lies: lies{otherCA: true}, want: keyless.Untrusted},
		"not for signing code":   {lies: certificate(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), want: keyless.Untrusted},
		"that of an authority":   {lies: certificate(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), want: keyless.Untrusted},
		"expired": {lies: certificate(func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(-time.Second)
			c.NotBefore = time.Now().Add(-time.Minute)
		}), want: keyless.Untrusted},
		"valid tomorrow": {lies: certificate(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(25*time.Hour)
		}), want: keyless.Untrusted},
		"before the authority was":  {lies: certificate(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(-48 * time.Hour) }), want: keyless.Untrusted},
		"no SCT":                    {lies: lies{sct: func([]byte) []byte { return nil }}, want: keyless.NoSCT},
		"an SCT with a flipped bit": {lies: lies{sct: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }}, want: keyless.NoSCT},
		"an SCT of an unknown log":  {lies: lies{sct: func(b []byte) []byte { b[10] ^= 1; return b }}, want: keyless.NoSCT},
		"an SCT of another time":    {lies: lies{sct: func(b []byte) []byte { b[44] ^= 1; return b }}, want: keyless.NoSCT},
		"an SCT that is cut off":    {lies: lies{sct: func(b []byte) []byte { return b[:40] }}, want: keyless.NoSCT},
		"an empty chain":            {lies: lies{chain: func([]string) []string { return nil }}, want: keyless.Malformed},
		"a chain of a hundred":      {lies: lies{chain: func(c []string) []string { return slices.Repeat(c, 33) }}, want: keyless.Malformed},
		"the root first":            {lies: lies{chain: func(c []string) []string { return []string{c[2], c[1], c[0]} }}, want: keyless.OtherKey},
		"a certificate with a tail": {lies: lies{chain: func(c []string) []string { return []string{c[0] + c[1]} }}, want: keyless.Malformed},
		"a strange intermediate":    {lies: lies{chain: func(c []string) []string { return []string{c[0], encode(strangeCA), c[2]} }}, want: keyless.Untrusted},
		"a strange root":            {lies: lies{chain: func(c []string) []string { return []string{c[0], c[1], encode(strangeCA)} }}, want: keyless.Untrusted},
		"no PEM above":              {lies: lies{chain: func(c []string) []string { return []string{c[0], "x"} }}, want: keyless.Malformed},
		"no PEM":                    {lies: lies{chain: func([]string) []string { return []string{"MIIB"} }}, want: keyless.Malformed},
		"a key in its place": {lies: lies{chain: func([]string) []string {
			return []string{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}
		}}, want: keyless.Malformed},
	})
}

// spec returns the part of an entry's body that both versions of hashedrekord have.
func spec(body map[string]any) map[string]any {
	s := body["spec"].(map[string]any)
	if v2, ok := s["hashedRekordV002"].(map[string]any); ok {
		return v2
	}
	return s
}

// TestEntryLies is what the logs can do wrong.
func TestEntryLies(t *testing.T) {
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	proof1 := func(e map[string]any) map[string]any {
		return e["verification"].(map[string]any)["inclusionProof"].(map[string]any)
	}
	proof2 := func(e map[string]any) map[string]any { return e["inclusionProof"].(map[string]any) }
	refused(t, map[string]liar{
		"another digest":      {version: 2, lies: lies{body: func(b map[string]any) { spec(b)["data"].(map[string]any)["digest"] = anotherSum(nil) }}, want: keyless.OtherEntry},
		"another payload":     {version: 1, lies: lies{body: func(b map[string]any) { spec(b)["payloadHash"] = digestOf([]byte("x")) }}, want: keyless.OtherEntry},
		"another algorithm":   {version: 1, lies: lies{body: func(b map[string]any) { spec(b)["payloadHash"].(map[string]any)["algorithm"] = "sha512" }}, want: keyless.OtherEntry},
		"another signature":   {version: 2, lies: lies{body: func(b map[string]any) { spec(b)["signature"].(map[string]any)["content"] = []byte("x") }}, want: keyless.OtherEntry},
		"another signature 1": {version: 1, lies: lies{body: func(b map[string]any) { spec(b)["signatures"].([]any)[0].(map[string]any)["signature"] = []byte("x") }}, want: keyless.OtherEntry},
		"a second signature":  {version: 1, lies: lies{body: func(b map[string]any) { s := spec(b)["signatures"].([]any); spec(b)["signatures"] = append(s, s...) }}, want: keyless.OtherEntry},
		"another certificate": {version: 1, lies: lies{body: func(b map[string]any) {
			spec(b)["signatures"].([]any)[0].(map[string]any)["verifier"] = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}}, want: keyless.OtherEntry},
		"another certificate 2": {version: 2, lies: lies{body: func(b map[string]any) {
			spec(b)["signature"].(map[string]any)["verifier"] = map[string]any{"x509Certificate": map[string]any{"rawBytes": []byte("x")}}
		}}, want: keyless.OtherEntry},
		"another algorithm of the key": {version: 2, lies: lies{body: func(b map[string]any) {
			spec(b)["signature"].(map[string]any)["verifier"].(map[string]any)["keyDetails"] = "PKIX_ECDSA_P384_SHA_384"
		}}, want: keyless.Unverifiable},
		"another kind":           {lies: lies{body: func(b map[string]any) { b["kind"] = "intoto" }}, want: keyless.OtherEntry},
		"another version":        {lies: lies{body: func(b map[string]any) { b["apiVersion"] = "0.0.9" }}, want: keyless.OtherEntry},
		"a kind that is not its": {version: 2, lies: lies{entry2: func(e map[string]any) { e["kindVersion"] = map[string]any{"kind": "dsse", "version": "0.0.2"} }}, want: keyless.OtherEntry},
		"another log":            {lies: lies{otherLog: true}, want: keyless.Unverifiable},
		"an unknown log":         {version: 1, lies: lies{entry1: func(e map[string]any) { e["logID"] = strings.Repeat("ab", 32) }}, want: keyless.Unverifiable},
		"an unknown log 2":       {version: 2, lies: lies{entry2: func(e map[string]any) { e["logId"] = map[string]any{"keyId": anotherSum(nil)} }}, want: keyless.Unverifiable},
		"another body":           {version: 1, lies: lies{entry1: func(e map[string]any) { e["body"] = flip(must(base64.StdEncoding.DecodeString(e["body"].(string)))) }}, want: keyless.OtherEntry},
		"another time":           {version: 1, lies: lies{entry1: func(e map[string]any) { e["integratedTime"] = time.Now().Unix() - 1 }}, want: keyless.Unverifiable},
		"another index":          {version: 1, lies: lies{entry1: func(e map[string]any) { e["logIndex"] = 8 }}, want: keyless.Unverifiable},
		"another index 2":        {version: 2, lies: lies{entry2: func(e map[string]any) { e["logIndex"] = "1" }}, want: keyless.BadEntry},
		"a bad promise": {version: 1, lies: lies{entry1: func(e map[string]any) {
			v := e["verification"].(map[string]any)
			v["signedEntryTimestamp"] = flip(v["signedEntryTimestamp"].([]byte))
		}}, want: keyless.Unverifiable},
		"no promise":               {version: 1, lies: lies{entry1: func(e map[string]any) { delete(e["verification"].(map[string]any), "signedEntryTimestamp") }}, want: keyless.BadEntry},
		"no proof":                 {version: 1, lies: lies{entry1: func(e map[string]any) { delete(e["verification"].(map[string]any), "inclusionProof") }}, want: keyless.BadEntry},
		"no proof 2":               {version: 2, lies: lies{entry2: func(e map[string]any) { delete(e, "inclusionProof") }}, want: keyless.BadEntry},
		"a proof of another tree":  {version: 1, lies: lies{entry1: func(e map[string]any) { proof1(e)["treeSize"] = 2 }}, want: keyless.BadEntry},
		"a proof of another root":  {version: 1, lies: lies{entry1: func(e map[string]any) { proof1(e)["rootHash"] = strings.Repeat("ab", 32) }}, want: keyless.BadEntry},
		"a proof of another tree2": {version: 2, lies: lies{entry2: func(e map[string]any) { proof2(e)["treeSize"] = "2" }}, want: keyless.BadEntry},
		"a proof of another root2": {version: 2, lies: lies{entry2: func(e map[string]any) { proof2(e)["rootHash"] = anotherSum(nil) }}, want: keyless.BadEntry},
		"a proof that is longer":   {version: 2, lies: lies{entry2: func(e map[string]any) { proof2(e)["hashes"] = [][]byte{anotherSum(nil)} }}, want: keyless.Unverifiable},
		"no checkpoint":            {version: 2, lies: lies{entry2: func(e map[string]any) { delete(proof2(e), "checkpoint") }}, want: keyless.BadEntry},
		"a checkpoint by no one": {version: 2, lies: lies{entry2: func(e map[string]any) {
			c := proof2(e)["checkpoint"].(map[string]any)
			c["envelope"] = strings.Replace(c["envelope"].(string), "— rekor.localhost", "— other.localhost", 1)
		}}, want: keyless.Unverifiable},
	})
}

// TestStampLies is what the timestamp authority can do wrong.
func TestStampLies(t *testing.T) {
	refused(t, map[string]liar{
		"another imprint":         {lies: lies{imprint: anotherSum}, want: keyless.BadTimestamp},
		"another nonce":           {lies: lies{nonce: func(n *big.Int) *big.Int { return new(big.Int).Add(n, big.NewInt(1)) }}, want: keyless.BadTimestamp},
		"no nonce":                {lies: lies{nonce: func(*big.Int) *big.Int { return nil }}, want: keyless.BadTimestamp},
		"another authority":       {lies: lies{otherTSA: true}, want: keyless.BadTimestamp},
		"before the certificate":  {lies: lies{at: time.Now().Add(-3 * time.Minute)}, want: keyless.BadTimestamp},
		"after the certificate":   {lies: lies{at: time.Now().Add(30 * time.Minute)}, want: keyless.BadTimestamp},
		"before the authority is": {lies: lies{at: time.Now().Add(-30 * 24 * time.Hour)}, want: keyless.BadTimestamp},
	})
}

// TestFaults is what any service can do wrong.
func TestFaults(t *testing.T) {
	text := func(status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			rw.Write([]byte(body))
		}
	}
	endless := func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := rw.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}
	cut := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "1000")
		rw.Write([]byte(`{"signedCertificateEmbeddedSct":`))
	}
	drop := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	echo := func(rw http.ResponseWriter, r *http.Request) {
		http.Error(rw, "bad token "+r.Header.Get("Authorization"), http.StatusUnauthorized)
	}
	elsewhere := func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "https://elsewhere.example/?token=secret", http.StatusTemporaryRedirect)
	}
	for _, path := range []string{fulcioPath, tsaPath, rekor1Path, rekor2Path} {
		version := uint32(1)
		if path == rekor2Path {
			version = 2
		}
		garbage := keyless.Malformed
		if path == tsaPath {
			garbage = keyless.BadTimestamp
		}
		at := func(h http.HandlerFunc) lies { return lies{fronts: map[string]http.HandlerFunc{path: h}} }
		t.Run(path, func(t *testing.T) {
			refused(t, map[string]liar{
				"500":      {version, at(text(500, "oh\nno")), keyless.Unreachable},
				"429":      {version, at(text(429, "later")), keyless.Unreachable},
				"400":      {version, at(text(400, "no")), keyless.Denied},
				"409":      {version, at(text(409, "there already")), keyless.Denied},
				"204":      {version, at(text(204, "")), keyless.Denied},
				"nothing":  {version, at(text(201, "")), garbage},
				"garbage":  {version, at(text(201, "\x00\xff\x17garbage")), garbage},
				"null":     {version, at(text(201, "null")), garbage},
				"an array": {version, at(text(201, "[]")), garbage},
				"endless":  {version, at(endless), keyless.Malformed},
				"cut off":  {version, at(cut), keyless.Unreachable},
				"dropped":  {version, at(drop), keyless.Unreachable},
				"redirect": {version, at(elsewhere), keyless.Denied},
				"an echo":  {version, at(echo), keyless.Denied},
			})
		})
	}
}
