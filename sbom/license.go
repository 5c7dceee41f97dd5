package sbom

import (
	"cmp"
	"slices"
	"strings"
)

// A License is a license statement.
type License struct {
	// Expression is the statement as an SPDX license expression in canonical
	// spelling: identifiers as the SPDX License List writes them, operators in
	// capitals, single spaces. It is empty when the statement is none.
	Expression string
	// Text is the statement as it came, when it is no expression.
	Text string
	// Single says that the expression is one identifier of the list, with no
	// operator, no plus sign and no exception.
	Single bool
}

// Licenses sorts license statements out for a document: expressions in
// canonical spelling and free text, sorted, with none twice. Blank ones are
// left out, and so are NOASSERTION and NONE, with which documents say nothing.
func Licenses(statements []string) []License {
	var list []License
	for _, s := range statements {
		if t := strings.TrimSpace(s); t == "" || t == "NOASSERTION" || t == "NONE" {
			continue
		}
		l, ok := ParseLicense(s)
		if !ok {
			l = License{Text: s}
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b License) int {
		return cmp.Or(cmp.Compare(a.Expression, b.Expression), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(list)
}

// JoinLicenses joins expressions by AND, those that are more than one
// identifier in parentheses. What has no expression is named by the function.
func JoinLicenses(list []License, name func(text string) string) string {
	var parts []string
	for _, l := range list {
		switch {
		case l.Expression == "":
			parts = append(parts, name(l.Text))
		case l.Single || len(list) == 1:
			parts = append(parts, l.Expression)
		default:
			parts = append(parts, "("+l.Expression+")")
		}
	}
	return strings.Join(parts, " AND ")
}

// maxLicenseTokens bounds the expressions that are looked at.
const maxLicenseTokens = 512

// ParseLicense reads an SPDX license expression (SPDX 2.3, Annex D) that uses
// listed identifiers only. It answers false for anything else: free text,
// unknown identifiers, and LicenseRef identifiers, which mean nothing outside
// of the document that defines them.
func ParseLicense(s string) (License, bool) {
	if len(s) > 64*maxLicenseTokens {
		return License{}, false
	}
	if id, ok := listed(licenseIDs, s); ok { // by far the most
		return License{Expression: id, Single: true}, true
	}
	tokens := LicenseTokens(s)
	if len(tokens) == 0 || len(tokens) > maxLicenseTokens {
		return License{}, false
	}
	p := licenseParser{tokens: tokens}
	if !p.or() || p.next < len(p.tokens) {
		return License{}, false
	}
	single := len(p.tokens) == 1
	if single {
		_, single = listed(licenseIDs, p.tokens[0])
	}
	return License{Expression: JoinLicenseTokens(p.tokens), Single: single}, true
}

// LicenseTokens splits an expression into words and parentheses.
func LicenseTokens(s string) []string {
	var tokens []string
	for word := range strings.FieldsSeq(s) {
		for word != "" {
			i := strings.IndexAny(word, "()")
			switch {
			case i < 0:
				i = len(word)
			case i == 0:
				i = 1
			}
			tokens = append(tokens, word[:i])
			word = word[i:]
		}
	}
	return tokens
}

// JoinLicenseTokens is the inverse of [LicenseTokens], with single spaces.
func JoinLicenseTokens(tokens []string) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && t != ")" && tokens[i-1] != "(" {
			b.WriteByte(' ')
		}
		b.WriteString(t)
	}
	return b.String()
}

// licenseParser checks the grammar and rewrites its tokens in canonical spelling.
type licenseParser struct {
	tokens []string
	next   int
}

func (p *licenseParser) or() bool  { return p.list("OR", p.and) }
func (p *licenseParser) and() bool { return p.list("AND", p.with) }

func (p *licenseParser) list(operator string, operand func() bool) bool {
	if !operand() {
		return false
	}
	for p.take(operator) {
		if !operand() {
			return false
		}
	}
	return true
}

func (p *licenseParser) with() bool {
	if p.take("(") {
		return p.or() && p.take(")")
	}
	if !p.identifier() {
		return false
	}
	if !p.take("WITH") {
		return true
	}
	if p.next == len(p.tokens) {
		return false
	}
	id, ok := listed(exceptionIDs, p.tokens[p.next])
	if ok {
		p.tokens[p.next] = id
		p.next++
	}
	return ok
}

func (p *licenseParser) identifier() bool {
	if p.next == len(p.tokens) {
		return false
	}
	t := p.tokens[p.next]
	id, ok := listed(licenseIDs, t)
	if base, plus := strings.CutSuffix(t, "+"); !ok && plus {
		if id, ok = listed(licenseIDs, base); ok {
			id += "+"
		}
	}
	if ok {
		p.tokens[p.next] = id
		p.next++
	}
	return ok
}

// take moves past the word if it comes next. Lower case counts too, as many
// package formats write it.
func (p *licenseParser) take(word string) bool {
	if p.next == len(p.tokens) {
		return false
	}
	if t := p.tokens[p.next]; t != word && t != strings.ToLower(word) {
		return false
	}
	p.tokens[p.next] = word
	p.next++
	return true
}

// listed looks an identifier up in a sorted list, without regard to case, and
// returns its spelling in the list. It takes no memory.
func listed(list, id string) (string, bool) {
	if id == "" || strings.ContainsAny(id, " \t\r\n") {
		return "", false
	}
	low, high := 0, len(list)-1 // both on a space
	for low < high {
		from := strings.LastIndexByte(list[:(low+high)/2+1], ' ')
		end := from + 1 + strings.IndexByte(list[from+1:], ' ')
		found := list[from+1 : end]
		switch c := compareFold(found, id); {
		case c == 0:
			return found, true
		case c < 0:
			low = end
		default:
			high = from
		}
	}
	return "", false
}

// compareFold compares as if both were lower-case ASCII.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(lower(a[i]), lower(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// IsLicenseException reports whether s is the identifier of an SPDX exception,
// spelled as the list has it.
func IsLicenseException(s string) bool {
	id, ok := listed(exceptionIDs, s)
	return ok && id == s
}
