package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// pem is a public key for files that are only parsed: the P-256 generator
// point as SEC 2 gives it, so that its private key is 1.
const pem = `-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n`

func hallmark(scope string) string {
	return `{"apiVersion": "hallmark.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"scopes": [` + scope + `]}}`
}

// scope returns a scope with more members.
func scope(more string) string {
	return hallmark(`{"name": "s", "images": ["r.example/**"], ` + strings.ReplaceAll(more, "KEYS", `"keys": [{"data": "`+pem+`"}]`) + `}`)
}

// revoking returns a scope with revocations beside it.
func revoking(revoked string) string {
	revoked = strings.NewReplacer("KEY", `{"data": "`+pem+`"}`, "DIGEST", "sha256:"+strings.Repeat("a", 64)).Replace(revoked)
	return strings.Replace(scope(`"static": "pass"`), `"spec": {`, `"spec": {"revoked": {`+revoked+`}, `, 1)
}

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	raw, err := os.Open("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	d, err := jsonschema.UnmarshalJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", d); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rooted is a scope under a trusted root that trusts nobody.
func rooted(more string) string {
	const root = `"trustedRoot": {"data": "{\"mediaType\": \"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}"}, `
	return strings.Replace(scope(more), `"scopes":`, root+`"scopes":`, 1)
}

func parse(text string) (*policy.Set, error) {
	return policy.Parse(policy.Options{
		Now:     func() time.Time { return time.Unix(0, 0) },
		ReadKey: func(path string) (*key.Public, error) { return nil, fmt.Errorf("read %s", path) },
	}, policy.File{Name: "p.yaml", Text: []byte(text)})
}

// TestAccepted has scopes that both the parser and the schema take.
func TestAccepted(t *testing.T) {
	s := schema(t)
	other := generated(t)
	for _, text := range []string{
		scope(`KEYS, "countersigned": {"keys": [{"data": "` + other + `"}]}`),
		scope(`KEYS, "sbom": {}, "countersigned": {"threshold": 1, "keys": [{"data": "` + other + `"}]}`),
		scope(`KEYS`),
		scope(`KEYS, "mode": "warn", "threshold": 1`),
		rooted(`"identities": [{"subject": "dev@example.test", "issuer": "https://issuer.test"}]`),
		rooted(`KEYS, "threshold": 2, "identities": [{"subjectRegExp": ".*@example[.]test", "issuerRegExp": "https://.*", "github": {"ref": "refs/heads/main", "trigger": "push"}}]`),
		rooted(`KEYS, "sbom": {"identities": [{"subject": "dev@example.test", "issuer": "https://issuer.test"}]}`),
		rooted(`"identities": [{"subject": "dev@example.test", "issuer": "https://issuer.test"}], "evidence": {"certificateLogs": 0, "logs": 0, "timestamps": 1}`),
		rooted(`KEYS, "keyEvidence": {"logs": 1, "clocks": 1}, "sbom": {}`),
		rooted(`"keys": [{"data": "` + other + `", "notAfter": "2026-01-31T00:00:00Z"}]`),
		scope(`"keys": [{"data": "` + other + `", "notBefore": "2026-01-01T00:00:00+01:00", "notAfter": "2026-01-31"}]`),
		scope(`KEYS, "countersigned": {"keys": [{"data": "` + other + `", "notBefore": "2026-01-01T00:00:00Z"}]}`),
		strings.Replace(rooted(`"identities": [{"subject": "dev@example.test", "issuer": "https://issuer.test"}], KEYS`), `"scopes":`, `"evidence": {"clocks": 0}, "keyEvidence": {"timestamps": 1}, "scopes":`, 1),
		scope(`KEYS, "signature": {"annotations": {"env": "prod"}}`),
		scope(`KEYS, "signature": {"required": false}, "sbom": {}`),
		scope(`KEYS, "sbom": {"required": true, "maxAge": "30d"}`),
		scope(`KEYS, "checkReference": true`),
		scope(`KEYS, "checked": [{"advisories": "osv", "maxAge": "24h", "minVersion": "2026-01-31", "failOn": "high", "threshold": 1, KEYS}, {"advisories": "trivy", "maxAge": "1d", "minVersion": "2.1"}]`),
		scope(`KEYS, "sbom": {"required": false}`),
		scope(`KEYS, "sbom": {"formats": [{"name": "spdx", "minVersion": "2.3"}, {"name": "cyclonedx"}], "quality": {"versions": "95%", "purls": "100%", "licenses": "1%", "suppliers": "50%", "packages": 3, "relations": true, "author": true, "created": true, "complete": true}}`),
		scope(`KEYS, "attestations": [{"type": "slsaprovenance1", "maxAge": "12h", "threshold": 1, KEYS}, {"type": "https://example.com/t/v1"}]`),
		scope(`KEYS, "attestations": [{"type": "custom", "cel": "predicate.Data == 'x' && timestamp(predicate.Timestamp) < now"}]`),
		scope(`"signature": {KEYS}, "sbom": {KEYS}`),
		excepting(`"static": "pass"}, {"name": "t", "images": ["**"], `+strings.ReplaceAll(`KEYS`, "KEYS", `"keys": [{"data": "`+pem+`"}]`), `{"rule": "signature", "images": ["r.example/a"], "until": "2026-02-01", "reason": "r"}, {"rule": "signature", "scope": "t", "digests": ["sha256:`+strings.Repeat("a", 64)+`"], "until": "2026-02-01T10:00:00Z", "reason": "r"}`),
		scope(`"static": "pass"`),
		scope(`"static": "fail", "message": "not here", "mode": "warn"`),
		revoking(`"keys": [KEY, {"fingerprint": "DIGEST"}], "digests": ["DIGEST"]`),
		revoking(`"digests": ["DIGEST"]`),
		hallmark(`{"name": "a", "images": ["**"], "static": "pass"}, {"name": "b", "images": ["docker.io/nginx", "localhost:5000/*", "oci:**"], "static": "fail"}`),
	} {
		if _, err := parse(text); err != nil {
			t.Errorf("parser: %s\n%v", text, err)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("schema: %s\n%v", text, err)
		}
	}
}

