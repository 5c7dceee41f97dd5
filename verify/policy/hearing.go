package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
)

// A question is what is asked of one image.
type question struct {
	set     *Set
	reader  attach.Reader
	subject attach.Subject
	object  *Object
}

// readerFor returns the reader that looks for attachments there.
func (q *question) readerFor(at Source) (attach.Reader, error) {
	if at == (Source{}) {
		return q.reader, nil
	}
	if q.set.elsewhere == nil {
		return nil, fmt.Errorf("evidence is kept %s, and nothing but what is attached to the image is looked at here", at)
	}
	return q.set.elsewhere(q.subject, at)
}

// hash adds what a policy wants to be shown of the object.
func (o *Object) hash(h hash.Hash, w wanted) {
	if o == nil || !w.object() {
		return
	}
	_ = json.NewEncoder(h).Encode([]any{o.Group, o.Version, o.Kind, o.Metadata, o.Spec})
}

// A hearing is one application of an authority to one image, in which parts of the
// policy judge each statement that the authority vouches for.
type hearing struct {
	*authority
	*question
	shown bool // what was found is wanted
	match match
	runs  int // of parts
}

// verify applies the rules, then the parts.
func (h *hearing) verify(ctx context.Context, r attach.Reader) ([]verify.Check, error) {
	verifier, rules := h.verifier, h.rules
	said := make([]map[attach.ID]verify.Check, len(rules))
	if h.shown || h.parted() {
		rules = append([]verify.Rule{}, rules...)
		for i := range rules {
			rules[i].Exhaustive = true // what comes first need not be what the part takes
			if i < len(h.attested) && h.attested[i].part != nil {
				said[i] = make(map[attach.ID]verify.Check)
				rules[i].Take = func(s verify.Statement) error { return h.hear(ctx, h.attested[i], s, said[i]) }
			}
		}
		var err error
		if verifier, err = verify.New(h.trust, verify.Policy{Rules: rules}); err != nil {
			return nil, err
		}
	}
	v, err := verifier.Verify(ctx, r, h.subject)
	if err != nil {
		return nil, err
	}
	judged := v.Checks[max(len(v.Checks)-len(rules), 0):] // those of the rules, if it came to that
	if len(v.Checks) <= len(rules) {
		return v.Checks, nil
	}
	for i := range judged {
		if said[i] != nil {
			h.weigh(&judged[i], said[i])
		}
		if h.shown {
			h.match.add(h.authority, i, judged[i])
		}
	}
	return v.Checks, nil
}

// parted reports whether a part judges statements.
func (h *hearing) parted() bool {
	for _, a := range h.attested {
		if a.part != nil {
			return true
		}
	}
	return false
}

// hear shows a statement to the part and notes what it says.
func (h *hearing) hear(ctx context.Context, a attested, s verify.Statement, said map[attach.ID]verify.Check) error {
	id := s.Evidence.Attachment.ID()
	const rule = "attestation policy"
	if h.runs++; h.runs > maxHeard {
		said[id] = open(rule, verify.EntryLimit, fmt.Sprintf("more than %d statements, which the policy would judge", maxHeard))
		return nil
	}
	input, err := statement(a.typ, s)
	switch {
	case errors.Is(err, errInput):
		said[id] = verify.Check{Rule: rule, Outcome: verify.Reject, Reason: verify.PayloadMalformed, Detail: err.Error()}
		return nil
	case errors.Is(err, attach.ErrLimit):
		said[id] = open(rule, verify.EntryLimit, err.Error())
		return nil
	case err != nil:
		said[id] = open(rule, verify.Unreachable, err.Error())
		return nil
	}
	c, timed := a.part.judge(ctx, h.set.evaluator, rule, input)
	if timed {
		c.Until = h.set.now()
	}
	said[id] = c
	return nil
}

// weigh turns a check that accepts statements into one that accepts those that the
// part takes. One is enough; where none is taken and of some it could not be told, the
// question stays open.
func (h *hearing) weigh(c *verify.Check, said map[attach.ID]verify.Check) {
	if c.Outcome != verify.Accept {
		return
	}
	taken, worst := false, open("", verify.Internal, "no statement was shown to the policy")
	first := true
	for i := range c.Evidence {
		e := &c.Evidence[i]
		part, heard := said[e.Attachment.ID()]
		if e.Outcome != verify.Accept || !heard {
			continue
		}
		e.Outcome, e.Reason, e.Detail = part.Outcome, part.Reason, part.Detail
		c.Until = earlier(c.Until, part.Until)
		taken = taken || part.Outcome == verify.Accept
		if first || worst.Outcome == verify.Reject && part.Outcome == verify.Undetermined {
			worst, first = part, false
		}
	}
	if !taken {
		c.Outcome, c.Reason, c.Detail = worst.Outcome, worst.Reason, worst.Detail
	}
}

// earlier returns the earlier of two moments, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// errInput says that what is to be judged cannot be shown to a part.
var errInput = errors.New("cannot be shown to the policy")

// predicate reads the predicate of a statement, which must be one JSON value.
func predicate(s verify.Statement) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(s.Predicate, MaxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > MaxInput:
		return nil, fmt.Errorf("a predicate of more than %d bytes, which no part of a policy is shown: %w", MaxInput, attach.ErrLimit)
	case len(bytes.TrimSpace(raw)) == 0:
		return []byte("null"), nil
	}
	return raw, nil
}
