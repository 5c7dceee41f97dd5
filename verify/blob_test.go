package verify_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// blobFile is the file of these tests.
var blobFile = []byte("hello\n")

// wholeBlob is the file itself, digestBlob what its SHA-256 tells of it.
func wholeBlob() verify.Blob {
	return verify.Blob{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(blobFile)), nil }}
}

func digestBlob(t *testing.T) verify.Blob {
	t.Helper()
	b, err := verify.ParseDigest(fmt.Sprintf("sha256:%x", sha256.Sum256(blobFile)))
	must(t, err)
	return b
}

// stating returns the bundle of a statement about the subjects, signed by the key.
func stating(t *testing.T, k *key.Private, typ, subjects string) []byte {
	t.Helper()
	body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":%s,"predicateType":%q,"predicate":{"result":"FAILED"}}`, subjects, typ)
	return text(t, object{
		"mediaType": bundleType, "verificationMaterial": object{"publicKey": object{"hint": "k"}},
		"dsseEnvelope": json.RawMessage(envelope(t, k, payload.MediaType, body)),
	})
}

// judgeBlob judges the file by the bundle, for the keys; any statement will do.
func judgeBlob(t *testing.T, blob verify.Blob, bundle []byte, keys ...*key.Private) verify.Check {
	t.Helper()
	return judgeStated(t, blob, verify.Statements{Any: true}, bundle, keys...)
}

// judgeStated does the same with the statements that are taken.
func judgeStated(t *testing.T, blob verify.Blob, wanted verify.Statements, bundle []byte, keys ...*key.Private) verify.Check {
	t.Helper()
	check, err := verify.VerifyBlob(t.Context(), verify.Trust{Keys: public(keys...)}, wanted, blob, bytes.NewReader(bundle), int64(len(bundle)))
	must(t, err)
	return check
}

// TestBlobDigestOnly: what a statement says of another hash than the given one cannot
// be told, and is no statement about another file.
func TestBlobDigestOnly(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	small, large := sha256.Sum256(blobFile), sha512.Sum512(blobFile)
	subject := func(name string, sum []byte) string { return fmt.Sprintf(`%q:"%x"`, name, sum) }
	mine, other, wide := subject("sha256", small[:]), subject("sha256", large[:32]), subject("sha512", large[:])
	for _, c := range []struct {
		name, subjects string
		file, digest   verify.Reason
	}{
		{"its SHA-256", `[{"digest":{` + mine + `}}]`, verify.Accepted, verify.Accepted},
		{"its SHA-512", `[{"digest":{` + wide + `}}]`, verify.Accepted, verify.DigestOnly},
		{"both", `[{"digest":{` + mine + `,` + wide + `}}]`, verify.Accepted, verify.Accepted},
		{"another file, and its SHA-512", `[{"digest":{` + other + `}},{"digest":{` + wide + `}}]`, verify.Accepted, verify.DigestOnly},
		{"its SHA-512, and its SHA-256", `[{"digest":{` + wide + `}},{"digest":{` + mine + `}}]`, verify.Accepted, verify.Accepted},
		{"another SHA-256", `[{"digest":{` + other + `}}]`, verify.WrongSubject, verify.WrongSubject},
		{"another file by both", `[{"digest":{` + other + `,` + subject("sha512", make([]byte, 64)) + `}}]`, verify.WrongSubject, verify.WrongSubject},
		{"another SHA-512", `[{"digest":{` + subject("sha512", make([]byte, 64)) + `}}]`, verify.WrongSubject, verify.DigestOnly},
		{"a hash that is not read", `[{"digest":{"sha1":"f572d396fae9206628714fb2ce00f72e94f2258f"}}]`, verify.WrongSubject, verify.WrongSubject},
	} {
		bundle := stating(t, k, "https://example.test/p", c.subjects)
		for how, x := range map[string]struct {
			blob verify.Blob
			want verify.Reason
		}{"file": {wholeBlob(), c.file}, "digest": {digestBlob(t), c.digest}} {
			outcome := map[verify.Reason]verify.Outcome{verify.Accepted: verify.Accept, verify.DigestOnly: verify.Undetermined, verify.WrongSubject: verify.Reject}[x.want]
			if check := judgeBlob(t, x.blob, bundle, k); check.Reason != x.want || check.Outcome != outcome {
				t.Errorf("%s, by the %s: %s %s: %s", c.name, how, check.Outcome, check.Reason, check.Detail)
			}
		}
	}
}

