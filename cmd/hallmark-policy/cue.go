package main

import (
	"fmt"
	"strconv"
	"strings"

	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"
)

// evaluateCUE unifies the document with the policy: it meets the policy where no value
// of the two contradicts another. As in the policy-controller, values need not be
// concrete. So a field that the policy asks for and the document lacks is no
// contradiction, unless the policy says "field!:" or counts fields and items.
//
// Packages of CUE's standard library can be imported, all but those below tool/, which
// describe tasks for CUE's own command; there is nowhere that others could come from.
func evaluateCUE(policy string, document []byte) answer {
	if names := tools(policy); len(names) > 0 {
		return answer{Outcome: unsupported, Problem: "the policy imports " + strings.Join(names, ", ") + ", which is for tasks of the cue command"}
	}
	ctx := cuecontext.New()
	p := ctx.CompileString(policy)
	if err := p.Err(); err != nil {
		return answer{Outcome: broken, Problem: fmt.Sprintf("failed to compile the cue policy with error: %v", err)}
	}
	d := ctx.CompileBytes(document)
	if err := d.Err(); err != nil {
		return answer{Outcome: refused, Problem: fmt.Sprintf("failed to compile the attestation data with error: %v", err)}
	}
	if err := p.Unify(d).Validate(); err != nil {
		return answer{Outcome: refused, Problem: fmt.Sprintf("failed to evaluate the policy with error: %v", err)}
	}
	return answer{Outcome: compliant}
}

// tools returns the packages below tool/ that the policy imports. What cannot be
// parsed imports nothing, and is refused by who compiles it.
func tools(policy string) []string {
	f, err := parser.ParseFile("", policy, parser.ImportsOnly)
	if err != nil {
		return nil
	}
	var names []string
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil && (path == "tool" || strings.HasPrefix(path, "tool/")) && len(names) < maxNames {
			names = append(names, path)
		}
	}
	return names
}
