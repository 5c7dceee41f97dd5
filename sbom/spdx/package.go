package spdx

import (
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// pkg takes a package.
func (d *decoder) pkg(p *pkg) error {
	if p.ID == "" {
		return fmt.Errorf("package %.80q has no SPDXID: %w", p.Name, sbom.ErrInvalid)
	}
	if _, taken := d.ids[p.ID]; taken {
		return fmt.Errorf("the SPDXID %.80q stands for two packages: %w", p.ID, sbom.ErrInvalid)
	}
	out := read{id: p.ID, declared: p.Declared}
	c := &out.component
	c.ID, c.Name, c.Type = strings.TrimPrefix(p.ID, "SPDXRef-"), p.Name, d.kind(p)
	if p.Version != noAssertion {
		c.Version = p.Version
	}
	d.references(p, c)
	c.Ecosystem = sbom.EcosystemOf(c.PURL)
	c.Supplier = d.supplier(p.Supplier)
	d.checksums(p, c)
	d.info(p, &out)
	if c.Type == sbom.OS && d.doc.Inventory.Distro.PrettyName == "" {
		d.doc.Inventory.Distro.PrettyName = p.Description
	} else if p.Description != "" {
		d.lost.Add("packages[].description", p.Name)
	}
	if p.Concluded != "" && p.Concluded != noAssertion {
		d.lost.Add("packages[].licenseConcluded", p.Concluded)
	}
	if p.Copyright != "" && p.Copyright != noAssertion {
		d.lost.Add("packages[].copyrightText", p.Name)
	}
	if p.Download != "" && p.Download != noAssertion {
		d.lost.Add("packages[].downloadLocation", p.Download)
	}
	d.extras(p)
	out.digests = digests(p, c)
	d.ids[p.ID] = len(d.packages)
	d.packages = append(d.packages, out)
	return nil
}

// digests returns what may be the digest of the image that the package is.
func digests(p *pkg, c *sbom.Component) []string {
	named := []string{c.PURL.String(), p.Version}
	if p.Purpose == "CONTAINER" || c.PURL.Type == "oci" || c.PURL.Type == "docker" {
		for _, h := range c.Hashes {
			if h.Algorithm == "SHA-256" {
				named = append(named, "sha256:"+h.Value)
			}
		}
	}
	return sbom.ImageDigests(named...)
}

// kind maps the purposes of SPDX to the four types of an inventory.
func (d *decoder) kind(p *pkg) sbom.Type {
	switch p.Purpose {
	case "LIBRARY", "":
		return sbom.Library
	case "APPLICATION", "CONTAINER":
		return sbom.Application
	case "OPERATING_SYSTEM", "OPERATING-SYSTEM":
		return sbom.OS
	case "FILE":
		return sbom.File
	}
	d.lost.Add("packages[].primaryPackagePurpose", p.Purpose)
	if p.Purpose == "FRAMEWORK" || p.Purpose == "SOURCE" {
		return sbom.Library
	}
	return sbom.Application
}

func (d *decoder) references(p *pkg, c *sbom.Component) {
	for _, r := range p.References {
		u, err := purl.Parse(r.Locator)
		switch {
		case r.Type == "purl" && err == nil && c.PURL.IsZero():
			c.PURL = u
			d.note(r.Comment, "packages[].externalRefs[].comment", r.Locator)
		default:
			d.lost.Add("packages[].externalRefs "+r.Type, r.Locator)
		}
	}
}

// supplier reads "Organization: Name (mail)". Some tools leave the first word out.
func (d *decoder) supplier(s string) string {
	if s == "" || s == noAssertion {
		return ""
	}
	name, person := strings.CutPrefix(s, "Person: ")
	d.note(extra(person), "packages[].supplier Person", s)
	name = strings.TrimSpace(strings.TrimPrefix(name, "Organization: "))
	name = strings.TrimSpace(strings.TrimSuffix(name, "()"))
	if i := strings.LastIndexByte(name, '('); i > 0 && strings.HasSuffix(name, ")") {
		mail := name[i+1 : len(name)-1]
		joined := sbom.JoinContact(strings.TrimSpace(name[:i]), mail)
		if _, m := sbom.SplitContact(joined); m == mail && mail != "" {
			return joined
		}
	}
	return name
}

func (d *decoder) checksums(p *pkg, c *sbom.Component) {
	for _, x := range p.Checksums {
		h := sbom.Hash{Algorithm: algorithm(x.Algorithm), Value: strings.ToLower(x.Value)}
		if h.Valid() {
			c.Hashes = append(c.Hashes, h)
		} else {
			d.lost.Add("packages[].checksums", x.Algorithm+" "+x.Value)
		}
	}
}

// info takes what sourceInfo says.
func (d *decoder) info(p *pkg, out *read) {
	if p.SourceInfo == "" {
		return
	}
	if rest, ok := strings.CutPrefix(p.SourceInfo, sayPlatform); ok {
		if platform, end, ok := cutQuoted(rest); ok && end == "" {
			out.platform = platform
			return
		}
	}
	if !readSourceInfo(p.SourceInfo, &out.component) {
		d.lost.Add("packages[].sourceInfo", p.SourceInfo)
	}
}

func (d *decoder) extras(p *pkg) {
	if p.extras == (extras{}) {
		return
	}
	x := &p.extras
	for _, f := range []struct {
		is   extra
		name string
	}{
		{x.Annotations, "annotations"}, {x.Attribution, "attributionTexts"}, {x.Built, "builtDate"},
		{x.Comment, "comment"}, {x.HasFiles, "hasFiles"}, {x.Homepage, "homepage"}, {x.Comments, "licenseComments"},
		{x.FromFiles, "licenseInfoFromFiles"}, {x.Originator, "originator"}, {x.FileName, "packageFileName"},
		{x.Code, "packageVerificationCode"}, {x.Released, "releaseDate"}, {x.Summary, "summary"},
		{x.ValidUntil, "validUntilDate"},
	} {
		d.note(f.is, "packages[]."+f.name, p.Name)
	}
}