// TestBlobKeys: a key of which the digest alone does not tell does not keep the next
// one from being asked, in whatever order they stand.
func TestBlobKeys(t *testing.T) {
	signer, other, open := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256), newKey(t, key.Ed25519)
	signed, err := sign.Blob(t.Context(), wholeBlob().Open, signer)
	must(t, err)
	for _, c := range []struct {
		name string
		keys []*key.Private
		want verify.Outcome
	}{
		{"one that does not tell, the signer", []*key.Private{open, signer}, verify.Accept},
		{"the signer, one that does not tell", []*key.Private{signer, open}, verify.Accept},
		{"one that does not tell, another", []*key.Private{open, other}, verify.Undetermined},
		{"another, one that does not tell", []*key.Private{other, open}, verify.Undetermined},
		{"another", []*key.Private{other}, verify.Reject},
	} {
		check := judgeBlob(t, digestBlob(t), signed.Bundle, c.keys...)
		if check.Outcome != c.want || c.want == verify.Undetermined && check.Reason != verify.DigestOnly || check.Outcome == verify.Accept && check.Evidence[0].Signers[0] != signer.ID() {
			t.Errorf("%s: %s %s: %s", c.name, check.Outcome, check.Reason, check.Detail)
		}
		if check := judgeBlob(t, wholeBlob(), signed.Bundle, c.keys...); check.Outcome == verify.Undetermined {
			t.Errorf("%s, by the file: %s: %s", c.name, check.Reason, check.Detail)
		}
	}
}

// TestBlobStatements: a statement about a file is no signature over it. It counts where
// its type is asked for, and there a signature says nothing.
func TestBlobStatements(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	const typ = "https://in-toto.io/attestation/test-result/v0.1"
	failed := stating(t, k, typ, fmt.Sprintf(`[{"digest":{"sha256":"%x"}}]`, sha256.Sum256(blobFile)))
	wide := stating(t, k, typ, fmt.Sprintf(`[{"digest":{"sha512":"%x"}}]`, sha512.Sum512(blobFile)))
	signed, err := sign.Blob(t.Context(), wholeBlob().Open, k)
	must(t, err)
	one, two := verify.Statements{Types: []string{typ}}, verify.Statements{Types: []string{payload.SPDX, typ}}
	other, any := verify.Statements{Types: []string{payload.SPDX, typ + "/"}}, verify.Statements{Any: true}
	for _, c := range []struct {
		name   string
		bundle []byte
		wanted verify.Statements
		want   verify.Reason
	}{
		{"a statement, not asked for", failed, verify.Statements{}, verify.PayloadType},
		{"one that the digest leaves open, not asked for", wide, verify.Statements{}, verify.PayloadType},
		{"a statement, for its type", failed, one, verify.Accepted},
		{"a statement, for one of two types", failed, two, verify.Accepted},
		{"a statement, for another type", failed, other, verify.PredicateType},
		{"one that the digest leaves open, for another type", wide, other, verify.PredicateType},
		{"a statement, for any type", failed, any, verify.Accepted},
		{"a signature", signed.Bundle, verify.Statements{}, verify.Accepted},
		{"a signature, for a type", signed.Bundle, one, verify.PayloadType},
		{"a signature, for any type", signed.Bundle, any, verify.Accepted},
	} {
		for how, blob := range map[string]verify.Blob{"file": wholeBlob(), "digest": digestBlob(t)} {
			check := judgeStated(t, blob, c.wanted, c.bundle, k)
			if check.Reason != c.want || (check.Outcome == verify.Accept) != (c.want == verify.Accepted) || check.Outcome == verify.Undetermined {
				t.Errorf("%s, by the %s: %s %s: %s", c.name, how, check.Outcome, check.Reason, check.Detail)
			}
			if check.Outcome == verify.Reject && !strings.Contains(check.Detail, "--type") {
				t.Errorf("%s, by the %s: it does not tell of --type: %s", c.name, how, check.Detail)
			}
		}
	}
	// A stranger's statement is a stranger's, whatever is asked for.
	if check := judgeStated(t, wholeBlob(), one, failed, newKey(t, key.ECDSAP256)); check.Reason != verify.UntrustedKey {
		t.Errorf("by a stranger: %s %s", check.Outcome, check.Reason)
	}
}
