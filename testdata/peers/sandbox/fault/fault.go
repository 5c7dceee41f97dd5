// Package fault stands before an HTTP service and does to its answers what a bad
// network, a broken server or an attacker would do: it drops, delays, loses,
// truncates, garbles and exchanges them.
package fault

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Mode is one way of going wrong.
type Mode string

const (
	None     Mode = ""         // the answer of the service, unchanged
	Drop     Mode = "drop"     // the connection is closed, the service never asked
	Lose     Mode = "lose"     // the service does its work, then the connection is closed
	Delay    Mode = "delay"    // the service is asked after Fault.Delay
	Status   Mode = "status"   // Fault.Status is answered, the service never asked
	Garbage  Mode = "garbage"  // the body is replaced by as many random bytes
	Truncate Mode = "truncate" // half of the body, then the connection is closed
	Flip     Mode = "flip"     // one bit of the body is turned, at Fault.At
	Replay   Mode = "replay"   // an earlier answer to the same method and path, the service never asked
	Other    Mode = "other"    // the service does its work, and the answer to another request comes back
)

// Modes returns all modes but None, in the order of this file.
func Modes() []Mode {
	return []Mode{Drop, Lose, Delay, Status, Garbage, Truncate, Flip, Replay, Other}
}

// A Fault says what goes wrong, with which requests and how often.
type Fault struct {
	Mode   Mode          `json:"mode"`
	Delay  time.Duration `json:"delay,omitempty"`  // for the mode delay
	Status int           `json:"status,omitempty"` // for the mode status
	Match  string        `json:"match,omitempty"`  // part of "METHOD /path?query"; empty means every request
	Skip   int           `json:"skip,omitempty"`   // that many matching requests pass first
	Count  int           `json:"count,omitempty"`  // that many go wrong; 0 means all
	At     int           `json:"at,omitempty"`     // for the mode flip, in percent of the body
}

// Parse reads a fault from the query of an administrator's request: mode, delay
// (as in "1.5s"), status, match, skip, count, at.
func Parse(q url.Values) (Fault, error) {
	f := Fault{Mode: Mode(q.Get("mode")), Match: q.Get("match"), Delay: time.Second, Status: 500, At: 50}
	if !slices.Contains(Modes(), f.Mode) {
		return Fault{}, fmt.Errorf("mode %q is not one of %s", f.Mode, names())
	}
	for name := range q {
		if !slices.Contains([]string{"mode", "match", "delay", "status", "skip", "count", "at"}, name) {
			return Fault{}, fmt.Errorf("a fault has no %q", name)
		}
	}
	var err error
	if v := q.Get("delay"); v != "" {
		if f.Delay, err = time.ParseDuration(v); err != nil {
			return Fault{}, err
		}
	}
	for name, to := range map[string]*int{"status": &f.Status, "skip": &f.Skip, "count": &f.Count, "at": &f.At} {
		if v := q.Get(name); v != "" {
			if *to, err = strconv.Atoi(v); err != nil || *to < 0 {
				return Fault{}, fmt.Errorf("%s=%q is not a number from 0", name, v)
			}
		}
	}
	if f.At > 99 {
		return Fault{}, fmt.Errorf("at=%d is no place in the body", f.At)
	}
	if f.Status < 400 || f.Status > 599 {
		return Fault{}, fmt.Errorf("status %d is no error", f.Status)
	}
	return f, nil
}

func names() string {
	var s []string
	for _, m := range Modes() {
		s = append(s, string(m))
	}
	return strings.Join(s, ", ")
}
