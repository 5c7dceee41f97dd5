package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// Verdicts is the answer of verify.
type Verdicts struct {
	Images  []Verdict `json:"images"`
	Outcome string    `json:"outcome"`
	Summary Summary   `json:"summary"`
}

// NewVerdicts returns the verdicts with their sums.
func NewVerdicts(outcome string, images ...Verdict) Verdicts {
	v := Verdicts{Images: images, Outcome: outcome}
	for _, img := range images {
		v.Summary.count(img)
	}
	return v
}

func (s *Summary) count(v Verdict) {
	s.Images++
	switch v.Outcome {
	case verify.Accept.String():
		s.Accepted++
	case verify.Reject.String():
		s.Rejected++
	default:
		s.Undetermined++
	}
}

// A VerdictStream prints [Verdicts] while images are verified.
type VerdictStream struct {
	*Stream[Verdict]
	sums verdictSums
}

// StreamVerdicts returns a stream of verdicts in one of the formats "text" and "json".
func StreamVerdicts(w io.Writer, format string) *VerdictStream {
	return &VerdictStream{Stream: newStream[Verdict](w, format, Verdicts{}.kind())}
}

// Add prints the verdict on the next image.
func (s *VerdictStream) Add(v Verdict) error {
	if s.format == "text" && s.Len() > 0 {
		s.p.linef("")
	}
	s.sums.Summary.count(v)
	return s.Stream.Add(v)
}

// Close prints the outcome over all images. left is how many were not looked at.
func (s *VerdictStream) Close(outcome string, left int) error {
	s.sums.Outcome, s.sums.Summary.Left = outcome, left
	return s.close(s.sums)
}

// verdictSums is what stands behind the verdicts.
type verdictSums struct {
	Outcome string  `json:"outcome"`
	Summary Summary `json:"summary"`
}

func (v verdictSums) text(p *printer) {
	s := v.Summary
	if s.Images == 1 && s.Left == 0 {
		return
	}
	if s.Images > 0 {
		p.linef("")
	}
	p.linef("%d images: %d accepted, %d rejected, %d undetermined", s.Images, s.Accepted, s.Rejected, s.Undetermined)
	if s.Left > 0 {
		p.linef("%d more were not looked at: time was up", s.Left)
	}
}

// Verdict is the judgement on one image.
type Verdict struct {
	Image string `json:"image"`
	// Of says what was judged where it was not the image itself.
	Of string `json:"of,omitempty"`
	// Digest is empty where the image was not looked up: a policy may decide by name.
	Digest  string  `json:"digest,omitempty"`
	Outcome string  `json:"outcome"`
	Error   string  `json:"error,omitempty"`
	Checks  []Check `json:"checks"`
}

// Check is the judgement on one rule.
type Check struct {
	Rule     string     `json:"rule"`
	Outcome  string     `json:"outcome"`
	Reason   string     `json:"reason"`
	Detail   string     `json:"detail,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
	// NotAsked names what is asked of identities where nobody says otherwise, and is
	// not asked for here.
	NotAsked []string `json:"notAsked,omitempty"`
	// Exception is what the policy says of the rule for this image.
	Exception *Exception `json:"exception,omitempty"`
	// Warn says that the policy only warns: admission lets pass what this refuses.
	Warn bool `json:"warn,omitempty"`
}

// Exception says that a rule need not hold, for a time. Applied says that the check
// accepts for that alone, Expired that the time is over.
type Exception struct {
	Where   string `json:"where"`
	Reason  string `json:"reason"`
	Until   string `json:"until"`
	Applied bool   `json:"applied"`
	Expired bool   `json:"expired"`
	// Instead is the reason code that the check has without the exception, where that
	// is applied.
	Instead string `json:"instead,omitempty"`
}

// newException translates one, nil where there is none.
func newException(x *verify.Exception) *Exception {
	if x == nil {
		return nil
	}
	return &Exception{
		Where: x.Where, Reason: x.Reason, Until: x.Until.UTC().Format(time.RFC3339),
		Applied: x.Applied, Expired: x.Expired, Instead: string(x.Instead),
	}
}

// Evidence is the judgement on one entry.
type Evidence struct {
	Outcome       string    `json:"outcome"`
	Reason        string    `json:"reason"`
	Detail        string    `json:"detail,omitempty"`
	Kind          string    `json:"kind"`
	Digest        string    `json:"digest"`
	Signers       []string  `json:"signers,omitempty"`
	Identity      *Identity `json:"identity,omitempty"`
	PredicateType string    `json:"predicateType,omitempty"`
	// Made is when what the statement says was made, by its own words, for rules that
	// ask for an age.
	Made        string            `json:"made,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Places      []Place           `json:"places"`
	// Countersignatures are those over the manifests that hold the entry, where a
	// rule asks for them.
	Countersignatures []Countersignatures `json:"countersignatures,omitempty"`
}

// Identity is whom the certificate names that a signature was made with.
type Identity struct {
	Subject     string `json:"subject"`
	Issuer      string `json:"issuer"`
	Certificate string `json:"certificate"`
	// Time is the earliest time that a trusted clock tells, in RFC 3339; empty where
	// none does.
	Time string `json:"time,omitempty"`
}

// newIdentity translates a verified signer, nil where there is none.
func newIdentity(s *keyless.Signer) *Identity {
	if s == nil {
		return nil
	}
	i := &Identity{Subject: s.Subject, Issuer: s.Issuer, Certificate: fmt.Sprintf("sha256:%x", s.Certificate)}
	if !s.Time.IsZero() {
		i.Time = s.Time.UTC().Format(time.RFC3339)
	}
	return i
}

