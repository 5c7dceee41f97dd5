package scan

import (
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
)

// assemble lets each extractor resolve its files and puts the results together.
func assemble(inv *sbom.Inventory, t *tree, layers []*layer, most int) error {
	files := visible(t, layers)
	real := func(p string) string { return t.real(p, true) }
	for by, x := range t.extractors {
		v := extract.NewView(inv.Distro, files[by], real)
		if _, ok := x.(release); ok {
			inv.Distro = distro(v)
		}
		res := x.Resolve(v)
		inv.Unknowns = append(append(inv.Unknowns, v.Unknowns()...), res.Unknowns...)
		add(inv, x.Name(), res)
		if len(inv.Components) > most {
			return fmt.Errorf("more than %d components: %w", most, attach.ErrLimit)
		}
	}
	inv.Sort()
	return inv.Validate()
}

// visible returns the files that each extractor read and no layer hides.
func visible(t *tree, layers []*layer) [][]extract.File {
	files := make([][]extract.File, len(t.extractors))
	t.each(func(p string, versions []version) {
		now := versions[len(versions)-1]
		for _, r := range now.records {
			f := extract.File{Path: p, Format: r.format, Layer: layers[now.layer].diffID, Record: r.Record}
			for _, v := range versions[:len(versions)-1] {
				for _, old := range v.records {
					if old.by == r.by && old.format == r.format {
						f.Before = append(f.Before, extract.Version{Layer: layers[v.layer].diffID, Record: old.Record})
					}
				}
			}
			files[r.by] = append(files[r.by], f)
		}
	})
	return files
}

// add takes over a result under stable IDs. What files claim is made fit to
// stand in an inventory first: nothing malformed leaves here, and what had to
// be left out is said.
func add(inv *sbom.Inventory, ecosystem string, res extract.Result) {
	ids := make(map[string]string, len(res.Components))
	for _, c := range res.Components {
		local := c.ID
		if c.Ecosystem == "" && c.Type != sbom.OS {
			c.Ecosystem = ecosystem
		}
		if reason := tidy(&c); reason != "" {
			u := sbom.Unknown{Reason: reason}
			if len(c.Locations) > 0 {
				u.Path = c.Locations[0].Path
			}
			inv.Unknowns = append(inv.Unknowns, u)
			if c.Name == "" {
				continue
			}
		}
		c.ID = c.StableID()
		ids[local] = c.ID
		inv.Components = append(inv.Components, c)
	}
	for _, r := range res.Relations {
		from, to := ids[r.From], ids[r.To]
		if from != "" && to != "" && from != to {
			inv.Relations = append(inv.Relations, sbom.Relation{From: from, To: to, Type: r.Type})
		}
	}
}

// tidy makes a component fit to stand in an inventory and says what it took
// away. A component that has lost its name must not be used.
func tidy(c *sbom.Component) (reason string) {
	for _, s := range []*string{&c.Name, &c.Version, &c.Supplier, &c.SourceName, &c.SourceVersion} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
		if len(*s) > sbom.MaxField {
			reason = fmt.Sprintf("a package whose name, version or supplier is longer than %d bytes", sbom.MaxField)
			c.Name = ""
			return reason
		}
	}
	if strings.TrimSpace(c.Name) == "" {
		c.Name = ""
		return "a package without a name"
	}
	if !c.PURL.IsZero() {
		if err := c.PURL.Check(); err != nil {
			reason = fmt.Sprintf("no package URL for %q: %v", c.Name, err)
			c.PURL = purl.PURL{}
		}
	}
	for i := range c.Licenses {
		c.Licenses[i] = strings.ToValidUTF8(c.Licenses[i], "\uFFFD")
	}
	var hashes []sbom.Hash
	for _, h := range c.Hashes {
		if h.Valid() {
			hashes = append(hashes, h)
		}
	}
	c.Hashes = hashes
	return reason
}
