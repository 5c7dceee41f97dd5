package advisory

import (
	"cmp"
	"fmt"
	"strings"
)

// A Severity is one rating: a type of the OSV schema, such as "CVSS_V3" or
// "Ubuntu", and what that type writes, such as a vector.
type Severity struct{ Type, Score string }

// Level is how bad a vulnerability is. The zero value says that nobody told.
type Level int

// The levels, in the words of the CVSS qualitative severity rating scale.
const (
	Unknown Level = iota
	None
	Low
	Medium
	High
	Critical
)

// String returns the word for the level.
func (l Level) String() string {
	switch l {
	case Unknown:
		return "unknown"
	case None:
		return "none"
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return fmt.Sprintf("level %d", int(l))
}

// ParseLevel returns the level that a word stands for. It knows the words of
// GitHub, Debian and Ubuntu too, in any case.
func ParseLevel(word string) (Level, error) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "unknown":
		return Unknown, nil
	case "none":
		return None, nil
	case "low", "negligible", "unimportant", "minor":
		return Low, nil
	case "medium", "moderate":
		return Medium, nil
	case "high", "important":
		return High, nil
	case "critical":
		return Critical, nil
	}
	return Unknown, fmt.Errorf("%.40q is no severity, want none, low, medium, high or critical", word)
}

// Level returns the level of the rating: by the base score of a CVSS 3 vector
// (3.1, section 5), or by a word. It is [Unknown] for every other type.
func (s Severity) Level() Level {
	if strings.HasPrefix(s.Type, "CVSS") {
		if score, ok := s.BaseScore(); ok {
			return levelOf(score)
		}
		return Unknown
	}
	level, err := ParseLevel(s.Score)
	if err != nil {
		return Unknown
	}
	return level
}

// BaseScore returns the base score of a CVSS 3.0 or 3.1 vector, from 0 to 10.
func (s Severity) BaseScore() (float64, bool) {
	if s.Type != "CVSS_V3" {
		return 0, false
	}
	return baseScore3(s.Score)
}

// levelOf is the qualitative severity rating scale.
func levelOf(score float64) Level {
	switch {
	case score <= 0:
		return None
	case score < 4:
		return Low
	case score < 7:
		return Medium
	case score < 9:
		return High
	}
	return Critical
}

// Rating returns how bad the advisory is for the affected package: the highest
// level among the ratings of the package, of the advisory where the package has
// none. Where no rating can be read, the word of the database counts, again that
// for the package first.
func (a *Advisory) Rating(of *Affected) Level {
	ratings := of.Severity
	if len(ratings) == 0 {
		ratings = a.Severity
	}
	level := Unknown
	for _, s := range ratings {
		level = max(level, s.Level())
	}
	return cmp.Or(level, of.Level, a.Level)
}
