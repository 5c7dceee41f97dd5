package sbom

import (
	"maps"
	"strings"
	"unicode/utf8"
)

// texts calls visit for each string of the component that comes from the
// outside, save the ID, which relations use, and the qualifiers.
func (c *Component) texts(visit func(*string)) {
	for _, s := range []*string{&c.Name, &c.Version, &c.Ecosystem, &c.Supplier, &c.SourceName, &c.SourceVersion,
		&c.PURL.Type, &c.PURL.Namespace, &c.PURL.Name, &c.PURL.Version, &c.PURL.Subpath} {
		visit(s)
	}
	for i := range c.Licenses {
		visit(&c.Licenses[i])
	}
	for i := range c.Locations {
		visit(&c.Locations[i].Path)
		visit(&c.Locations[i].Layer)
	}
}

// isText reports whether all strings of the component are UTF-8.
func (c *Component) isText() bool {
	ok := true
	c.texts(func(s *string) { ok = ok && utf8.ValidString(*s) })
	for _, v := range c.PURL.Qualifiers {
		ok = ok && utf8.ValidString(v)
	}
	return ok
}

// toText replaces what is not UTF-8. It does not write to shared maps.
func (c *Component) toText() {
	if c.isText() {
		return
	}
	c.texts(func(s *string) { *s = toText(*s) })
	c.PURL.Qualifiers = maps.Clone(c.PURL.Qualifiers)
	for k, v := range c.PURL.Qualifiers {
		c.PURL.Qualifiers[k] = toText(v)
	}
}

func toText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
