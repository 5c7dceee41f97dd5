package spdx

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/tagvalue"

	"github.com/hallmark-oci/hallmark/sbom"
)

// maxTagValue is the size of the largest tag-value document that is read. It
// takes several times its size in memory.
const maxTagValue = 64 << 20

// asJSON returns the document as checked JSON, converted where it is tag-value.
func asJSON(data []byte) ([]byte, error) {
	if IsTagValue(data) {
		return fromTagValue(data)
	}
	return data, sbom.CheckJSON(data)
}

// IsTagValue reports whether the document begins as a tag-value document does:
// with its version, after comments and empty lines.
func IsTagValue(data []byte) bool {
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("SPDXVersion:"))
		}
	}
	return false
}

// fromTagValue converts a tag-value document. The library that reads it may
// panic on what it does not expect; that is an error of the document.
func fromTagValue(data []byte) (out []byte, err error) {
	if len(data) > maxTagValue {
		return nil, fmt.Errorf("tag-value document has %d bytes, the limit is %d: %w", len(data), maxTagValue, sbom.ErrLimit)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("document is not UTF-8: %w", sbom.ErrInvalid)
	}
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("document is not SPDX tag-value: %v: %w", p, sbom.ErrInvalid)
		}
	}()
	doc, err := tagvalue.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("document is not SPDX tag-value: %w: %w", err, sbom.ErrInvalid)
	}
	for _, p := range doc.Packages { // the JSON writer leaves files out that stand behind a package
		doc.Files = append(doc.Files, p.Files...)
		p.Files = nil
	}
	var buf bytes.Buffer
	if err := spdxjson.Write(doc, &buf); err != nil {
		return nil, fmt.Errorf("convert SPDX tag-value: %w: %w", err, sbom.ErrInvalid)
	}
	return buf.Bytes(), sbom.CheckJSON(buf.Bytes())
}
