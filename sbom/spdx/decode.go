package spdx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
)

// Decode reads an SPDX document, JSON or tag-value, of version 2.2 or 2.3. It
// holds the limits of package sbom and refuses a document that is no SPDX, that
// uses an SPDXID twice or that has a package without a name. Everything else
// that it cannot place is listed as lost: see [Validate] for a judgement on the
// document.
//
// The package that the document describes becomes the subject, when it is one
// only. Files and snippets are not read.
func Decode(r io.Reader) (sbom.Document, error) {
	doc, err := decode(r)
	if err != nil {
		return sbom.Document{}, fmt.Errorf("decode SPDX: %w", err)
	}
	return doc, nil
}

func decode(r io.Reader) (sbom.Document, error) {
	data, err := sbom.ReadDocument(r)
	if err != nil {
		return sbom.Document{}, err
	}
	if data, err = asJSON(data); err != nil {
		return sbom.Document{}, err
	}
	d := decoder{names: make(map[string]string), ids: make(map[string]int), described: make(map[string]bool)}
	if err := sbom.Members(data, d.member); err != nil {
		return sbom.Document{}, reason(err)
	}
	return d.document()
}

// reason marks what the JSON decoder complains about as a fault of the document.
func reason(err error) error {
	if errors.Is(err, sbom.ErrInvalid) || errors.Is(err, sbom.ErrLimit) {
		return err
	}
	return fmt.Errorf("%w: %w", err, sbom.ErrInvalid)
}

type decoder struct {
	doc       sbom.Document
	lost      sbom.Losses
	packages  []read
	ids       map[string]int    // index in packages, by SPDXID
	names     map[string]string // names of extracted licenses, by LicenseRef
	described map[string]bool   // SPDXIDs
	edges     []relationship
}

// read is a package as far as it can be understood by itself.
type read struct {
	id        string
	component sbom.Component
	declared  string
	digests   []string // of an image, if that is what the package is
	platform  string
}

// member takes one member of the document.
func (d *decoder) member(name string, j *json.Decoder) error {
	switch name {
	case "spdxVersion":
		return j.Decode(&d.doc.SpecVersion)
	case "creationInfo":
		var c creation
		if err := j.Decode(&c); err != nil {
			return err
		}
		return d.creation(c)
	case "packages":
		return elements(j, sbom.MaxComponents, d.pkg)
	case "relationships":
		return elements(j, sbom.MaxRelations, func(r *relationship) error {
			d.edges = append(d.edges, *r)
			return nil
		})
	case "documentDescribes":
		return elements(j, sbom.MaxComponents, func(id *string) error {
			d.described[*id] = true
			return nil
		})
	case "hasExtractedLicensingInfos":
		return elements(j, sbom.MaxComponents, d.extracted)
	case "annotations":
		return elements(j, sbom.MaxComponents, d.annotation)
	}
	var e extra
	if err := j.Decode(&e); err != nil {
		return err
	}
	if bool(e) && !slices.Contains([]string{"SPDXID", "name", "dataLicense", "documentNamespace"}, name) {
		d.lost.Add(name, "")
	}
	return nil
}

// elements reads a list of values of one type.
func elements[T any](j *json.Decoder, limit int, take func(*T) error) error {
	return sbom.Elements(j, limit, func(int) error {
		var v T
		if err := j.Decode(&v); err != nil {
			return err
		}
		return take(&v)
	})
}

func (d *decoder) creation(c creation) error {
	if c.Created != "" {
		t, err := time.Parse(time.RFC3339, c.Created)
		if err != nil {
			return fmt.Errorf("created %.40q is no date and time of RFC 3339: %w", c.Created, sbom.ErrInvalid)
		}
		d.doc.Inventory.Created = t.UTC().Truncate(time.Second)
	}
	for _, s := range c.Creators {
		tool, ok := strings.CutPrefix(s, "Tool: ")
		if ok && d.doc.Inventory.Tool.Name == "" {
			d.doc.Inventory.Tool = readTool(tool)
		} else if s != "Organization: anonymous" {
			d.lost.Add("creationInfo.creators", s)
		}
	}
	d.note(c.Comment, "creationInfo.comment", "")
	return nil
}

// readTool cuts "name-version" at the first dash that a digit, or a v and a
// digit, follows.
func readTool(s string) sbom.Tool {
	for i := 1; i < len(s)-1; i++ {
		rest := strings.TrimPrefix(s[i+1:], "v")
		if s[i] == '-' && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return sbom.Tool{Name: s[:i], Version: s[i+1:]}
		}
	}
	return sbom.Tool{Name: s}
}

