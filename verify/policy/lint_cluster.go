package policy

import (
	"fmt"
	"regexp/syntax"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// What stands in ClusterImagePolicies and is often not what is meant. The policies are
// judged as they stand all the same: as the policy-controller does.

// note keeps a warning about a value.
func (e *entry) note(v doc.Value, format string, args ...any) {
	e.notes = append(e.notes, Warning{Where: v.Where(), Text: v.Path() + ": " + fmt.Sprintf(format, args...)})
}

// lintIdentity looks for names that nobody can have and patterns that too many fit.
func (e *entry) lintIdentity(v doc.Value, n keyless.Names) {
	for _, exact := range []struct{ field, text string }{{"subject", n.Subject}, {"issuer", n.Issuer}} {
		if strings.Contains(exact.text, "*") {
			e.note(v, "%s %q is compared as it stands, and its * stands for nothing else: nobody has that name; %sRegExp takes a pattern", exact.field, exact.text, exact.field)
		}
	}
	for _, pattern := range []struct{ field, text string }{{"subjectRegExp", n.SubjectPattern}, {"issuerRegExp", n.IssuerPattern}} {
		if pattern.text == "" {
			continue
		}
		begins, ends := bounded(pattern.text)
		switch {
		case !begins && !ends:
			e.note(v, "%s %q need only be found somewhere in the name, as the policy-controller reads it: put ^ before and $ behind it, or a name that only holds it is accepted", pattern.field, pattern.text)
		case !begins:
			e.note(v, "%s %q has no ^ before it: a name with anything in front is accepted, as by the policy-controller", pattern.field, pattern.text)
		case !ends:
			e.note(v, "%s %q has no $ behind it: a name that goes on with anything is accepted, as by the policy-controller", pattern.field, pattern.text)
		}
	}
}

// bounded reports whether the pattern says where a name begins and where it ends: with
// ^ and $, or with .*, which leaves it open in so many words.
func bounded(pattern string) (begins, ends bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return true, true // it is refused elsewhere
	}
	return edge(re, false), edge(re, true)
}

// edge looks at what every match begins with, or ends with.
func edge(re *syntax.Regexp, last bool) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return !last
	case syntax.OpEndText:
		return last
	case syntax.OpStar, syntax.OpPlus:
		op := re.Sub[0].Op
		return op == syntax.OpAnyChar || op == syntax.OpAnyCharNotNL
	case syntax.OpCapture:
		return edge(re.Sub[0], last)
	case syntax.OpConcat:
		if last {
			return edge(re.Sub[len(re.Sub)-1], last)
		}
		return edge(re.Sub[0], last)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !edge(sub, last) {
				return false
			}
		}
		return true
	}
	return false
}

// lintVouchers looks at who must vouch for an authority's signatures.
func (e *entry) lintVouchers(v doc.Value, d *demands) {
	if d.stamp != nil && d.log != nil {
		e.note(v, "with rfc3161timestamp no log is asked, whatever ctlog says; so does the policy-controller")
	}
	if d.log != nil && d.stamp == nil && !d.logURL && *d.log == "" {
		e.note(v, "ctlog names no log: the policy-controller asks none then, hallmark asks those of the trusted root")
	}
	if d.issuers != nil && *d.issuers != "" && d.log == nil && d.stamp == nil {
		e.note(v, "neither ctlog nor rfc3161timestamp says who dates signatures: the policy-controller takes those without a bundle only as long as their certificate is valid, hallmark asks the logs of TrustRoot %s", *d.issuers)
	}
	if d.unseen {
		e.note(v, "insecureIgnoreSCT: nobody need have seen the certificates, so that one that was issued in secret is not noticed")
	}
	if d.ca != nil {
		e.note(v, "ca-cert: the policy-controller reads it and accepts no signature under it, hallmark does; a TrustRoot means the same to both")
	}
}

// lintGlob looks for globs that fit no image once its digest is known.
func (e *entry) lintGlob(v doc.Value, glob string) {
	last := glob[strings.LastIndex(glob, "/")+1:]
	if _, tag, tagged := strings.Cut(last, ":"); tagged && !strings.Contains(last, "@") && !strings.Contains(tag, "*") {
		e.note(v, "glob %q ends in a tag, and images are judged by their digest: it fits none; write %q", glob, strings.TrimSuffix(glob, ":"+tag)+"@*")
	}
}

// lintMetadata looks for what belongs to namespaces.
func (e *entry) lintMetadata(v doc.Value) {
	const include = "policy.sigstore.dev/include"
	if v.Has(include) {
		e.note(v, "%s does nothing here: it is a label (no annotation) of the namespaces whose objects are judged", include)
	}
}
