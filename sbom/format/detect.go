package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/spdx"
)

// open reads the document and detects its format.
func open(r io.Reader) (Format, *bytes.Buffer, error) {
	data, err := sbom.ReadDocument(r)
	if err != nil {
		return "", nil, err
	}
	f, err := Detect(data)
	return f, buffer(data), err
}

// buffer wraps bytes so that codecs read them without a copy.
func buffer(data []byte) *bytes.Buffer { return bytes.NewBuffer(data) }

// Detect returns the format that the content shows, from the whole document or
// from its beginning. It reads the names of the outermost members only and
// makes no judgement beyond that: see [Validate]. The error says what the
// content is instead and wraps [sbom.ErrInvalid].
func Detect(data []byte) (Format, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(text) == 0:
		return "", fmt.Errorf("document is empty: %w", sbom.ErrInvalid)
	case text[0] == '{':
		return detectJSON(text)
	case spdx.IsTagValue(data):
		return SPDXTagValue, nil
	case text[0] == '<':
		return detectXML(text)
	}
	return "", fmt.Errorf("document is not an SBOM: not JSON, XML or SPDX tag-value%s: %w", guess(data), sbom.ErrInvalid)
}

// guess names what else a document may be.
func guess(data []byte) string {
	for _, g := range []struct{ magic, what string }{
		{"\x1f\x8b", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"PK\x03\x04", "a ZIP archive"}, {"\x7fELF", "an ELF binary"},
		{"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"}, {"[", "a JSON list"}, {"-----BEGIN", "PEM"},
	} {
		if bytes.HasPrefix(data, []byte(g.magic)) {
			return ", it looks like " + g.what
		}
	}
	return fmt.Sprintf(", it starts with %.24q", data)
}

func detectXML(text []byte) (Format, error) {
	head := text[:min(len(text), 4096)]
	if bytes.Contains(head, []byte("<bom")) || bytes.Contains(head, []byte("cyclonedx.org/schema/bom")) {
		return CycloneDXXML, nil
	}
	return "", fmt.Errorf("document is XML but not CycloneDX: it has no bom element: %w", sbom.ErrInvalid)
}

func detectJSON(text []byte) (Format, error) {
	members := outermost(text)
	bom, isBOM := members["bomFormat"]
	version, isSPDX := members["spdxVersion"]
	_, isArtifacts := members["artifacts"]
	_, isLinked := members["@context"]
	_, isStatement := members["predicateType"]
	_, isEnvelope := members["payloadType"]
	switch {
	case isBOM && isSPDX:
		return "", fmt.Errorf("document claims to be both SPDX and CycloneDX: %w", sbom.ErrInvalid)
	case isBOM && bom != "CycloneDX":
		return "", fmt.Errorf("document is not CycloneDX: bomFormat is %.40q: %w", bom, sbom.ErrInvalid)
	case isBOM:
		return CycloneDXJSON, nil
	case isSPDX && version == "":
		return "", fmt.Errorf("document is not SPDX: spdxVersion is empty or no string: %w", sbom.ErrInvalid)
	case isSPDX:
		return SPDXJSON, nil
	case isArtifacts && (has(members, "schema") || has(members, "descriptor") || has(members, "source")):
		return SyftJSON, nil
	case isLinked:
		return "", fmt.Errorf("document is JSON-LD; SPDX 3 is not read: %w", sbom.ErrInvalid)
	case isStatement:
		return "", fmt.Errorf("document is an in-toto statement; the SBOM would be its predicate: %w", sbom.ErrInvalid)
	case isEnvelope:
		return "", fmt.Errorf("document is a DSSE envelope; the SBOM would be inside its payload: %w", sbom.ErrInvalid)
	}
	if err := sbom.CheckJSON(text); err != nil {
		return "", err
	}
	return "", fmt.Errorf("document is JSON but not an SBOM: it has neither bomFormat (CycloneDX) nor spdxVersion (SPDX): %w", sbom.ErrInvalid)
}

func has(members map[string]string, name string) bool {
	_, ok := members[name]
	return ok
}

// maxNames bounds the names of members that are looked at.
const maxNames = 1000

// outermost returns the members of a JSON object, as far as it goes, with the
// values of those that are strings. It takes one walk over the bytes.
func outermost(text []byte) map[string]string {
	members := make(map[string]string)
	depth, name, isName := 0, "", false
	for i := 0; i < len(text) && len(members) < maxNames; i++ {
		switch text[i] {
		case '{', '[':
			depth++
			isName = depth == 1
		case '}', ']':
			depth--
		case ',':
			isName = depth == 1
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(text) {
				return members
			}
			if depth == 1 && isName {
				name = unquote(text[i : end+1])
				members[name], isName = "", false
			} else if depth == 1 {
				members[name] = unquote(text[i : end+1])
			}
			i = end
		}
	}
	return members
}

func unquote(quoted []byte) string {
	if len(quoted) > 1024 {
		return ""
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}
