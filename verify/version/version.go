// Package version knows which of two versions of a package is the later one.
//
// Every ecosystem orders versions in its own way: to Debian 1.0~rc1 is earlier
// than 1.0, to Alpine 1.0_rc1 is, to npm 1.0.0-rc.1. [Compare] takes the name of
// an ecosystem as the OSV schema spells it (https://ossf.github.io/osv-schema/,
// "Defined ecosystems") and compares by the rules of that ecosystem. A release
// behind a colon, as in "Debian:12", plays no role.
//
// The orders themselves are those of osv-scalibr, which agrees with dpkg, rpm,
// node-semver, Python's packaging and Maven. This package adds what a judge
// needs around them: an ecosystem or a version that is not understood is an
// error, never a panic and never a guess.
package version

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// SemVer is the name under which [Compare] offers the order of Semantic
// Versioning 2.0.0 by itself, for ranges that ask for it whatever the ecosystem.
const SemVer = "SemVer"

// MaxLength is the length of the longest version that is compared, in bytes.
const MaxLength = 1024

// ErrEcosystem says that the order of an ecosystem is not known.
var ErrEcosystem = errors.New("unknown ecosystem")

// ErrVersion says that a string is no version of its ecosystem.
var ErrVersion = errors.New("not a version")

// A Version is a version that was read, ready for many comparisons. It has no
// useful zero value.
type Version struct {
	order, text string
	parsed      semantic.Version
}

// Parse reads a version of the ecosystem. The error wraps [ErrEcosystem] or
// [ErrVersion].
func Parse(ecosystem, v string) (Version, error) {
	order, err := orderOf(ecosystem)
	if err != nil {
		return Version{}, err
	}
	if err := check(order, v); err != nil {
		return Version{}, err
	}
	parsed, err := parse(order, v)
	switch {
	case errors.Is(err, semantic.ErrUnsupportedEcosystem):
		return Version{}, unknown(ecosystem)
	case err != nil:
		return Version{}, fmt.Errorf("%q as %s: %v: %w", v, order, err, ErrVersion)
	}
	return Version{order, v, parsed}, nil
}

// String returns the version as it was written.
func (v Version) String() string { return v.text }

// Compare returns -1, 0 or 1 as v is earlier than, the same as or later than w.
// Versions of two different orders cannot be compared: the error wraps
// [ErrVersion].
func (v Version) Compare(w Version) (c int, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = 0, fmt.Errorf("compare %q with %q: %v: %w", v.text, w.text, p, ErrVersion)
		}
	}()
	if v.order != w.order || v.order == "" {
		return 0, fmt.Errorf("%q as %s and %q as %s cannot be compared: %w", v.text, v.order, w.text, w.order, ErrVersion)
	}
	if c, err = v.parsed.Compare(w.parsed); err != nil {
		return 0, fmt.Errorf("compare %q with %q as %s: %v: %w", v.text, w.text, v.order, err, ErrVersion)
	}
	return min(max(c, -1), 1), nil
}

// Compare reads two versions of the ecosystem and compares them. The error wraps
// [ErrEcosystem] or [ErrVersion].
func Compare(ecosystem, a, b string) (int, error) {
	va, err := Parse(ecosystem, a)
	if err != nil {
		return 0, err
	}
	vb, err := Parse(ecosystem, b)
	if err != nil {
		return 0, err
	}
	return va.Compare(vb)
}

// Known reports whether the order of the ecosystem is known.
func Known(ecosystem string) bool {
	_, err := Parse(ecosystem, "0")
	return !errors.Is(err, ErrEcosystem)
}

// orderOf returns the name by which the library would know the order of an
// ecosystem.
func orderOf(ecosystem string) (string, error) {
	base, _, _ := strings.Cut(ecosystem, ":")
	switch base {
	case SemVer, "Kubernetes":
		return "Go", nil
	case "":
		return "", unknown(ecosystem)
	}
	return base, nil
}

func unknown(ecosystem string) error {
	return fmt.Errorf("ecosystem %.80q: %w", ecosystem, ErrEcosystem)
}

// check refuses what the library would take for a version although it is none.
// Something without a digit, such as "(devel)" or "latest", has no place in any
// order; Debian has versions of letters only, but installs none.
func check(order, v string) error {
	switch {
	case v == "":
		return fmt.Errorf("empty version: %w", ErrVersion)
	case len(v) > MaxLength:
		return fmt.Errorf("version of %d bytes, the limit is %d: %w", len(v), MaxLength, ErrVersion)
	case !strings.ContainsAny(v, "0123456789"):
		return fmt.Errorf("%q has no digit: %w", v, ErrVersion)
	case strings.ContainsFunc(v, notPrintable):
		return fmt.Errorf("%q has characters that no version has: %w", v, ErrVersion)
	}
	if order == "Go" || order == "npm" || order == "crates.io" {
		return checkSemVer(v)
	}
	return nil
}

// checkSemVer asks for what every semantic version begins with: digits, behind
// an optional v. Missing parts, as in "1.2", count as zero.
func checkSemVer(v string) error {
	digits := strings.TrimPrefix(v, "v")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return fmt.Errorf("%q is no semantic version: %w", v, ErrVersion)
	}
	return nil
}

func notPrintable(r rune) bool { return r <= ' ' || r >= 0x7f }

// parse asks the library. A panic of it is an error here: what is compared
// comes from documents of strangers.
func parse(order, v string) (parsed semantic.Version, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it failed: %v", p)
		}
	}()
	return semantic.Parse(v, order)
}
