// Package check answers whether an image is affected by advisories: it obtains
// the image's SBOM through verification, reads it, and holds it against the
// advisories (verify/match).
//
// # What is believed
//
// [Checker.Image] uses an SBOM only if it stands in a statement that accepted
// keys signed and whose subject is the image's digest; package verify decides
// that, and nothing of the document is looked at as true before the verdict is
// Accept. Where there are several such SBOMs, all of them count: what one tool
// overlooked another may have found. Where there is none, the answer is
// Undetermined, whatever else hangs from the image.
//
// [Checker.Document] takes an SBOM that the user has at hand, and a checker with
// Unsigned set takes any SBOM that hangs from the image. Both say so in the
// result, which may inform people but is no ground for a gate.
//
// # Three outcomes
//
// NotAffected is said only when everything that was loaded was read, the SBOM
// names packages that advisories can speak about, and no advisory left a doubt.
package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/match"
)

// Options say whose SBOMs count and what may stay open.
type Options struct {
	// Trust says whose signatures count. It must be empty when Unsigned is set.
	Trust verify.Trust
	// Threshold is how many distinct keys must have signed the very same SBOM,
	// 1 when it is 0.
	Threshold int
	// Types are the predicate types that count as an SBOM, as URIs; SPDX and
	// CycloneDX when there are none.
	Types []string
	// MaxAge is how old an SBOM may be, by its own words; any age when zero. Now
	// tells the time, and is needed with MaxAge only.
	MaxAge time.Duration
	Now    func() time.Time
	// Unsigned uses any SBOM that hangs from the image, whoever put it there.
	Unsigned bool
	// AllowBad answers although some advisories could not be read.
	AllowBad bool
}

// A Checker holds SBOMs against one set of advisories. It is safe for concurrent
// use.
type Checker struct {
	index *match.Index
	o     Options
}

// New returns a checker. A trust without keys is refused with verify.ErrConfig
// unless Unsigned is set, and keys together with Unsigned are too.
func New(x *match.Index, o Options) (*Checker, error) {
	if o.Threshold == 0 {
		o.Threshold = 1
	}
	if len(o.Types) == 0 {
		o.Types = []string{payload.SPDX, payload.CycloneDX}
	}
	o.Types = slices.Clone(o.Types)
	c := &Checker{index: x, o: o}
	if o.Unsigned {
		if len(o.Trust.Keys) > 0 {
			return nil, fmt.Errorf("keys are given and an unsigned SBOM is asked for: %w", verify.ErrConfig)
		}
		return c, nil
	}
	if _, err := verify.New(o.Trust, c.policy(nil)); err != nil {
		return nil, err
	}
	return c, nil
}

// policy asks for an SBOM and hands each one that is accepted to take.
func (c *Checker) policy(take func(verify.Statement) error) verify.Policy {
	return verify.Policy{Now: c.o.Now, Rules: []verify.Rule{{
		Name: "sbom", Kind: attach.Attestation, PredicateTypes: c.o.Types, Threshold: c.o.Threshold,
		OneDocument: true, MaxAge: c.o.MaxAge, Exhaustive: true, Take: take,
	}}}
}

// An SBOM is a document that was used.
type SBOM struct {
	// Digest is the SHA-256 digest of the document's bytes, "sha256:<hex>", those
	// that a statement holds: white space around the document is not counted.
	Digest string
	// PredicateType is the type of the statement it stood in, empty for a
	// document by itself.
	PredicateType string
	Format        format.Format
	// SpecVersion is the version of the format that the document says it has, "1.5".
	SpecVersion string
	Created     time.Time
	// Signers are the accepted keys that signed it; none for an unsigned one.
	Signers []key.Fingerprint
	// Identities are the accepted identities that signed it.
	Identities []keyless.Signer
	// Components is how many it lists.
	Components int
}

// A Result is the answer for one subject.
type Result struct {
	// Name is what the user called the subject; Subject is zero for a document.
	Name    string
	Subject attach.Subject
	// Verdict is the judgement on the SBOM; zero for unsigned ones.
	Verdict verify.Verdict
	// Unsigned says that nobody vouches for what the answer rests on.
	Unsigned bool
	Outcome  Outcome
	Reason   Reason
	// Detail says why in words, Advice what to do about it; it may be empty.
	Detail, Advice string
	// Gaps are all that keeps the answer from being complete, even where there
	// are findings.
	Gaps  []Gap
	SBOMs []SBOM
	// Notes are what was noticed and did not decide.
	Notes    []string
	Findings []match.Finding
	Coverage match.Coverage
}

// Image answers for one image. The error is for a caller's mistake; whatever
// could not be read is an Undetermined result.
func (c *Checker) Image(ctx context.Context, r attach.Reader, s attach.Subject) (Result, error) {
	res := Result{Name: s.String(), Subject: s, Unsigned: c.o.Unsigned}
	g := gathering{}
	if c.o.Unsigned {
		if problem := c.unsigned(ctx, r, s, &g); problem != nil {
			return res.undetermined(SBOMUnreachable, problem.Error(), "try again, or look at the registry's answer"), nil
		}
		return c.answer(ctx, res, &g)
	}
	v, err := verify.New(c.o.Trust, c.policy(g.take))
	if err != nil {
		return res, err
	}
	if res.Verdict, err = v.Verify(ctx, r, s); err != nil {
		return res, err
	}
	if res.Verdict.Outcome != verify.Accept {
		return res.unverified(), nil
	}
	g.settle(c.o.Threshold)
	return c.answer(ctx, res, &g)
}

// Document answers for an SBOM that the user has at hand. The result is marked
// as unsigned.
func (c *Checker) Document(ctx context.Context, name string, r io.Reader) (Result, error) {
	res := Result{Name: name, Unsigned: true}
	var g gathering
	d, err := read(r)
	if err != nil {
		var input *inputError
		if errors.As(err, &input) {
			return res, fmt.Errorf("read SBOM %s: %w", name, err)
		}
		g.problems = append(g.problems, fmt.Sprintf("SBOM %s: %v", name, err))
	} else {
		g.add(d)
	}
	return c.answer(ctx, res, &g)
}

// answer holds what was gathered against the advisories.
func (c *Checker) answer(ctx context.Context, res Result, g *gathering) (Result, error) {
	g.sort()
	for _, d := range g.documents {
		res.SBOMs = append(res.SBOMs, d.SBOM)
	}
	res.Notes = g.notes
	if len(g.documents) == 0 {
		if len(g.problems) > 0 {
			return res.undetermined(SBOMUnreadable, g.problems[0], adviseAnew), nil
		}
		return res.undetermined(NoSBOM, "no SBOM hangs from the image", adviseSeal), nil
	}
	m, err := c.index.Match(ctx, g.inventory())
	if err != nil {
		return res.undetermined(Deadline, err.Error(), "allow more time"), nil
	}
	res.Findings, res.Coverage = m.Findings, m.Coverage
	return c.judge(res, g.problems), nil
}
