package check

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// document is an SBOM and what it says.
type document struct {
	SBOM
	// id tells documents apart: what the verifier counts signers by, else the digest.
	id        string
	inventory sbom.Inventory
	subjects  []string
	signers   verify.Tally
	// problem is why a document that an accepted key signed cannot be used.
	problem string
}

// gathering collects the SBOMs of one subject, each content once.
type gathering struct {
	documents  []*document
	problems   []string // SBOMs that count and cannot be read
	notes      []string
	components int
}

// inputError is a failure of the source, not of the document.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// take is called by the verifier with each statement that it accepted. What it
// keeps is used only when the verdict as a whole accepts.
func (g *gathering) take(s verify.Statement) error {
	d, err := read(s.Predicate)
	if err != nil {
		d = &document{problem: fmt.Sprintf("SBOM in attestation %s: %v", s.Evidence.Attachment.Desc.Digest, err)}
	}
	d.id, d.PredicateType, d.Signers = s.Evidence.Document, s.Header.PredicateType, slices.Clone(s.Evidence.Signers)
	if s.Evidence.Identity != nil {
		d.Identities = []keyless.Signer{*s.Evidence.Identity}
	}
	d.signers.Add(s.Evidence)
	g.add(d)
	return nil
}

// add keeps a document, or the signers of one that is there already.
func (g *gathering) add(d *document) {
	i := slices.IndexFunc(g.documents, func(o *document) bool { return o.id == d.id })
	if i >= 0 {
		g.documents[i].signers.Join(d.signers)
		for _, s := range d.Signers {
			if !slices.Contains(g.documents[i].Signers, s) {
				g.documents[i].Signers = append(g.documents[i].Signers, s)
			}
		}
		for _, s := range d.Identities {
			same := func(o keyless.Signer) bool { return o.ID() == s.ID() }
			if !slices.ContainsFunc(g.documents[i].Identities, same) {
				g.documents[i].Identities = append(g.documents[i].Identities, s)
			}
		}
		return
	}
	switch {
	case len(g.documents) >= MaxDocuments:
		g.problem("more than %d SBOMs: %v", MaxDocuments, sbom.ErrLimit)
	case g.components+d.Components > MaxComponents:
		g.problem("more than %d components in all SBOMs: %v", MaxComponents, sbom.ErrLimit)
	default:
		g.components += d.Components
		g.documents = append(g.documents, d)
	}
}

// problem notes once what keeps SBOMs from being used.
func (g *gathering) problem(format string, args ...any) {
	if p := fmt.Sprintf(format, args...); !slices.Contains(g.problems, p) {
		g.problems = append(g.problems, p)
	}
}

// settle keeps the documents with enough signers. Those of them that cannot be
// used become problems; one without enough signers is noted and no more.
func (g *gathering) settle(threshold int) {
	g.documents = slices.DeleteFunc(g.documents, func(d *document) bool {
		switch n := d.signers.Count(); {
		case n < threshold:
			g.notes = append(g.notes, fmt.Sprintf("an SBOM is signed by %d of %d signers and was not used: %s", n, threshold, cmp.Or(d.Digest, d.problem)))
		case d.problem != "":
			g.problem("%s", d.problem)
		default:
			return false
		}
		return true
	})
}

// sort puts the documents into an order that does not depend on the registry.
func (g *gathering) sort() {
	slices.SortFunc(g.documents, func(a, b *document) int {
		return cmp.Or(strings.Compare(a.Digest, b.Digest), strings.Compare(a.PredicateType, b.PredicateType))
	})
	slices.Sort(g.problems)
	slices.Sort(g.notes)
}

// inventory returns what all documents list together. A package that several
// list counts once.
func (g *gathering) inventory() sbom.Inventory {
	if len(g.documents) == 1 {
		return g.documents[0].inventory
	}
	all := sbom.Inventory{}
	seen := make(map[string]bool)
	for _, d := range g.documents {
		if all.Distro.ID == "" {
			all.Distro = d.inventory.Distro
		}
		all.Unknowns = append(all.Unknowns, d.inventory.Unknowns...)
		for _, c := range d.inventory.Components {
			k := c.PURL.String()
			if k == "" {
				k = strings.Join([]string{string(c.Type), c.Ecosystem, c.Name, c.Version}, "\x00")
			}
			if !seen[k] {
				seen[k] = true
				all.Components = append(all.Components, c)
			}
		}
	}
	return all
}

// read reads and decodes an SBOM. A document in SPDX tag-value form stands in a
// predicate as a JSON string; it is taken out of it.
func read(r io.Reader) (*document, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return nil, &inputError{err}
	}
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("more than %d bytes: %w", MaxDocument, sbom.ErrLimit)
	}
	data = bytes.Trim(data, " \t\r\n")
	d := &document{}
	d.Digest = fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	d.id = d.Digest
	doc, f, err := format.DecodePredicate(data)
	if err != nil {
		return nil, err
	}
	d.Format, d.SpecVersion = f, doc.SpecVersion
	d.Created, d.Components = doc.Inventory.Created, len(doc.Inventory.Components)
	d.inventory, d.subjects = doc.Inventory, doc.Subjects
	return d, nil
}
