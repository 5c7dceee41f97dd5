package verify_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// TestVoidCertificate: a certificate is revoked by its hash, by authority and number,
// or by whom it names; one that differs in any of these is not.
func TestVoidCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		void func(*x509.Certificate) verify.Void
		want verify.Reason
	}{
		"its hash": {func(c *x509.Certificate) verify.Void {
			return verify.Void{Certificates: [][32]byte{sha256.Sum256(c.Raw)}}
		}, verify.Revoked},
		"another hash": {func(c *x509.Certificate) verify.Void {
			return verify.Void{Certificates: [][32]byte{sha256.Sum256(c.RawTBSCertificate)}}
		}, verify.Accepted},
		"its number": {func(c *x509.Certificate) verify.Void {
			return verify.Void{Serials: []verify.Serial{{Issuer: c.Issuer.String(), Number: c.SerialNumber.Text(16)}}}
		}, verify.Revoked},
		"its number at another authority": {func(c *x509.Certificate) verify.Void {
			return verify.Void{Serials: []verify.Serial{{Issuer: "CN=other", Number: c.SerialNumber.Text(16)}}}
		}, verify.Accepted},
		"another number": {func(c *x509.Certificate) verify.Void {
			return verify.Void{Serials: []verify.Serial{{Issuer: c.Issuer.String(), Number: c.SerialNumber.Text(16) + "0"}}}
		}, verify.Accepted},
		"whom it names": {func(*x509.Certificate) verify.Void {
			return verify.Void{Identities: []verify.Name{{Subject: someone, Issuer: voucher}}}
		}, verify.Revoked},
		"the name at another issuer": {func(*x509.Certificate) verify.Void {
			return verify.Void{Identities: []verify.Name{{Subject: someone, Issuer: voucher + "/"}}}
		}, verify.Accepted},
	} {
		for _, envelope := range []bool{false, true} {
			p := newPlot(t, envelope, 1)
			p.made = func(cert *x509.Certificate) { p.revoked = c.void(cert).Revocations() }
			if check := p.judge(); check.Reason != c.want {
				t.Errorf("%s: %s: %s", name, check.Reason, check.Detail)
			}
		}
	}
}

// clock is a time that a test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

// TestFresh: as long as a list holds, what it does not revoke is accepted, and until
// then the verdict holds too; from then on it is undetermined, and what is revoked
// stays so.
func TestFresh(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	s := newShelf()
	sub, bad := s.image(t, "app"), s.image(t, "bad")
	for _, d := range []attach.Subject{sub, bad} {
		s.put(t, signature(t, k, d.Desc.Digest.String(), nil))
	}
	until := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	c := &clock{until.Add(-time.Second)}
	list := verify.Void{Digests: []v1.Hash{bad.Desc.Digest}, Fresh: verify.Freshness{List: "release", Until: until, Now: c.now}}.Revocations()
	lasting := verify.Void{Fresh: verify.Freshness{List: "other", Until: until.Add(time.Hour), Now: c.now}}.Revocations()
	for name, r := range map[string]verify.Revocations{"one": list, "with another": list.And(lasting), "behind another": lasting.And(list), "with none": list.And(verify.Revocations{})} {
		for _, step := range []struct {
			at        time.Time
			sub       attach.Subject
			outcome   verify.Outcome
			reason    verify.Reason
			untilThen bool
		}{
			{until.Add(-time.Second), sub, verify.Accept, verify.Accepted, true},
			{until.Add(-time.Second), bad, verify.Reject, verify.Revoked, false},
			{until, sub, verify.Undetermined, verify.RevocationsStale, false},
			{until, bad, verify.Reject, verify.Revoked, false},
		} {
			c.Time = step.at
			v, checks := revoking(t, s, step.sub, signatureRule(1), r, k)
			if got := checks[verify.RevocationRule]; v.Outcome != step.outcome || got.Reason != step.reason || v.Until().Equal(until) != step.untilThen {
				t.Errorf("%s: at %s: %v, %+v, until %s", name, step.at, v.Outcome, got, v.Until())
			}
		}
	}
	if list.Hash() == list.And(lasting).Hash() || list.And(lasting).Hash() != lasting.And(list).Hash() || (verify.Void{}).Revocations().Hash() != (verify.Revocations{}).Hash() {
		t.Error("the hash does not tell what is revoked")
	}
	timeless := verify.Void{Fresh: verify.Freshness{List: "no clock", Until: until.Add(time.Hour)}}.Revocations()
	if v, _ := revoking(t, s, sub, signatureRule(1), timeless, k); v.Outcome != verify.Undetermined {
		t.Errorf("without a clock: %v", v.Outcome)
	}
}

// TestFreshBlob does the same for a file, whose own digest can be revoked too.
func TestFreshBlob(t *testing.T) {
	k := newKey(t, key.Ed25519)
	signed, err := sign.Blob(t.Context(), wholeBlob().Open, k)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	fresh := func(until time.Duration) verify.Freshness {
		return verify.Freshness{List: "release", Until: now.Add(until), Now: func() time.Time { return now }}
	}
	own := v1.Hash{Algorithm: "sha256", Hex: hexOf(sumOf(blobFile))}
	other := v1.Hash{Algorithm: "sha256", Hex: hexOf(sumOf([]byte("other")))}
	for name, c := range map[string]struct {
		void verify.Void
		want verify.Reason
	}{
		"fresh":         {verify.Void{Fresh: fresh(time.Second)}, verify.Accepted},
		"stale":         {verify.Void{Fresh: fresh(0)}, verify.RevocationsStale},
		"the file":      {verify.Void{Digests: []v1.Hash{own}}, verify.Revoked},
		"another file":  {verify.Void{Digests: []v1.Hash{other}}, verify.Accepted},
		"file and time": {verify.Void{Digests: []v1.Hash{own}, Fresh: fresh(0)}, verify.Revoked},
		"key and time":  {verify.Void{Keys: []key.Fingerprint{k.ID()}, Fresh: fresh(0)}, verify.Revoked},
	} {
		trust := verify.Trust{Keys: []*key.Public{k.PublicKey()}, Revoked: c.void.Revocations()}
		check := door(t, trust, wholeBlob(), signed.Bundle)
		if check.Reason != c.want || (check.Outcome == verify.Accept) != (c.want == verify.Accepted) || (check.Outcome == verify.Undetermined) != (c.want == verify.RevocationsStale) {
			t.Errorf("%s: %v %s: %s", name, check.Outcome, check.Reason, check.Detail)
		}
	}
}

// door judges a file by a bundle.
func door(t *testing.T, trust verify.Trust, blob verify.Blob, bundle []byte) verify.Check {
	t.Helper()
	check, err := verify.VerifyBlob(t.Context(), trust, verify.Statements{}, blob, bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	return check
}
