package verify

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

// A judge applies one rule to one subject.
type judge struct {
	attach.Reader
	subject attach.Subject
	who     authorities
	revoked Revocations
	rule    Rule
	now     func() time.Time

	evidence []Evidence
	index    map[attach.ID]int
	signers  ballot                        // whose entries were accepted
	open     error                         // the first place that could not be read
	bad      map[Reason]int                // how many places have content that arrived and is bad
	layers   map[attach.ID]map[string]bool // the layers in which each entry was found
	hidden   []attach.Attachment           // what a tombstone hides, not yet judged
	asked    int                           // manifests that were asked for counter-signatures
	searches searches                      // of logs
	until    time.Time                     // when time alone may change the judgement on an entry
}

// check reads entries until the threshold is met, or all of them, and sums up.
func (j *judge) check(ctx context.Context) (Check, error) {
	j.index, j.bad = make(map[attach.ID]int), make(map[Reason]int)
	j.signers, j.layers = make(ballot), make(map[attach.ID]map[string]bool)
	for f, early := range attach.Ahead(ctx, parallelBundles, j.found(ctx), j.early) {
		switch err := f.err; {
		case err != nil && attach.Judged(err):
			j.bad[badEntry(err)]++
		case err != nil && j.open == nil:
			j.open = err
		case err != nil:
		default:
			if err := j.add(ctx, f.a, early); err != nil {
				return Check{}, err
			}
		}
		if j.signers.most() >= j.rule.Threshold && !j.rule.Exhaustive && !j.rule.Deny && j.rule.Counter == nil {
			break
		}
	}
	if j.rule.Counter != nil {
		if err := j.counter(ctx); err != nil {
			return Check{}, err
		}
	}
	if err := j.unearth(ctx); err != nil {
		return Check{}, err
	}
	return j.sum(ctx), nil
}

// A found is one step of a listing.
type found struct {
	a   attach.Attachment
	err error
}

// found lists what may be evidence.
func (j *judge) found(ctx context.Context) iter.Seq[found] {
	return func(yield func(found) bool) {
		for a, err := range j.List(ctx, j.subject, j.rule.Kind, attach.Artifact, attach.Hidden) {
			if !yield(found{a, err}) {
				return
			}
		}
	}
}

// add judges an entry, once, however many places it was found in.
func (j *judge) add(ctx context.Context, a attach.Attachment, early *fetched) error {
	if i, seen := j.index[a.ID()]; seen {
		// The same entry elsewhere. One that could not be read there may be
		// readable here; one that was judged stays judged.
		// What a list says that a manifest is, and that it is not, hides nothing.
		// Nor does what a layer in image form claims to hold.
		// Nor does a size that is not that of the content.
		was := j.evidence[i].Attachment
		same := was.Type == a.Type && was.Desc.Size == a.Desc.Size && j.sameLayer(was, a)
		if j.evidence[i].Outcome == Accept || j.evidence[i].Outcome == Reject && same {
			j.evidence[i].Attachment.Places = append(j.evidence[i].Attachment.Places, a.Places...)
			return nil
		}
	}
	if a.Removed != "" {
		j.hidden = append(j.hidden, a)
		return nil
	}
	e, ours, err := j.entry(ctx, a, early)
	if err != nil || !ours {
		return err
	}
	if e.Outcome == Accept {
		j.signers.add(e)
	}
	if i, seen := j.index[a.ID()]; seen {
		e.Attachment.Places = append(j.evidence[i].Attachment.Places, a.Places...)
		j.evidence[i] = e
		return nil
	}
	j.index[a.ID()] = len(j.evidence)
	j.keep(e)
	return nil
}

// keep adds evidence. Room for more is made in steps: where there are thousands,
// doubling would cost more than what is kept.
func (j *judge) keep(e Evidence) {
	if len(j.evidence) == cap(j.evidence) {
		j.evidence = append(make([]Evidence, 0, len(j.evidence)+min(len(j.evidence)+1, 1024)), j.evidence...)
	}
	j.evidence = append(j.evidence, e)
}

// unearth judges what tombstones hide, where what they do not hide is not enough. A
// tombstone is nobody's word: what would count but for one is evidence, rejected by
// name, so that nobody takes a removed signature for one that never was. What would
// not count is left where it is.
func (j *judge) unearth(ctx context.Context) error {
	take := j.rule.Take
	j.rule.Take = nil // nothing that is hidden is handed out
	defer func() { j.rule.Take = take }()
	for _, a := range j.hidden {
		if _, seen := j.index[a.ID()]; seen || j.signers.most() >= j.rule.Threshold {
			continue
		}
		e, ours, err := j.entry(ctx, a, nil)
		if err != nil {
			return err
		}
		if !ours || e.Outcome != Accept {
			continue
		}
		e.Outcome, e.Reason = Reject, Removed
		e.Detail = "it would count, but it was removed: the tombstone " + a.Removed + " hides it, which anyone who may write to the repository can put there"
		j.index[a.ID()] = len(j.evidence)
		j.keep(e)
	}
	return nil
}

