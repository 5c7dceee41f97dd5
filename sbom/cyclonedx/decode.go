package cyclonedx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// Decode reads a CycloneDX document, JSON or XML, of the versions 1.2 to 1.7.
// It holds the limits of package sbom and refuses a document that is no
// CycloneDX, that uses a bom-ref twice or that has a component without a name.
// Everything else that it cannot place is listed as lost: see [Validate] for a
// judgement on the document.
func Decode(r io.Reader) (sbom.Document, error) {
	data, err := sbom.ReadDocument(r)
	if err != nil {
		return sbom.Document{}, fmt.Errorf("decode CycloneDX: %w", err)
	}
	if data, err = asJSON(data); err != nil {
		return sbom.Document{}, fmt.Errorf("decode CycloneDX: %w", err)
	}
	d := decoder{ids: make(map[string]bool)}
	if err := sbom.Members(data, d.member); err != nil {
		return sbom.Document{}, fmt.Errorf("decode CycloneDX: %w", reason(err))
	}
	doc, err := d.document()
	if err != nil {
		return sbom.Document{}, fmt.Errorf("decode CycloneDX: %w", err)
	}
	return doc, nil
}

// reason marks what the JSON decoder complains about as a fault of the document.
func reason(err error) error {
	if errors.Is(err, sbom.ErrInvalid) || errors.Is(err, sbom.ErrLimit) {
		return err
	}
	return fmt.Errorf("%w: %w", err, sbom.ErrInvalid)
}

// asJSON returns the document as checked JSON, converted where it is XML.
func asJSON(data []byte) ([]byte, error) {
	if isXML(data) {
		return fromXML(data)
	}
	return data, sbom.CheckJSON(data)
}

func isXML(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("<"))
}

// supported reports whether the version is one of those that are read.
func supported(version string) bool {
	return slices.Contains([]string{"1.2", "1.3", "1.4", "1.5", "1.6", "1.7"}, version)
}

type decoder struct {
	doc    sbom.Document
	lost   sbom.Losses
	format string
	root   string
	ids    map[string]bool
	edges  []sbom.Relation
	n      int
}

// member takes one member of the BOM.
func (d *decoder) member(name string, j *json.Decoder) error {
	switch name {
	case "bomFormat":
		return j.Decode(&d.format)
	case "specVersion":
		return j.Decode(&d.doc.SpecVersion)
	case "metadata":
		var m metadata
		if err := j.Decode(&m); err != nil {
			return err
		}
		return d.metadata(&m)
	case "components":
		return sbom.Elements(j, sbom.MaxComponents, func(int) error {
			var c component
			if err := j.Decode(&c); err != nil {
				return err
			}
			return d.component(&c, "")
		})
	case "dependencies":
		return sbom.Elements(j, sbom.MaxRelations, func(int) error {
			var x dependency
			if err := j.Decode(&x); err != nil {
				return err
			}
			return d.dependency(x)
		})
	}
	var e extra
	if err := j.Decode(&e); err != nil {
		return err
	}
	if e && name != "$schema" && name != "serialNumber" && name != "version" {
		d.lost.Add(name, "")
	}
	return nil
}

func (d *decoder) metadata(m *metadata) error {
	if m.Timestamp != "" {
		t, err := time.Parse(time.RFC3339, m.Timestamp)
		if err != nil {
			return fmt.Errorf("timestamp %.40q is no date and time of RFC 3339: %w", m.Timestamp, sbom.ErrInvalid)
		}
		d.doc.Inventory.Created = t.UTC().Truncate(time.Second)
	}
	if m.Tools != nil {
		for i, t := range m.Tools.Components {
			if i == 0 {
				d.doc.Inventory.Tool = sbom.Tool{Name: t.Name, Version: t.Version}
			} else {
				d.lost.Add("metadata.tools", t.Name)
			}
		}
		d.note(m.Tools.Services, "metadata.tools.services", "")
	}
	for _, p := range m.Properties {
		if u, ok := sbom.ParseUnknown(p.Value); ok && p.Name == propUnknown {
			d.doc.Inventory.Unknowns = append(d.doc.Inventory.Unknowns, u)
		} else {
			d.lost.Add("metadata.properties", p.Name)
		}
	}
	for _, l := range m.Lifecycles {
		if l.Phase != "post-build" {
			d.lost.Add("metadata.lifecycles", l.Phase+l.Name)
		}
	}
	d.note(m.Authors, "metadata.authors", "")
	d.note(m.Manufacture || m.Maker, "metadata.manufacturer", "")
	d.note(m.Supplier, "metadata.supplier", "")
	d.note(m.Licenses, "metadata.licenses", "")
	if m.Component == nil {
		return nil
	}
	return d.subject(m.Component)
}

// subject takes what the BOM describes. A digest counts as that of an image
// when the package URL or the version says so, or as the SHA-256 of a container.
func (d *decoder) subject(c *component) error {
	d.root = c.Ref
	named := []string{c.PURL, c.Version, c.Ref}
	if c.Type == "container" {
		for _, h := range c.Hashes {
			if h.Algorithm == "SHA-256" {
				named = append(named, "sha256:"+h.Value)
			}
		}
	}
	d.doc.Subjects = sbom.ImageDigests(named...)
	s := sbom.Subject{Name: fullName(c)}
	if len(d.doc.Subjects) == 1 {
		s.Digest = d.doc.Subjects[0]
	}
	if s.Name == s.Digest {
		s.Name = ""
	}
	for _, p := range c.Properties {
		if p.Name == propPlatform {
			s.Platform = p.Value
		} else {
			d.lost.Add("metadata.component.properties", p.Name)
		}
	}
	if p, err := purl.Parse(c.PURL); err == nil && s.Platform == "" && p.Qualifiers["arch"] != "" {
		s.Platform = "linux/" + p.Qualifiers["arch"]
	}
	d.doc.Inventory.Subject = s
	for i := range c.Components {
		if err := d.component(&c.Components[i], ""); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) dependency(x dependency) error {
	d.note(x.Provides, "dependencies[].provides", x.Ref)
	if d.root != "" && x.Ref == d.root {
		return nil
	}
	if len(d.edges)+len(x.DependsOn) > sbom.MaxRelations {
		return fmt.Errorf("more than %d relations: %w", sbom.MaxRelations, sbom.ErrLimit)
	}
	for _, to := range x.DependsOn {
		d.edges = append(d.edges, sbom.Relation{From: x.Ref, To: to, Type: sbom.DependsOn})
	}
	return nil
}

// document checks the whole and puts it into canonical form.
func (d *decoder) document() (sbom.Document, error) {
	if d.format != "CycloneDX" {
		return d.doc, fmt.Errorf("bomFormat is %.40q, want \"CycloneDX\": %w", d.format, sbom.ErrInvalid)
	}
	if !supported(d.doc.SpecVersion) {
		return d.doc, fmt.Errorf("specVersion is %.40q, want 1.2 to 1.7: %w", d.doc.SpecVersion, sbom.ErrInvalid)
	}
	v := &d.doc.Inventory
	for _, e := range d.edges {
		if d.root != "" && e.From == d.root {
			continue
		}
		if d.ids[e.From] && d.ids[e.To] {
			v.Relations = append(v.Relations, e)
		} else {
			d.lost.Add("dependencies[]", e.From)
		}
	}
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

func (d *decoder) note(e extra, field, example string) {
	if e {
		d.lost.Add(field, example)
	}
}

// fullName joins the group and the name of a component, as "@babel/core".
func fullName(c *component) string {
	if c.Group == "" {
		return c.Name
	}
	return strings.TrimSuffix(c.Group, "/") + "/" + c.Name
}
