package verify_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

// TestAge reads the time of a predicate where its specification puts it:
// SPDX 2.3 section 6.9, CycloneDX metadata.timestamp, SLSA provenance v0.2 and
// v1, cosign's vulnerability and custom predicates, OpenVEX 0.2.
func TestAge(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	const at = "2026-03-01T12:00:00Z"
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		typ, predicate string
		maxAge         time.Duration
		want           verify.Reason
	}{
		{payload.SPDX, `{"creationInfo":{"created":"` + at + `"}}`, 24 * time.Hour, verify.Accepted},
		{payload.SPDX, `{"creationInfo":{"created":"` + at + `"}}`, 24*time.Hour - 1, verify.TooOld},
		{payload.SPDX, `{"creationInfo":{"created":"2026-03-01T14:00:00+02:00"}}`, 24 * time.Hour, verify.Accepted},
		{payload.SPDX, `{"creationInfo":{"created":"2026-03-02T12:04:00Z"}}`, time.Hour, verify.Accepted},
		{payload.SPDX, `{"creationInfo":{"created":"2026-03-02T12:06:00Z"}}`, time.Hour, verify.FromFuture},
		{payload.SPDX, `{"creationInfo":{"created":"yesterday"}}`, time.Hour, verify.NoTime},
		{payload.SPDX, `{"creationInfo":{"created":1772366400}}`, time.Hour, verify.NoTime},
		{payload.SPDX, `{"creationInfo":["` + at + `"]}`, time.Hour, verify.NoTime},
		{payload.SPDX, `{"created":"` + at + `"}`, 24 * time.Hour, verify.NoTime},
		{payload.SPDX, `{"x":{"creationInfo":{"created":"` + at + `"}}}`, 24 * time.Hour, verify.NoTime},
		{payload.SPDX, `{"creationInfo":{"created":"` + at + `","created":"` + at + `"}}`, 24 * time.Hour, verify.NoTime},
		{payload.SPDX, `"SPDXVersion: SPDX-2.3\nCreated: ` + at + `"`, 24 * time.Hour, verify.NoTime},
		{payload.SPDX, `null`, 24 * time.Hour, verify.NoTime},
		{payload.CycloneDX, `{"components":[{"metadata":{}}],"metadata":{"timestamp":"` + at + `"}}`, 24 * time.Hour, verify.Accepted},
		{payload.CycloneDX, `{"metadata":{"timestamp":"` + at + `"}}`, time.Hour, verify.TooOld},
		{payload.SLSAProvenance2, `{"metadata":{"buildStartedOn":"` + at + `"}}`, 24 * time.Hour, verify.Accepted},
		{payload.SLSAProvenance2, `{"metadata":{"buildStartedOn":"2020-01-01T00:00:00Z","buildFinishedOn":"` + at + `"}}`, 24 * time.Hour, verify.Accepted},
		{payload.SLSAProvenance1, `{"runDetails":{"metadata":{"startedOn":"2020-01-01T00:00:00Z","finishedOn":"` + at + `"}}}`, 24 * time.Hour, verify.Accepted},
		{payload.SLSAProvenance1, `{"metadata":{"finishedOn":"` + at + `"}}`, 24 * time.Hour, verify.NoTime},
		{payload.Vuln, `{"metadata":{"scanStartedOn":"` + at + `","scanFinishedOn":"` + at + `"}}`, 24 * time.Hour, verify.Accepted},
		{payload.OpenVEX, `{"timestamp":"2020-01-01T00:00:00Z","last_updated":"` + at + `"}`, 24 * time.Hour, verify.Accepted},
		{payload.OpenVEX, `{"timestamp":"` + at + `"}`, 24 * time.Hour, verify.Accepted},
		{payload.Custom, `{"Data":"x","Timestamp":"` + at + `"}`, 24 * time.Hour, verify.Accepted},
		{"https://example.com/t", `{"timestamp":"` + at + `"}`, 24 * time.Hour, verify.NoTime},
	} {
		s := newShelf()
		sub := s.image(t, "a")
		body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"a","digest":{"sha256":%q}}],"predicate":%s}`, c.typ, sub.Desc.Digest.Hex, c.predicate)
		s.put(t, cosign.NewAttestation(attach.Bytes(envelope(t, k, payload.MediaType, body)), c.typ))
		rule := attestationRule(c.typ)
		rule.MaxAge = c.maxAge
		v, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, verify.Policy{Rules: []verify.Rule{rule}, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		verdict, err := v.Verify(t.Context(), s, sub)
		if err != nil {
			t.Fatal(err)
		}
		check := verdict.Checks[1]
		if check.Reason != c.want || (check.Outcome == verify.Accept) != (c.want == verify.Accepted) {
			t.Errorf("%s %s: %s %s (%s)", c.typ, c.predicate, check.Outcome, check.Reason, check.Detail)
		}
		if until := verdict.Until(); until.IsZero() != (c.want == verify.NoTime || c.want == verify.TooOld) {
			t.Errorf("%s %s: until %v", c.typ, c.predicate, until)
		}
	}
}

// TestOldAndNew: an old statement does not spoil a new one.
func TestOldAndNew(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s := newShelf()
	sub := s.image(t, "a")
	for _, at := range []string{"2020-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2021-01-01T00:00:00Z"} {
		body := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"a","digest":{"sha256":%q}}],"predicate":{"metadata":{"timestamp":%q}}}`, payload.CycloneDX, sub.Desc.Digest.Hex, at)
		s.put(t, cosign.NewAttestation(attach.Bytes(envelope(t, k, payload.MediaType, body)), payload.CycloneDX))
	}
	rule := attestationRule(payload.CycloneDX)
	rule.MaxAge = 48 * time.Hour
	v, err := verify.New(verify.Trust{}, verify.Policy{Rules: []verify.Rule{withKeys(rule, k)}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := v.Verify(t.Context(), s, sub)
	if err != nil || verdict.Outcome != verify.Accept {
		t.Fatalf("%+v, %v", verdict, err)
	}
	if want := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC); !verdict.Until().Equal(want) {
		t.Errorf("until %v, want %v", verdict.Until(), want)
	}
}

