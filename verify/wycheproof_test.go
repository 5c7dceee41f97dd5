package verify_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/key/wycheproof"
	"github.com/hallmark-oci/hallmark/verify"
)

// TestWycheproof puts the vectors of the ways of signing that are accepted before the
// door, each as the signature of a file in a Sigstore bundle. Item 70: zero or too
// large numbers, BER in place of DER, what stands behind it, signatures over another
// hash. See sign/key for all vectors.
func TestWycheproof(t *testing.T) {
	dir := wycheproof.Fetch(t)
	for name, least := range map[string]int{
		"ecdsa_secp256r1_sha256_test.json": 484, "ecdsa_secp384r1_sha256_test.json": 472, "ecdsa_secp384r1_sha384_test.json": 504,
		"ecdsa_secp521r1_sha512_test.json": 542, "ed25519_test.json": 151, "rsa_signature_2048_sha256_test.json": 250,
		"rsa_signature_3072_sha256_test.json": 250, "rsa_signature_4096_sha256_test.json": 250,
	} {
		accepted, rejected := 0, 0
		for _, g := range wycheproof.Read(t, dir, name) {
			pub, err := key.ParsePublic([]byte(g.PEM))
			if err != nil {
				continue // a key that none should trust, see sign/key
			}
			for _, v := range g.Vectors {
				check := throughDoor(t, pub, v)
				switch {
				case v.Result == "invalid" && check.Outcome == verify.Accept, v.Result == "valid" && check.Outcome != verify.Accept,
					check.Outcome == verify.Undetermined:
					t.Errorf("%s %d (%s), which is %s: %v %s %s", name, v.ID, v.Comment, v.Result, check.Outcome, check.Reason, check.Detail)
				case check.Outcome == verify.Accept:
					accepted++
				case check.Reason != verify.UntrustedKey && (check.Reason != verify.BundleMalformed || len(v.Signature) > 0):
					t.Errorf("%s %d (%s): %s %s", name, v.ID, v.Comment, check.Reason, check.Detail)
				default:
					rejected++
				}
			}
		}
		if accepted == 0 || accepted+rejected < least {
			t.Errorf("%s: %d accepted, %d rejected, of %d", name, accepted, rejected, least)
		}
		t.Logf("%-36s %3d accepted, %3d rejected", name, accepted, rejected)
	}
}

// throughDoor judges the vector's message by a bundle with its signature.
func throughDoor(t *testing.T, pub *key.Public, v wycheproof.Vector) verify.Check {
	t.Helper()
	sum := crypto.SHA256.New()
	sum.Write(v.Message)
	text, err := json.Marshal(object{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": object{"publicKey": object{"hint": ""}},
		"messageSignature": object{
			"messageDigest": object{"algorithm": "SHA2_256", "digest": b64(sum.Sum(nil))}, "signature": b64(v.Signature),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	blob := verify.Blob{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(v.Message)), nil }}
	check, err := verify.VerifyBlob(t.Context(), verify.Trust{Keys: []*key.Public{pub}}, verify.Statements{}, blob, strings.NewReader(string(text)), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return check
}