// generated returns a new public key as it stands in a policy.
func generated(t *testing.T) string {
	t.Helper()
	k, err := key.Generate(key.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(k.PublicKey().PEM()), "\n", `\n`)
}

func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestRefused has policies that are refused, with what the error says. Those
// under free are beyond what a schema can express.
func TestRefused(t *testing.T) {
	s := schema(t)
	both := map[string]string{
		scope(`KEYS, "thresold": 1`):                                                                             "p.yaml:1: spec.scopes[0].thresold: unknown field",
		scope(`KEYS, "threshold": 0`):                                                                            "spec.scopes[0].threshold: 0 is no whole number from 1",
		scope(`KEYS, "threshold": "1"`):                                                                          "text where a whole number is wanted",
		scope(`KEYS, "checkReference": "yes"`):                                                                   "text where",
		scope(`"static": "pass", "checkReference": true`):                                                        "either static or checkReference",
		scope(`KEYS, "mode": "audit"`):                                                                           "none of enforce, warn",
		scope(`"keys": []`):                                                                                      "the list is empty",
		scope(`"keys": [{}]`):                                                                                    "either data or file",
		scope(`"keys": [{"data": "x"}]`):                                                                         "keys[0].data",
		scope(`"keys": [{"file": "awskms://x"}]`):                                                                "only key files are read",
		scope(`"keys": [{"file": "a", "data": "` + pem + `"}]`):                                                  "either data or file",
		scope(`KEYS, "sbom": "required"`):                                                                        "text where a mapping is wanted",
		scope(`KEYS, "sbom": {"maxAge": "1w"}`):                                                                  "is no age",
		scope(`KEYS, "sbom": {"formats": [{"name": "syft"}]}`):                                                   "none of spdx, cyclonedx",
		scope(`KEYS, "sbom": {"formats": [{"minVersion": "2"}]}`):                                                "field name is missing",
		scope(`KEYS, "sbom": {"formats": [{"name": "spdx", "minVersion": "two"}]}`):                              "is no version like 2.3",
		scope(`KEYS, "sbom": {"formats": [{"name": "spdx", "minVersion": 2.3}]}`):                                "a number where text is wanted",
		scope(`KEYS, "sbom": {"quality": {}}`):                                                                   "it asks for nothing",
		scope(`KEYS, "sbom": {"quality": {"versions": "0%"}}`):                                                   "is no share like 95%",
		scope(`KEYS, "sbom": {"quality": {"versions": "101%"}}`):                                                 "is no share like 95%",
		scope(`KEYS, "sbom": {"quality": {"versions": 95}}`):                                                     "a number where text is wanted",
		scope(`KEYS, "sbom": {"quality": {"relations": false}}`):                                                 "leave it away",
		scope(`KEYS, "sbom": {"quality": {"colour": true}}`):                                                     "unknown field",
		scope(`KEYS, "sbom": {"required": false, "quality": {"created": true}}`):                                 "what is not required has no quality",
		scope(`KEYS, "checked": [{"advisories": "osv"}]`):                                                        "field maxAge is missing",
		scope(`KEYS, "checked": [{"maxAge": "1d"}]`):                                                             "field advisories is missing",
		scope(`KEYS, "checked": [{"advisories": "osv", "maxAge": "1d", "failOn": "severe"}]`):                    "none of any, low",
		scope(`KEYS, "checked": [{"advisories": "osv", "maxAge": "1d", "minVersion": "new"}]`):                   "is no version of advisories",
		scope(`"static": "pass", "checked": [{"advisories": "osv", "maxAge": "1d"}]`):                            "either static or checked",
		scope(`KEYS, "sbom": {"maxAge": "0d"}`):                                                                  "is no age",
		scope(`KEYS, "sbom": {"required": false, "maxAge": "1d"}`):                                               "what is not required has no maxAge",
		scope(`KEYS, "signature": {"maxAge": "1d"}`):                                                             "signature.maxAge: unknown field",
		scope(`KEYS, "signature": {"annotations": {"n": 1}}`):                                                    "a number where text is wanted",
		scope(`KEYS, "attestations": [{"type": "custom", "cel": 1}]`):                                            "a number where text is wanted",
		scope(`KEYS, "attestations": [{"type": "custom", "cel": ""}]`):                                           "p.yaml:1: spec.scopes[0].attestations[0].cel: no condition in CEL: line 1",
		scope(`KEYS, "attestations": [{"maxAge": "1d"}]`):                                                        "field type is missing",
		scope(`KEYS, "static": "pass"`):                                                                          "either static or keys",
		scope(`"static": "pass", "countersigned": {KEYS}`):                                                       "either static or countersigned",
		scope(`KEYS, "countersigned": {}`):                                                                       "field keys is missing",
		rooted(`"identities": []`):                                                                               "the list is empty",
		rooted(`"identities": [{"subject": "a@b.test"}]`):                                                        "exactly one of issuer",
		rooted(`"identities": [{"issuer": "https://i.test"}]`):                                                   "exactly one of subject",
		rooted(`"identities": [{"subject": "a", "subjectRegExp": "a", "issuer": "i"}]`):                          "exactly one of subject",
		rooted(`KEYS, "sbom": {"required": false, "identities": [{"subject": "a", "issuer": "i"}]}`):             "what is not required has no identities",
		scope(`KEYS, "countersigned": {"keys": []}`):                                                             "the list is empty",
		rooted(`"identities": [{"subject": "a", "issuer": "i"}], "evidence": {}`):                                "it says nothing",
		rooted(`"identities": [{"subject": "a", "issuer": "i"}], "evidence": {"logs": -1}`):                      "no whole number from 0",
		rooted(`"identities": [{"subject": "a", "issuer": "i"}], "evidence": {"scts": 0}`):                       "unknown field",
		rooted(`KEYS, "keyEvidence": {"certificateLogs": 1}`):                                                    "unknown field",
		scope(`"static": "pass", "evidence": {"logs": 0}`):                                                       "either static or evidence",
		scope(`"keys": [{"data": "` + pem + `", "notAfter": "31.1.2026"}]`):                                      "is no date like",
		revoking(`"keys": [{"fingerprint": "DIGEST", "notAfter": "2026-01-31T00:00:00Z"}]`):                      "unknown field",
		scope(`"static": "yes"`):                                                                                 "none of pass, fail",
		scope(`KEYS, "message": "m"`):                                                                            "a message is for static scopes",
		hallmark(`{"name": "s", "static": "pass"}`):                                                              "field images is missing",
		hallmark(`{"images": ["**"], "static": "pass"}`):                                                         "field name is missing",
		hallmark(`{"name": "s", "images": ["a b"], "static": "pass"}`):                                           "is no glob",
		hallmark(`{"name": "s", "images": "**", "static": "pass"}`):                                              "text where a list is wanted",
		excepting(`"static": "pass"`, ``):                                                                        "the list is empty",
		excepting(`"static": "pass"`, `{"rule": "sbom", "images": ["**"], "until": "2026-02-01"}`):               "field reason is missing",
		excepting(`"static": "pass"`, `{"rule": "sbom", "images": ["**"], "reason": "r"}`):                       "field until is missing",
		excepting(`"static": "pass"`, `{"rule": "sbom", "images": ["**"], "until": "2026-02-01", "reason": ""}`): "is empty",
		excepting(`"static": "pass"`, `{"images": ["**"], "until": "2026-02-01", "reason": "r"}`):                "field rule is missing",
		excepting(`"static": "pass"`, `{"rule": "sbom", "until": "2026-02-01", "reason": "r"}`):                  "exactly one of images, digests",
		excepting(`"static": "pass"`, `{"rule": "sbom", "images": ["**"], "digests": ["sha256:`+strings.Repeat("a", 64)+`"], "until": "2026-02-01", "reason": "r"}`): "exactly one of images, digests",
		excepting(`"static": "pass"`, `{"rule": "sbom", "images": ["**"], "until": "soon", "reason": "r"}`):                                                          "is no date",
		hallmark(``):                        "the list is empty",
		revoking(``):                        "keys, digests or lists are wanted",
		revoking(`"lists": []`):             "the list is empty",
		revoking(`"digest": ["DIGEST"]`):    "revoked.digest: unknown field",
		revoking(`"digests": []`):           "the list is empty",
		revoking(`"digests": ["sha256:A"]`): "is no SHA-256 digest",
		revoking(`"digests": ["sha512:` + strings.Repeat("a", 128) + `"]`):                                 "is no SHA-256 digest",
		revoking(`"keys": [{"fingerprint": "aa"}]`):                                                        "is no fingerprint",
		revoking(`"keys": [{"fingerprint": "DIGEST", "file": "a"}]`):                                       "unknown field",
		revoking(`"keys": [{}]`):                                                                           "either data or file",
		`{"apiVersion": "hallmark.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {}}`: "field scopes is missing",
		`{"apiVersion": "hallmark.dev/v1", "kind": "Policy"}`:                                              "is not read",
		`{"apiVersion": "hallmark.dev/v1alpha1", "kind": "Policy"}`:                                        "field metadata is missing",
		`{"kind": "Policy"}`: "apiVersion or kind is missing",
	}
	free := map[string]string{
		scope(`"identities": [{"subject": "a@b.test", "issuer": "https://i.test"}]`):                                        "no trusted root",
		scope(`"keys": [{"data": "` + pem + `", "notAfter": "0001-01-01T00:00:00Z"}]`):                                      "no key is as old as",
		rooted(`KEYS, "evidence": {"logs": 0}`):                                                                             "evidence is asked of identities, and none counts here",
		rooted(`"identities": [{"subject": "a", "issuer": "i"}], "keyEvidence": {"logs": 1}`):                               "keyEvidence is asked of keys",
		scope(`KEYS, "keyEvidence": {"logs": 1}`):                                                                           "no trusted root says which",
		strings.Replace(scope(`KEYS`), `"scopes":`, `"evidence": {"logs": 0}, "scopes":`, 1):                                "evidence is asked of identities",
		scope(`"keys": [{"data": "` + pem + `", "notBefore": "2026-01-31T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"}]`): "which is before",
		scope(`"keys": [{"data": "` + pem + `"}, {"data": "` + pem + `", "notAfter": "2026-01-01T00:00:00Z"}]`):             "stands there twice",
		rooted(`KEYS`):             "p.yaml:1: spec.trustedRoot: no scope of the document names an identity that counts",
		rooted(`"static": "pass"`): "spec.trustedRoot: no scope of the document names an identity that counts",
		strings.Replace(rooted(`KEYS`), `"spec": {`, `"spec": {"revoked": {"digests": ["sha256:`+strings.Repeat("a", 64)+`"]}, `, 1): "spec.trustedRoot: no scope",
		// The one scope that names one asks it for nothing.
		rooted(`"identities": [{"subject": "a@b.test", "issuer": "https://i.test"}], "signature": {KEYS}, "sbom": {KEYS}`):      "spec.trustedRoot: no scope",
		rooted(`"identities": [{"subjectRegExp": "(", "issuer": "i"}]`):                                                         "missing closing )",
		scope(`KEYS, "attestations": [{"type": "custom", "cel": "predicate.a + 1"}]`):                                           "not true or false",
		scope(`KEYS, "attestations": [{"type": "custom", "cel": "predicat.a"}]`):                                                "line 1, column 1: undeclared reference",
		scope(`KEYS, "attestations": [{"type": "custom", "cel": "true"}]`):                                                      "looks at neither",
		excepting(`"static": "pass"`, `{"rule": "signature", "images": ["**"], "until": "2026-02-01", "reason": "r"}`):          "no scope of the document asks for that",
		excepting(`"static": "fail"`, `{"rule": "sbom", "scope": "x", "images": ["**"], "until": "2026-02-01", "reason": "r"}`): `the rule "sbom" of the scope "x"`,
		scope(`"sbom": {}`):                                                                                              "no accepted key",
		scope(`KEYS, "countersigned": {KEYS}`):                                                                           "besides the one that signed",
		scope(`KEYS, "threshold": 2`):                                                                                    "above the number of distinct keys",
		scope(`KEYS, "signature": {"required": false}`):                                                                  "no rule",
		scope(`KEYS, "attestations": [{"type": "nonsense"}]`):                                                            "is no URI",
		scope(`KEYS, "attestations": [{"type": "https://sigstore.dev/cosign/sign/v1"}]`):                                 "are image signatures",
		hallmark(`{"name": "s", "images": ["nginx"], "static": "pass"}`):                                                 "names no registry",
		hallmark(`{"name": "s", "images": ["team/app"], "static": "pass"}`):                                              "names no registry",
		hallmark(`{"name": "s", "images": ["r.example"], "static": "pass"}`):                                             "names no registry",
		hallmark(`{"name": "s", "images": ["*/*"], "static": "pass"}`):                                                   "write **",
		hallmark(`{"name": "s", "images": ["r.example/a:1"], "static": "pass"}`):                                         "without tag",
		hallmark(`{"name": "s", "images": ["**"], "static": "pass"}, {"name": "s", "images": ["**"], "static": "fail"}`): "is also the name",
		scope(`"keys": [{"file": "a.pub"}]`):                                                                             "read a.pub",
		scope(`"static": "pass"`) + "\n---\n" + scope(`"static": "pass"`):                                                "is also the name",
		"":           "no policy in it",
		"---\n---\n": "no policy in it",
		strings.Replace(revoking(`"digests": ["DIGEST"]`), `, "scopes": [{"name": "s", "images": ["r.example/**"], "static": "pass"}]`, "", 1): "nothing could be accepted",
		"a: 1\na: 2\napiVersion: x\nkind: y": "stands twice",
		"apiVersion: &a x\nkind: *a":         "anchors and aliases",
		"apiVersion: v1\nkind: Service":      "is not read",
	}
	for text, want := range both {
		refused(t, text, want)
		if s.Validate(asJSON(t, text)) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
	for text, want := range free {
		refused(t, text, want)
	}
}

func refused(t *testing.T, text, want string) {
	t.Helper()
	_, err := parse(text)
	if err == nil || !errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%s\ngot %v, want %s", text, err, want)
	}
}

