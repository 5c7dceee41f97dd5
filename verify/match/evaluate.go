package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/version"
)

// span is the part of a range that a version lies in.
type span struct{ introduced, fixed, lastAffected string }

// open reports whether the span goes on for ever.
func (s span) open() bool { return s.fixed == "" && s.lastAffected == "" }

// A turn is an event at a version that was read.
type turn struct {
	advisory.Event
	at version.Version
}

// fromBeginning reports whether the event is the one before all versions.
func fromBeginning(e advisory.Event) bool { return e.Kind == advisory.Introduced && e.Version == "0" }

// inRange evaluates a range as the schema says: the events in the order of
// their versions, each of which turns the answer. order names the order of
// versions, v is one of that order. The error says that a version could not be
// compared.
func inRange(order string, r advisory.Range, v version.Version) (span, bool, error) {
	if before, err := beforeLimits(order, r.Events, v); err != nil || !before {
		return span{}, false, err
	}
	turns, err := sorted(order, r.Events)
	if err != nil {
		return span{}, false, err
	}
	var s span
	affected := false
	for _, e := range turns {
		c := 1
		if !fromBeginning(e.Event) {
			if c, err = v.Compare(e.at); err != nil {
				return span{}, false, err
			}
		}
		switch {
		case e.Kind == advisory.Introduced && c >= 0:
			affected, s.introduced = true, e.Version
		case e.Kind == advisory.Fixed && c >= 0, e.Kind == advisory.LastAffected && c > 0:
			affected = false
		case e.Kind == advisory.Fixed && affected && s.open():
			s.fixed = e.Version
		case e.Kind == advisory.LastAffected && affected && s.open():
			s.lastAffected = e.Version
		}
	}
	return s, affected, nil
}

// beforeLimits reports whether the version is earlier than one of the limits.
// No limit, or the limit "*", is later than everything.
func beforeLimits(order string, events []advisory.Event, v version.Version) (bool, error) {
	limited := false
	for _, e := range events {
		if e.Kind != advisory.Limit {
			continue
		}
		limited = true
		if e.Version == "*" {
			return true, nil
		}
		limit, err := version.Parse(order, e.Version)
		if err != nil {
			return false, err
		}
		if c, err := v.Compare(limit); err != nil || c < 0 {
			return c < 0, err
		}
	}
	return !limited, nil
}

// sorted returns the events that turn the answer, in the order of their
// versions. Of the events at one version the end of what was before comes
// first, then the new beginning, then the end behind it.
func sorted(order string, events []advisory.Event) ([]turn, error) {
	list := make([]turn, 0, len(events))
	for _, e := range events {
		if e.Kind == advisory.Limit {
			continue
		}
		t := turn{Event: e}
		if !fromBeginning(e) {
			var err error
			if t.at, err = version.Parse(order, e.Version); err != nil {
				return nil, err
			}
		}
		list = append(list, t)
	}
	var failed error
	slices.SortStableFunc(list, func(a, b turn) int {
		if x, y := fromBeginning(a.Event), fromBeginning(b.Event); x || y {
			return whichFirst(x, y)
		}
		c, err := a.at.Compare(b.at)
		if err != nil {
			failed = err
		}
		return cmp.Or(c, precedence(a.Kind)-precedence(b.Kind))
	})
	return list, failed
}

// whichFirst puts true before false.
func whichFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func precedence(k advisory.EventKind) int {
	switch k {
	case advisory.Fixed:
		return 0
	case advisory.Introduced:
		return 1
	}
	return 2
}

// judgement is what one affected entry of an advisory says about a target.
type judgement struct {
	hit     bool
	kind    Kind
	span    span
	problem error // why it cannot be told; hit is false then
}

// judge holds a version against an entry: the list first, then each range. A
// range that cannot be compared leaves the question open unless another answers it.
func judge(of *advisory.Affected, t *target) judgement {
	listed := t.version != "" && slices.Contains(of.Versions, t.version)
	j := judgement{hit: listed, kind: ByList}
	if _, err := t.parse(t.base); err != nil {
		if !listed && everything(of) {
			return judgement{hit: true, kind: ByRange, span: span{introduced: "0"}}
		}
		if !listed {
			j.problem = err
		}
		return j
	}
	compared := false
	for _, r := range of.Ranges {
		if r.Type == advisory.GitRange {
			continue
		}
		order := t.base
		if r.Type == advisory.SemVerRange {
			order = version.SemVer
		}
		s, in, err := t.inRange(order, r)
		switch {
		case err != nil:
			j.problem = err
		case in:
			return bounded(of, t, judgement{hit: true, kind: ByRange, span: s}, order)
		default:
			compared = true
		}
	}
	if !listed && !compared && j.problem == nil {
		return enumerated(of, t)
	}
	if listed {
		j.problem = nil
	}
	return j
}

// parse reads the version of the target in an order, once.
func (t *target) parse(order string) (version.Version, error) {
	if t.noVersion != "" {
		return version.Version{}, fmt.Errorf("%s: %w", t.noVersion, version.ErrVersion)
	}
	p := &t.own
	if order == version.SemVer {
		p = &t.semver
	}
	if !p.done {
		p.version, p.err = version.Parse(order, t.version)
		p.done = true
	}
	return p.version, p.err
}

// parsed is a version that was read, or why it could not be.
type parsed struct {
	version version.Version
	err     error
	done    bool
}

func (t *target) inRange(order string, r advisory.Range) (span, bool, error) {
	v, err := t.parse(order)
	if err != nil {
		return span{}, false, err
	}
	return inRange(order, r, v)
}

// everything reports whether a range holds all versions there are.
func everything(of *advisory.Affected) bool {
	return of.LastKnown == "" && slices.ContainsFunc(of.Ranges, func(r advisory.Range) bool {
		return r.Type != advisory.GitRange && len(r.Events) > 0 && !slices.ContainsFunc(r.Events, func(e advisory.Event) bool { return !fromBeginning(e) })
	})
}

// enumerated compares with a list that stands alone, without a range, by the
// order of the ecosystem: other spellings of a version are the same version.
func enumerated(of *advisory.Affected, t *target) judgement {
	own, err := t.parse(t.base)
	if err != nil {
		return judgement{problem: err}
	}
	for _, v := range of.Versions {
		listed, err := version.Parse(t.base, v)
		if err != nil {
			continue
		}
		if c, err := own.Compare(listed); err == nil && c == 0 {
			return judgement{hit: true, kind: ByList}
		}
	}
	return judgement{}
}

// bounded applies the last version known to be affected, which some databases
// give beside a range without an end.
func bounded(of *advisory.Affected, t *target, j judgement, order string) judgement {
	if of.LastKnown == "" || !j.span.open() {
		return j
	}
	bound, inclusive := strings.CutPrefix(of.LastKnown, "<=")
	if !inclusive {
		var ok bool
		if bound, ok = strings.CutPrefix(of.LastKnown, "<"); !ok {
			return j
		}
	}
	bound = strings.TrimSpace(bound)
	c, err := version.Compare(order, t.version, bound)
	if err != nil {
		return j
	}
	if c > 0 || c == 0 && !inclusive {
		return judgement{}
	}
	j.kind = ByLastKnown
	if inclusive {
		j.span.lastAffected = bound
	} else {
		j.span.fixed = bound
	}
	return j
}
