package cyclonedx

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// component takes a component and those inside it.
func (d *decoder) component(c *component, inside string) error {
	if d.n++; d.n > sbom.MaxComponents {
		return fmt.Errorf("more than %d components: %w", sbom.MaxComponents, sbom.ErrLimit)
	}
	out := sbom.Component{ID: c.Ref, Name: fullName(c), Version: c.Version, Type: d.kind(c)}
	if out.Type == sbom.OS && d.doc.Inventory.Distro.PrettyName == "" {
		d.doc.Inventory.Distro.PrettyName = c.Description
	} else if c.Description != "" {
		d.lost.Add("components[].description", c.Name)
	}
	if c.PURL != "" {
		var err error
		if out.PURL, err = purl.Parse(c.PURL); err != nil {
			d.lost.Add("components[].purl", c.PURL)
		}
	}
	out.Ecosystem = sbom.EcosystemOf(out.PURL)
	out.Supplier = d.supplier(c)
	d.hashes(c, &out)
	d.licenses(c, &out)
	d.pedigree(c, &out)
	d.evidence(c, &out)
	parents := d.properties(c, &out)
	d.extras(c)
	if out.ID == "" {
		out.ID = out.StableID()
	} else if d.ids[out.ID] {
		return fmt.Errorf("the bom-ref %.80q stands for two components: %w", out.ID, sbom.ErrInvalid)
	}
	d.ids[out.ID] = true
	d.doc.Inventory.Components = append(d.doc.Inventory.Components, out)
	if inside != "" {
		parents = append(parents, inside)
	}
	for _, p := range parents {
		d.edges = append(d.edges, sbom.Relation{From: p, To: out.ID, Type: sbom.Contains})
	}
	for i := range c.Components {
		if err := d.component(&c.Components[i], out.ID); err != nil {
			return err
		}
	}
	return nil
}

// kind maps the types of CycloneDX to the four of an inventory.
func (d *decoder) kind(c *component) sbom.Type {
	switch t := sbom.Type(c.Type); t {
	case sbom.Library, sbom.Application, sbom.OS, sbom.File:
		return t
	}
	d.lost.Add("components[].type", c.Type)
	switch c.Type {
	case "framework", "cryptographic-asset", "device-driver":
		return sbom.Library
	case "data", "machine-learning-model":
		return sbom.File
	}
	return sbom.Application
}

func (d *decoder) supplier(c *component) string {
	if c.Supplier == nil {
		return c.Publisher
	}
	if c.Publisher != "" {
		d.lost.Add("components[].publisher", c.Publisher)
	}
	d.note(c.Supplier.URL || c.Supplier.Address, "components[].supplier", c.Supplier.Name)
	mail := ""
	for i, x := range c.Supplier.Contact {
		if i == 0 && x.Name == "" {
			mail = x.Email
		} else {
			d.lost.Add("components[].supplier.contact", x.Name)
		}
	}
	if c.Supplier.Name == "" {
		return mail
	}
	return sbom.JoinContact(c.Supplier.Name, mail)
}

func (d *decoder) hashes(c *component, out *sbom.Component) {
	for _, h := range c.Hashes {
		x := sbom.Hash{Algorithm: h.Algorithm, Value: strings.ToLower(h.Value)}
		if x.Valid() {
			out.Hashes = append(out.Hashes, x)
		} else {
			d.lost.Add("components[].hashes", h.Algorithm+" "+h.Value)
		}
	}
}

func (d *decoder) licenses(c *component, out *sbom.Component) {
	for _, l := range c.Licenses {
		statement, text := l.Statement, l.Expression
		if l.License != nil {
			statement, text = l.License.Statement, cmp.Or(l.License.ID, l.License.Name)
			d.note(l.License.Text || l.License.URL || l.License.Licensing, "components[].licenses[].text", text)
		}
		if statement != "" && statement != "declared" || text == "" {
			d.lost.Add("components[].licenses", text)
		} else {
			out.Licenses = append(out.Licenses, text)
		}
	}
}

// pedigree takes the one ancestor that stands for the source package.
func (d *decoder) pedigree(c *component, out *sbom.Component) {
	p := c.Pedigree
	if p == nil {
		return
	}
	for i, a := range p.Ancestors {
		if i == 0 {
			out.SourceName, out.SourceVersion = fullName(&a), a.Version
		} else {
			d.lost.Add("components[].pedigree.ancestors", a.Name)
		}
	}
	d.note(p.Descendants || p.Variants || p.Commits || p.Patches || p.Notes, "components[].pedigree", c.Name)
}

func (d *decoder) evidence(c *component, out *sbom.Component) {
	if c.Evidence == nil {
		return
	}
	for _, o := range c.Evidence.Occurrences {
		l := sbom.Location{Path: strings.TrimLeft(o.Location, "/"), Layer: o.Context}
		if l.Layer != "" && !sbom.ValidDigest(l.Layer) {
			d.lost.Add("components[].evidence.occurrences[].additionalContext", l.Layer)
			l.Layer = ""
		}
		if l.Path == "" {
			d.lost.Add("components[].evidence.occurrences", c.Name)
		} else {
			out.Locations = append(out.Locations, l)
		}
	}
	e := c.Evidence
	d.note(e.Identity || e.Callstack || e.Licenses || e.Copyright, "components[].evidence", c.Name)
}

// properties takes the properties of hallmark's own and returns the containers
// that they name.
func (d *decoder) properties(c *component, out *sbom.Component) (parents []string) {
	for _, p := range c.Properties {
		switch p.Name {
		case propEcosystem:
			out.Ecosystem = p.Value
		case propContainedBy:
			parents = append(parents, p.Value)
		default:
			d.lost.Add("components[].properties", p.Name)
		}
	}
	return parents
}

func (d *decoder) extras(c *component) {
	if c.extras == (extras{}) {
		return
	}
	x := &c.extras
	for _, f := range []struct {
		is   extra
		name string
	}{
		{x.MIME, "mime-type"}, {x.Author, "author"}, {x.Authors, "authors"}, {x.Maker, "manufacturer"},
		{x.Scope, "scope"}, {x.Copyright, "copyright"}, {x.CPE, "cpe"}, {x.Omnibor, "omniborId"},
		{x.SWHID, "swhid"}, {x.SWID, "swid"}, {x.Modified, "modified"}, {x.External, "externalReferences"},
		{x.Notes, "releaseNotes"}, {x.Model, "modelCard"}, {x.Data, "data"}, {x.Crypto, "cryptoProperties"},
		{x.Tags, "tags"}, {x.Signature, "signature"},
	} {
		d.note(f.is, "components[]."+f.name, c.Name)
	}
}
