// Package quality asks of the SBOM in a signed statement that it is in a wanted format
// and tells enough: see [sbom.Quality] for what can be asked.
//
// A document that breaks its format, or is larger than is read here, tells nothing. It
// does not count, with the reason sbom-unreadable, and another one by an accepted signer
// may.
package quality

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/verify"
)

// MaxDocument is the size of the largest SBOM whose content is judged, in bytes. It is
// read into memory whole, and what is decoded of it takes some times as much.
const MaxDocument = 64 << 20

// A Format is one that counts.
type Format struct {
	// Standard is "spdx" or "cyclonedx".
	Standard string
	// MinVersion is the oldest version of it that counts, "1.5"; any when empty.
	MinVersion string
}

// String returns the format in words.
func (f Format) String() string {
	if f.MinVersion == "" {
		return f.Standard
	}
	return f.Standard + " " + f.MinVersion + " or newer"
}

// CheckVersion refuses what is no version of a format, numbers between dots.
func CheckVersion(s string) error {
	if _, err := numbers(s); err != nil {
		return fmt.Errorf("%.20q is no version like 2.3", s)
	}
	return nil
}

// numbers reads a version.
func numbers(s string) ([]int, error) {
	var out []int
	for _, part := range strings.Split(s, ".") {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return nil, err
		}
		out = append(out, int(n))
	}
	return out, nil
}

// has reports whether a document in the format and version counts.
func (f Format) has(standard, version string) bool {
	if !strings.EqualFold(f.Standard, standard) {
		return false
	}
	if f.MinVersion == "" {
		return true
	}
	want, err := numbers(f.MinVersion)
	got, gerr := numbers(version)
	return err == nil && gerr == nil && slices.Compare(got, want) >= 0
}

// A Demand asks for formats and quality. It is a [verify.Demand].
type Demand struct {
	// Formats are those that count; all that are read when there are none.
	Formats []Format
	Quality sbom.Quality
}

// String returns the demand in words.
func (d Demand) String() string {
	var parts []string
	for _, f := range d.Formats {
		parts = append(parts, f.String())
	}
	out := strings.Join(parts, " or ")
	if q := d.Quality.String(); q != "" {
		out = strings.TrimPrefix(out+"; ", "; ") + q
	}
	return out
}

// Judge reads the SBOM and compares.
func (d Demand) Judge(ctx context.Context, c verify.Claim) (verify.Ruling, error) {
	if c.Header.PredicateLength > MaxDocument {
		return refuse(verify.SBOMUnreadable, "%d bytes, at most %d are read", c.Header.PredicateLength, MaxDocument), nil
	}
	r, err := c.Predicate()
	if err != nil {
		return verify.Ruling{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return verify.Ruling{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return verify.Ruling{}, err
	}
	return d.judge(data), nil
}

// judge compares what the document says.
func (d Demand) judge(data []byte) verify.Ruling {
	document, f, err := format.DecodePredicate(data)
	if err == nil {
		err = document.Inventory.Validate()
	}
	if err != nil {
		return refuse(verify.SBOMUnreadable, "%v", firstLine(err))
	}
	fits := func(want Format) bool { return want.has(f.Standard(), document.SpecVersion) }
	if len(d.Formats) > 0 && !slices.ContainsFunc(d.Formats, fits) {
		return refuse(verify.SBOMFormat, "the SBOM is in %s", f.Title(document.SpecVersion))
	}
	if lacks := d.Quality.Lacks(document.Inventory); len(lacks) > 0 {
		return refuse(verify.SBOMQuality, "the SBOM has %s", strings.Join(lacks, ", "))
	}
	return verify.Ruling{Outcome: verify.Accept, Reason: verify.Accepted}
}

func refuse(reason verify.Reason, format string, args ...any) verify.Ruling {
	return verify.Ruling{Outcome: verify.Reject, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// firstLine is the first of several problems.
func firstLine(err error) error {
	first, _, more := strings.Cut(err.Error(), "\n")
	if more {
		return errors.New(first + " (and more)")
	}
	return err
}
