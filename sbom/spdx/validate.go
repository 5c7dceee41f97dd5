package spdx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
)

// Validate reports why a document is not a valid SPDX document of the version
// that it claims: the mandatory fields of SPDX 2.2 and 2.3 (document creation,
// packages, files, snippets as far as their SPDXID, extracted licenses,
// relationships), the form of identifiers, times, checksums and references,
// SPDXIDs used twice, relationships to elements that are not there, and a
// document of several elements that describes none. Of a tag-value document it
// checks what the conversion to JSON keeps. It tells up to [sbom.MaxProblems]
// problems, joined, each of which wraps [sbom.ErrInvalid].
func Validate(r io.Reader) error {
	data, err := sbom.ReadDocument(r)
	if err == nil {
		data, err = asJSON(data)
	}
	if err != nil {
		return fmt.Errorf("validate SPDX: %w", err)
	}
	c := checker{ids: map[string]bool{documentID: true}}
	if err := c.head(data); err != nil {
		return fmt.Errorf("validate SPDX: %w", err)
	}
	if err := sbom.Members(data, c.member); err != nil {
		return fmt.Errorf("validate SPDX: %w", reason(err))
	}
	c.links()
	if len(c.problems) > 0 {
		return fmt.Errorf("not valid %s: %w", c.version, errors.Join(c.problems...))
	}
	return nil
}

type checker struct {
	version  string
	ids      map[string]bool
	elements int
	describe bool
	edges    []relationship
	problems []error
}

// head checks the document's own fields.
func (c *checker) head(data []byte) error {
	var h struct {
		Version   string   `json:"spdxVersion"`
		License   string   `json:"dataLicense"`
		ID        string   `json:"SPDXID"`
		Name      string   `json:"name"`
		Namespace string   `json:"documentNamespace"`
		Creation  creation `json:"creationInfo"`
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return reason(err)
	}
	if c.version = h.Version; !supported(h.Version) {
		return fmt.Errorf("spdxVersion is %.40q, want SPDX-2.2 or SPDX-2.3: %w", h.Version, sbom.ErrInvalid)
	}
	c.want("dataLicense", h.License == "CC0-1.0", "is %.40q, want CC0-1.0", h.License)
	c.want("SPDXID", h.ID == documentID, "is %.40q, want %s", h.ID, documentID)
	c.want("name", h.Name != "", "is missing")
	u, err := url.Parse(h.Namespace)
	c.want("documentNamespace", err == nil && u.IsAbs() && !strings.Contains(h.Namespace, "#"),
		"is %.80q, want an absolute URI without a fragment", h.Namespace)
	_, err = time.Parse("2006-01-02T15:04:05Z", h.Creation.Created)
	c.want("creationInfo.created", err == nil, "is %.40q, want a time as 2006-01-02T15:04:05Z", h.Creation.Created)
	c.want("creationInfo.creators", len(h.Creation.Creators) > 0, "is empty")
	for i, s := range h.Creation.Creators {
		kind, name, _ := strings.Cut(s, ":")
		c.want(fmt.Sprintf("creationInfo.creators[%d]", i),
			slices.Contains([]string{"Person", "Organization", "Tool"}, kind) && strings.TrimSpace(name) != "",
			"is %.80q, want Person:, Organization: or Tool: and a name", s)
	}
	return nil
}

func (c *checker) want(at string, ok bool, format string, args ...any) {
	if !ok && len(c.problems) < sbom.MaxProblems {
		c.problems = append(c.problems, fmt.Errorf("%s %s: %w", at, fmt.Sprintf(format, args...), sbom.ErrInvalid))
	}
}

// member checks one member of the document.
func (c *checker) member(name string, j *json.Decoder) error {
	switch name {
	case "packages":
		return numbered(j, name, c.pkg)
	case "files":
		return numbered(j, name, c.file)
	case "snippets":
		return numbered(j, name, func(at string, f *element) { c.id(at, f.ID) })
	case "hasExtractedLicensingInfos":
		return numbered(j, name, c.extracted)
	case "documentDescribes":
		return numbered(j, name, func(at string, id *string) {
			c.describe = true
			c.edges = append(c.edges, relationship{documentID, "DESCRIBES", *id})
		})
	case "relationships":
		return numbered(j, name, c.relationship)
	case "annotations":
		return numbered(j, name, func(at string, a *annotation) {
			c.want(at, a.Date != "" && a.Annotator != "" && (a.Type == "OTHER" || a.Type == "REVIEW"),
				"has no date, annotator or type")
		})
	case "spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "comment",
		"externalDocumentRefs", "revieweds", "$schema":
	default:
		c.want(name, false, "is no member of a document")
	}
	var e extra
	return j.Decode(&e)
}

// numbered reads a list and checks each entry at its place.
func numbered[T any](j *json.Decoder, name string, check func(at string, v *T)) error {
	i := 0
	return elements(j, sbom.MaxRelations, func(v *T) error {
		check(fmt.Sprintf("%s[%d]", name, i), v)
		i++
		return nil
	})
}

// id checks the SPDXID of an element and that it is the only one to have it.
func (c *checker) id(at, id string) {
	c.elements++
	c.want(at+".SPDXID", validID(id), "is %.80q, want SPDXRef- and letters, digits, '.' and '-'", id)
	c.want(at+".SPDXID", !c.ids[id], "%.80q is taken", id)
	c.ids[id] = true
}

