package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	oracle "github.com/sigstore/cosign/v2/pkg/cosign/rego"
)

// A judged is a policy with a document and what becomes of them. Where no source is
// named, expected values of CUE follow from its specification, and those of Rego are
// what cosign's package, which the policy-controller calls, answers too.
type judged struct {
	name, policy, document string
	want                   outcome
	text                   string // is in the problem or the warning
	timed                  bool
}

// statement is an attestation as the policy-controller hands it to a policy.
const statement = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://cosign.sigstore.dev/attestation/vuln/v1",
	"subject":[{"name":"registry.example/app","digest":{"sha256":"aa"}}],
	"predicate":{"scanner":{"uri":"scanner.example","result":[{"id":"CVE-1","severity":"LOW"},{"id":"CVE-2","severity":"HIGH"}]},
	"metadata":{"scanStartedOn":"2026-11-01T00:00:00Z","scanFinishedOn":"2026-11-01T00:10:00Z"}}}`

// matches is what the policy of a whole ClusterImagePolicy sees.
const matches = `{"authorityMatches":{"release":{"signatures":[{"id":"1","subject":"dev@example","issuer":"https://issuer.example"}],"attestations":null},
	"scan":{"signatures":null,"attestations":{"vuln":[{"id":"2","predicateType":"vuln"}]}}},
	"config":{"linux/amd64":{"config":{"User":"65532","Labels":{"team":"a"}}}},
	"spec":{"containers":[{"name":"app","image":"registry.example/app@sha256:aa","securityContext":{"privileged":false}}]}}`

func cueCases() []judged {
	return []judged{
		// The shapes of the policy-controller's documentation.
		{"values", `predicateType: "https://cosign.sigstore.dev/attestation/vuln/v1"` + "\npredicate: scanner: uri: \"scanner.example\"", statement, compliant, "", false},
		{"another value", `predicate: scanner: uri: "other.example"`, statement, refused, `predicate.scanner.uri: conflicting values "scanner.example" and "other.example"`, false},
		{"type", `predicate: scanner: uri: int`, statement, refused, "mismatched types int and string", false},
		{"expression", `predicate: scanner: uri: =~"^scanner[.]"`, statement, compliant, "", false},
		{"expression not matched", `predicate: scanner: uri: !~"^scanner[.]"`, statement, refused, "out of bound", false},
		{"before", "import \"time\"\nbefore: time.Parse(time.RFC3339, \"2049-10-09T17:10:27Z\")\npredicate: metadata: scanFinishedOn: <before", statement, compliant, "", false},
		{"not before", "import \"time\"\nbefore: time.Parse(time.RFC3339, \"2022-04-01T17:10:27Z\")\npredicate: metadata: scanFinishedOn: <before", statement, refused, "out of bound", false},
		{"no severity", `predicate: scanner: result: [...{severity: !="CRITICAL"}]`, statement, compliant, "", false},
		{"severity", `predicate: scanner: result: [...{severity: !="HIGH"}]`, statement, refused, "predicate.scanner.result.1.severity", false},
		{"counts", "import \"list\"\nimport \"struct\"\nauthorityMatches: {release: signatures: list.MinItems(1), scan: attestations: struct.MinFields(1)}", matches, compliant, "", false},
		{"counts more", "import \"list\"\nauthorityMatches: release: signatures: list.MinItems(2)", matches, refused, "len(list) < MinItems(2) (1 < 2)", false},
		{"package", "package sigstore\nspec: containers: [...{securityContext: privileged: false}]", matches, compliant, "", false},
		{"condition", "import \"struct\"\nauthorityMatches: {\n scan: attestations: struct.MaxFields(1) & struct.MinFields(1)\n if len(authorityMatches.scan.attestations) < 2 {few: 2, few: \"few\"}\n}", matches, refused, "authorityMatches.few: conflicting values", false},
		{"closed", `close({authorityMatches: _})`, matches, refused, "not allowed", false},
		{"definition", "#P: {uri: \"scanner.example\", ...}\npredicate: scanner: #P", statement, compliant, "", false},
		// What is not there contradicts nothing, unless it is required.
		{"absent", `predicate: reviewed: true`, statement, compliant, "", false},
		{"empty", ``, statement, compliant, "", false},
		{"anything", `_`, statement, compliant, "", false},
		{"nothing", `_|_`, statement, broken, "explicit error", false},
		{"scalar", `1`, `1`, compliant, "", false},
		{"other scalar", `1`, `2`, refused, "conflicting values", false},
		{"emoji and controls", `a: "😀\u0000/"`, `{"a":"😀\u0000\/"}`, compliant, "", false},
		{"large number", `a: 12345678901234567890123`, `{"a":12345678901234567890123}`, compliant, "", false},
		{"document is data", `a: string`, `{"a":"\\(b)","b":"x"}`, compliant, "", false},
		// Nothing can be reached.
		{"syntax", `a: `, `{}`, broken, "failed to compile the cue policy", false},
		{"contradiction", `a: 1, a: 2`, `{}`, broken, "conflicting values", false},
		{"tool", "import \"tool/http\"\nx: http.Get", `{}`, unsupported, "tool/http", false},
		{"tools", "import (\n e \"tool/exec\"\n \"tool/file\"\n)\nx: e.Run, y: file.Read", `{}`, unsupported, "tool/exec, tool/file", false},
		{"registry", "import \"example.com/schema@v0\"\nx: schema.X", `{}`, broken, "example.com/schema", false},
		{"files", "@extern(embed)\npackage p\nx: _ @embed(file=\"policy_test.go\",type=text)", `{}`, broken, "cannot embed files", false},
		{"recursion", "#L: {n: #L}\na: #L", `{}`, broken, "structural cycle", false},
	}
}

func TestCUE(t *testing.T) {
	for _, c := range cueCases() {
		a := evaluateCUE(c.policy, []byte(c.document))
		if a.Outcome != c.want || !strings.Contains(a.Problem, c.text) || a.Outcome != compliant && a.Problem == "" || a.Warning != "" || a.Timed {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

// set is a policy that answers with one object.
func set(result, text, warning string) string {
	return "package sigstore\nisCompliant[response] {\n response := {\"result\": " + result + ", \"error\": " + text + ", \"warning\": " + warning + "}\n}"
}

func regoCases() []judged {
	const no = "policy is not compliant for query 'isCompliant = data.sigstore.isCompliant'"
	return []judged{
		{"yes", "package sigstore\nisCompliant { input.predicateType == \"https://cosign.sigstore.dev/attestation/vuln/v1\" }", statement, compliant, "", false},
		{"undefined", "package sigstore\nisCompliant { input.predicateType == \"x\" }", statement, refused, no, false},
		{"default", "package sigstore\ndefault isCompliant = false\nisCompliant { input.predicate.scanner.uri == \"x\" }", statement, refused, no, false},
		{"count", "package sigstore\nisCompliant { count(input.authorityMatches.release.signatures) == 1 }", matches, compliant, "", false},
		{"severity", "package sigstore\nisCompliant { not high }\nhigh { input.predicate.scanner.result[_].severity == \"HIGH\" }", statement, refused, no, false},
		{"object", set("true", `""`, `""`), statement, compliant, "", false},
		{"error", set("count(input.subject) == 9", `"nine subjects are wanted"`, `""`), statement, refused, no + " with errors: nine subjects are wanted", false},
		{"warning", set("true", `""`, `"soon too old"`), statement, compliant, "warning: soon too old", false},
		{"warning with a no", set("false", `"too old"`, `"soon too old"`), statement, refused, no + " with errors: too old", false},
		{"no result", "package sigstore\nisCompliant[r] { r := {\"error\": \"none\"} }", statement, refused, "with errors: none", false},
		{"result no boolean", set(`"true"`, `""`, `""`), statement, refused, "due to parsing errors", false},
		{"one of many", "package sigstore\nisCompliant[r] { r := {\"result\": false, \"error\": \"a\"} }\nisCompliant[r] { r := {\"result\": true} }", statement, compliant, "", false},
		{"last of many", "package sigstore\nisCompliant[r] { r := {\"result\": false, \"error\": \"a\"} }\nisCompliant[r] { r := {\"result\": false, \"error\": \"b\"} }", statement, refused, "with errors: b", false},
		{"empty set", "package sigstore\nisCompliant[r] { false; r := {} }", statement, refused, "policy is not compliant for query", false},
		{"array", "package sigstore\nisCompliant = [{\"result\": true}]", statement, compliant, "", false},
		{"other value", "package sigstore\nisCompliant = \"true\"", statement, refused, no, false},
		{"number", "package sigstore\nisCompliant = 1", statement, refused, no, false},
		{"mapping", "package sigstore\nisCompliant = {\"result\": true}", statement, refused, no, false},
		{"other package", "package signature\nisCompliant { true }", statement, refused, no, false},
		{"other rule", "package sigstore\nallow { true }", statement, refused, no, false},
		{"conflict", "package sigstore\nisCompliant = true { true }\nisCompliant = false { true }", statement, refused, "must not produce multiple outputs", false},
		{"keywords", "package sigstore\nimport future.keywords.in\nimport future.keywords.if\nisCompliant if \"HIGH\" in [x | x := input.predicate.scanner.result[_].severity]", statement, compliant, "", false},
		{"of version 1", "package sigstore\nimport rego.v1\nisCompliant if input.predicateType", statement, compliant, "", false},
		{"large number", "package sigstore\nisCompliant { input.a == 12345678901234567890123 }", `{"a":12345678901234567890123}`, compliant, "", false},
		{"null input", "package sigstore\nisCompliant { input == null }", `null`, compliant, "", false},
		{"zone", "package sigstore\nisCompliant { time.clock([1700000000000000000, \"Europe/Berlin\"])[0] == 23 }", statement, compliant, "", false},
		// Faults of the policy.
		{"syntax", "package sigstore\nisCompliant {", statement, broken, "rego_parse_error", false},
		{"nothing", "", statement, broken, "empty module", false},
		{"unsafe", "package sigstore\nisCompliant { input.a == y }", statement, broken, "unsafe", false},
		{"recursion", "package sigstore\nisCompliant { a }\na { isCompliant }", statement, broken, "recursive", false},
		{"no function", "package sigstore\nisCompliant { http.get(\"x\") }", statement, broken, "undefined function http.get", false},
	}
}

// onlyHere are what cosign's package crashes at, answers from elsewhere, or answers
// with the time of the day.
func onlyHere() []judged {
	return []judged{
		{"no object", "package sigstore\nisCompliant[r] { r := \"yes\" }", statement, refused, `"yes" is no object`, false},
		{"network", "package sigstore\nisCompliant { http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1:1\"}).status_code == 200 }", statement, unsupported, "http.send, which has no network here", false},
		{"name", "package sigstore\nisCompliant { count(net.lookup_ip_addr(\"localhost\")) > 0 }", statement, unsupported, "net.lookup_ip_addr", false},
		{"runtime", "package sigstore\nisCompliant { opa.runtime().env.PATH }", statement, unsupported, "opa.runtime, which has no environment", false},
		{"chance", "package sigstore\nisCompliant { rand.intn(\"x\", 2) == 1 }", statement, unsupported, "rand.intn", false},
		{"two", "package sigstore\nisCompliant { uuid.rfc4122(\"x\"); http.send({}) }", statement, unsupported, "http.send, which has no network here; uuid.rfc4122", false},
		{"put in place", "package sigstore\nf(x) = 1\nisCompliant { count(\"x\") with count as http.send }", statement, unsupported, "http.send", false},
		{"schema elsewhere", "package sigstore\nisCompliant { json.match_schema({}, {\"$ref\": \"http://127.0.0.1:1/x\"})[0] }", statement, unsupported, "json.match_schema, which would fetch", false},
		{"schema elsewhere, negated", "package sigstore\nisCompliant { not json.match_schema({}, {\"$ref\": \"http://127.0.0.1:1/x\"})[0] }", statement, unsupported, "json.match_schema, which would fetch", false},
		{"schema", "package sigstore\nisCompliant { json.match_schema(input, {\"required\": [\"subject\"]})[0] }", statement, unsupported, "json.match_schema, which would fetch", false},
		{"young", "package sigstore\nisCompliant { time.now_ns() - time.parse_rfc3339_ns(input.predicate.metadata.scanFinishedOn) < 30 * 24 * 3600 * 1000000000 }", statement, compliant, "", true},
		{"old", "package sigstore\nisCompliant { time.now_ns() - time.parse_rfc3339_ns(input.predicate.metadata.scanFinishedOn) < 2 * 24 * 3600 * 1000000000 }", statement, refused, "", true},
		{"time in a function", "package sigstore\nage(t) = time.now_ns() - t\nisCompliant { age(0) == 1795132800000000000 }", statement, compliant, "", true},
	}
}

func TestRego(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for _, c := range append(regoCases(), onlyHere()...) {
		a := evaluateRego(c.policy, []byte(c.document), now)
		if a.Outcome != c.want || !strings.Contains(a.Problem+a.Warning, c.text) || (a.Outcome == compliant) != (a.Problem == "") || a.Timed != c.timed {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

// sorted returns the lines in one order: OPA tells several errors in any.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestOracle: cosign's package answers the same, word for word.
func TestOracle(t *testing.T) {
	for _, c := range regoCases() {
		a := evaluateRego(c.policy, []byte(c.document), time.Unix(0, 0))
		warning, err := oracle.ValidateJSONWithModuleInput([]byte(c.document), c.policy)
		switch {
		case (err == nil) != (a.Outcome == compliant):
			t.Errorf("%s: %+v; cosign says %v", c.name, a, err)
		case err != nil && sorted(strings.ReplaceAll(err.Error(), "CosignRuleResult", "element")) != sorted(a.Problem):
			t.Errorf("%s: %q; cosign says %q", c.name, a.Problem, err)
		case err == nil && (warning == nil) != (a.Warning == ""), err == nil && warning != nil && warning.Error() != a.Warning:
			t.Errorf("%s: warning %q; cosign says %v", c.name, a.Warning, warning)
		}
	}
}

// TestSchemas: no policy has a schema fetched, from a host or from a file: the functions
// that would are withheld, by name.
func TestSchemas(t *testing.T) {
	asked := make(chan string, 9)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.Write([]byte("{}"))
	}))
	defer host.Close()
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(`{"type":"string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{host.URL + "/x", "file://" + file} {
		for _, call := range []string{"json.match_schema({}, ", "json.verify_schema("} {
			policy := "package sigstore\nisCompliant { " + call + `{"$ref": "` + at + `"})[0] }`
			if a := evaluateRego(policy, []byte(statement), time.Unix(0, 0)); a.Outcome != unsupported || !strings.Contains(a.Problem, "would fetch") {
				t.Errorf("%s: %+v", policy, a)
			}
		}
	}
	if len(asked) > 0 {
		t.Errorf("the host was asked for %s", <-asked)
	}
}
