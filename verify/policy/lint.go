package policy

import (
	"fmt"
	"slices"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A Warning is about something that is allowed and may not be what is meant.
type Warning struct {
	// Policy is the name of the scope or ClusterImagePolicy, Where it stands.
	Policy, Where string
	Text          string
}

// Warnings tells what in the set may not be what is meant: what nobody can ever meet,
// what accepts without evidence, what anybody can meet.
func (s *Set) Warnings() []Warning {
	var out []Warning
	for _, e := range s.entries {
		for _, text := range s.lint(e) {
			out = append(out, Warning{Policy: e.name, Where: e.where, Text: text})
		}
		for _, x := range e.exceptions {
			if text := x.lint(s.now()); text != "" {
				out = append(out, Warning{Policy: e.name, Where: x.where, Text: text})
			}
		}
		for _, w := range e.notes {
			out = append(out, Warning{Policy: e.name, Where: w.Where, Text: w.Text})
		}
	}
	return out
}

func (s *Set) lint(e *entry) []string {
	var out []string
	if e.warn {
		out = append(out, "mode warn: admission lets pass what this refuses, and says so")
	}
	for _, text := range details(e.open) {
		out = append(out, "stays open, so that nothing is accepted: "+text)
	}
	for i := range e.any {
		a := &e.any[i]
		if a.decided == "" {
			out = append(out, s.lintAuthority(a)...)
			continue
		}
		wide := slices.ContainsFunc(e.images, func(g glob) bool { return g.text == "**" })
		if wide && a.describe().Static == "pass" {
			out = append(out, "static pass for **: every image is accepted here without any evidence")
		}
	}
	return out
}

func (s *Set) lintAuthority(a *authority) []string {
	var out []string
	say := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, text := range details(a.open) {
		say("stays open, so that nothing is accepted by it: %s", text)
	}
	for _, r := range a.rules {
		keys, identities := a.counted(r)
		var lost []string
		left := make(map[key.Fingerprint]bool)
		for _, k := range keys {
			if s.revoked.Revokes(k.Fingerprint()) {
				lost = append(lost, k.Fingerprint().Digest())
			} else {
				left[k.Fingerprint()] = true
			}
		}
		for _, f := range lost {
			say("key %s is revoked: its signatures do not count", f)
		}
		if len(lost) > 0 && len(left)+len(identities) < r.Threshold {
			say("%s: nothing can meet it, %d must sign and %d are left that are not revoked", r.Name, r.Threshold, len(left)+len(identities))
		}
		for _, id := range identities {
			if anybody(id) {
				say("identity %s: whoever the issuers know can sign", id)
			}
		}
	}
	if len(a.rules) > 0 && a.rules[0].Name != "signature" {
		say("no signature of the image is asked for")
	}
	return out
}

// anybody reports whether the pattern of the subject, or that of the issuer, fits all.
func anybody(id keyless.Identity) bool {
	all := []string{".*", ".+", "^.*$", "^.+$", "(.*)"}
	return slices.Contains(all, id.SubjectPattern) || slices.Contains(all, id.IssuerPattern)
}
