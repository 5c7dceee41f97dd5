package policy_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// made is when the SBOMs of the fixture were made, as they say.
const made = "2026-01-10T00:00:00Z"

// fixture is a store with an image that k1 signed, for which k2 made an SBOM
// and k1 provenance, and an image that nobody signed.
type fixture struct {
	store        *layout.Store
	good, bare   attach.Subject
	k1, k2, none *key.Private
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := layout.Create(t.Context(), filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &fixture{store: s}
	for _, to := range []*attach.Subject{&f.good, &f.bare} {
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		if *to, err = s.PutImage(t.Context(), fmt.Sprintf("v%p", to), img); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []**key.Private{&f.k1, &f.k2, &f.none} {
		if *to, err = key.Generate(key.ECDSAP256); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sign.Image(t.Context(), s, []attach.Subject{f.good}, []sign.Signer{f.k1}, sign.ImageOptions{Annotations: map[string]string{"env": "prod"}}); err != nil {
		t.Fatal(err)
	}
	f.attest(t, "spdxjson", `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[],"creationInfo":{"created":"`+made+`"}}`, f.k2)
	f.attest(t, "https://example.com/untimed", `{"time":"`+made+`"}`, f.k1)
	return f
}

func (f *fixture) attest(t *testing.T, typ, predicate string, k *key.Private) {
	t.Helper()
	opts := sign.StatementOptions{PredicateType: typ, Predicate: payload.Bytes([]byte(predicate))}
	if _, err := sign.Statement(t.Context(), f.store, f.good, opts, []sign.Signer{k}); err != nil {
		t.Fatal(err)
	}
}

// policy replaces K1, K2 and K3 by the keys and parses at the time.
func (f *fixture) policy(t *testing.T, now, text string) *policy.Set {
	t.Helper()
	quoted := func(k *key.Private) string {
		return `"` + strings.ReplaceAll(string(k.PublicKey().PEM()), "\n", `\n`) + `"`
	}
	text = strings.NewReplacer("K1", quoted(f.k1), "K2", quoted(f.k2), "K3", quoted(f.none)).Replace(text)
	clock, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Parse(policy.Options{Now: func() time.Time { return clock }}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return set
}

// say puts a verdict in one line: the outcome, and each check that does not
// accept, or all where all do.
func say(v verify.Verdict) string {
	var parts []string
	for _, c := range v.Checks {
		if c.Outcome != verify.Accept || v.Outcome == verify.Accept {
			p := c.Rule + "=" + string(c.Reason)
			if c.Warn {
				p += "!"
			}
			parts = append(parts, p)
		}
	}
	return v.Outcome.String() + " " + strings.Join(parts, " ")
}

// TestScopes judges the signed image by scopes.
func TestScopes(t *testing.T) {
	f := newFixture(t)
	for text, want := range map[string]string{
		`"keys": [{"data": K1}]`:                                                "accept subject=accepted p/s/signature=accepted",
		`"keys": [{"data": K3}]`:                                                "reject p/s/signature=none-accepted",
		`"keys": [{"data": K1}, {"data": K2}], "threshold": 2`:                  "reject p/s/signature=threshold-not-met",
		`"keys": [{"data": K1}], "signature": {"annotations": {"env": "prod"}}`: "accept subject=accepted p/s/signature=accepted",
		`"keys": [{"data": K1}], "signature": {"annotations": {"env": "dev"}}`:  "reject p/s/signature=none-accepted",
		// In a layout directory, which no signature can name.
		`"keys": [{"data": K1}], "checkReference": true`:                                                                                             "reject p/s/signature=none-accepted",
		`"keys": [{"data": K1}], "checkReference": false`:                                                                                            "accept subject=accepted p/s/signature=accepted",
		`"keys": [{"data": K1}], "sbom": {}`:                                                                                                         "reject p/s/sbom=none-accepted",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}]}`:                                                                                   "accept subject=accepted p/s/signature=accepted p/s/sbom=accepted",
		`"keys": [{"data": K2}], "signature": {"required": false}, "sbom": {}`:                                                                       "accept subject=accepted p/s/sbom=accepted",
		`"keys": [{"data": K2}], "sbom": {}`:                                                                                                         "reject p/s/signature=none-accepted",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "maxAge": "30d"}`:                                                                  "accept subject=accepted p/s/signature=accepted p/s/sbom=accepted",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "maxAge": "10d"}`:                                                                  "accept subject=accepted p/s/signature=accepted p/s/sbom=accepted",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "maxAge": "9d"}`:                                                                   "reject p/s/sbom=too-old",
		`"keys": [{"data": K1}], "attestations": [{"type": "https://example.com/untimed"}]`:                                                          "accept subject=accepted p/s/signature=accepted p/s/attestation https://example.com/untimed=accepted",
		`"keys": [{"data": K1}], "attestations": [{"type": "https://example.com/untimed", "maxAge": "9d"}]`:                                          "reject p/s/attestation https://example.com/untimed=no-time",
		`"keys": [{"data": K1}], "attestations": [{"type": "vuln"}]`:                                                                                 "reject p/s/attestation vuln=none-accepted",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "quality": {"created": true}, "formats": [{"name": "spdx", "minVersion": "2.2"}]}`: "accept subject=accepted p/s/signature=accepted p/s/sbom=accepted",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "quality": {"versions": "10%"}}`:                                                   "reject p/s/sbom=sbom-quality",
		`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "formats": [{"name": "cyclonedx"}]}`:                                               "reject p/s/sbom=sbom-format",
		`"keys": [{"data": K1}], "sbom": {"quality": {"versions": "10%"}}`:                                                                           "reject p/s/sbom=none-accepted",
		// Conditions over what was signed.
		`"keys": [{"data": K1}], "attestations": [{"type": "https://example.com/untimed", "cel": "predicate.time.startsWith('2026') && 'sha256:' + statement.subject[0].digest.sha256 == subject.digest"}]`: "accept subject=accepted p/s/signature=accepted p/s/attestation https://example.com/untimed=accepted",
		`"keys": [{"data": K1}], "attestations": [{"type": "https://example.com/untimed", "cel": "predicate.time.startsWith('2025')"}]`:                                                                     "reject p/s/attestation https://example.com/untimed=condition-not-met",
		`"keys": [{"data": K1}], "attestations": [{"type": "https://example.com/untimed", "cel": "predicate.tiem == ''"}]`:                                                                                  "reject p/s/attestation https://example.com/untimed=condition-failed",
		`"keys": [{"data": K3}], "attestations": [{"type": "https://example.com/untimed", "cel": "has(predicate.time)"}], "signature": {"required": false}`:                                                 "reject p/s/attestation https://example.com/untimed=none-accepted",
		`"keys": [{"data": K3}], "mode": "warn"`: "reject p/s/signature=none-accepted!",
		`"static": "pass"`:                       "accept p/s/static=static-pass",
		`"static": "fail"`:                       "reject p/s/static=static-fail",
		`"static": "fail", "mode": "warn"`:       "reject p/s/static=static-fail!",
	} {
		set := f.policy(t, "2026-01-20T00:00:00Z", scope(text))
		v, err := set.Verify(t.Context(), f.store, f.good, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
		if v.Subject.Desc.Digest != f.good.Desc.Digest {
			t.Errorf("the verdict is about %s", v.Subject)
		}
		bare, err := set.Verify(t.Context(), f.store, f.bare, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		if bare.Outcome == verify.Accept && !strings.Contains(text, "pass") {
			t.Errorf("%s accepts an image that nobody signed: %s", text, say(bare))
		}
	}
}

// TestCountersigned: every rule of the scope asks for the counter-signature of
// what it counts.
func TestCountersigned(t *testing.T) {
	f := newFixture(t)
	judge := func(text string) string {
		t.Helper()
		v, err := f.policy(t, "2026-01-20T00:00:00Z", scope(text)).Verify(t.Context(), f.store, f.good, "r.example/app:1")
		if err != nil {
			t.Fatal(err)
		}
		return say(v)
	}
	const one = `"keys": [{"data": K1}], "countersigned": {"keys": [{"data": K3}]}`
	const both = `"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}]}, "countersigned": {"keys": [{"data": K3}]}`
	counter := func(kind attach.Kind) {
		t.Helper()
		all, errs := attach.Collect(t.Context(), f.store, f.good, kind)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, a := range all {
			s := attach.Subject{Repo: f.good.Repo, Desc: a.Immutable()[0].Manifest}
			if _, err := sign.Image(t.Context(), f.store, []attach.Subject{s}, []sign.Signer{f.none}, sign.ImageOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := judge(one); got != "reject p/s/signature=no-countersignature" {
		t.Error(got)
	}
	counter(attach.Signature)
	if got := judge(one); got != "accept subject=accepted p/s/signature=accepted" {
		t.Error(got)
	}
	if got := judge(both); got != "reject p/s/sbom=no-countersignature" {
		t.Error(got)
	}
	counter(attach.Attestation)
	if got := judge(both); got != "accept subject=accepted p/s/signature=accepted p/s/sbom=accepted" {
		t.Error(got)
	}
}

// TestUntil: a verdict that depends on an age ends with it.
func TestUntil(t *testing.T) {
	f := newFixture(t)
	text := scope(`"keys": [{"data": K1}], "sbom": {"keys": [{"data": K2}], "maxAge": "10d"}`)
	for now, want := range map[string]string{
		"2026-01-09T23:00:00Z": "reject 2026-01-09T23:55:00Z", // from the future, until the clocks are near
		"2026-01-09T23:56:00Z": "accept 2026-01-20T00:00:00Z", // clocks differ a little
		"2026-01-20T00:00:00Z": "accept 2026-01-20T00:00:00Z",
		"2026-01-20T00:00:01Z": "reject 0001-01-01T00:00:00Z", // too old for good
	} {
		v, err := f.policy(t, now, text).Verify(t.Context(), f.store, f.good, "r.example/app")
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Outcome.String() + " " + v.Until().Format(time.RFC3339); got != want {
			t.Errorf("at %s: %s, want %s", now, got, want)
		}
	}
}

// TestCombined judges by several policies at once.
func TestCombined(t *testing.T) {
	f := newFixture(t)
	other := func(text string) string { return strings.Replace(text, `"name": "p"`, `"name": "q"`, 1) }
	clusters := func(spec string) string { return strings.ReplaceAll(cluster(spec), "DATA", "data") }
	for text, want := range map[string]string{
		scope(`"keys": [{"data": K1}]`) + "\n---\n" + other(scope(`"keys": [{"data": K3}]`)):                                            "reject q/s/signature=none-accepted",
		scope(`"keys": [{"data": K1}]`) + "\n---\n" + other(scope(`"keys": [{"data": K3}], "mode": "warn"`)):                            "reject q/s/signature=none-accepted!",
		scope(`"keys": [{"data": K1}]`) + "\n---\n" + other(scope(`"static": "pass"`)):                                                  "accept subject=accepted p/s/signature=accepted q/s/static=static-pass",
		scope(`"keys": [{"data": K1}]`) + "\n---\n" + other(scope(`"static": "fail"`)):                                                  "reject q/s/static=static-fail",
		strings.Replace(scope(`"static": "pass"`), "r.example", "other.example", 1):                                                     "reject policy=no-policy",
		clusters("authorities: [{key: {data: K1}}]"):                                                                                    "accept subject=accepted c/authority-0/signature=accepted",
		clusters("authorities: [{name: a, key: {data: K3}}, {name: b, key: {data: K1}}]"):                                               "accept subject=accepted c/b/signature=accepted",
		clusters("authorities: [{key: {data: K3}}, {key: {data: K2}}]"):                                                                 "reject c=none-accepted",
		clusters("authorities: [{key: {kms: 'gcpkms://x'}}]"):                                                                           "undetermined c/authority-0/authority=reference-missing",
		clusters("authorities: [{key: {data: K3}}, {key: {secretRef: {name: n}}}]"):                                                     "undetermined c=reference-missing",
		clusters("authorities: [{key: {secretRef: {name: n}}}, {key: {data: K1}}]"):                                                     "accept subject=accepted c/authority-1/signature=accepted",
		clusters("authorities: [{keyless: {identities: [{issuer: i, subject: s}]}}]"):                                                   "undetermined c/authority-0/authority=no-trusted-root",
		clusters("authorities: [{key: {data: K1}, ctlog: {url: 'https://r'}}]"):                                                         "undetermined c/authority-0/authority=no-trusted-root",
		clusters("authorities: [{key: {data: K3}, ctlog: {url: 'https://r'}}]"):                                                         "reject c/authority-0/signature=none-accepted c/authority-0/authority=no-trusted-root",
		clusters("authorities: [{key: {data: K1}, source: [{oci: r.example/s}]}]"):                                                      "undetermined c/authority-0/source=reference-missing",
		clusters("authorities: [{key: {data: K1}, source: [{tagPrefix: p}]}]"):                                                          "undetermined c/authority-0/source=reference-missing",
		clusters("authorities: [{key: {data: K1}, source: [{tagPrefix: ''}]}]"):                                                         "accept subject=accepted c/authority-0/signature=accepted",
		clusters("authorities: [{key: {data: K1}, source: [{tagPrefix: p}], signatureFormat: bundle}]"):                                 "accept subject=accepted c/authority-0/signature=accepted",
		clusters("authorities: [{key: {data: K1}, rfc3161timestamp: {trustRootRef: t}}]"):                                               "undetermined c/authority-0/authority=no-trusted-root",
		clusters("authorities: [{key: {data: K1, hashAlgorithm: sha512}}]"):                                                             "reject c/authority-0/signature=none-accepted",
		clusters("authorities: [{key: {data: K1, hashAlgorithm: ' SHA256'}}]"):                                                          "accept subject=accepted c/authority-0/signature=accepted",
		clusters("authorities: [{key: {data: K1, hashAlgorithm: sha224}}]"):                                                             "undetermined c/authority-0/authority=authority-unsupported",
		clusters("authorities: [{key: {data: K1}}]\n  policy: {type: cue, data: x}"):                                                    "undetermined c/policy=policy-unsupported",
		clusters("authorities: [{static: {action: pass}}]\n  policy: {type: cue, data: x}"):                                             "undetermined c/policy=policy-unsupported",
		clusters("authorities: [{key: {data: K2}, attestations: [{name: n, predicateType: spdxjson}]}]"):                                "accept subject=accepted c/authority-0/attestation n=accepted",
		clusters("authorities: [{key: {data: K2}, attestations: [{name: n, predicateType: vuln}]}]"):                                    "reject c/authority-0/attestation n=none-accepted",
		clusters("authorities: [{key: {data: K2}, attestations: [{name: n, predicateType: spdxjson, policy: {type: rego, data: x}}]}]"): "undetermined c/authority-0/attestation n=policy-unsupported",
		clusters("authorities: [{key: {data: K3}}, {static: {action: pass}}]"):                                                          "accept c/authority-1/static=static-pass",
		clusters("authorities: [{static: {action: fail}}, {key: {data: K1}}]"):                                                          "accept subject=accepted c/authority-1/signature=accepted",
		clusters("mode: warn\n  authorities: [{key: {kms: 'gcpkms://x'}}]"):                                                             "undetermined c/authority-0/authority=reference-missing!",
		clusters("authorities: [{key: {data: K1}}]\n  match: [{group: '', version: v1, resource: pods}]"):                               "undetermined object=object-unknown",
	} {
		v, err := f.policy(t, made, text).Verify(t.Context(), f.store, f.good, "r.example/app")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
		pass, warnings := policy.Gate(v)
		if wantPass := v.Outcome == verify.Accept || strings.Contains(want, "!"); pass != wantPass || len(warnings) > 0 != strings.Contains(want, "!") {
			t.Errorf("%s: gate %v, %d warnings", want, pass, len(warnings))
		}
	}
}

// silent is a store that does not answer.
type silent struct{ attach.Reader }

var errSilent = errors.New("no answer")

func (silent) Manifest(context.Context, attach.Subject, v1.Hash) (attach.Manifest, error) {
	return attach.Manifest{}, errSilent
}

func (silent) List(context.Context, attach.Subject, ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(yield func(attach.Attachment, error) bool) { yield(attach.Attachment{}, errSilent) }
}

// TestSilent: a store that does not answer leaves the question open, for every
// policy, and a warning one alone lets pass.
func TestSilent(t *testing.T) {
	f := newFixture(t)
	for text, want := range map[string]string{
		scope(`"keys": [{"data": K1}]`):                 "undetermined subject=unreachable",
		scope(`"keys": [{"data": K1}], "mode": "warn"`): "undetermined subject=unreachable!",
		scope(`"keys": [{"data": K1}], "mode": "warn"`) + "\n---\n" + strings.Replace(scope(`"keys": [{"data": K1}]`), `"p"`, `"q"`, 1): "undetermined subject=unreachable",
		cluster("authorities: [{key: {data: K1}}, {key: {data: K2}}]"):                                                                  "undetermined c=unreachable",
		scope(`"static": "pass"`): "accept p/s/static=static-pass",
	} {
		v, err := f.policy(t, made, text).Verify(t.Context(), silent{}, f.good, "r.example/app")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// TestLayout: a directory goes by its own name, or by one that it is given.
func TestLayout(t *testing.T) {
	f := newFixture(t)
	set := f.policy(t, made, hallmark(`{"name": "dirs", "images": ["oci:**"], "keys": [{"data": K1}]}, {"name": "r", "images": ["r.example/**"], "keys": [{"data": K2}]}`))
	for image, want := range map[string]string{
		"oci:" + t.TempDir(): "accept subject=accepted p/dirs/signature=accepted",
		"r.example/app:1":    "reject p/r/signature=none-accepted",
	} {
		v, err := set.Verify(t.Context(), f.store, f.good, image)
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != want {
			t.Errorf("%s: %s", image, got)
		}
	}
}

// TestZero: nothing passes for want of a question.
func TestZero(t *testing.T) {
	if pass, _ := policy.Gate(verify.Verdict{Outcome: verify.Accept}); pass {
		t.Error("a verdict without checks passed")
	}
	v, ok := policy.Matched{}.Static()
	if pass, _ := policy.Gate(v); !ok || pass || v.Outcome != verify.Reject {
		t.Errorf("no policy: %+v", v)
	}
	set := newFixture(t).policy(t, made, scope(`"static": "pass"`))
	v, ok = set.Match("no reference", nil).Static()
	if !ok || v.Outcome != verify.Reject || v.Checks[0].Reason != verify.BadReference {
		t.Errorf("a bad reference: %+v", v)
	}
}

// TestHash: the hash is of the matched policies, and of them only.
func TestHash(t *testing.T) {
	f := newFixture(t)
	a := hallmark(`{"name": "a", "images": ["r.example/a", "r.example/both"], "static": "pass"}, {"name": "b", "images": ["r.example/b", "r.example/c", "r.example/both"], "static": "pass"}`)
	set := f.policy(t, made, a)
	hash := func(image string) [32]byte { return set.Match(image, nil).Hash() }
	if hash("r.example/b") != hash("r.example/c") {
		t.Error("the same policies have different hashes")
	}
	seen := map[[32]byte]string{}
	for _, image := range []string{"r.example/a", "r.example/b", "r.example/both", "r.example/none"} {
		if other, twice := seen[hash(image)]; twice {
			t.Errorf("%s and %s have one hash", image, other)
		}
		seen[hash(image)] = image
	}
	changed := f.policy(t, made, strings.Replace(a, `"static": "pass"`, `"static": "fail"`, 1))
	if changed.Match("r.example/a", nil).Hash() == hash("r.example/a") {
		t.Error("a changed policy has the same hash")
	}
}

func BenchmarkMatch(b *testing.B) {
	var docs strings.Builder
	for i := range 1000 {
		docs.WriteString(strings.NewReplacer("name: c", fmt.Sprintf("name: c%d", i), "'**'", fmt.Sprintf("'r%d.example/team/**'", i)).
			Replace(cluster("authorities: [{static: {action: pass}}]")) + "---\n")
	}
	set, err := parse(docs.String())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		set.Match("r500.example/team/app:1", nil)
	}
}
