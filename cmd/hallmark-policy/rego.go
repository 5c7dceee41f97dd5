package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// What the policy-controller asks: a module of package sigstore, in the Rego of OPA
// before version 1, for the value of isCompliant.
const (
	rule     = "isCompliant"
	module   = "sigstore.rego"
	question = rule + " = data.sigstore." + rule
)

// withheld returns the functions that policies are not given, with the reason: all
// that reach out, and all that answer differently each time, but for the time itself,
// which the request tells. What a JSON schema refers to ("$ref") is fetched from files
// and hosts, and where the system lets nothing be fetched, a document that could not be
// judged would look like one that breaks the schema, which a policy may negate.
func withheld() map[string]string {
	const fetches = "would fetch what a schema refers to, and may not here"
	return map[string]string{
		ast.HTTPSend.Name:         "has no network here",
		ast.NetLookupIPAddr.Name:  "has no network here",
		ast.OPARuntime.Name:       "has no environment here",
		ast.RandIntn.Name:         "has no randomness here",
		ast.UUIDRFC4122.Name:      "has no randomness here",
		ast.JWTEncodeSign.Name:    "has no randomness here",
		ast.JWTEncodeSignRaw.Name: "has no randomness here",
		ast.JSONMatchSchema.Name:  fetches,
		ast.JSONSchemaVerify.Name: fetches,
	}
}

// clocks returns the functions whose answer depends on the time.
func clocks() []string { return []string{ast.NowNanos.Name, ast.JWTDecodeVerify.Name} }

// evaluateRego asks the policy whether it is met. The answer is true or false, or a
// set of objects {result, error, warning}: the first in the order of the set with a
// true result is a yes, and the last one's error says why there is none.
func evaluateRego(policy string, document []byte, now time.Time) answer {
	names := calls(policy)
	if lack := lacking(names); lack != "" {
		return answer{Outcome: unsupported, Problem: lack}
	}
	a := ask(policy, document, now)
	a.Timed = slices.ContainsFunc(clocks(), func(name string) bool { return names[name] })
	return a
}

// ask compiles the policy and runs it.
func ask(policy string, document []byte, now time.Time) answer {
	ctx := context.Background()
	r := rego.New(
		rego.Query(question),
		rego.Module(module, policy),
		rego.SetRegoVersion(ast.RegoV0),
		rego.Capabilities(given()),
	)
	query, err := r.PrepareForEval(ctx)
	if err != nil {
		return answer{Outcome: broken, Problem: err.Error()}
	}
	var input any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if err := d.Decode(&input); err != nil {
		return answer{Outcome: refused, Problem: err.Error()}
	}
	results, err := query.Eval(ctx, rego.EvalInput(input), rego.EvalTime(now))
	if err != nil {
		return answer{Outcome: refused, Problem: err.Error()}
	}
	for _, result := range results {
		switch value := result.Bindings[rule].(type) {
		case []any:
			return verdict(value)
		case bool:
			if value {
				return answer{Outcome: compliant}
			}
		}
	}
	return answer{Outcome: refused, Problem: "policy is not compliant for query '" + question + "'"}
}

// An element is one of the set that a policy may answer with.
type element struct {
	Warning string `json:"warning,omitempty"`
	Error   string `json:"error,omitempty"`
	Result  bool   `json:"result,omitempty"`
}

// verdict reads a set that a policy answers with. An element that is no such object
// is a no, whatever stands behind it.
func verdict(set []any) answer {
	a := answer{Outcome: refused, Problem: fmt.Sprintf("policy is not compliant for query %q", question)}
	for _, one := range set {
		var e element
		text, err := json.Marshal(one)
		if _, object := one.(map[string]any); !object && err == nil {
			err = fmt.Errorf("%.200s is no object", text)
		}
		if err == nil {
			err = json.Unmarshal(text, &e)
		}
		if err != nil {
			a.Problem = fmt.Sprintf("policy is not compliant for query '%s' due to parsing errors: %v", question, err)
			return a
		}
		if e.Result && e.Warning != "" {
			return answer{Outcome: compliant, Warning: "warning: " + e.Warning}
		}
		if e.Result {
			return answer{Outcome: compliant}
		}
		a.Problem = fmt.Sprintf("policy is not compliant for query '%s' with errors: %s", question, e.Error)
	}
	return a
}

// calls returns what the policy refers to, by name; functions are among it. What cannot
// be parsed refers to nothing, and is refused by who compiles it.
func calls(policy string) map[string]bool {
	names := make(map[string]bool)
	m, err := ast.ParseModuleWithOpts(module, policy, ast.ParserOptions{RegoVersion: ast.RegoV0})
	if err != nil {
		return names
	}
	ast.WalkRefs(m, func(r ast.Ref) bool {
		names[r.String()] = true
		return false
	})
	return names
}

// lacking says which of the functions the policy is not given; "" means none.
func lacking(names map[string]bool) string {
	var lack []string
	for name, why := range withheld() {
		if names[name] {
			lack = append(lack, name+", which "+why)
		}
	}
	slices.Sort(lack)
	if len(lack) == 0 {
		return ""
	}
	return "the policy calls " + strings.Join(lack, "; ")
}

// given is what the language offers to policies: what it offers by itself, without
// the functions that are withheld, and no host that schemas could be fetched from.
func given() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV0))
	not := withheld()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return not[b.Name] != "" })
	c.AllowNet = []string{}
	return c
}
