// Package cyclonedx reads and writes CycloneDX documents.
//
// [Encode] writes CycloneDX 1.6 JSON. The same inventory gives the same bytes:
// the serial number follows from the content, and every list is sorted. The
// image is the metadata component, with its manifest digest as hash, version
// and in its package URL. Containment is written as nested components,
// dependencies as the dependency graph, files and layers that prove a
// component as evidence. What CycloneDX has no field for stands in properties
// whose names begin with "hallmark:", so that nothing is lost.
//
// [Decode] reads JSON and XML of the versions 1.2 to 1.7 and tells what an
// inventory has no place for. [Validate] holds a document against the rules of
// the specification. The document as it came is what should be kept and
// signed; the inventory is an index to it.
package cyclonedx

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
)

// The properties for what CycloneDX has no field for.
const (
	propEcosystem   = "hallmark:ecosystem"
	propContainedBy = "hallmark:contained-by"
	propPlatform    = "hallmark:platform"
	propUnknown     = "hallmark:unknown"
)

// Encode writes the inventory as CycloneDX 1.6 JSON. It needs a subject with a
// digest or a name, and an inventory that [sbom.Inventory.Validate] accepts.
// The document is written as it is made; an error leaves it unfinished.
func Encode(w io.Writer, v sbom.Inventory) error {
	v = v.Sorted()
	if err := v.Validate(); err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	if v.Subject.Digest == "" && v.Subject.Name == "" {
		return errors.New("encode CycloneDX: the inventory names no subject")
	}
	e := newEncoder(v)
	sum := sha256.New()
	hashed := bufio.NewWriterSize(sum, 1<<16)
	if err := e.write(hashed, ""); err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	if err := hashed.Flush(); err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if err := e.write(out, "urn:uuid:"+sbom.ContentUUID("cyclonedx", sum.Sum(nil))); err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	return out.Flush()
}

// An encoder holds what is worked out before writing.
type encoder struct {
	v     sbom.Inventory
	root  string // bom-ref of the subject
	tree  tree
	purls []string // by index of the component; the document is made twice
}

func newEncoder(v sbom.Inventory) *encoder {
	e := &encoder{v: v, root: "image"}
	if v.Subject.Digest != "" {
		e.root = "image-" + v.Subject.Digest[len("sha256:"):][:16]
	}
	ids := make(map[string]int, len(v.Components))
	for i := range v.Components {
		ids[v.Components[i].ID] = i
		e.purls = append(e.purls, v.Components[i].PURL.String())
	}
	for {
		if _, taken := ids[e.root]; !taken {
			break
		}
		e.root += "-"
	}
	e.tree = grow(v, ids)
	return e
}

func (e *encoder) write(w io.Writer, serial string) error {
	j := sbom.NewJSONWriter(w)
	j.Member("$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json")
	j.Member("bomFormat", "CycloneDX")
	j.Member("specVersion", "1.6")
	if serial != "" {
		j.Member("serialNumber", serial)
	}
	j.Member("version", 1)
	j.Member("metadata", e.metadata())
	j.Begin("components")
	for _, i := range e.tree.top {
		j.Entry(e.component(i))
	}
	j.End()
	j.Begin("dependencies")
	j.Entry(dependency{Ref: e.root, DependsOn: e.tree.roots})
	e.dependencies(j)
	j.End()
	return j.Close()
}

func (e *encoder) metadata() metadata {
	s := e.v.Subject
	root := component{Type: "container", Ref: e.root, Name: s.Name, Version: s.Digest, PURL: s.PURL().String()}
	if s.Digest == "" {
		root.Type = "application"
	} else {
		root.Hashes = []hash{{"SHA-256", strings.TrimPrefix(s.Digest, "sha256:")}}
	}
	if s.Name == "" {
		root.Name = s.Digest
	}
	if s.Platform != "" {
		root.Properties = []property{{propPlatform, s.Platform}}
	}
	m := metadata{Lifecycles: []phase{{Phase: "post-build"}}, Component: &root}
	if !e.v.Created.IsZero() {
		m.Timestamp = e.v.Created.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	if t := e.v.Tool; t.Name != "" {
		m.Tools = &tools{Components: []component{{Type: "application", Name: t.Name, Version: t.Version}}}
	}
	for _, u := range e.v.Unknowns {
		m.Properties = append(m.Properties, property{propUnknown, u.String()})
	}
	return m
}

func (e *encoder) component(i int) *component {
	c := &e.v.Components[i]
	out := &component{Type: string(c.Type), Ref: c.ID, Name: c.Name, Version: c.Version,
		PURL: e.purls[i], Licenses: licenseChoices(c.Licenses)}
	if name, mail := sbom.SplitContact(c.Supplier); name != "" {
		out.Supplier = &entity{Name: name}
		if mail != "" {
			out.Supplier.Contact = []contact{{Email: mail}}
		}
	}
	if c.Type == sbom.OS && c.Name == e.v.Distro.ID && c.Version == e.v.Distro.VersionID {
		out.Description = e.v.Distro.PrettyName
	}
	for _, h := range c.Hashes {
		out.Hashes = append(out.Hashes, hash{h.Algorithm, h.Value})
	}
	if c.SourceName != "" {
		out.Pedigree = &pedigree{Ancestors: []component{
			{Type: string(sbom.Library), Name: c.SourceName, Version: c.SourceVersion}}}
	}
	if len(c.Locations) > 0 {
		out.Evidence = &evidence{Occurrences: make([]occurrence, len(c.Locations))}
		for k, l := range c.Locations {
			out.Evidence.Occurrences[k] = occurrence{"/" + l.Path, l.Layer}
		}
	}
	if c.Ecosystem != "" && c.Ecosystem != sbom.EcosystemOf(c.PURL) {
		out.Properties = append(out.Properties, property{propEcosystem, c.Ecosystem})
	}
	for _, parent := range e.tree.cut[i] {
		out.Properties = append(out.Properties, property{propContainedBy, e.v.Components[parent].ID})
	}
	for _, child := range e.tree.children[i] {
		out.Components = append(out.Components, *e.component(child))
	}
	return out
}

// dependencies writes the edges, grouped by where they start. Relations are sorted.
func (e *encoder) dependencies(j *sbom.JSONWriter) {
	var d dependency
	flush := func() {
		if d.Ref != "" {
			j.Entry(d)
		}
	}
	for _, r := range e.v.Relations {
		if r.Type != sbom.DependsOn {
			continue
		}
		if r.From != d.Ref {
			flush()
			d = dependency{Ref: r.From, DependsOn: d.DependsOn[:0]}
		}
		d.DependsOn = append(d.DependsOn, r.To)
	}
	flush()
}

// licenseChoices writes licenses as the schema wants them: identifiers and
// names side by side, or else one expression.
func licenseChoices(statements []string) []licenseChoice {
	const statement = "declared"
	list := sbom.Licenses(statements)
	plain, expressions := true, true
	choices := make([]licenseChoice, len(list))
	for i, l := range list {
		expressions = expressions && l.Expression != ""
		plain = plain && (l.Single || l.Expression == "")
		choice := license{Name: l.Expression + l.Text, Statement: statement}
		if l.Single {
			choice = license{ID: l.Expression, Statement: statement}
		}
		choices[i].License = &choice
	}
	if !expressions || plain {
		return choices
	}
	return []licenseChoice{{Expression: sbom.JoinLicenses(list, nil), Statement: statement}}
}
