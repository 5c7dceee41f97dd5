package verify_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// same reports whether two JSON texts hold the same values.
func same(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// FuzzCertifiedBundle: no text but the bundle itself is accepted, and none ends the
// program.
func FuzzCertifiedBundle(f *testing.F) {
	p := newPlot(f, false, 2)
	good, root := p.make()
	raw, trusted := text(f, good), text(f, root)
	f.Add(raw)
	files, err := filepath.Glob(filepath.Join(corpus(f, "sigstore-conformance", "bundle-verify"), "*", "bundle.sigstore.json"))
	must(f, err)
	for _, name := range files {
		b, err := os.ReadFile(name)
		must(f, err)
		f.Add(b)
	}
	parsed, err := keyless.ParseRoot(trusted)
	must(f, err)
	id, err := keyless.NewIdentity(p.names)
	must(f, err)
	every, err := keyless.NewIdentity(keyless.Names{SubjectPattern: ".*", IssuerPattern: ".*"})
	must(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, identity := range []keyless.Identity{id, every} {
			trust := verify.Trust{Root: parsed, Identities: []keyless.Identity{identity}}
			blob, err := verify.ParseDigest("sha256:" + hexOf(sumOf(p.file)))
			must(t, err)
			c, err := verify.VerifyBlob(t.Context(), trust, verify.Statements{Any: true}, blob, bytes.NewReader(b), int64(len(b)))
			must(t, err)
			if c.Outcome == verify.Accept && !same(b, raw) {
				t.Errorf("accepted: %s", b)
			}
		}
	})
}

// FuzzTimestamp: no timestamp but the good one is accepted.
func FuzzTimestamp(f *testing.F) {
	p := newPlot(f, false, 2)
	good, root := p.make()
	trusted := text(f, root)
	stamp := at(good, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0).(object)
	token := unb64(f, stamp["signedTimestamp"].(string))
	f.Add(token)
	f.Add(p.stampBy(f, p.tsaLeaf, p.tsa, []byte("else"), p.now, 5, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		p.t = t
		stamp["signedTimestamp"] = b64(b)
		if c := p.judgeRaw(text(t, good), trusted); c.Outcome == verify.Accept && !bytes.Equal(b, token) {
			t.Errorf("accepted: %x", b)
		}
	})
}

// FuzzTrustedRoot: a text that is read as a root is read the same way again.
func FuzzTrustedRoot(f *testing.F) {
	f.Add(text(f, newForge(f).trusted()))
	f.Add(bytesIn(f, corpus(f, "sigstore-public-good-root", "targets", "trusted_root.json")))
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := keyless.ParseRoot(b)
		if (root == nil) == (err == nil) {
			t.Errorf("root %v, error %v", root, err)
		}
	})
}

// FuzzCertificateAnnotations: what stands in cosign's annotations never ends the
// program, and nothing but the good ones is accepted.
func FuzzCertificateAnnotations(f *testing.F) {
	p := newPlot(f, false, 1)
	p.order.key = newNotary(f).key
	sig := signRaw(f, p.order.key, p.file)
	good := p.legacy(sig, p.file, sig, nil)
	f.Add(good[cosign.CertificateAnnotation], good[cosign.BundleAnnotation], good[cosign.TimestampAnnotation])
	root := p.parsed(f)
	id, err := keyless.NewIdentity(p.names)
	must(f, err)
	f.Fuzz(func(t *testing.T, certificate, bundle, stamp string) {
		m, err := keyless.FromAnnotations(keyless.Annotations{Certificate: certificate, Bundle: bundle, Timestamp: stamp})
		if err != nil {
			return
		}
		_, err = root.Verify(m, p.signed(sig), []keyless.Identity{id}, keyless.Terms{})
		if err == nil && stamp != "" && !same([]byte(bundle), []byte(good[cosign.BundleAnnotation])) {
			t.Errorf("accepted: %q %q %q", certificate, bundle, stamp)
		}
	})
}
