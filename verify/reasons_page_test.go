package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// reasonsPage writes the page about codes, the hundred and the advisories.
func reasonsPage(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# What hallmark refuses, and why

Every answer carries a code. Codes are stable: they are never renamed, and scripts may rely on them. They stand in what
commands print, behind the outcome, and as "reason" in JSON (` + "`-f json`" + `). Exit codes: 0 yes, 1 no, 2 could not tell, 64 the
command line or a policy file is wrong.

This page is written by ` + "`go test ./verify -run TestReasonsPage -update`" + ` from the comments and tables in the source, and
the tests check that it is current.

* [Codes](#codes): what each means, and what to do next
* [The hundred](#the-hundred): what must be refused, and the test that holds it
* [Advisories](#advisories): what went wrong in other tools, and the test that holds that it does not here

## Codes
`)
	for _, ch := range chapters(t) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| code | meaning | exit code | what to do next |\n|---|---|---|---|\n", ch.title, ch.intro)
		for _, c := range ch.codes {
			exit := ch.usual
			if e := ch.exit[c.text]; e != "" {
				exit = e
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.text, c.meaning, exit, ch.next[c.text])
		}
	}
	b.WriteString(`
## The hundred

What a verifier of container signatures must refuse, from the specifications, the conformance suite and the history of
the tools of this family. Most are rows of tables in which a good signature is spoiled in one way, and beside each stands
the twin that must still be accepted, so that nothing is refused for another reason.
`)
	codes, held := rowsOf(t)
	for i, it := range items() {
		n := i + 1
		if it.section != "" {
			fmt.Fprintf(&b, "\n### %s\n\n| | must be refused | with | held by |\n|---|---|---|---|\n", it.section)
		}
		all, tests := append(slices.Clone(codes[n]), it.codes...), append(slices.Clone(held[n]), it.held...)
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", n, it.what, quoted(distinctly(all)), named(n, tests))
	}
	b.WriteString("\n## Advisories\n\nWhat went wrong in verifiers, signers and libraries of the same family. Where an attack has no place here, the tests that are\nnearest to it are named.\n\n| advisory | of | what went wrong | held by |\n|---|---|---|---|\n")
	for _, a := range advisories() {
		tests := named(0, a.held)
		if a.note != "" {
			tests += ". " + a.note
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.ids, strings.ReplaceAll(a.of, "<", "&lt;"), a.what, tests)
	}
	return []byte(b.String())
}

// distinctly returns each text once.
func distinctly(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// quoted puts codes into the form of code.
func quoted(codes []string) string {
	var out []string
	for _, c := range codes {
		if c == ends || c == "no connection" {
			out = append(out, c)
		} else {
			out = append(out, "`"+c+"`")
		}
	}
	return strings.Join(out, ", ")
}

// named names tests: those of one directory one behind the other, each by its row.
func named(n int, tests []string) string {
	var out []string
	last := ""
	for _, test := range tests {
		dir, name, _ := strings.Cut(test, " ")
		dir = strings.TrimSuffix(dir, ":")
		if n > 0 && !strings.Contains(name, "/") && strings.HasPrefix(name, "TestMustReject") {
			name = fmt.Sprintf("%s/%02d", name, n)
		}
		name = strings.ReplaceAll(name, "|", `\|`)
		if dir != last {
			name = dir + " " + name
		}
		last = dir
		out = append(out, strings.ReplaceAll(name, "_", `\_`))
	}
	return strings.Join(out, "; ")
}