func (d *decoder) extracted(x *extracted) error {
	switch {
	case x.Name != "" && x.Name != noAssertion:
		d.names[x.ID] = x.Name
	case len(x.Text) <= 200:
		d.names[x.ID] = x.Text
	}
	if x.Text != x.Name {
		d.lost.Add("hasExtractedLicensingInfos[].extractedText", x.ID)
	}
	d.note(x.Comment || x.CrossRef || x.SeeAlso, "hasExtractedLicensingInfos[]", x.ID)
	return nil
}

func (d *decoder) annotation(a *annotation) error {
	text, ok := strings.CutPrefix(a.Comment, sayUnknown)
	if ok {
		var u sbom.Unknown
		if u, ok = sbom.ParseUnknown(text); ok {
			d.doc.Inventory.Unknowns = append(d.doc.Inventory.Unknowns, u)
		}
	}
	if !ok {
		d.lost.Add("annotations", a.Comment)
	}
	return nil
}

func (d *decoder) note(e extra, field, example string) {
	if e {
		d.lost.Add(field, example)
	}
}

// document puts the parts together.
func (d *decoder) document() (sbom.Document, error) {
	if !supported(d.doc.SpecVersion) {
		return d.doc, fmt.Errorf("spdxVersion is %.40q, want SPDX-2.2 or SPDX-2.3: %w", d.doc.SpecVersion, sbom.ErrInvalid)
	}
	d.doc.SpecVersion = strings.TrimPrefix(d.doc.SpecVersion, "SPDX-")
	d.describe()
	subject := d.subject()
	v := &d.doc.Inventory
	for i := range d.packages {
		p := &d.packages[i]
		if p.id == subject {
			continue
		}
		p.component.Licenses = licenses(p.declared, d.names)
		v.Components = append(v.Components, p.component)
	}
	d.relations(subject)
	if i := slices.IndexFunc(v.Components, func(c sbom.Component) bool { return c.Type == sbom.OS }); i >= 0 {
		v.Distro.ID, v.Distro.VersionID = v.Components[i].Name, v.Components[i].Version
	}
	v.Sort()
	d.doc.Lost = d.lost.List()
	if err := v.Validate(); err != nil {
		return d.doc, fmt.Errorf("%w: %w", err, sbom.ErrInvalid)
	}
	return d.doc, nil
}

func supported(version string) bool { return version == "SPDX-2.2" || version == "SPDX-2.3" }

// describe finds out what the document describes.
func (d *decoder) describe() {
	for _, r := range d.edges {
		switch {
		case r.Type == "DESCRIBES" && r.From == documentID:
			d.described[r.To] = true
		case r.Type == "DESCRIBED_BY" && r.To == documentID:
			d.described[r.From] = true
		}
	}
	var digests []string
	for id := range d.described {
		if i, ok := d.ids[id]; ok {
			digests = append(digests, d.packages[i].digests...)
		}
	}
	d.doc.Subjects = sbom.ImageDigests(digests...)
}

// subject returns the SPDXID of the one package that is described, "" when
// there is none or more than one.
func (d *decoder) subject() string {
	if len(d.described) != 1 {
		return ""
	}
	id := slices.Collect(maps.Keys(d.described))[0]
	i, ok := d.ids[id]
	if !ok {
		return ""
	}
	p := d.packages[i]
	s := sbom.Subject{Name: p.component.Name, Platform: p.platform}
	if len(d.doc.Subjects) == 1 {
		s.Digest = d.doc.Subjects[0]
	}
	if s.Name == s.Digest {
		s.Name = ""
	}
	if arch := p.component.PURL.Qualifiers["arch"]; s.Platform == "" && s.Digest != "" && arch != "" {
		s.Platform = "linux/" + arch
	}
	d.doc.Inventory.Subject = s
	return id
}

// relations takes the edges that an inventory knows. Those that tie the
// subject to its parts follow from there being a subject.
func (d *decoder) relations(subject string) {
	for _, r := range d.edges {
		from, to, t := r.From, r.To, sbom.DependsOn
		switch r.Type {
		case "DESCRIBES", "DESCRIBED_BY":
			continue
		case "DEPENDS_ON":
		case "CONTAINS":
			t = sbom.Contains
		case "CONTAINED_BY":
			from, to, t = to, from, sbom.Contains
		case "DEPENDENCY_OF", "RUNTIME_DEPENDENCY_OF":
			from, to = to, from
		default:
			d.lost.Add("relationships[] "+r.Type, r.From)
			continue
		}
		if subject != "" && from == subject {
			continue
		}
		x, okFrom := d.ids[from]
		y, okTo := d.ids[to]
		if !okFrom || !okTo || subject != "" && to == subject {
			d.lost.Add("relationships[]", r.From)
			continue
		}
		d.doc.Inventory.Relations = append(d.doc.Inventory.Relations, sbom.Relation{
			From: d.packages[x].component.ID, To: d.packages[y].component.ID, Type: t})
	}
}
