package cyclonedx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
)

// Validate reports why a document is not a valid CycloneDX BOM of the version
// that it claims: members that must be there, members that the version does not
// know, types, choices and forms, after the JSON schemas 1.2 to 1.7, and
// bom-refs used twice. It looks into everything that says what the subject is
// made of, and reads over models, cryptography, formulation, declarations and
// the inner parts of vulnerabilities. Of an XML document it checks the
// namespace and then what the conversion to JSON keeps. It tells up to
// [sbom.MaxProblems] problems, joined, each of which wraps [sbom.ErrInvalid].
func Validate(r io.Reader) error {
	raw, err := sbom.ReadDocument(r)
	if err != nil {
		return fmt.Errorf("validate CycloneDX: %w", err)
	}
	data, err := asJSON(raw)
	if err != nil {
		return fmt.Errorf("validate CycloneDX: %w", err)
	}
	c, err := newChecker(data)
	if err != nil {
		return fmt.Errorf("validate CycloneDX: %w", err)
	}
	c.converted = isXML(raw)
	if err := sbom.Members(data, c.member); err != nil {
		return fmt.Errorf("validate CycloneDX: %w", reason(err))
	}
	c.missing("", c.shapes["bom"], c.seen)
	if c.minor < 5 && !c.seen["version"] {
		c.problem("", "has no version, which 1.%d asks for", c.minor)
	}
	if len(c.problems) > 0 {
		return fmt.Errorf("not valid CycloneDX 1.%d: %w", c.minor, errors.Join(c.problems...))
	}
	return nil
}

type checker struct {
	minor int
	// converted says that the document was XML: there, what is missing comes
	// out of the conversion as an empty string.
	converted bool
	shapes    map[string]shape
	patterns  patterns
	seen      map[string]bool
	refs      map[string]bool
	problems  []error
}

// newChecker finds out the version, which may stand anywhere in the document.
func newChecker(data []byte) (*checker, error) {
	var head struct {
		Format  string `json:"bomFormat"`
		Version string `json:"specVersion"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, reason(err)
	}
	if head.Format != "CycloneDX" {
		return nil, fmt.Errorf("bomFormat is %.40q, want \"CycloneDX\": %w", head.Format, sbom.ErrInvalid)
	}
	if !supported(head.Version) {
		return nil, fmt.Errorf("specVersion is %.40q, want 1.2 to 1.7: %w", head.Version, sbom.ErrInvalid)
	}
	return &checker{minor: int(head.Version[2] - '0'), shapes: shapes(), patterns: newPatterns(),
		seen: make(map[string]bool), refs: make(map[string]bool)}, nil
}

// member checks one member of the BOM, long lists an entry at a time.
func (c *checker) member(name string, j *json.Decoder) error {
	c.seen[name] = true
	j.UseNumber()
	m, known := c.shapes["bom"][name]
	if !known || m.since > c.minor {
		c.problem(name, "is no member of a BOM")
	}
	if m.inList {
		return sbom.Elements(j, sbom.MaxRelations, func(i int) error {
			var v any
			if err := j.Decode(&v); err != nil {
				return err
			}
			c.check(fmt.Sprintf("%s[%d]", name, i), m.kind, v)
			return nil
		})
	}
	var v any
	if err := j.Decode(&v); err != nil {
		return err
	}
	c.check(name, m.kind, v)
	return nil
}

// check checks a value of the kind, at the place.
func (c *checker) check(at, kind string, value any) {
	if len(c.problems) >= sbom.MaxProblems {
		return
	}
	if kind == "licenses" {
		c.licenses(at, value)
		return
	}
	s, isObject := c.shapes[kind]
	if !isObject {
		if want := c.scalar(kind, value); want != "" {
			c.problem(at, "is %s, want %s", show(value), want)
		}
		return
	}
	object, ok := value.(map[string]any)
	if !ok {
		c.problem(at, "is %s, want an object", show(value))
		return
	}
	c.object(at, kind, s, object)
}

func (c *checker) object(at, kind string, s shape, object map[string]any) {
	seen := make(map[string]bool, len(object))
	for _, name := range sortedNames(object) {
		value := object[name]
		seen[name] = !c.converted || value != ""
		place := at + "." + name
		m, known := s[name]
		if !known || m.since > c.minor {
			c.problem(place, "is no member of a %s in 1.%d", kind, c.minor)
			continue
		}
		if !m.inList {
			c.check(place, m.kind, value)
			continue
		}
		list, ok := value.([]any)
		if !ok {
			c.problem(place, "is %s, want a list", show(value))
			continue
		}
		for i, v := range list {
			c.check(fmt.Sprintf("%s[%d]", place, i), m.kind, v)
		}
	}
	c.missing(at, s, seen)
	c.extra(at, kind, object)
}

// extra checks what the shapes cannot say.
func (c *checker) extra(at, kind string, object map[string]any) {
	if ref, ok := object["bom-ref"].(string); ok && ref != "" {
		if c.refs[ref] {
			c.problem(at, "has the bom-ref %.80q, which is taken", ref)
		}
		c.refs[ref] = true
	}
	named, name := object["name"]
	if c.converted && named == "" {
		name = false
	}
	_, id := object["id"]
	_, version := object["version"]
	switch {
	case kind == "license" && name == id:
		c.problem(at, "must have either an id or a name")
	case kind == "property" && c.minor >= 6 && !name:
		c.problem(at, "has no name")
	case kind == "component" && c.minor < 4 && !version:
		c.problem(at, "has no version, which 1.%d asks for", c.minor)
	}
}

// licenses checks a list of licenses, or of one expression. From 1.7 on both
// may stand in one list.
func (c *checker) licenses(at string, value any) {
	list, ok := value.([]any)
	if !ok {
		c.problem(at, "is %s, want a list", show(value))
		return
	}
	expressions := 0
	for i, v := range list {
		place := fmt.Sprintf("%s[%d]", at, i)
		choice, _ := v.(map[string]any)
		license, isLicense := choice["license"]
		expression, isExpression := choice["expression"]
		switch {
		case isLicense == isExpression:
			c.problem(place, "must have either a license or an expression")
		case isLicense && len(choice) > 1:
			c.problem(place, "must have nothing beside the license")
		case isLicense:
			c.check(place+".license", "license", license)
		default:
			expressions++
			c.check(place+".expression", "string", expression)
		}
	}
	if expressions > 0 && len(list) > 1 && c.minor < 7 {
		c.problem(at, "must be licenses or one expression, not both")
	}
}

// missing reports the members that must be there and are not.
func (c *checker) missing(at string, s shape, seen map[string]bool) {
	for _, name := range sortedNames(s) {
		if s[name].must && !seen[name] {
			c.problem(at, "has no %s", name)
		}
	}
}

func (c *checker) problem(at, format string, args ...any) {
	if len(c.problems) < sbom.MaxProblems {
		at = strings.TrimPrefix(at, ".")
		if at == "" {
			at = "the document"
		}
		c.problems = append(c.problems, fmt.Errorf("%.200s %s: %w", at, fmt.Sprintf(format, args...), sbom.ErrInvalid))
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// show writes a value for a message.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%.60q", v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}
