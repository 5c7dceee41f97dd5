package verify

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// A Demand is asked of what a statement says, once the rule accepts all else of it: who
// signed it, its type, its subject, its age. It is safe for concurrent use.
type Demand interface {
	// Judge reads the statement as far as it must and no further than it can bear. The
	// error is for what could not be read; what it thinks of what it read is a Ruling.
	Judge(ctx context.Context, c Claim) (Ruling, error)
	// String puts the demand into words, for people.
	String() string
}

// A Ruling is what a Demand makes of one statement. The zero value accepts nothing.
type Ruling struct {
	// Outcome is Accept where the demand is met. Reject makes the statement one that
	// does not count, Undetermined leaves open whether it does.
	Outcome Outcome
	Reason  Reason
	Detail  string
	// Deny, with Reject, rejects the subject whatever others say. It is for rules with
	// [Rule.Deny] alone.
	Deny bool
	// Until is the earliest moment at which time alone may change the ruling; zero
	// when it never does.
	Until time.Time
}

// A Claim is a statement that an accepted signer made about the subject.
type Claim struct {
	Subject attach.Subject
	Header  payload.Header
	// Made is when it was made by its own words, for rules with a MaxAge.
	Made time.Time
	// Size is that of the whole statement, in bytes.
	Size int64
	env  *dsse.Envelope
}

// Statement reads the whole in-toto statement, as it was signed.
func (c Claim) Statement() io.Reader { return c.env.Payload() }

// Predicate reads the predicate's JSON, as it was signed; Header.PredicateLength is its
// size in bytes.
func (c Claim) Predicate() (io.Reader, error) {
	body := c.env.Payload()
	if _, err := io.CopyN(io.Discard, body, c.Header.PredicateOffset); err != nil {
		return nil, fmt.Errorf("read the predicate again: %w", err)
	}
	return io.LimitReader(body, c.Header.PredicateLength), nil
}

// demands asks everything that the rule demands of an accepted statement. What is not
// met first decides.
func (j *judge) demands(ctx context.Context, e Evidence, h payload.Header, env *dsse.Envelope) (Evidence, error) {
	c := Claim{Subject: j.subject, Header: h, Made: e.Time, Size: env.Size(), env: env}
	for _, d := range j.rule.Demands {
		r, err := d.Judge(ctx, c)
		if err != nil {
			return e, err
		}
		j.until = earliest(j.until, r.Until)
		if r.Outcome == Accept {
			continue
		}
		e.Outcome, e.Reason, e.Detail = r.Outcome, r.Reason, r.Detail
		e.Denies = j.rule.Deny && r.Deny && r.Outcome == Reject
		return e, nil
	}
	return e, nil
}

// denied returns what an accepted signer said that rejects the subject whatever else
// there is; where something could not be read that may say so the question is open.
func (j *judge) denied(ctx context.Context) (Outcome, Reason, string) {
	if !j.rule.Deny {
		return Accept, "", ""
	}
	for _, e := range j.evidence {
		if e.Denies {
			return Reject, e.Reason, e.Detail
		}
	}
	if open, reason := j.unfinished(ctx); open != "" {
		return Undetermined, reason, "what could not be read may speak against the image: " + open
	}
	return Accept, "", ""
}
