package verify_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// TestForeignKeyValidity judges what sigstore-go's own test of GHSA-wqqc-jjcq-vfxm does: a
// signature by a key that a clock saw on 4 June 2026, when the key was long over, or not.
func TestForeignKeyValidity(t *testing.T) {
	const name = "public-key-validity"
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sigstore/sigstore-go").Output()
	must(t, err)
	foreign := func(path string) []byte {
		return bytesIn(t, filepath.Join(strings.TrimSpace(string(dir)), "pkg", "testing", "data", path))
	}
	bundle := foreign("bundles/" + name + ".sigstore.json")
	root, err := keyless.ParseRoot(foreign("trusted-roots/" + name + ".json"))
	must(t, err)
	k, err := key.ParsePublic(foreign("public-keys/" + name + ".pem"))
	must(t, err)
	stamped := time.Date(2026, 6, 4, 17, 43, 29, 0, time.UTC)
	blob := verify.Blob{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte("test content"))), nil }}
	for name, c := range map[string]struct {
		valid keyless.Validity
		want  verify.Reason
	}{
		"over in 1970":       {keyless.Validity{NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}, verify.KeyExpired},
		"over a second ago":  {keyless.Validity{NotAfter: stamped.Add(-time.Second)}, verify.KeyExpired},
		"over just now":      {keyless.Validity{NotAfter: stamped}, verify.Accepted},
		"begins just now":    {keyless.Validity{NotBefore: stamped}, verify.Accepted},
		"begins in a second": {keyless.Validity{NotBefore: stamped.Add(time.Second)}, verify.KeyExpired},
		"always":             {keyless.Validity{}, verify.Accepted},
	} {
		trust := verify.Trust{
			Keys: []*key.Public{k}, Root: root, KeyQuorum: keyless.Quorum{Timestamps: 1}, Now: func() time.Time { return stamped },
			Validity: map[key.Fingerprint]keyless.Validity{k.Fingerprint(): c.valid},
		}
		got, err := verify.VerifyBlob(t.Context(), trust, verify.Statements{}, blob, bytes.NewReader(bundle), int64(len(bundle)))
		must(t, err)
		if got.Reason != c.want {
			t.Errorf("%s: %s: %s", name, got.Reason, got.Detail)
		}
	}
}

// TestComposedKeepsWitnesses: whoever takes other clocks or authorities does not lose
// what is asked of the witnesses of a log.
func TestComposedKeepsWitnesses(t *testing.T) {
	p := newPlot(t, false, 2)
	w := newWatcher(t, "w.test")
	witness, err := keyless.ParseWitness(w.public)
	must(t, err)
	bundle, _ := p.make()
	m, err := keyless.FromBundle(bundleType, bytes.NewReader(text(t, bundle["verificationMaterial"])))
	must(t, err)
	id, err := keyless.NewIdentity(p.names)
	must(t, err)
	sig := unb64(t, at(bundle, "messageSignature", "signature").(string))
	root := p.parsed(t)
	witnessed, err := root.Witnessed(1, []keyless.Witness{witness})
	must(t, err)
	for name, r := range map[string]*keyless.Root{
		"composed of it":     keyless.Compose(root, witnessed, root),
		"with another clock": withClock(t, p, witnessed),
	} {
		_, err := r.Verify(m, p.signed(sig), []keyless.Identity{id}, keyless.Terms{})
		if refusal, ok := err.(*keyless.Refusal); !ok || refusal.Code != keyless.Unwitnessed {
			t.Errorf("%s: %v", name, err)
		}
		if r.Hash() == root.Hash() || r.Hash() == witnessed.Hash() {
			t.Errorf("%s: it has the hash of another root", name)
		}
	}
	if _, err := withClock(t, p, root).Verify(m, p.signed(sig), []keyless.Identity{id}, keyless.Terms{}); err != nil {
		t.Errorf("without witnesses: %v", err)
	}
}

// withClock returns the root with the plot's clock, from a file of certificates.
func withClock(t *testing.T, p *plot, r *keyless.Root) *keyless.Root {
	t.Helper()
	var chain bytes.Buffer
	for _, c := range []*x509.Certificate{p.tsaLeaf, p.tsaRoot} {
		must(t, pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	out, err := r.WithClock(chain.Bytes())
	must(t, err)
	return out
}
