package cyclonedx

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/hallmark-oci/hallmark/sbom"
)

// namespace begins the XML namespace of every version.
const namespace = "http://cyclonedx.org/schema/bom/"

// fromXML converts an XML document to checked JSON.
func fromXML(data []byte) ([]byte, error) {
	version, err := checkXML(data)
	if err != nil {
		return nil, err
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatXML).Decode(&bom); err != nil {
		return nil, fmt.Errorf("document is not CycloneDX XML: %w: %w", err, sbom.ErrInvalid)
	}
	var out bytes.Buffer
	bom.BOMFormat = cdx.BOMFormat
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetEscapeHTML(false).Encode(&bom); err != nil {
		return nil, fmt.Errorf("convert CycloneDX XML %s: %w: %w", version, err, sbom.ErrInvalid)
	}
	return out.Bytes(), sbom.CheckJSON(out.Bytes())
}

// checkXML walks the document once: its root must be a BOM of a version that is
// read, it must end where it should, and it must keep the limits. A document
// type is refused, since nothing in a BOM needs one.
func checkXML(data []byte) (version string, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = true
	depth, done := 0, false
	var path licensePath
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && done {
			return version, nil
		}
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("document has no root element: %w", sbom.ErrInvalid)
		}
		if err != nil {
			return "", fmt.Errorf("document is not XML: %w: %w", err, sbom.ErrInvalid)
		}
		switch t := t.(type) {
		case xml.Directive:
			return "", fmt.Errorf("document has a <!...> directive, which is refused: %w", sbom.ErrInvalid)
		case xml.CharData:
			if len(t) > sbom.MaxString {
				return "", fmt.Errorf("a text of the document is longer than %d bytes: %w", sbom.MaxString, sbom.ErrLimit)
			}
		case xml.StartElement:
			if depth++; depth > sbom.MaxDepth {
				return "", fmt.Errorf("document nests deeper than %d levels: %w", sbom.MaxDepth, sbom.ErrLimit)
			}
			if err := path.start(t.Name.Local, depth); err != nil {
				return "", err
			}
			if depth > 1 {
				continue
			}
			if done {
				return "", fmt.Errorf("document has two root elements: %w", sbom.ErrInvalid)
			}
			if version, err = rootVersion(t.Name); err != nil {
				return "", err
			}
		case xml.EndElement:
			depth--
			done = done || depth == 0
		}
	}
}

func rootVersion(n xml.Name) (string, error) {
	version, ok := strings.CutPrefix(n.Space, namespace)
	if n.Local != "bom" || !ok {
		return "", fmt.Errorf("document is XML but no CycloneDX: its root is <%.40s> in namespace %.80q: %w", n.Local, n.Space, sbom.ErrInvalid)
	}
	if !supported(version) {
		return "", fmt.Errorf("document is CycloneDX XML of version %.20q, want 1.2 to 1.7: %w", version, sbom.ErrInvalid)
	}
	return version, nil
}

// A licensePath counts the identifiers and names of the license that is open.
// The conversion keeps one of several.
type licensePath struct{ depth, names int }

func (p *licensePath) start(name string, depth int) error {
	switch {
	case name == "license":
		*p = licensePath{depth: depth}
	case depth == p.depth+1 && p.depth > 0 && (name == "id" || name == "name"):
		if p.names++; p.names > 1 {
			return fmt.Errorf("a license has more than one id or name: %w", sbom.ErrInvalid)
		}
	case depth <= p.depth:
		p.depth = 0
	}
	return nil
}
