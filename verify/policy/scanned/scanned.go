// Package scanned asks that the image was held against a set of advisories: of a signed
// vulnerability report, cosign's predicate
// https://cosign.sigstore.dev/attestation/vuln/v1, with which advisories it was made, how
// old they were, and what it found.
//
// The set goes by the name in scanner.db.uri, and its version by scanner.db.version, a
// date or numbers between dots. When the scan was made stands in metadata and is judged
// by package verify, as any age.
//
// What was found stands in scanner.result in the words of the scanner. Three are
// understood: the documents of hallmark (`hallmark check -f vuln`), of Trivy and of
// Grype, in JSON. A report in another form says nothing of how grave its findings are; it
// does for a rule that does not ask. A finding of unknown severity counts as grave.
//
// One report by an accepted signer that tells of something grave denies the image,
// whatever others say: who looked less closely has found less. Reports that are too old
// deny nothing. What is no danger after all is for an exception, with its reason.
package scanned

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/advisory"
)

// Limits on reports. They are applied before memory is taken.
const (
	// MaxReport is the size of the largest report that is read, in bytes.
	MaxReport = 64 << 20
	// maxText is the size of the longest name, version or severity, in bytes.
	maxText = 4 << 10
)

// A Demand says with what the image must have been scanned. It is a [verify.Demand] for
// statements of the type vuln. The zero value is met by no report.
type Demand struct {
	// Advisories is the name of the set.
	Advisories string
	// MinVersion is the oldest version of it that counts; any when empty.
	MinVersion string
	// FailOn is the least severity of a finding that denies the image; "" asks for no
	// findings, and "any" is all of them.
	FailOn string
}

// CheckVersion refuses what is no version of a set: neither a date nor numbers.
func CheckVersion(s string) error {
	if _, _, err := version(s); err != nil {
		return fmt.Errorf("%.40q is no version of advisories: a date like 2027-01-31, a time in RFC 3339, or numbers like 3.1", s)
	}
	return nil
}

// version reads a date or numbers.
func version(s string) (at time.Time, numbers []int, err error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err = time.Parse(layout, s); err == nil {
			return at, nil, nil
		}
	}
	for _, part := range strings.Split(strings.TrimPrefix(s, "v"), ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return time.Time{}, nil, err
		}
		numbers = append(numbers, int(n))
	}
	return time.Time{}, numbers, nil
}

// older reports whether a version is older than the least one. The error is for two that
// cannot be compared.
func older(have, least string) (bool, error) {
	at, n, err := version(have)
	leastAt, m, lerr := version(least)
	if err != nil || lerr != nil || (n == nil) != (m == nil) {
		return false, fmt.Errorf("version %.40q of the advisories cannot be compared with %q", have, least)
	}
	if n == nil {
		return at.Before(leastAt), nil
	}
	return slices.Compare(n, m) < 0, nil
}

// String returns the demand in words.
func (d Demand) String() string {
	s := fmt.Sprintf("scanned with the advisories %q", d.Advisories)
	if d.MinVersion != "" {
		s += " of version " + d.MinVersion + " or newer"
	}
	switch d.FailOn {
	case "":
		return s
	case "any":
		return s + ", and nothing found by anybody who counts"
	}
	return s + ", and nothing found that is " + d.FailOn + " or worse, by anybody who counts"
}

// Judge reads the report.
func (d Demand) Judge(ctx context.Context, c verify.Claim) (verify.Ruling, error) {
	if c.Header.PredicateLength > MaxReport {
		return refuse(verify.ScanUnreadable, "%d bytes, at most %d are read", c.Header.PredicateLength, MaxReport), nil
	}
	r, err := c.Predicate()
	if err != nil {
		return verify.Ruling{}, err
	}
	ruling, err := d.judge(r, c.Subject.Desc.Digest.String())
	if err == nil {
		err = context.Cause(ctx)
	}
	return ruling, err
}

// judge reads the report on the image with the digest. The error is the reader's own.
func (d Demand) judge(r io.Reader, digest string) (verify.Ruling, error) {
	rep, err := read(r, d.FailOn != "")
	switch {
	case errors.Is(err, jsonscan.ErrSyntax), errors.Is(err, jsonscan.ErrLimit):
		return refuse(verify.ScanUnreadable, "%v", err), nil
	case err != nil:
		return verify.Ruling{}, err
	case d.Advisories == "" || rep.db.uri != d.Advisories:
		return refuse(verify.OtherAdvisories, "scanned with the advisories %.200q, not %q", rep.db.uri, d.Advisories), nil
	}
	if d.FailOn != "" {
		if ruling, ok := d.found(rep, digest); !ok {
			return ruling, nil
		}
	}
	if d.MinVersion != "" {
		old, err := older(rep.db.version, d.MinVersion)
		if err != nil {
			return refuse(verify.OtherAdvisories, "%v", err), nil
		}
		if old {
			return refuse(verify.OtherAdvisories, "scanned with version %s of the advisories, %s or newer is asked for", rep.db.version, d.MinVersion), nil
		}
	}
	return verify.Ruling{Outcome: verify.Accept, Reason: verify.Accepted}, nil
}

// found judges what was found; ok where nothing of it speaks against the image.
func (d Demand) found(rep report, digest string) (verify.Ruling, bool) {
	switch {
	case rep.form == "":
		return refuse(verify.ScanUnreadable, "the result of the scanner %.200q is in no form that is understood, so that nothing can be said of findings", rep.uri), false
	case rep.digest != "" && rep.digest != digest:
		return refuse(verify.WrongSubject, "the report is about %.100s", rep.digest), false
	}
	least, err := advisory.ParseLevel(d.FailOn)
	if err != nil {
		least = advisory.Unknown // any
	}
	grave, unrated := 0, 0
	for level, n := range rep.findings {
		switch {
		case level == advisory.Unknown:
			unrated += n
		case level >= least:
			grave += n
		}
	}
	if grave+unrated > 0 {
		r := refuse(verify.ScanFindings, "%d findings that are %s or worse, and %d of unknown severity", grave, d.FailOn, unrated)
		if least == advisory.Unknown {
			r.Detail = fmt.Sprintf("%d findings", grave+unrated)
		}
		r.Deny = true
		return r, false
	}
	if rep.incomplete != "" {
		return refuse(verify.ScanUnreadable, "the scan came to no answer: %.200s", rep.incomplete), false
	}
	return verify.Ruling{}, true
}

func refuse(reason verify.Reason, format string, args ...any) verify.Ruling {
	return verify.Ruling{Outcome: verify.Reject, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
