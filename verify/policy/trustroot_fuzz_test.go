package policy_test

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/policy"
)

// FuzzTrustRoot reads TrustRoot documents with anything in them: whatever is wrong is
// the document's fault, and nothing ends the program.
func FuzzTrustRoot(f *testing.F) {
	certificate, err := os.ReadFile("../../sign/key/testdata/certificate.pem")
	if err != nil {
		f.Fatal(err)
	}
	public, err := os.ReadFile("../../sign/key/testdata/ec-p256.sec1.pub")
	if err != nil {
		f.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	document := func(spec string) string {
		return strings.NewReplacer("CERT", encode(certificate), "KEY", encode(public)).Replace(
			`{"apiVersion":"policy.sigstore.dev/v1alpha1","kind":"TrustRoot","metadata":{"name":"t"},"spec":{` + spec + `}}`)
	}
	for _, spec := range []string{
		`"sigstoreKeys":{"certificateAuthorities":[{"uri":"https://x","subject":{"organization":"o","commonName":"c"},"certChain":"CERT"}],"tLogs":[{"baseURL":"https://l","hashAlgorithm":"sha-256","publicKey":"KEY"}],"ctLogs":[{"baseURL":"https://c","hashAlgorithm":"sha-256","publicKey":"KEY"}]}`,
		`"sigstoreKeys":{"timestampAuthorities":[{"certChain":"CERT"}]}`,
		`"remote":{"root":"e30=","mirror":"https://m.example","targets":"targets"}`,
		`"repository":{"root":"e30=","mirrorFS":"H4sIAAAAAAAA/wEAAP//AAAAAAAAAAA=","targets":"targets"}`,
	} {
		f.Add(document(spec))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, text := range []string{text, text + "\n---\n" + cluster("authorities: [{keyless: {trustRootRef: t, identities: [{issuer: a, subject: b}]}}]")} {
			if _, err := parse(text); err != nil && !errors.Is(err, policy.ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
		}
	})
}
