// Package format tells the formats of SBOM documents apart and hands each to
// its codec.
//
// [Detect] looks at the content only, never at a name or a claimed media type.
// [Decode] reads a document into an inventory, [Encode] writes one, [Validate]
// says whether a document may be taken in as an SBOM, and [CheckSubject]
// whether it speaks of the image at hand.
package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/cyclonedx"
	"github.com/hallmark-oci/hallmark/sbom/spdx"
)

// A Format is a format of SBOM documents, by the name that users type.
type Format string

// The formats.
const (
	SPDXJSON      Format = "spdx-json"
	SPDXTagValue  Format = "spdx-tag-value"
	CycloneDXJSON Format = "cyclonedx-json"
	CycloneDXXML  Format = "cyclonedx-xml"
	SyftJSON      Format = "syft-json"
)

// Info says what is known of a format and what can be done with it.
type Info struct {
	Format Format
	// Standard and Encoding are the words of its name for people, between which the
	// version of a document stands.
	Standard, Encoding string
	// MediaType is the one that cosign gives the document in an image.
	MediaType string
	// Reads and Writes say whether [Decode] and [Encode] know the format. One
	// that is neither read nor written is detected only.
	Reads, Writes bool
}

// Formats lists all formats.
func Formats() []Info {
	return []Info{
		{SPDXJSON, "SPDX", "JSON", "text/spdx+json", true, true},
		{SPDXTagValue, "SPDX", "tag-value", "text/spdx", true, false},
		{CycloneDXJSON, "CycloneDX", "JSON", "application/vnd.cyclonedx+json", true, true},
		{CycloneDXXML, "CycloneDX", "XML", "application/vnd.cyclonedx+xml", true, false},
		{SyftJSON, "Syft", "JSON", "application/vnd.syft+json", false, false},
	}
}

// info returns what is known of the format; it is zero for an unknown one.
func (f Format) info() Info {
	for _, i := range Formats() {
		if i.Format == f {
			return i
		}
	}
	return Info{}
}

// MediaType returns the media type of the format, "" for an unknown one.
func (f Format) MediaType() string { return f.info().MediaType }

// Standard returns "spdx", "cyclonedx" or "syft", "" for an unknown format.
func (f Format) Standard() string { return strings.ToLower(f.info().Standard) }

// Title returns the name of the format for people, "" for an unknown one. The
// version is that of the document, "" where it does not matter.
func (f Format) Title(version string) string {
	i := f.info()
	return strings.Join(strings.Fields(i.Standard+" "+version+" "+i.Encoding), " ")
}

// Parse returns the format that a name or media type stands for. The short
// names spdx, spdxjson and cyclonedx, which cosign users know, stand for JSON.
func Parse(s string) (Format, error) {
	switch strings.ToLower(s) {
	case "spdx", "spdxjson":
		return SPDXJSON, nil
	case "cyclonedx":
		return CycloneDXJSON, nil
	case "syft":
		return SyftJSON, nil
	}
	var names []string
	for _, i := range Formats() {
		if s == i.MediaType || strings.EqualFold(s, string(i.Format)) {
			return i.Format, nil
		}
		names = append(names, string(i.Format))
	}
	return "", fmt.Errorf("unknown SBOM format %q, want one of %s", s, strings.Join(names, ", "))
}

// Encode writes the inventory in the format. It returns an error for a format
// that is not written.
func Encode(w io.Writer, f Format, v sbom.Inventory) error {
	switch f {
	case SPDXJSON:
		return spdx.Encode(w, v)
	case CycloneDXJSON:
		return cyclonedx.Encode(w, v)
	}
	return fmt.Errorf("SBOM format %q cannot be written, only %s and %s", f, SPDXJSON, CycloneDXJSON)
}

// Decode reads a document of whatever format it turns out to be.
func Decode(r io.Reader) (sbom.Document, Format, error) {
	f, data, err := open(r)
	if err != nil {
		return sbom.Document{}, f, err
	}
	switch f {
	case SPDXJSON, SPDXTagValue:
		doc, err := spdx.Decode(data)
		return doc, f, err
	case CycloneDXJSON, CycloneDXXML:
		doc, err := cyclonedx.Decode(data)
		return doc, f, err
	}
	return sbom.Document{}, f, fmt.Errorf("%s is not read, convert it to SPDX or CycloneDX first: %w", f.Title(""), sbom.ErrInvalid)
}

// Validate reports why a document cannot be taken in as an SBOM, and which
// format it was held against. The error wraps [sbom.ErrInvalid] or
// [sbom.ErrLimit] where the fault is with the document. A document that passes
// can also be decoded.
func Validate(r io.Reader) (Format, error) {
	_, f, err := Ingest(r)
	return f, err
}

// Ingest reads a document that is to be taken in as an SBOM: it is validated
// first, see [Validate], and then decoded.
func Ingest(r io.Reader) (sbom.Document, Format, error) {
	f, data, err := open(r)
	if err != nil {
		return sbom.Document{}, f, err
	}
	raw := data.Bytes()
	switch f {
	case SPDXJSON, SPDXTagValue:
		err = spdx.Validate(data)
	case CycloneDXJSON, CycloneDXXML:
		err = cyclonedx.Validate(data)
	}
	if err != nil {
		return sbom.Document{}, f, err
	}
	return Decode(buffer(raw))
}

// DecodePredicate reads the SBOM that is the predicate of a statement: JSON as it is, or
// SPDX in tag-value form, which stands there as a JSON string.
func DecodePredicate(data []byte) (sbom.Document, Format, error) {
	if bytes.HasPrefix(data, []byte{'"'}) {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return sbom.Document{}, "", fmt.Errorf("%v: %w", err, sbom.ErrInvalid)
		}
		data = []byte(text)
	}
	return Decode(buffer(data))
}

// ErrOtherImage says that a document describes another image.
var ErrOtherImage = errors.New("the SBOM describes another image")

// CheckSubject reports, with [ErrOtherImage], that the document names digests
// of images and none of them is one of the given ones. A document that names no
// digest passes: len(doc.Subjects) tells that it binds itself to nothing.
func CheckSubject(doc sbom.Document, digests ...string) error {
	if len(doc.Subjects) == 0 {
		return nil
	}
	for _, d := range digests {
		if slices.Contains(doc.Subjects, d) {
			return nil
		}
	}
	return fmt.Errorf("%w: it names %s, not %s", ErrOtherImage, strings.Join(doc.Subjects, ", "), strings.Join(digests, " or "))
}
