package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// revoked is a document that revokes and nothing else.
func revoked(lines string) string {
	return "\n---\napiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: revoked}\nspec:\n  revoked:\n    " + lines + "\n"
}

// TestRevoked: what one document revokes is revoked for all of them, whatever
// their order, mode and kind.
func TestRevoked(t *testing.T) {
	f := newFixture(t)
	signedBy1 := scope(`"keys": [{"data": K1}, {"data": K2}]`)
	document := attach.DigestOf([]byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[],"creationInfo":{"created":"` + made + `"}}`))
	clusterK1 := cluster("authorities: [{key: {data: K1}}, {key: {data: K2}}]")
	for name, c := range map[string]struct{ text, want string }{
		"a key":                {signedBy1 + revoked("keys: [{data: K1}]"), "reject p/s/signature=revoked"},
		"a key, by its hash":   {signedBy1 + revoked(`keys: [{fingerprint: "sha256:`+f.k1.ID().String()+`"}]`), "reject p/s/signature=revoked"},
		"a key, said before":   {strings.TrimPrefix(revoked("keys: [{data: K1}]"), "\n---\n") + "---\n" + signedBy1, "reject p/s/signature=revoked"},
		"another key":          {signedBy1 + revoked("keys: [{data: K2}]"), "accept subject=accepted p/s/signature=accepted"},
		"an only key":          {scope(`"keys": [{"data": K1}]`) + revoked("keys: [{data: K1}]"), "reject p/s/signature=revoked"},
		"a key of a cluster":   {clusterK1 + revoked("keys: [{data: K1}]"), "reject c=revoked"},
		"a key, in mode warn":  {scope(`"keys": [{"data": K1}], "mode": "warn"`) + revoked("keys: [{data: K1}]"), "reject p/s/signature=revoked!"},
		"the image":            {signedBy1 + revoked(`digests: [GOOD]`), "reject revocation=revoked"},
		"the image, exempt":    {scope(`"static": "pass"`) + revoked(`digests: [GOOD]`), "reject revocation=revoked"},
		"the image, warned of": {scope(`"keys": [{"data": K1}], "mode": "warn"`) + revoked(`digests: [GOOD]`), "reject revocation=revoked"},
		"another image":        {signedBy1 + revoked(`digests: [BARE]`), "accept subject=accepted revocation=accepted p/s/signature=accepted"},
		"its SBOM":             {scope(`"keys": [{"data": K1}, {"data": K2}], "sbom": {}`) + revoked(`digests: ["`+document.String()+`"]`), "reject p/s/sbom=revoked"},
	} {
		text := strings.NewReplacer("GOOD", `"`+f.good.Desc.Digest.String()+`"`, "BARE", `"`+f.bare.Desc.Digest.String()+`"`).Replace(c.text)
		v, err := f.policy(t, made, text).Verify(t.Context(), f.store, f.good, "r.example/app")
		if got := say(v); err != nil || got != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, got, c.want, err)
		}
		if pass, _ := policy.Gate(v); pass != (v.Outcome == verify.Accept || strings.HasSuffix(c.want, "!")) {
			t.Errorf("%s: the gate lets pass: %v", name, pass)
		}
	}
}

// TestRevokedInIndex: an index that lists a revoked image is rejected, by a
// policy that only warns and by one with several authorities too.
func TestRevokedInIndex(t *testing.T) {
	f := newFixture(t)
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	child, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := f.store.PutIndex(t.Context(), "index", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign.Image(t.Context(), f.store, []attach.Subject{index}, []sign.Signer{f.k1}, sign.ImageOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		scope(`"keys": [{"data": K1}]`),
		scope(`"keys": [{"data": K3}], "mode": "warn"`),
		cluster("mode: warn\n  authorities: [{key: {data: K2}}, {key: {data: K3}}]"),
		scope(`"static": "pass"`),
		cluster("mode: warn\n  authorities: [{static: {action: pass}}]"),
		cluster("authorities: [{key: {data: K2}}, {static: {action: pass}}]"),
	} {
		v, err := f.policy(t, made, text+revoked(fmt.Sprintf("digests: [%q]", child))).Verify(t.Context(), f.store, index, "r.example/app")
		if pass, _ := policy.Gate(v); err != nil || pass || !strings.Contains(say(v), "revocation=revoked ") && !strings.HasSuffix(say(v), "revocation=revoked") {
			t.Errorf("%s: %v", say(v), err)
		}
	}
}

// TestRevokedElsewhere: an exempted image is looked at for what it lists where digests
// are revoked, and for nothing else.
func TestRevokedElsewhere(t *testing.T) {
	f := newFixture(t)
	exempt := scope(`"static": "pass"`) + revoked(`digests: ["`+f.bare.Desc.Digest.String()+`"]`)
	at := "r.example/app@" + f.good.Desc.Digest.String()
	set := f.policy(t, made, exempt)
	if v, err := set.Verify(t.Context(), f.store, f.good, at); err != nil || say(v) != "accept subject=accepted revocation=accepted p/s/static=static-pass" {
		t.Errorf("another image is revoked: %s, %v", say(v), err)
	}
	if v, err := set.Verify(t.Context(), silent{}, f.good, at); err != nil || v.Outcome != verify.Undetermined {
		t.Errorf("nothing tells what it lists: %s, %v", say(v), err)
	}
	if v, static := set.Match("r.example/app:latest", nil).Static(); !static || v.Outcome != verify.Accept {
		t.Errorf("named by tag alone: %v %s", static, say(v))
	}
	for _, text := range []string{scope(`"static": "pass"`), scope(`"static": "pass"`) + revoked("keys: [{data: K1}]"), strings.Replace(exempt, "pass", "fail", 1)} {
		if _, static := f.policy(t, made, text).Match(at, nil).Static(); !static {
			t.Errorf("a registry is asked for nothing: %s", text)
		}
	}
}

// TestRevokedHash: a verdict from before a revocation is another question.
func TestRevokedHash(t *testing.T) {
	f := newFixture(t)
	text := scope(`"keys": [{"data": K1}]`)
	seen := make(map[[32]byte]string)
	for _, more := range []string{
		"", revoked("keys: [{data: K1}]"), revoked("keys: [{data: K2}]"), revoked(`digests: ["sha256:` + strings.Repeat("a", 64) + `"]`),
	} {
		h := f.policy(t, made, text+more).Match("r.example/app", nil).Hash()
		if other, twice := seen[h]; twice {
			t.Errorf("%q and %q have one hash", more, other)
		}
		seen[h] = more
	}
	one, two := "{data: K1}", "{data: K2}"
	if f.policy(t, made, text+revoked("keys: ["+one+", "+two+"]")).Match("r.example/app", nil).Hash() !=
		f.policy(t, made, text+revoked("keys: ["+two+", "+one+"]")).Match("r.example/app", nil).Hash() {
		t.Error("the order of revocations counts")
	}
}