func withKeys(r verify.Rule, keys ...*key.Private) verify.Rule {
	for _, k := range keys {
		r.Keys = append(r.Keys, k.PublicKey())
	}
	return r
}

// TestRuleKeys: a rule with keys of its own takes these and no others.
func TestRuleKeys(t *testing.T) {
	a, b := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	s := newShelf()
	sub := s.image(t, "a")
	s.put(t, signature(t, a, sub.Desc.Digest.String(), nil))
	for _, c := range []struct {
		trust, rule *key.Private
		want        verify.Outcome
	}{{a, nil, verify.Accept}, {b, nil, verify.Reject}, {b, a, verify.Accept}, {a, b, verify.Reject}} {
		rule := signatureRule(1)
		if c.rule != nil {
			rule = withKeys(rule, c.rule)
		}
		if v, _ := judge(t, s, sub, rule, c.trust); v.Outcome != c.want {
			t.Errorf("got %s, want %s", v.Outcome, c.want)
		}
	}
}

// TestAgeConfig refuses ages that cannot be judged.
func TestAgeConfig(t *testing.T) {
	k := newKey(t, key.ECDSAP256)
	clock := func() time.Time { return time.Time{} }
	old := func(r verify.Rule, age time.Duration) verify.Rule { r.MaxAge = age; return r }
	for name, p := range map[string]verify.Policy{
		"no clock":        {Rules: []verify.Rule{old(attestationRule(payload.SPDX), time.Hour)}},
		"signature":       {Rules: []verify.Rule{old(signatureRule(1), time.Hour)}, Now: clock},
		"negative":        {Rules: []verify.Rule{old(attestationRule(payload.SPDX), -1)}, Now: clock},
		"keys of nothing": {Rules: []verify.Rule{{Name: "r", Kind: attach.Signature, Threshold: 1, Keys: []*key.Public{nil}}}},
	} {
		if _, err := verify.New(verify.Trust{Keys: []*key.Public{k.PublicKey()}}, p); !errors.Is(err, verify.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
