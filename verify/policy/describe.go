package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A Description tells what one scope or one ClusterImagePolicy says.
type Description struct {
	// Name is what verdicts begin its rules with: "production/apps".
	Name string
	// Cluster says that it is a ClusterImagePolicy.
	Cluster bool
	// Where it stands: "policy.yaml:6".
	Where  string
	Images []string
	// Warn says that admission lets pass what it refuses.
	Warn bool
	// Objects are the kinds of Kubernetes object that it is for; all when empty.
	Objects []string
	// Authorities are who may vouch for the image. Any one is enough; a scope has one.
	Authorities []Authority
	// Open is what must hold beside and is not verified here.
	Open []string
	// Exceptions say which rules need not hold, for which images and until when.
	Exceptions []Exempt
}

// An Authority tells of one authority of a policy.
type Authority struct {
	Name string // empty for that of a scope
	// Static is "pass" or "fail" where the images are decided whatever they hold.
	Static, Message string
	// Asks must all hold.
	Asks []Ask
	// Open is what must hold beside and is not verified here.
	Open []string
}

// An Ask tells of one thing that is asked for.
type Ask struct {
	// Rule is its name as verdicts have it, behind that of the scope: "sbom".
	Rule string
	// What is asked for, in words.
	What string
	// By are those who count, and Threshold how many of them it takes.
	By        []string
	Threshold int
	// Also are further conditions, in words.
	Also []string
}

// Describe tells what is in the set, in the order of the files.
func (s *Set) Describe() []Description {
	return s.describe(s.entries, func(*exception) bool { return true })
}

// Describe tells what the policies ask of the image, with the exceptions that are for it
// by its name, and those for digests where its own is not known.
func (m Matched) Describe() []Description {
	return m.set.describe(m.entries, func(x *exception) bool {
		return x.of(m.repo, m.digest) || m.digest == (v1.Hash{}) && len(x.digests) > 0
	})
}

func (s *Set) describe(entries []*entry, fits func(*exception) bool) []Description {
	out := make([]Description, len(entries))
	for i, e := range entries {
		d := Description{Name: e.name, Cluster: !e.repos, Where: e.where, Warn: e.warn, Open: details(e.open)}
		for _, g := range e.images {
			d.Images = append(d.Images, g.text)
		}
		for _, r := range e.match {
			d.Objects = append(d.Objects, r.String())
		}
		if e.part != nil {
			d.Open = append(d.Open, "a part in "+e.part.Language+" judges what the authorities found")
		}
		for j := range e.any {
			d.Authorities = append(d.Authorities, e.any[j].describe())
		}
		for _, x := range e.exceptions {
			if fits(x) {
				d.Exceptions = append(d.Exceptions, x.describe(s.now))
			}
		}
		out[i] = d
	}
	return out
}

// details are the words of checks that stay open.
func details(open []verify.Check) []string {
	var out []string
	for _, c := range open {
		out = append(out, c.Detail)
	}
	return out
}

func (a *authority) describe() Authority {
	out := Authority{Name: a.name, Open: details(a.open)}
	if a.decided != "" {
		c := a.static()
		out.Static, out.Message = strings.TrimPrefix(string(a.decided), "static-"), c.Detail
		return out
	}
	for i, r := range a.rules {
		ask := a.ask(r)
		ask.Also = append(ask.Also, a.beside(i)...)
		out.Asks = append(out.Asks, ask)
	}
	return out
}

// ask puts a rule into words.
func (a *authority) ask(r verify.Rule) Ask {
	keys, identities := a.counted(r)
	ask := Ask{Rule: r.Name, What: what(r), By: signers(keys, identities), Threshold: r.Threshold}
	for _, k := range slices.Sorted(maps.Keys(r.Annotations)) {
		ask.Also = append(ask.Also, fmt.Sprintf("the signed annotation %s is %q", k, r.Annotations[k]))
	}
	if r.MaxAge > 0 {
		ask.Also = append(ask.Also, "at most "+age(r.MaxAge)+" old, by its own words")
	}
	for _, d := range r.Demands {
		ask.Also = append(ask.Also, d.String())
	}
	if r.OneDocument && r.Threshold > 1 {
		ask.Also = append(ask.Also, "all of them signed the same document")
	}
	if r.Counter != nil {
		ask.Also = append(ask.Also, fmt.Sprintf("each entry counter-signed by %s", anyOf(signers(r.Counter.Keys, nil), r.Counter.Threshold)))
	}
	ask.Also = append(ask.Also, a.vouching(r, keys, identities)...)
	return ask
}

// beside tells what else the authority of a ClusterImagePolicy asks under its rule i.
func (a *authority) beside(i int) []string {
	var also []string
	if q := a.trust.KeyQuorum; q.AsksOfKeys() {
		also = append(also, vouchers(q, "a signature by a key"))
	}
	if len(a.trust.Identities) > 0 && a.trust.Quorum != (keyless.Quorum{}) {
		also = append(also, vouchers(a.trust.Quorum, "a signature by an identity"))
	}
	if i < len(a.attested) && a.attested[i].part != nil {
		also = append(also, "a part in "+a.attested[i].part.Language+" takes it")
	}
	if a.source != (Source{}) {
		also = append(also, "it is looked for "+a.source.String())
	}
	return also
}

// vouchers puts the logs and clocks that must vouch into words.
func vouchers(q keyless.Quorum, what string) string {
	var by []string
	for _, n := range []struct {
		number keyless.Number
		name   string
	}{{q.CertificateLogs, "certificate log"}, {q.Logs, "transparency log"}, {q.Clocks, "clock"}, {q.Timestamps, "timestamp authority"}} {
		switch {
		case n.number == keyless.None:
			by = append(by, "no "+n.name)
		case n.number > 0:
			by = append(by, fmt.Sprintf("%d %s", n.number, n.name))
		}
	}
	return what + " is vouched for by " + strings.Join(by, ", ")
}

// counted are those whose signatures count for the rule.
func (a *authority) counted(r verify.Rule) ([]*key.Public, []keyless.Identity) {
	if len(r.Keys)+len(r.Identities) > 0 {
		return r.Keys, r.Identities
	}
	return a.trust.Keys, a.trust.Identities
}

func what(r verify.Rule) string {
	if r.Kind == attach.Signature {
		return "a signature of the image"
	}
	var names []string
	for _, t := range r.PredicateTypes {
		names = append(names, payload.NameOf(t))
	}
	return "a signed statement about the image, of type " + strings.Join(names, " or ")
}

// signers names keys by their fingerprints, and identities.
func signers(keys []*key.Public, identities []keyless.Identity) []string {
	var out []string
	for _, k := range keys {
		out = append(out, "key "+k.Fingerprint().Digest())
	}
	for _, id := range identities {
		out = append(out, "identity "+id.String())
	}
	return out
}

// anyOf is "one of a, b" in words.
func anyOf(who []string, n int) string {
	if len(who) == 1 && n == 1 {
		return who[0]
	}
	return fmt.Sprintf("%d of %s", n, strings.Join(who, ", "))
}

// age writes a duration as policies do.
func age(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}
