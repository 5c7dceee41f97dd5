package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

// listed is a policy that names a signed list, in a folder with the list and its key.
type listed struct {
	*fixture
	dir    string
	signer *key.Private
	now    time.Time
}

func newListed(t *testing.T) *listed {
	t.Helper()
	l := &listed{fixture: newFixture(t), dir: t.TempDir()}
	var err error
	if l.now, err = time.Parse(time.RFC3339, made); err != nil {
		t.Fatal(err)
	}
	if l.signer, err = key.Generate(key.Ed25519); err != nil {
		t.Fatal(err)
	}
	l.write(t, "security.pub", string(l.signer.PublicKey().PEM()))
	return l
}

func (l *listed) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes the list with that number, which revokes the keys for a day.
func (l *listed) issue(t *testing.T, sequence int64, by *key.Private, keys ...*key.Private) {
	t.Helper()
	list := revocation.List{Name: "release", Sequence: sequence, Issued: l.now, Expires: l.now.Add(24 * time.Hour)}
	for _, k := range keys {
		list.Keys = append(list.Keys, revocation.Key{Fingerprint: k.ID(), Why: revocation.Why{Reason: "key-compromise", Date: l.now}})
	}
	signed, err := revocation.Sign(t.Context(), list, by)
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, "list.json", string(signed))
}

// load reads the policy, which accepts K1 and K2 under that list.
func (l *listed) load(t *testing.T, more string) (*policy.Set, error) {
	t.Helper()
	quoted := func(k *key.Private) string {
		return `"` + strings.ReplaceAll(string(k.PublicKey().PEM()), "\n", `\n`) + `"`
	}
	text := scope(`"keys": [{"data": K1}, {"data": K2}]`) + revoked("lists: [{file: list.json, keys: [{file: security.pub}]"+more+"}]")
	l.write(t, "policy.yaml", strings.NewReplacer("K1", quoted(l.k1), "K2", quoted(l.k2)).Replace(text))
	return policy.Load(t.Context(), policy.Options{Now: func() time.Time { return l.now }}, filepath.Join(l.dir, "policy.yaml"))
}

// TestLists: a signed list revokes as the policy itself does, until it is too old.
func TestLists(t *testing.T) {
	for name, c := range map[string]struct {
		keys  int // of K1, which signed, and K2
		more  string
		later time.Duration
		want  string
	}{
		"nothing revoked":     {0, "", 0, "accept subject=accepted revocation=accepted p/s/signature=accepted"},
		"the key":             {1, "", 0, "reject p/s/signature=revoked"},
		"its last second":     {0, "", 24*time.Hour - time.Second, "accept subject=accepted revocation=accepted p/s/signature=accepted"},
		"expired":             {0, "", 24 * time.Hour, "undetermined revocation=revocations-stale"},
		"too old":             {0, ", maxAge: 60m", time.Hour, "undetermined revocation=revocations-stale"},
		"not yet too old":     {0, ", maxAge: 60m", time.Hour - time.Second, "accept subject=accepted revocation=accepted p/s/signature=accepted"},
		"as asked for":        {0, ", name: release, minSequence: 3", 0, "accept subject=accepted revocation=accepted p/s/signature=accepted"},
		"a revoked key stays": {1, "", 24 * time.Hour, "undetermined revocation=revocations-stale"},
	} {
		l := newListed(t)
		l.issue(t, 3, l.signer, []*key.Private{l.k1}[:c.keys]...)
		set, err := l.load(t, c.more)
		if err != nil {
			t.Fatal(err)
		}
		l.now = l.now.Add(c.later)
		v, err := set.Verify(t.Context(), l.store, l.good, "r.example/app")
		if got := say(v); err != nil || got != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, got, c.want, err)
		}
		if pass, _ := policy.Gate(v); pass != (v.Outcome == verify.Accept) {
			t.Errorf("%s: the gate lets pass: %v", name, pass)
		}
		if v.Outcome == verify.Accept && v.Until().IsZero() {
			t.Errorf("%s: the verdict holds for ever", name)
		}
	}
}