func validID(id string) bool {
	rest, ok := strings.CutPrefix(id, "SPDXRef-")
	return ok && rest != "" && strings.IndexFunc(rest, func(r rune) bool {
		// The underscore and the plus sign are against the rule, yet the
		// examples of the specification and common tools use them.
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_+", r))
	}) < 0
}

func (c *checker) pkg(at string, p *pkg) {
	c.id(at, p.ID)
	c.want(at+".name", p.Name != "", "is missing")
	c.want(at+".downloadLocation", p.Download != "", "is missing")
	if c.version == "SPDX-2.2" {
		c.want(at, p.Concluded != "" && p.Declared != "" && p.Copyright != "",
			"has no licenseConcluded, licenseDeclared or copyrightText, which 2.2 asks for")
	}
	c.checksums(at, p.Checksums)
	for i, r := range p.References {
		c.want(fmt.Sprintf("%s.externalRefs[%d]", at, i), r.Locator != "" && r.Type != "" && validCategory(r.Category),
			"has no locator, no type or the category %.40q", r.Category)
	}
	if p.Purpose != "" {
		c.want(at+".primaryPackagePurpose", validPurpose(p.Purpose), "is %.40q, which SPDX does not know", p.Purpose)
	}
}

func validCategory(s string) bool {
	return slices.Contains([]string{"OTHER", "PERSISTENT-ID", "PERSISTENT_ID", "SECURITY", "PACKAGE-MANAGER", "PACKAGE_MANAGER"}, s)
}

func validPurpose(s string) bool {
	return slices.Contains(strings.Fields("OTHER INSTALL ARCHIVE FIRMWARE APPLICATION FRAMEWORK LIBRARY CONTAINER "+
		"SOURCE DEVICE OPERATING_SYSTEM OPERATING-SYSTEM FILE"), s)
}

// element is what packages, files and snippets have in common.
type element struct {
	ID        string     `json:"SPDXID"`
	FileName  string     `json:"fileName"`
	Checksums []checksum `json:"checksums"`
}

func (c *checker) file(at string, f *element) {
	c.id(at, f.ID)
	c.want(at+".fileName", f.FileName != "", "is missing")
	c.want(at+".checksums", len(f.Checksums) > 0, "is empty")
	c.checksums(at, f.Checksums)
}

func (c *checker) checksums(at string, list []checksum) {
	for i, x := range list {
		at := fmt.Sprintf("%s.checksums[%d]", at, i)
		digits := sbom.HashBits(algorithm(x.Algorithm)) / 4
		if digits == 0 {
			c.want(at, slices.Contains([]string{"SHA224", "MD2", "MD4", "MD6", "ADLER32"}, x.Algorithm),
				"has the algorithm %.40q, which SPDX does not know", x.Algorithm)
		}
		c.want(at, strings.Trim(x.Value, "0123456789abcdefABCDEF") == "" && x.Value != "" && (digits == 0 || len(x.Value) == digits),
			"%.140q is no %s checksum", x.Value, x.Algorithm)
	}
}

func (c *checker) extracted(at string, x *extracted) {
	c.want(at+".licenseId", strings.HasPrefix(x.ID, refPrefix) && len(x.ID) > len(refPrefix), "is %.80q, want LicenseRef- and a name", x.ID)
	c.want(at+".extractedText", x.Text != "", "is missing")
}

func (c *checker) relationship(at string, r *relationship) {
	c.want(at, r.From != "" && r.To != "", "names no element")
	c.want(at+".relationshipType", validRelationship(r.Type), "is %.60q, which SPDX does not know", r.Type)
	c.describe = c.describe || r.Type == "DESCRIBES" && r.From == documentID || r.Type == "DESCRIBED_BY" && r.To == documentID
	c.edges = append(c.edges, *r)
}

// links checks, at the end, that what is named is there.
func (c *checker) links() {
	for _, r := range c.edges {
		for _, id := range []string{r.From, r.To} {
			outside := strings.HasPrefix(id, "DocumentRef-") || id == noAssertion || id == none
			c.want("relationship "+r.Type, id == "" || outside || c.ids[id], "names %.80q, which is not in the document", id)
		}
	}
	c.want("the document", c.describe || c.elements <= 1, "describes none of its %d elements", c.elements)
}

func validRelationship(t string) bool {
	return slices.Contains(strings.Fields(`DESCRIBES DESCRIBED_BY CONTAINS CONTAINED_BY DEPENDS_ON DEPENDENCY_OF
		DEPENDENCY_MANIFEST_OF BUILD_DEPENDENCY_OF DEV_DEPENDENCY_OF OPTIONAL_DEPENDENCY_OF PROVIDED_DEPENDENCY_OF
		TEST_DEPENDENCY_OF RUNTIME_DEPENDENCY_OF EXAMPLE_OF GENERATES GENERATED_FROM ANCESTOR_OF DESCENDANT_OF
		VARIANT_OF DISTRIBUTION_ARTIFACT PATCH_FOR PATCH_APPLIED COPY_OF FILE_ADDED FILE_DELETED FILE_MODIFIED
		EXPANDED_FROM_ARCHIVE DYNAMIC_LINK STATIC_LINK DATA_FILE_OF TEST_CASE_OF BUILD_TOOL_OF DEV_TOOL_OF TEST_OF
		TEST_TOOL_OF DOCUMENTATION_OF OPTIONAL_COMPONENT_OF METAFILE_OF PACKAGE_OF AMENDS PREREQUISITE_FOR
		HAS_PREREQUISITE REQUIREMENT_DESCRIPTION_FOR SPECIFICATION_FOR OTHER`), t)
}
