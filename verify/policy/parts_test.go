package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/in-toto/in-toto-golang/in_toto"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// speaker is an evaluator whose parts are words: "yes", "no", "warn", "fail", "now", or
// "has TEXT", which asks for the text in the input. It keeps what it was shown.
type speaker struct {
	mu    sync.Mutex
	shown []string
}

func (s *speaker) Evaluate(_ context.Context, p policy.Part, input []byte) (policy.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, string(input))
	if want, ok := strings.CutPrefix(p.Text, "has "); ok {
		return policy.Answer{Compliant: strings.Contains(string(input), want), Problem: "it has no " + want}, nil
	}
	switch p.Text {
	case "yes":
		return policy.Answer{Compliant: true}, nil
	case "now":
		return policy.Answer{Compliant: true, Timed: true}, nil
	case "warn":
		return policy.Answer{Compliant: true, Warning: "hm"}, nil
	case "fail":
		return policy.Answer{}, errors.New("it failed")
	}
	return policy.Answer{Problem: "no"}, nil
}

// judged parses and judges with the speaker.
func (f *fixture) judged(t *testing.T, text string, object *policy.Object) (verify.Verdict, *speaker) {
	t.Helper()
	s := &speaker{}
	quoted := func(pem []byte) string { return `"` + strings.ReplaceAll(string(pem), "\n", `\n`) + `"` }
	text = strings.NewReplacer("K1", quoted(f.k1.PublicKey().PEM()), "K2", quoted(f.k2.PublicKey().PEM()), "K3", quoted(f.none.PublicKey().PEM())).Replace(text)
	set, err := policy.Parse(policy.Options{Now: func() time.Time { return time.Unix(1, 0).UTC() }, Evaluator: s}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	v, err := set.Match("r.example/app@"+f.good.Desc.Digest.String(), object).Verify(t.Context(), f.store, f.good)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}

// attested is a policy that asks for statements of a type, which the part judges.
func attested(typ, part string) string {
	return strings.ReplaceAll(cluster("authorities: [{name: a, key: {data: K1}, attestations: [{name: n, predicateType: '"+typ+"', policy: {type: cue, data: '"+part+"'}}]}]"), "DATA", "data")
}

// TestParts: of several statements one that the part takes is enough, whichever comes
// first; only a plain yes takes one.
func TestParts(t *testing.T) {
	f := newFixture(t)
	for _, level := range []string{"one", "two", "three"} {
		f.attest(t, "https://example.com/levels", `{"level":"`+level+`"}`, f.k1)
	}
	f.attest(t, "https://example.com/levels", `{"level":"four"}`, f.none)
	const levels = "https://example.com/levels"
	for text, want := range map[string]string{
		attested(levels, "yes"):        "accept subject=accepted c/a/attestation n=accepted",
		attested(levels, "has two"):    "accept subject=accepted c/a/attestation n=accepted",
		attested(levels, "has four"):   "reject c/a/attestation n=policy-not-met", // a stranger's
		attested(levels, "warn"):       "reject c/a/attestation n=policy-not-met",
		attested(levels, "fail"):       "undetermined c/a/attestation n=policy-program",
		attested("https://x.y", "yes"): "reject c/a/attestation n=none-accepted",
		strings.Replace(attested(levels, "yes"), "data: 'yes'", "configMapRef: {name: m, key: k}", 1):                                                                                      "undetermined c/a/attestation n=reference-missing",
		strings.Replace(attested(levels, "yes"), "data: 'yes'", "configMapRef: {name: m, key: k}", 1) + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: has two}\n":  "accept subject=accepted c/a/attestation n=accepted",
		strings.Replace(attested(levels, "yes"), "data: 'yes'", "configMapRef: {name: m, key: k}", 1) + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: has nine}\n": "reject c/a/attestation n=policy-not-met",
		strings.Replace(attested(levels, "yes"), "data: 'yes'", "remote: {url: 'https://x.y/p.cue', sha256sum: abc}", 1):                                                                   "undetermined c/a/attestation n=reference-missing",
		strings.Replace(attested(levels, "has one"), "}]}]", "}, {name: m, predicateType: '"+levels+"', policy: {type: rego, data: has two}}]}]", 1):                                       "accept subject=accepted c/a/attestation n=accepted c/a/attestation m=accepted",
		strings.Replace(attested(levels, "has one"), "}]}]", "}, {name: m, predicateType: '"+levels+"', policy: {type: rego, data: has nine}}]}]", 1):                                      "reject c/a/attestation m=policy-not-met",
	} {
		v, _ := f.judged(t, text, nil)
		if got := say(v); strings.ReplaceAll(got, "c/a/attestation n=none-accepted", "c/a/attestation n=none-accepted") != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	if v, _ := f.judged(t, attested(levels, "now"), nil); v.Outcome != verify.Accept || !v.Until().Equal(time.Unix(1, 0)) {
		t.Errorf("what depends on the time holds until %v: %s", v.Until(), say(v))
	}
	v, s := f.judged(t, attested(levels, "has two"), nil)
	if len(s.shown) != 3 {
		t.Errorf("%d statements were shown", len(s.shown))
	}
	taken := 0
	for _, e := range v.Checks[1].Evidence {
		if e.Outcome == verify.Accept {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("%d entries were taken", taken)
	}
}

// TestPartNoClock: without a clock an answer that depends on the time holds for no time.
func TestPartNoClock(t *testing.T) {
	f := newFixture(t)
	quoted := `"` + strings.ReplaceAll(string(f.k1.PublicKey().PEM()), "\n", `\n`) + `"`
	text := strings.ReplaceAll(attested("https://example.com/untimed", "now"), "K1", quoted)
	set, err := policy.Parse(policy.Options{Evaluator: &speaker{}}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	v, err := set.Verify(t.Context(), f.store, f.good, "r.example/app")
	if err != nil || v.Outcome != verify.Accept || v.Until().IsZero() || v.Until().After(time.Unix(0, 0)) {
		t.Errorf("it holds until %v: %s, %v", v.Until(), say(v), err)
	}
}

// generic is what the policy-controller decodes most statements into.
//
//lint:ignore SA1019 it is what is compared with
type generic = in_toto.Statement

// TestShown: a part is shown a statement as the policy-controller decodes and encodes
// it, with the Go types of in-toto.
func TestShown(t *testing.T) {
	f := newFixture(t)
	const slsa = `{"builder":{"id":"b","more":1},"buildType":"t","unknown":true,"metadata":{"buildStartedOn":"2026-01-01T01:02:03.50+01:00","completeness":{"materials":true}},"materials":[{"uri":"u","digest":{"sha1":"a"}}],"buildConfig":{"n":12345678901234567890}}`
	const linked = `{"_type":"link","products":{},"byproducts":{"b":1.50},"environment":{},"name":"n","command":["a"],"materials":{"m":{"sha256":"aa"}},"more":1}`
	const scanned = `{"scanner":{"uri":"u","result":{"<x>":[1,2.50]}},"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:00.00Z","more":1}}`
	f.attest(t, "slsaprovenance", slsa, f.k1)
	f.attest(t, "link", linked, f.k1)
	f.attest(t, "vuln", scanned, f.k1)
	for typ, c := range map[string]struct {
		into any // what the policy-controller decodes into
		raw  string
	}{
		"slsaprovenance":                   {&in_toto.ProvenanceStatementSLSA02{}, slsa},
		"slsaprovenance02":                 {&generic{}, slsa},
		"https://slsa.dev/provenance/v0.2": {&generic{}, slsa},
		"link":                             {&in_toto.LinkStatement{}, linked},
		"https://in-toto.io/Link/v1":       {&generic{}, linked},
		"https://cosign.sigstore.dev/attestation/vuln/v1": {&generic{}, scanned},
	} {
		_, s := f.judged(t, attested(typ, "yes"), nil)
		if len(s.shown) != 1 {
			t.Errorf("%s: shown %q", typ, s.shown)
			continue
		}
		var of struct {
			Type          string          `json:"_type"`
			PredicateType string          `json:"predicateType"`
			Subject       json.RawMessage `json:"subject"`
		}
		if err := json.Unmarshal([]byte(s.shown[0]), &of); err != nil {
			t.Fatal(err)
		}
		signed, err := json.Marshal(map[string]any{"_type": of.Type, "predicateType": of.PredicateType, "subject": of.Subject, "predicate": json.RawMessage(c.raw)})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(signed, c.into); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(c.into)
		if err != nil {
			t.Fatal(err)
		}
		if s.shown[0] != string(want) {
			t.Errorf("%s:\ngot  %s\nwant %s", typ, s.shown[0], want)
		}
	}
	// cosign's own type for scans, from its attestation package.
	_, s := f.judged(t, attested("vuln", "yes"), nil)
	want := `"predicate":{"invocation":{"parameters":null,"uri":"","event_id":"","builder.id":""},"scanner":{"uri":"u","version":"","db":{"uri":"","version":""},"result":{"\u003cx\u003e":[1,2.5]}},"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:00Z"}}}`
	if len(s.shown) != 1 || !strings.HasSuffix(s.shown[0], want) {
		t.Errorf("vuln: %q", s.shown)
	}
}

// TestInput: the part of a whole policy is shown what all authorities found, and of
// the image and the object what it asks for.
func TestInput(t *testing.T) {
	f := newFixture(t)
	object := &policy.Object{Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment", Metadata: map[string]any{"name": "d"}, Spec: map[string]any{"replicas": 2.0}}
	whole := func(authorities, part string) string {
		return strings.ReplaceAll(cluster("authorities: ["+authorities+"]\n  policy: {type: rego, "+part+"}"), "DATA", "data")
	}
	const two = "{name: a, key: {data: K1}}, {name: b, key: {data: K2}, attestations: [{name: n, predicateType: spdxjson}]}"
	const lost = "{name: a, key: {data: K1}}, {name: b, key: {kms: 'x://y'}}"
	for _, c := range []struct {
		text   string
		object *policy.Object
		want   string
	}{
		{whole(two, "data: yes_"), nil, "reject c/policy=policy-not-met"},
		{whole(two, "data: 'yes'"), nil, "accept subject=accepted c/a/signature=accepted c/policy=accepted"},
		{whole(two, "data: 'warn'"), nil, "reject c/policy=policy-not-met"},
		{whole(two, "data: 'fail'"), nil, "undetermined c/policy=policy-program"},
		{whole("{key: {data: K3}}", "data: 'yes'"), nil, "reject c/authority-0/signature=none-accepted"},
		{whole("{key: {data: K3}}, {key: {data: K2}}", "data: 'yes'"), nil, "reject c=none-accepted"},
		{whole("{name: s, static: {action: pass}}", "data: 'yes'"), nil, "accept c/s/static=static-pass c/policy=accepted"},
		{whole("{name: s, static: {action: pass}}", "data: 'no'"), nil, "reject c/policy=policy-not-met"},
		{whole("{name: s, static: {action: fail}}", "data: 'yes'"), nil, "reject c/s/static=static-fail"},
		{whole(lost, "data: 'yes'"), nil, "undetermined c/policy=policy-not-met"}, // b might have been found too
		{whole(lost, "data: 'no'"), nil, "reject c/policy=policy-not-met"},
		{whole(two, "data: 'has replicas', includeSpec: true"), nil, "undetermined c/policy=object-unknown"},
		{whole(two, "data: 'has replicas', includeSpec: true"), object, "accept subject=accepted c/a/signature=accepted c/policy=accepted"},
		{whole(two, "data: 'has replicas'"), object, "reject c/policy=policy-not-met"},
		{whole(two, "data: 'has linux/amd64', fetchConfigFile: true"), nil, "reject c/policy=policy-not-met"}, // a random image names no platform
		{whole(two, "data: 'has rootfs', fetchConfigFile: true"), nil, "accept subject=accepted c/a/signature=accepted c/policy=accepted"},
		{whole(two, "configMapRef: {name: n, key: k}"), nil, "undetermined c/policy=reference-missing"},
	} {
		v, _ := f.judged(t, c.text, c.object)
		if got := say(v); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
	const timed = "{name: a, key: {data: K1}}, {name: b, key: {data: K2}, attestations: [{name: n, predicateType: spdxjson, policy: {type: rego, data: now}}]}"
	if v, _ := f.judged(t, whole(timed, "data: 'yes'"), nil); v.Outcome != verify.Accept || !v.Until().Equal(time.Unix(1, 0)) {
		t.Errorf("what rests on another authority's answer of the moment holds until %v: %s", v.Until(), say(v))
	}
	_, s := f.judged(t, whole(two+", {name: s, static: {action: pass}}", "data: 'yes', includeSpec: true, includeObjectMeta: true, includeTypeMeta: true"), object)
	var got map[string]any
	if err := json.Unmarshal([]byte(s.shown[len(s.shown)-1]), &got); err != nil {
		t.Fatal(err)
	}
	matches, _ := got["authorityMatches"].(map[string]any)
	a, _ := matches["a"].(map[string]any)
	b, _ := matches["b"].(map[string]any)
	delete(matches, "a")
	delete(matches, "b")
	want := map[string]any{
		"authorityMatches": map[string]any{"s": map[string]any{"static": true}},
		"spec":             map[string]any{"replicas": 2.0}, "metadata": map[string]any{"name": "d"},
		"typemeta": map[string]any{"kind": "Deployment", "apiVersion": "apps/v1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shown %v", got)
	}
	signatures, _ := a["signatures"].([]any)
	atts, _ := b["attestations"].(map[string]any)["n"].([]any)
	if len(signatures) != 1 || len(atts) != 1 {
		t.Fatalf("%v, %v", a, b)
	}
	if id, _ := signatures[0].(map[string]any)["id"].(string); len(id) != 64 {
		t.Errorf("a signature %v", signatures[0])
	}
	att, _ := atts[0].(map[string]any)
	if d, _ := att["digest"].(string); att["predicateType"] != "spdxjson" || !strings.HasPrefix(d, "sha256:") {
		t.Errorf("an attestation %v", att)
	}
}

// TestObjectCounts: what a policy wants to see of an object is part of the question.
func TestObjectCounts(t *testing.T) {
	of := func(show string) *policy.Set {
		set, err := parse(cluster("authorities: [{static: {action: pass}}]\n  policy: {type: cue, data: x" + show + "}"))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	one := &policy.Object{Version: "v1", Resource: "pods", Kind: "Pod", Spec: map[string]any{"hostNetwork": false}}
	two := &policy.Object{Version: "v1", Resource: "pods", Kind: "Pod", Spec: map[string]any{"hostNetwork": true}}
	if s := of(""); s.ShowsObjects() || s.Match("a", one).Hash() != s.Match("a", two).Hash() {
		t.Error("an object counts that nobody looks at")
	}
	if s := of(", includeSpec: true"); !s.ShowsObjects() || s.Match("a", one).Hash() == s.Match("a", two).Hash() {
		t.Error("two objects are one to a policy that looks at them")
	}
	two.Forget()
	v, err := of(", includeSpec: true").Match("a@sha256:"+strings.Repeat("a", 64), two).Verify(t.Context(), silent{}, attach.Subject{})
	if err != nil || v.Outcome != verify.Undetermined {
		t.Errorf("an object that was forgotten: %s, %v", say(v), err)
	}
}
