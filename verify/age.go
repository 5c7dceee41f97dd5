package verify

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// age checks when what an accepted statement says was made.
func (j *judge) age(e Evidence, h payload.Header, env *dsse.Envelope) Evidence {
	body := env.Payload()
	if _, err := io.CopyN(io.Discard, body, h.PredicateOffset); err != nil {
		return unreadable(e, err)
	}
	made, err := madeAt(h.PredicateType, io.LimitReader(body, h.PredicateLength))
	if err != nil {
		e.Outcome, e.Reason, e.Detail = Reject, NoTime, err.Error()
		return e
	}
	e.Time = made
	now := j.now()
	switch {
	case made.After(now.Add(maxSkew)):
		j.until = earliest(j.until, made.Add(-maxSkew))
		e.Outcome, e.Reason = Reject, FromFuture
		e.Detail = fmt.Sprintf("made at %s, which is yet to come", made.Format(time.RFC3339))
	case now.Sub(made) > j.rule.MaxAge:
		e.Outcome, e.Reason = Reject, TooOld
		e.Detail = fmt.Sprintf("made at %s, more than %v ago", made.Format(time.RFC3339), j.rule.MaxAge)
	default:
		j.until = earliest(j.until, made.Add(j.rule.MaxAge))
	}
	return e
}

// aged reports whether the evidence was rejected for its age.
func aged(e Evidence) bool {
	return e.Reason == TooOld || e.Reason == NoTime || e.Reason == FromFuture
}

// demanded reports whether the evidence was rejected for what its statement says.
func demanded(e Evidence) bool {
	switch e.Reason {
	case ConditionNotMet, ConditionFailed, SBOMFormat, SBOMQuality, SBOMUnreadable, OtherAdvisories, ScanUnreadable, ScanFindings:
		return true
	}
	return false
}

// timePlaces returns where a predicate tells when it was made, best first. The
// path of a member is a list of names.
func timePlaces(predicateType string) [][]string {
	switch predicateType {
	case payload.SPDX:
		return [][]string{{"creationInfo", "created"}}
	case payload.CycloneDX:
		return [][]string{{"metadata", "timestamp"}}
	case payload.SLSAProvenance2:
		return [][]string{{"metadata", "buildFinishedOn"}, {"metadata", "buildStartedOn"}}
	case payload.SLSAProvenance1:
		return [][]string{{"runDetails", "metadata", "finishedOn"}, {"runDetails", "metadata", "startedOn"}}
	case payload.Vuln:
		return [][]string{{"metadata", "scanFinishedOn"}, {"metadata", "scanStartedOn"}}
	case payload.OpenVEX:
		return [][]string{{"last_updated"}, {"timestamp"}}
	case payload.Custom:
		return [][]string{{"Timestamp"}}
	}
	return nil
}

// madeAt returns the time that a predicate tells. It reads the predicate as a
// stream, whatever its size.
func madeAt(predicateType string, predicate io.Reader) (time.Time, error) {
	places := timePlaces(predicateType)
	if len(places) == 0 {
		return time.Time{}, fmt.Errorf("statements of type %s tell no time", predicateType)
	}
	found := make([]string, len(places))
	s := jsonscan.New(predicate)
	if err := find(s, places, found); err != nil {
		return time.Time{}, fmt.Errorf("the time of the predicate: %w", err)
	}
	for _, text := range found {
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("the time of the predicate, %q, is not in the form of RFC 3339", text)
		}
		return t, nil
	}
	return time.Time{}, errors.New("the predicate tells no time")
}

// find reads an object and keeps the text at each of the paths. A path of
// another length or a value that is no text where one is wanted is not found.
func find(s *jsonscan.Scanner, paths [][]string, found []string) error {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(func(name string) error {
		deeper := make([][]string, len(paths))
		below := false
		for i, p := range paths {
			switch {
			case len(p) == 0 || p[0] != name:
			case len(p) > 1:
				deeper[i], below = p[1:], true
			case s.Peek() == '"':
				var err error
				found[i], err = s.String(maxTime)
				return err
			}
		}
		if below {
			return find(s, deeper, found)
		}
		return s.Skip()
	})
}
