// Package spdx reads and writes SPDX documents of version 2.
//
// [Encode] writes SPDX 2.3 JSON. The same inventory gives the same bytes: the
// document namespace follows from the image and the content, and every list is
// sorted. The document describes one package, the image, whose checksum and
// package URL hold the manifest digest; it contains a package for each
// component. What SPDX has no field for stands in sourceInfo in sentences of
// fixed form, so that nothing is lost.
//
// [Decode] reads JSON and tag-value of the versions 2.2 and 2.3 and tells what
// an inventory has no place for. [Validate] holds a document against the rules
// of the specification. The document as it came is what should be kept and
// signed; the inventory is an index to it.
package spdx

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
)

// namespaceBase begins the namespace of documents whose creator has no web
// site for them (SPDX 2.3, section 6.5).
const namespaceBase = "https://spdx.org/spdxdocs/"

// Encode writes the inventory as SPDX 2.3 JSON. It needs a subject with a
// digest or a name, a time of creation, and an inventory that
// [sbom.Inventory.Validate] accepts. The document is written as it is made; an
// error leaves it unfinished.
func Encode(w io.Writer, v sbom.Inventory) error {
	v = v.Sorted()
	if err := v.Validate(); err != nil {
		return fmt.Errorf("encode SPDX: %w", err)
	}
	if v.Subject.Digest == "" && v.Subject.Name == "" {
		return errors.New("encode SPDX: the inventory names no subject")
	}
	if v.Created.IsZero() {
		return errors.New("encode SPDX: the inventory has no time of creation, which SPDX asks for")
	}
	e := newEncoder(v)
	sum := sha256.New()
	hashed := bufio.NewWriterSize(sum, 1<<16)
	if err := e.write(hashed, ""); err != nil {
		return fmt.Errorf("encode SPDX: %w", err)
	}
	if err := hashed.Flush(); err != nil {
		return fmt.Errorf("encode SPDX: %w", err)
	}
	about := "sha256-" + strings.TrimPrefix(v.Subject.Digest, "sha256:")
	if v.Subject.Digest == "" {
		about = idString(v.Subject.Name)
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if err := e.write(out, namespaceBase+about+"-"+sbom.ContentUUID("spdx", sum.Sum(nil))); err != nil {
		return fmt.Errorf("encode SPDX: %w", err)
	}
	return out.Flush()
}

// An encoder holds what is worked out before writing.
type encoder struct {
	v       sbom.Inventory
	image   string
	ids     map[string]string // SPDXID by ID of the component
	created string
	tool    string
	texts   []extracted
	purls   []string // by index of the component; the document is made twice
}

func newEncoder(v sbom.Inventory) *encoder {
	e := &encoder{v: v, image: "SPDXRef-image", ids: make(map[string]string, len(v.Components)),
		created: v.Created.UTC().Format(time.RFC3339), tool: "Organization: anonymous", texts: extractions(v)}
	if v.Subject.Digest != "" {
		e.image += "-" + v.Subject.Digest[len("sha256:"):][:16]
	}
	if v.Tool.Name != "" {
		e.tool = "Tool: " + strings.TrimSuffix(v.Tool.Name+"-"+v.Tool.Version, "-")
	}
	taken := map[string]bool{documentID: true, e.image: true}
	for i := range v.Components {
		id := "SPDXRef-" + idString(v.Components[i].ID)
		for taken[id] {
			id += "-"
		}
		taken[id] = true
		e.ids[v.Components[i].ID] = id
		e.purls = append(e.purls, v.Components[i].PURL.String())
	}
	return e
}

// idString returns s where it is made of letters, digits, '.' and '-', and
// else what of it is, with a hash.
func idString(s string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return -1
	}, s)
	if plain == s {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return plain + "-" + hex.EncodeToString(sum[:8])
}

