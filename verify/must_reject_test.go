package verify_test

import (
	"fmt"
	"slices"
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

// check judges the row and its twin.
func (r row) check(t *testing.T) {
	t.Helper()
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
}

// TestMustReject spoils good signatures, one thing at a time. Each row must be refused
// for its own reason, and its twin be accepted. TestHundred says which items other tests
// hold.
func TestMustReject(t *testing.T) {
	for _, r := range mustReject(t) {
		t.Run(fmt.Sprintf("%02d %s", r.n, r.name), func(t *testing.T) {
			t.Parallel()
			r.check(t)
		})
	}
}