// TestNoClock: a maximum age without a clock is a mistake of the caller.
func TestNoClock(t *testing.T) {
	text := scope(`KEYS, "sbom": {"maxAge": "1d"}`)
	if _, err := policy.Parse(policy.Options{}, policy.File{Name: "p", Text: []byte(text)}); err == nil || !strings.Contains(err.Error(), "no clock") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(scope(`KEYS, "sbom": {"maxAge": "30d"}`))
	f.Add(scope(`"static": "pass"`))
	f.Add(scope(`KEYS, "attestations": [{"type": "custom", "cel": "predicate.a.all(x, has(x.b) && x.b > 1 && timestamp(x.t) < now)"}]`))
	f.Add(scope(`KEYS, "sbom": {"formats": [{"name": "spdx", "minVersion": "2.3"}], "quality": {"versions": "95%", "packages": 3, "relations": true}}`))
	f.Add(scope(`KEYS, "checked": [{"advisories": "osv", "maxAge": "24h", "minVersion": "2026-01-31", "failOn": "high"}]`))
	f.Add(excepting(strings.ReplaceAll(`KEYS`, "KEYS", `"keys": [{"data": "`+pem+`"}]`), `{"rule": "signature", "scope": "s", "images": ["r.example/a"], "until": "2026-02-01", "reason": "r"}`))
	published := schema(f)
	f.Add(cluster("authorities: [{static: {action: pass}}]"))
	f.Add(cluster(byIdentity) + root("remote: {root: e30=, mirror: m}"))
	f.Add(cluster(byIdentity) + root("sigstoreKeys: {certificateAuthorities: [{uri: u, certChain: eA==}]}"))
	f.Add(cluster(bySecret) + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: k}\ndata: {a: eA==}\n")
	f.Add(cluster("authorities: [{key: {DATA}, ctlog: {url: u}, source: [{oci: r.example/a}], attestations: [{name: n, predicateType: custom, policy: {type: cue, data: x}}]}]\n  policy: {type: rego, data: x, includeSpec: true}"))
	f.Add(cluster("mode: warn\n  authorities: [{key: {data: x}}, {keyless: {url: 'https://x', identities: [{issuer: a, subject: b}]}}]"))
	f.Fuzz(func(t *testing.T, text string) {
		set, err := parse(text)
		if err != nil {
			if !errors.Is(err, policy.ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
			return
		}
		set.Warnings()
		set.Describe()
		// The schema takes what the parser takes, where the text is JSON of one document.
		var raw map[string]any
		if json.Unmarshal([]byte(text), &raw) == nil && raw["kind"] == "Policy" {
			if err := published.Validate(raw); err != nil {
				t.Fatalf("the schema refuses %s: %v", text, err)
			}
		}
		m := set.Match("r.example/a:1", nil)
		v, ok := m.Static()
		if ok && len(v.Checks) == 0 {
			t.Fatal("a verdict without checks")
		}
	})
}
