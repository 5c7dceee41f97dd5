package check

import (
	"fmt"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/match"
)

// Outcome is the answer. The zero value is no answer.
type Outcome int

// The outcomes.
const (
	Undetermined Outcome = iota
	Affected
	NotAffected
)

// String returns the word that reports use.
func (o Outcome) String() string {
	switch o {
	case Affected:
		return "affected"
	case NotAffected:
		return "not-affected"
	case Undetermined:
		return "undetermined"
	}
	return fmt.Sprintf("outcome %d", int(o))
}

// A Reason is a stable, machine-readable code for why an outcome came out as it
// did. Codes are never renamed; new ones may come.
type Reason string

// The reasons of an answer.
const (
	Found          Reason = "found"           // an advisory affects a component
	NothingHits    Reason = "nothing-hits"    // everything was compared, nothing is affected
	BelowThreshold Reason = "below-threshold" // what was found is not as grave as was asked for
)

// The reasons for an open question.
const (
	NoSBOM          Reason = "no-sbom"          // no SBOM is attached
	SBOMUnverified  Reason = "sbom-unverified"  // SBOMs are attached, none is one to believe
	SBOMUnreachable Reason = "sbom-unreachable" // the registry did not give it out
	SBOMUnreadable  Reason = "sbom-unreadable"  // an SBOM cannot be read, or is beyond the limits
	NothingMapped   Reason = "nothing-mapped"   // the SBOM names nothing that advisories speak about
	NoAdvisories    Reason = "no-advisories"    // no advisory is loaded
	BadAdvisories   Reason = "bad-advisories"   // an advisory could not be read
	InDoubt         Reason = "in-doubt"         // a release or a version is not known
	Unrated         Reason = "unrated"          // the severity of a finding is not known
	Deadline        Reason = "deadline"         // time ran out
)

// What to do about the commonest gaps.
const (
	adviseSeal = "seal the image, so that it has an SBOM signed by an accepted key, or accept the key of whoever sealed it"
	adviseAnew = "make the SBOM anew and seal the image again"
)

// A Gap is something that keeps the answer from being complete: without it
// there may be findings that were not made.
type Gap struct {
	Reason         Reason
	Detail, Advice string
}

// undetermined leaves the question open for want of an SBOM.
func (res Result) undetermined(reason Reason, detail, advice string) Result {
	res.Gaps = append(res.Gaps, Gap{reason, detail, advice})
	res.Outcome, res.Reason, res.Detail, res.Advice = Undetermined, reason, detail, advice
	return res
}

// unverified tells why the verdict on the SBOM leaves the question open.
func (res Result) unverified() Result {
	for _, c := range res.Verdict.Checks {
		switch {
		case c.Outcome == verify.Accept:
		case c.Outcome == verify.Undetermined:
			return res.undetermined(SBOMUnreachable, c.Detail, "try again, or look at the registry's answer")
		case c.Reason == verify.NoAttestation:
			return res.undetermined(NoSBOM, "no signed SBOM is attached", adviseSeal)
		default:
			return res.undetermined(SBOMUnverified, c.Detail, adviseSeal)
		}
	}
	return res.undetermined(SBOMUnverified, "the SBOM was not accepted", adviseSeal)
}

// judge sums up findings and coverage. problems are SBOMs that should count and
// could not be read.
func (c *Checker) judge(res Result, problems []string) Result {
	affected, doubts := 0, 0
	for _, f := range res.Findings {
		if f.Class == match.Affected {
			affected++
		} else {
			doubts++
		}
	}
	res.Gaps = c.gaps(res.Coverage, problems)
	switch {
	case affected > 0:
		res.Outcome, res.Reason, res.Detail = Affected, Found, count(affected, "finding", "findings")
	case len(res.Gaps) > 0:
		g := res.Gaps[0]
		res.Outcome, res.Reason, res.Detail, res.Advice = Undetermined, g.Reason, g.Detail, g.Advice
	case doubts > 0:
		res.Outcome, res.Reason = Undetermined, InDoubt
		res.Detail = fmt.Sprintf("%s: the SBOM does not tell a release or a version", count(doubts, "finding is open", "findings are open"))
		res.Advice = "make an SBOM that names the release of the distribution and all versions"
	default:
		res.Outcome, res.Reason = NotAffected, NothingHits
		res.Detail = fmt.Sprintf("%s, no finding", count(res.Coverage.Mapped, "package", "packages"))
	}
	return res
}

// gaps lists what keeps a match from being complete.
func (c *Checker) gaps(cov match.Coverage, problems []string) []Gap {
	var gaps []Gap
	for _, p := range problems {
		gaps = append(gaps, Gap{SBOMUnreadable, p, adviseAnew})
	}
	if bad := cov.Load.Bad; len(bad) > 0 && !c.o.AllowBad {
		gaps = append(gaps, Gap{BadAdvisories,
			fmt.Sprintf("%s not read, the first is %s: %s", count(len(bad), "advisory was", "advisories were"), bad[0].Path, bad[0].Reason),
			"mend or remove the bad advisories, or allow them"})
	}
	switch {
	case cov.Advisories == cov.Withdrawn:
		gaps = append(gaps, Gap{NoAdvisories, "no advisory in force is loaded", "name a file or directory with advisories in OSV format"})
	case len(cov.Ecosystems) == 0:
		gaps = append(gaps, Gap{NoAdvisories, "no advisory that is loaded names a package", "look for a record of the same vulnerability that lists affected packages"})
	}
	if cov.Mapped == 0 {
		gaps = append(gaps, Gap{NothingMapped,
			fmt.Sprintf("of %s in the SBOM none is of a kind that advisories speak about", count(cov.Components, "package", "packages")),
			"make an SBOM with package URLs"})
	}
	return gaps
}

// AtLeast narrows the answer to findings of the given severity or worse, and
// returns it with its reason. A finding whose severity is not known leaves the
// question open, as does one in doubt; the level [advisory.Unknown] asks for all
// findings. A gap leaves it open too.
func (res Result) AtLeast(level advisory.Level) (Outcome, Reason) {
	unrated, doubt, below := false, false, false
	for _, f := range res.Findings {
		rated := f.Severity != advisory.Unknown || level == advisory.Unknown
		switch {
		case rated && f.Severity < level:
			below = true
		case f.Class != match.Affected:
			doubt = true
		case rated:
			return Affected, Found
		default:
			unrated = true
		}
	}
	switch {
	case len(res.Gaps) > 0:
		return Undetermined, res.Gaps[0].Reason
	case unrated:
		return Undetermined, Unrated
	case doubt:
		return Undetermined, InDoubt
	case res.Outcome == Undetermined && res.Reason != InDoubt:
		return Undetermined, res.Reason // the zero Result passes no gate
	case below:
		return NotAffected, BelowThreshold
	}
	return NotAffected, NothingHits
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