func (i *Identity) text(p *printer, indent string) {
	if i != nil {
		p.linef("%s  signed by %s (%s) at %s", indent, i.Subject, i.Issuer, cmp.Or(i.Time, "a time that no trusted clock tells"))
	}
}

// Countersignatures is the judgement on the signatures over one manifest that
// holds an entry.
type Countersignatures struct {
	Manifest string     `json:"manifest"`
	Outcome  string     `json:"outcome"`
	Reason   string     `json:"reason"`
	Detail   string     `json:"detail,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
}

// NewVerdict translates a verdict. name is the image as the user typed it.
func NewVerdict(name string, v verify.Verdict) Verdict {
	out := Verdict{Image: name, Outcome: v.Outcome.String(), Checks: []Check{}}
	if d := v.Subject.Desc.Digest; d != (v1.Hash{}) { // a policy may decide by the name alone
		out.Digest = d.String()
	}
	for _, c := range v.Checks {
		out.Checks = append(out.Checks, Check{
			Rule: c.Rule, Outcome: c.Outcome.String(), Reason: string(c.Reason), Detail: c.Detail, Evidence: evidence(c), NotAsked: c.Waived,
			Exception: newException(c.Exception), Warn: c.Warn,
		})
	}
	return out
}

// evidence puts what counts first. Within one outcome the order of discovery,
// which differs from registry to registry, gives way to that of the identities.
// There may be many thousands of entries: each identity is computed once, and no
// entry is moved.
func evidence(c verify.Check) []Evidence {
	if len(c.Evidence) == 0 {
		return nil
	}
	order := make([]int, len(c.Evidence))
	ids := make([]attach.ID, len(c.Evidence))
	for i, e := range c.Evidence {
		order[i], ids[i] = i, e.Attachment.ID()
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &c.Evidence[i], &c.Evidence[j]
		return cmp.Or(
			cmp.Compare(b.Outcome, a.Outcome),
			cmp.Compare(kindRank(string(a.Attachment.Kind)), kindRank(string(b.Attachment.Kind))),
			bytes.Compare(ids[i][:], ids[j][:]),
		)
	})
	list := make([]Evidence, len(order))
	for n, i := range order {
		list[n] = newEvidence(c.Evidence[i])
	}
	return list
}

func newEvidence(e verify.Evidence) Evidence {
	out := Evidence{
		Outcome: e.Outcome.String(), Reason: string(e.Reason), Detail: e.Detail,
		Kind: string(e.Attachment.Kind), Digest: e.Attachment.Desc.Digest.String(),
		PredicateType: e.PredicateType, Annotations: e.Annotations,
		Places: places(e.Attachment.Places), Identity: newIdentity(e.Identity),
	}
	if !e.Time.IsZero() {
		out.Made = e.Time.UTC().Format(time.RFC3339)
	}
	for _, id := range e.Signers {
		out.Signers = append(out.Signers, id.Digest())
	}
	slices.Sort(out.Signers)
	for _, c := range e.Counter {
		out.Countersignatures = append(out.Countersignatures, Countersignatures{
			Manifest: c.Manifest.String(), Outcome: c.Check.Outcome.String(), Reason: string(c.Check.Reason),
			Detail: c.Check.Detail, Evidence: evidence(c.Check),
		})
	}
	return out
}

func (Verdicts) kind() string { return "verdicts" }

func (v Verdicts) text(p *printer) {
	for i, img := range v.Images {
		if i > 0 {
			p.linef("")
		}
		img.text(p)
	}
	verdictSums{v.Outcome, v.Summary}.text(p)
}

func (v Verdict) text(p *printer) {
	p.linef("%s: %s", v.Image, v.Outcome)
	if v.Of != "" {
		p.linef("  of %s", v.Of)
	}
	if v.Digest != "" {
		p.linef("  digest %s", v.Digest)
	}
	if v.Error != "" {
		p.linef("  %s", v.Error)
	}
	for _, c := range v.Checks {
		p.linef("  %-12s  %s (%s): %s", c.Outcome, c.Rule, c.Reason, c.Detail)
		if c.Warn && c.Outcome != verify.Accept.String() {
			p.linef("    a warning only: admission lets this pass")
		}
		c.notAsked(p)
		for _, e := range c.Evidence {
			e.text(p, "    ")
		}
	}
}

// notAsked says what was not asked for.
func (c Check) notAsked(p *printer) {
	if len(c.NotAsked) > 0 {
		p.linef("    not asked for: %s", strings.Join(c.NotAsked, ", "))
	}
}

func (e Evidence) text(p *printer, indent string) {
	p.linef("%s%-12s %s %s: %s", indent, e.Outcome, e.Kind, short(e.Digest), e.Reason)
	if e.Detail != "" {
		p.linef("%s  %s", indent, e.Detail)
	}
	for _, s := range e.Signers {
		p.linef("%s  signed by key %s", indent, short(s))
	}
	e.Identity.text(p, indent)
	if e.Made != "" {
		p.linef("%s  made at %s by its own words", indent, e.Made)
	}
	for _, k := range sortedKeys(e.Annotations) {
		p.linef("%s  %s=%s", indent, k, e.Annotations[k])
	}
	for _, c := range e.Countersignatures {
		p.linef("%s  counter-signatures over %s: %s (%s)", indent, short(c.Manifest), c.Outcome, c.Reason)
		for _, inner := range c.Evidence {
			inner.text(p, indent+"    ")
		}
	}
}
