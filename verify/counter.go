package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A Counter asks for counter-signatures: signatures over the stored entry itself.
//
// What is counter-signed is a manifest that holds the entry for ever: its journal
// entry or the referrer that it is ([attach.Attachment.Immutable]). A signature
// over the view under cosign's tag, which holds other things tomorrow, counts for
// nothing here; nor does one over the manifest of another entry, even one that
// holds the same payload with another signature.
//
// The threshold of the rule counts the keys behind entries that are accepted and
// counter-signed. The threshold of the Counter counts, for each entry, distinct
// keys that counter-signed it, in whatever place it stands. A key that made the
// entry, by itself or in a certificate, does not count among those: it would vouch
// for itself.
type Counter struct {
	// Keys are those that may counter-sign.
	Keys []*key.Public
	// Validity is when they count, see [Trust].
	Validity map[key.Fingerprint]keyless.Validity
	// Threshold is how many of them must have, at least 1.
	Threshold int
}

// Countersigned tells what counter-signatures were found over one manifest that
// holds an entry.
type Countersigned struct {
	Manifest v1.Hash
	// Check is the judgement on the manifest's signatures. Its outcome is Accept
	// when at least one key counter-signed.
	Check Check
}

// check refuses a Counter that nobody can satisfy, and returns it with each key once.
func (c *Counter) check(who authorities, r Rule) (*Counter, error) {
	by := distinct(c.Keys)
	others := 0 // keys that can counter-sign what some accepted key signed
	for _, k := range by {
		if who.number() > 1 || !who.holds(k.Fingerprint()) {
			others++
		}
	}
	switch {
	case c.Threshold < 1:
		return nil, fmt.Errorf("threshold %d of counter-signatures is below 1: %w", c.Threshold, ErrConfig)
	case c.Threshold > others:
		return nil, fmt.Errorf("%d distinct keys are to counter-sign, besides the one that signed, and there are %d: %w", c.Threshold, others, ErrConfig)
	case r.Take != nil:
		return nil, fmt.Errorf("what is taken before all is read cannot be counter-signed: %w", ErrConfig)
	}
	inner := authorities{keys: by, validity: c.Validity, now: who.now}
	return &Counter{Keys: by, Validity: c.Validity, Threshold: c.Threshold}, inner.check()
}

// counter looks for the counter-signatures of each accepted entry, once all the
// places of all entries are known, and counts the signers anew.
func (j *judge) counter(ctx context.Context) error {
	j.signers = make(ballot)
	for i := range j.evidence {
		e := &j.evidence[i]
		if e.Outcome != Accept {
			continue
		}
		if err := j.countersigned(ctx, e); err != nil {
			return err
		}
		if e.Outcome == Accept {
			j.signers.add(*e)
		}
	}
	return nil
}

// countersigned judges the counter-signatures of one accepted entry. When too few
// were found it rejects the entry, or leaves it open where some may have been
// missed.
func (j *judge) countersigned(ctx context.Context, e *Evidence) error {
	by := make(map[key.Fingerprint]bool)
	var open *Check
	seen, over := make(map[v1.Hash]bool), false
	places := e.Attachment.Immutable()
	// Those that hold the entry alone are the smallest, and most often the ones that
	// somebody counter-signed.
	slices.SortStableFunc(places, func(a, b attach.Place) int { return cmp.Compare(a.Manifest.Size, b.Manifest.Size) })
	for _, p := range places {
		if seen[p.Manifest.Digest] || j.revoked.digests[p.Manifest.Digest] {
			continue
		}
		if over = len(seen) == maxHolders || j.asked == maxAsked; over {
			break
		}
		seen[p.Manifest.Digest] = true
		j.asked++
		check, err := j.signaturesOf(ctx, p.Manifest)
		if err != nil {
			return err
		}
		e.Counter = append(e.Counter, Countersigned{Manifest: p.Manifest.Digest, Check: check})
		if check.Outcome == Undetermined {
			open = &check
		}
		for _, s := range check.Evidence {
			for _, id := range s.Signers {
				if s.Outcome == Accept && !e.madeWith(id) {
					by[id] = true
				}
			}
		}
		if len(by) >= j.rule.Counter.Threshold {
			return nil
		}
	}
	switch {
	case over:
		e.Outcome, e.Reason = Undetermined, CounterLimit
		e.Detail = fmt.Sprintf("it would count, but none of %d places that were asked is counter-signed by enough keys, and there are more than the limit: %d for one entry, %d for one rule; 'hallmark repair --compact' folds journal entries", len(seen), maxHolders, maxAsked)
	case open != nil:
		e.Outcome, e.Reason, e.Detail = Undetermined, open.Reason, "look for counter-signatures: "+open.Detail
	case j.open != nil: // the entry may stand in a place that was not seen
		e.Outcome, e.Reason = Undetermined, unobtainable(j.open)
		e.Detail = "look for the places of the entry, of which one may be counter-signed: " + j.open.Error()
	case len(seen) == 0:
		e.Outcome, e.Reason = Reject, NoCountersignature
		e.Detail = "it stands under cosign's tag alone, and has no journal entry that could be counter-signed"
	default:
		e.Outcome, e.Reason = Reject, NoCountersignature
		e.Detail = fmt.Sprintf("it would count, but %s of %d that are needed counter-signed it", count(len(by), "key", "keys"), j.rule.Counter.Threshold)
	}
	return nil
}

// madeWith reports whether the key made the entry: an accepted one, or the one in the
// certificate that the entry came with.
func (e *Evidence) madeWith(id key.Fingerprint) bool {
	return slices.Contains(e.Signers, id) || e.Identity != nil && e.Identity.Key.Fingerprint() == id
}

// signaturesOf judges all signatures over a manifest by the keys that counter-sign.
func (j *judge) signaturesOf(ctx context.Context, manifest v1.Descriptor) (Check, error) {
	inner := &judge{
		Reader:  j.Reader,
		subject: attach.Subject{Repo: j.subject.Repo, Desc: manifest},
		who:     authorities{keys: j.rule.Counter.Keys, validity: j.rule.Counter.Validity, root: j.who.root, now: j.who.now},
		revoked: j.revoked,
		rule:    Rule{Name: "counter-signature", Kind: attach.Signature, Threshold: 1, Exhaustive: true},
	}
	check, err := inner.check(ctx)
	j.until = earliest(j.until, check.Until)
	if err != nil || check.Outcome != Accept || inner.signers[""].Count() >= j.rule.Counter.Threshold {
		return check, err
	}
	// One key did, more are asked for: what could not be read may be theirs.
	if open, reason := inner.unfinished(ctx); open != "" {
		check.Outcome, check.Reason, check.Detail = Undetermined, reason, open
	}
	return check, err
}
