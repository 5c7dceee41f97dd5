package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// An exception says that a rule of a document's scopes need not hold for some images
// until a time.
type exception struct {
	where   string
	scope   string // one of the document's; all of them when empty
	rule    string
	images  []glob
	digests []v1.Hash
	until   time.Time
	reason  string
}

// exceptions reads those of a document.
func (p *parser) exceptions(v doc.Value) ([]*exception, error) {
	if p.Now == nil {
		return nil, v.Errorf("exceptions end some day, and no clock is given")
	}
	return list(func(v doc.Value) (*exception, error) {
		x := &exception{where: v.Where()}
		err := v.Fields(fields{
			"scope":   doc.Into(&x.scope, text),
			"rule":    doc.Into(&x.rule, text),
			"images":  doc.Into(&x.images, list(repositories)),
			"digests": doc.Into(&x.digests, list(digest)),
			"until":   doc.Into(&x.until, moment),
			"reason":  doc.Into(&x.reason, text),
		}, "rule", "until", "reason")
		if err == nil {
			err = exactlyOne(v, "images", "digests")
		}
		return x, err
	})(v)
}

// assign gives the entries of the document at v the exceptions for their rules. An
// exception for what nothing asks for is a mistake.
func assign(v doc.Value, policy string, entries []*entry, exceptions []*exception) error {
	for _, x := range exceptions {
		found := false
		for _, e := range entries {
			if x.scope != "" && e.name != policy+"/"+x.scope {
				continue
			}
			asks := slices.ContainsFunc(e.any[0].rules, func(r verify.Rule) bool { return r.Name == x.rule })
			if asks {
				e.exceptions = append(e.exceptions, x)
			}
			found = found || asks
		}
		if !found {
			return v.Errorf("the exception at %s is for the rule %q of %s, and no scope of the document asks for that; there are %s",
				x.where, x.rule, scopeName(x.scope), strings.Join(ruleNames(entries), ", "))
		}
	}
	return nil
}

func scopeName(name string) string {
	if name == "" {
		return "any scope"
	}
	return fmt.Sprintf("the scope %q", name)
}

func ruleNames(entries []*entry) []string {
	var names []string
	for _, e := range entries {
		for _, r := range e.any[0].rules {
			if !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

// named reports whether the exception is for images of the repository.
func (x *exception) named(repo string) bool {
	return slices.ContainsFunc(x.images, func(g glob) bool { return g.match(repo) })
}

// of reports whether the exception is for the image.
func (x *exception) of(repo string, digest v1.Hash) bool {
	return x.named(repo) || slices.Contains(x.digests, digest)
}

// except applies the exceptions for the image to the checks of the entry. A rule that
// does not hold is exempted. One of which nobody can tell stays open, and what is revoked
// stays revoked: an exception says that evidence may be missing, not that somebody may
// be believed whom the policy does not believe any more.
func (m Matched) except(e *entry, digest v1.Hash, checks []verify.Check) []verify.Check {
	for i := range checks {
		c := &checks[i]
		for _, x := range e.exceptions {
			if c.Rule == e.name+"/"+x.rule && x.of(m.repo, digest) && (c.Exception == nil || !c.Exception.Applied) {
				x.apply(c, m.set.now())
			}
		}
	}
	return checks
}

func (x *exception) apply(c *verify.Check, now time.Time) {
	note := verify.Exception{Where: x.where, Reason: x.reason, Until: x.until, Expired: !now.Before(x.until)}
	day := x.until.Format(time.RFC3339)
	switch {
	case note.Expired:
		c.Detail += fmt.Sprintf("; the exception at %s ended at %s (%s)", x.where, day, x.reason)
	case c.Outcome == verify.Accept:
		c.Detail += fmt.Sprintf("; the exception at %s, until %s (%s), is not needed", x.where, day, x.reason)
	case c.Outcome != verify.Reject:
		c.Detail += fmt.Sprintf("; the exception at %s, until %s (%s), is for what is missing, and that cannot be told", x.where, day, x.reason)
	case rests(*c, verify.Revoked):
		c.Detail += fmt.Sprintf("; the exception at %s, until %s (%s), does not cover what is revoked", x.where, day, x.reason)
	default:
		note.Applied, note.Instead = true, c.Reason
		c.Detail = fmt.Sprintf("exempted until %s (%s: %s); otherwise %s: %s", day, x.where, x.reason, c.Reason, c.Detail)
		c.Outcome, c.Reason = verify.Accept, verify.Exempted
		if c.Until.IsZero() || x.until.Before(c.Until) {
			c.Until = x.until
		}
	}
	c.Exception = &note
}

// rests reports whether the reason is that of the check or of something that was found.
func rests(c verify.Check, reason verify.Reason) bool {
	return c.Reason == reason || slices.ContainsFunc(c.Evidence, func(e verify.Evidence) bool { return e.Reason == reason })
}

// An Exempt tells of one exception.
type Exempt struct {
	Rule string
	// For are the globs or the digests of the images that it is for.
	For     []string
	Where   string
	Reason  string
	Until   time.Time
	Expired bool
}

func (x *exception) describe(now func() time.Time) Exempt {
	out := Exempt{Rule: x.rule, Where: x.where, Reason: x.reason, Until: x.until, Expired: !now().Before(x.until)}
	for _, g := range x.images {
		out.For = append(out.For, g.text)
	}
	for _, d := range x.digests {
		out.For = append(out.For, d.String())
	}
	return out
}

// soon is how long before its end an exception is warned of, and late how far away that
// end is where it is hardly one.
const (
	soon = 14 * 24 * time.Hour
	late = 366 * 24 * time.Hour
)

// lint tells of exceptions that end, have ended, or hardly ever end.
func (x *exception) lint(now time.Time) string {
	name := fmt.Sprintf("the exception at %s for %s (%s)", x.where, x.rule, x.reason)
	switch left := x.until.Sub(now); {
	case left <= 0:
		return fmt.Sprintf("%s ended at %s and counts for nothing", name, x.until.Format(time.RFC3339))
	case left <= soon:
		return fmt.Sprintf("%s ends at %s, in less than 14 days", name, x.until.Format(time.RFC3339))
	case left > late:
		return fmt.Sprintf("%s ends at %s, in more than a year", name, x.until.Format(time.RFC3339))
	}
	return ""
}