func (e *encoder) write(w io.Writer, namespace string) error {
	j := sbom.NewJSONWriter(w)
	j.Member("spdxVersion", "SPDX-2.3")
	j.Member("dataLicense", "CC0-1.0")
	j.Member("SPDXID", documentID)
	j.Member("name", e.subjectName())
	if namespace != "" {
		j.Member("documentNamespace", namespace)
	}
	j.Member("creationInfo", creation{Created: e.created, Creators: []string{e.tool}})
	if len(e.v.Unknowns) > 0 {
		j.Begin("annotations")
		for _, u := range e.v.Unknowns {
			j.Entry(annotation{Date: e.created, Type: "OTHER", Annotator: e.tool, Comment: sayUnknown + u.String()})
		}
		j.End()
	}
	j.Begin("packages")
	j.Entry(e.imagePackage())
	for i := range e.v.Components {
		j.Entry(e.component(i))
	}
	j.End()
	if len(e.texts) > 0 {
		j.Member("hasExtractedLicensingInfos", e.texts)
	}
	j.Begin("relationships")
	e.relationships(j)
	j.End()
	return j.Close()
}

// sayUnknown begins the annotation for something that could not be read.
const sayUnknown = "not understood: "

func (e *encoder) subjectName() string {
	if e.v.Subject.Name != "" {
		return e.v.Subject.Name
	}
	return e.v.Subject.Digest
}

func (e *encoder) imagePackage() *pkg {
	s := e.v.Subject
	p := &pkg{ID: e.image, Name: e.subjectName(), Version: s.Digest, Supplier: noAssertion, Download: noAssertion,
		Concluded: noAssertion, Declared: noAssertion, Copyright: noAssertion, Purpose: "APPLICATION"}
	if s.Digest != "" {
		p.Purpose = "CONTAINER"
		p.Checksums = []checksum{{"SHA256", strings.TrimPrefix(s.Digest, "sha256:")}}
		p.References = []external{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: s.PURL().String()}}
	}
	if s.Platform != "" {
		p.SourceInfo = fmt.Sprintf("%s%q", sayPlatform, s.Platform)
	}
	return p
}

func (e *encoder) component(i int) *pkg {
	c := &e.v.Components[i]
	p := &pkg{ID: e.ids[c.ID], Name: c.Name, Version: c.Version, Supplier: supplier(c.Supplier), Download: noAssertion,
		Concluded: noAssertion, Declared: declared(c.Licenses), Copyright: noAssertion, SourceInfo: sourceInfo(c),
		Purpose: purpose(c.Type)}
	for _, h := range c.Hashes {
		p.Checksums = append(p.Checksums, checksum{spdxAlgorithm(h.Algorithm), h.Value})
	}
	if u := e.purls[i]; u != "" {
		p.References = []external{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: u}}
	}
	if c.Type == sbom.OS && c.Name == e.v.Distro.ID && c.Version == e.v.Distro.VersionID {
		p.Description = e.v.Distro.PrettyName
	}
	return p
}

func purpose(t sbom.Type) string {
	switch t {
	case sbom.Application:
		return "APPLICATION"
	case sbom.OS:
		return "OPERATING_SYSTEM"
	case sbom.File:
		return "FILE"
	}
	return "LIBRARY"
}

// supplier writes "Name <mail>" as SPDX does. Whether it is a person is not
// known; distributions and registries name mostly teams.
func supplier(s string) string {
	name, mail := sbom.SplitContact(s)
	switch {
	case name == "":
		return noAssertion
	case mail == "":
		return "Organization: " + name
	}
	return "Organization: " + name + " (" + mail + ")"
}

// relationships ties everything to the image, so that no package stands alone.
func (e *encoder) relationships(j *sbom.JSONWriter) {
	j.Entry(relationship{documentID, "DESCRIBES", e.image})
	for i := range e.v.Components {
		j.Entry(relationship{e.image, "CONTAINS", e.ids[e.v.Components[i].ID]})
	}
	for _, r := range e.v.Relations {
		t := "DEPENDS_ON"
		if r.Type == sbom.Contains {
			t = "CONTAINS"
		}
		j.Entry(relationship{e.ids[r.From], t, e.ids[r.To]})
	}
}