// TestListRefused: a list that the policy does not ask for is no mistake in the policy,
// but nothing can be judged by it.
func TestListRefused(t *testing.T) {
	l := newListed(t)
	for name, c := range map[string]struct {
		by   *key.Private
		more string
		want verify.Reason
	}{
		"another key":    {l.k1, "", verify.RevocationsUntrusted},
		"a lower number": {l.signer, ", minSequence: 4", verify.RevocationsOld},
		"another list":   {l.signer, ", name: other", verify.RevocationsMalformed},
	} {
		l.issue(t, 3, c.by)
		_, err := l.load(t, c.more)
		var refusal *revocation.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != c.want || errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), "list.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(filepath.Join(l.dir, "list.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.load(t, ""); err == nil || !strings.Contains(err.Error(), "list.json") {
		t.Errorf("no list: %v", err)
	}
	l.issue(t, 3, l.signer)
	for more, want := range map[string]string{
		", minSequence: 0": "minSequence", ", maxAge: forever": "maxAge", ", latest: true": "unknown field",
		"}, {file: list.json": "keys is missing", "}, {file: 'vault://list', keys: [{file: security.pub}]": "is no file",
	} {
		if _, err := l.load(t, more); !errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", more, err)
		}
	}
}

// TestStaleExempt: an image that a policy exempts is not let pass while it cannot be
// told what is revoked.
func TestStaleExempt(t *testing.T) {
	l := newListed(t)
	l.issue(t, 3, l.signer)
	l.write(t, "policy.yaml", scope(`"static": "pass"`)+revoked("lists: [{file: list.json, keys: [{file: security.pub}]}]"))
	set, err := policy.Load(t.Context(), policy.Options{Now: func() time.Time { return l.now }}, filepath.Join(l.dir, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		later time.Duration
		want  verify.Outcome
	}{{0, verify.Accept}, {24 * time.Hour, verify.Undetermined}} {
		l.now = l.now.Add(step.later)
		if v, ok := set.Match("r.example/app@"+l.good.Desc.Digest.String(), nil).Static(); !ok || v.Outcome != step.want {
			t.Errorf("after %v: %v, %+v", step.later, ok, v)
		}
	}
}

// TestListByRevoked: a key that the policies revoke signs no list either. Who found it
// would hand out one that revokes nothing.
func TestListByRevoked(t *testing.T) {
	l := newListed(t)
	spare, err := key.Generate(key.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, "spare.pub", string(spare.PublicKey().PEM()))
	read := func(keys, more string) (*policy.Set, error) {
		l.write(t, "policy.yaml", scope(`"static": "pass"`)+revoked("lists: [{file: list.json, keys: ["+keys+"]}]"+more))
		l.write(t, "lost.yaml", strings.TrimPrefix(strings.Replace(revoked("keys: [{file: security.pub}]"), "name: revoked", "name: lost", 1), "\n---\n"))
		return policy.Load(t.Context(), policy.Options{Now: func() time.Time { return l.now }}, filepath.Join(l.dir, "policy.yaml"), filepath.Join(l.dir, "lost.yaml"))
	}
	const both = "{file: security.pub}, {file: spare.pub}"
	l.issue(t, 9, l.signer)
	var refusal *revocation.Refusal
	if _, err := read(both, ""); !errors.As(err, &refusal) || refusal.Reason != verify.RevocationsUntrusted {
		t.Errorf("signed by the revoked key: %v", err)
	}
	for _, more := range []string{"", "\n    keys: [{file: security.pub}]"} {
		if _, err := read("{file: security.pub}", more); !errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), "are revoked") {
			t.Errorf("no other key may sign it: %v", err)
		}
	}
	l.issue(t, 9, spare)
	if _, err := read(both, ""); err != nil {
		t.Errorf("signed by the other key: %v", err)
	}
}
