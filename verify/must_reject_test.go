package verify_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify"
)

// A row is one thing that must be refused: its number in the list of a hundred that
// hallmark keeps (see the sections), the reason, and how the good plot is spoiled.
// Where two changes stand, twin is the one that must still be accepted, so that the
// row is refused for what it says and not for something beside.
type row struct {
	n        int
	name     string
	reason   verify.Reason
	envelope bool
	version  int // of Rekor, 1 where it is 0
	spoil    func(p *plot)
	twin     func(p *plot)
}

// plot returns the good plot that the row starts from.
func (r row) plot(t *testing.T) *plot {
	t.Helper()
	return newPlot(t, r.envelope, max(1, r.version))
}

// mustReject returns all rows.
func mustReject(t testing.TB) []row {
	t.Helper()
	return slices.Concat(shapeRows(), identityRows(), chainRows(), sctRows(), timeRows(), keyTimeRows(), logRows(), payloadRows(), rootRows(), witnessRows(t), formRows(t))
}

// elsewhere names the items that other tests of this module hold: a file, and what
// stands in it.
func elsewhere() map[int][2]string {
	return map[int][2]string{
		16:  {"testdata/script/blob.txtar", "--certificate-oidc-issuer https://issuer.test"},
		30:  {"testdata/script/blob.txtar", "both a key and an identity"},
		35:  {"verify/threshold_keyless_test.go", "35 certificate logs"},
		47:  {"testdata/script/private.txtar", "A timestamp over a SHA-1"},
		48:  {"verify/threshold_keyless_test.go", "48 clocks"},
		65:  {"verify/certified_test.go", "func TestOffline"},
		79:  {"verify/certified_test.go", "on another image"},
		80:  {"verify/certified_test.go", "on another image"},
		81:  {"verify/bundle_test.go", "another image"},
		82:  {"testdata/script/index.txtar", "--recursive"},
		84:  {"verify/bundle_test.go", "bundle of another digest"},
		85:  {"verify/form_test.go", "func TestFalseSizes"},
		86:  {"verify/verify_test.go", "media type of something else"},
		87:  {"testdata/script/sign-verify.txtar", "annotation-mismatch"},
		88:  {"testdata/script/forged.txtar", "Ten thousand forged entries"},
		90:  {"testdata/script/attest.txtar", "no-attestation"},
		91:  {"testdata/script/sign-verify.txtar", "no-signature"},
		96:  {"sign/key/refuse_test.go", "func TestRefusedPublicKeys"},
		98:  {"sign/keyless/keyless_test.go", "func TestCertificateLies"},
		99:  {"sign/keyless/keyless_test.go", "func TestEntryLies"},
		100: {"sign/keyless/token_test.go", "func TestToken("},
	}
}

// TestMustReject spoils good signatures, one thing at a time. Each row must be refused
// for its own reason, and its twin be accepted.
func TestMustReject(t *testing.T) {
	held := make(map[int]bool)
	for _, r := range mustReject(t) {
		held[r.n] = true
		t.Run(fmt.Sprintf("%02d %s", r.n, r.name), func(t *testing.T) {
			t.Parallel()
			good := r.plot(t)
			if r.twin != nil {
				r.twin(good)
			}
			if c := good.judge(); c.Outcome != verify.Accept {
				t.Errorf("the twin: %s %s: %s", c.Outcome, c.Reason, c.Detail)
			}
			bad := r.plot(t)
			r.spoil(bad)
			c := bad.judge()
			if c.Outcome != verify.Reject || c.Reason != r.reason {
				t.Errorf("%s %s (%s), want %s", c.Outcome, c.Reason, c.Detail, r.reason)
			}
		})
	}
	rows, others, missing := len(held), 0, []int{}
	for n := 1; n <= 100; n++ {
		place, other := elsewhere()[n]
		switch {
		case held[n]:
		case other:
			others++
			if raw := bytesIn(t, filepath.Join("..", place[0])); !strings.Contains(string(raw), place[1]) {
				t.Errorf("item %d: %q does not stand in %s", n, place[1], place[0])
			}
		default:
			missing = append(missing, n)
		}
	}
	t.Logf("%d of 100 items here, %d in other tests, %d not yet: %v", rows, others, len(missing), missing)
}
