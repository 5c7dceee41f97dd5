package policy_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/network"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// TestRemoteParts: a part that is kept elsewhere counts where it can be had with the
// digest that the policy names; else the question is open, and says why.
func TestRemoteParts(t *testing.T) {
	const typ, address = "https://example.com/levels", "https://parts.example/p.cue"
	f := newFixture(t)
	f.attest(t, typ, `{"level":"one"}`, f.k1)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("has one")))
	text := strings.Replace(attested(typ, "X"), "data: 'X'", "remote: {url: '"+address+"', sha256sum: SUM}", 1)
	quoted := `"` + strings.ReplaceAll(string(f.k1.PublicKey().PEM()), "\n", `\n`) + `"`
	var nobody *network.Hosts
	for name, c := range map[string]struct {
		sum    string
		remote func(string, [32]byte) ([]byte, error)
		want   string
		detail string
	}{
		"as it should be": {sum, func(string, [32]byte) ([]byte, error) { return []byte("has one"), nil }, "accept subject=accepted c/a/attestation n=accepted", ""},
		"another text":    {sum, func(string, [32]byte) ([]byte, error) { return []byte("yes"), nil }, "undetermined c/a/attestation n=reference-missing", "the policy wants " + sum},
		"no network":      {sum, nil, "undetermined c/a/attestation n=reference-missing", "write what is at " + address + " into data"},
		"a host that nobody named": {sum, func(at string, _ [32]byte) ([]byte, error) { return nobody.Get(t.Context(), at, 10) },
			"undetermined c/a/attestation n=reference-missing", "--network parts.example"},
		"no digest": {"abc", func(string, [32]byte) ([]byte, error) { t.Error("it was fetched"); return nil, nil },
			"undetermined c/a/attestation n=reference-missing", "which no content has"},
	} {
		o := policy.Options{Now: func() time.Time { return time.Unix(1, 0) }, Evaluator: &speaker{}}
		if c.remote != nil {
			o.Remote = func(at string, sum [32]byte) ([]byte, error) {
				if at != address {
					t.Errorf("%s: %s was fetched", name, at)
				}
				return c.remote(at, sum)
			}
		}
		set, err := policy.Parse(o, policy.File{Name: "p.yaml", Text: []byte(strings.NewReplacer("SUM", c.sum, "K1", quoted).Replace(text))})
		if err != nil {
			t.Fatal(err)
		}
		v, err := set.Match("r.example/app@"+f.good.Desc.Digest.String(), nil).Verify(t.Context(), f.store, f.good)
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != c.want || !strings.Contains(v.Checks[len(v.Checks)-1].Detail, c.detail) {
			t.Errorf("%s: %s: %s", name, got, v.Checks[len(v.Checks)-1].Detail)
		}
	}
}