// sameLayer reports whether the entry was found in these layers before. What it was
// found in first is remembered when it is found again: of thousands most never are.
func (j *judge) sameLayer(was, a attach.Attachment) bool {
	known, again := j.layers[a.ID()]
	if !again {
		known = make(map[string]bool)
		j.layers[a.ID()] = known
		for _, p := range was.Places {
			known[layerOf(p)] = true
		}
	}
	same := true
	for _, p := range a.Places {
		layer := layerOf(p)
		same = same && known[layer]
		known[layer] = true
	}
	return same
}

// layerOf names the layer that the place is in, "" where it is in none.
func layerOf(p attach.Place) string {
	if p.Layer == nil {
		return ""
	}
	return p.Layer.Digest.String()
}

// entry judges one entry. ours is false for artifacts that have nothing to do
// with the rule.
func (j *judge) entry(ctx context.Context, a attach.Attachment, early *fetched) (e Evidence, ours bool, err error) {
	switch {
	case a.Kind == j.rule.Kind && j.revoked.digests[a.Desc.Digest]:
		return revoke(Evidence{Attachment: a}, "the entry is revoked"), true, nil
	case a.Kind == attach.Signature && j.rule.Kind == attach.Signature:
		return j.simpleSigning(ctx, a), true, nil
	case a.Kind == attach.Attestation && j.rule.Kind == attach.Attestation:
		e, err := j.attestation(ctx, a)
		return e, true, err
	case a.Kind == attach.Artifact:
		return j.artifact(ctx, a, early)
	}
	return Evidence{}, false, nil
}

// sum turns the evidence into the outcome of the rule.
func (j *judge) sum(ctx context.Context) Check {
	c := Check{Rule: j.rule.Name, Evidence: j.evidence, Until: j.until, Waived: j.who.waived()}
	need, have := j.rule.Threshold, j.signers.most()
	if outcome, reason, detail := j.denied(ctx); outcome != Accept && (outcome == Reject || have >= need) {
		c.Outcome, c.Reason, c.Detail = outcome, reason, detail
		return c
	}
	if have >= need {
		c.Outcome, c.Reason = Accept, Accepted
		c.Detail = fmt.Sprintf("signed by %s", j.who.signedBy(have))
		if j.rule.Counter != nil {
			c.Detail += fmt.Sprintf(", each entry counter-signed by %d", j.rule.Counter.Threshold)
		}
		return c
	}
	if open, reason := j.unfinished(ctx); open != "" {
		c.Outcome, c.Reason, c.Detail = Undetermined, reason, open
		return c
	}
	c.Outcome = Reject
	switch {
	case have > 0:
		c.Reason = ThresholdNotMet
		c.Detail = fmt.Sprintf("signed by %s, %d are needed", j.who.signedBy(have), need)
	case len(j.evidence) > 0 || len(j.bad) > 0:
		c.Reason, c.Detail = NoneAccepted, j.whyNone()
		if i := slices.IndexFunc(j.evidence, telling); i >= 0 {
			c.Reason, c.Detail = j.evidence[i].Reason, j.evidence[i].Detail
		}
	case j.rule.Kind == attach.Signature:
		c.Reason, c.Detail = NoSignature, "no signature is attached"
	default:
		c.Reason, c.Detail = NoAttestation, "no attestation of the wanted type is attached"
	}
	return c
}

// telling reports whether the evidence was rejected for a reason that says more
// than that nothing counts: but for it the entry would have been accepted.
func telling(e Evidence) bool {
	return e.Reason == Revoked || e.Reason == Removed || e.Reason == NoCountersignature || e.Reason == KeyExpired || aged(e) || demanded(e)
}

// unfinished tells what kept the judge from an answer, "" when nothing did.
func (j *judge) unfinished(ctx context.Context) (string, Reason) {
	if err := context.Cause(ctx); err != nil {
		return err.Error(), Deadline
	}
	if j.open != nil {
		return j.open.Error(), unobtainable(j.open)
	}
	i := slices.IndexFunc(j.evidence, func(e Evidence) bool { return e.Outcome == Undetermined })
	if i >= 0 {
		return j.evidence[i].Detail, j.evidence[i].Reason
	}
	return "", ""
}

// whyNone names the reasons of the entries that do not count, most frequent first.
func (j *judge) whyNone() string {
	tally := make(map[Reason]int)
	for _, e := range j.evidence {
		tally[e.Reason]++
	}
	entries := len(j.evidence)
	for r, n := range j.bad {
		tally[r] += n
		entries += n
	}
	reasons := make([]Reason, 0, len(tally))
	for r := range tally {
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		if tally[a] != tally[b] {
			return tally[b] - tally[a]
		}
		return strings.Compare(string(a), string(b))
	})
	s := fmt.Sprintf("none of %s counts:", count(entries, "attached entry", "attached entries"))
	for i, r := range reasons {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf(" %d %s", tally[r], r)
	}
	return s
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
