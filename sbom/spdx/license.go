package spdx

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
)

const refPrefix = "LicenseRef-"

// licenseRef names a license that is not on the SPDX License List, after its text.
func licenseRef(text string) string {
	sum := sha256.Sum256([]byte(text))
	return refPrefix + hex.EncodeToString(sum[:10])
}

// declared joins the licenses of a component to one expression. Those that are
// no SPDX expression are replaced by a reference to what extractions lists.
func declared(statements []string) string {
	return cmp.Or(sbom.JoinLicenses(sbom.Licenses(statements), licenseRef), noAssertion)
}

// extractions lists the licenses that have a LicenseRef of their own, by it.
func extractions(v sbom.Inventory) []extracted {
	texts := make(map[string]string)
	for i := range v.Components {
		for _, l := range sbom.Licenses(v.Components[i].Licenses) {
			if l.Text != "" {
				texts[licenseRef(l.Text)] = l.Text
			}
		}
	}
	var list []extracted
	for _, ref := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, extracted{ID: ref, Name: texts[ref], Text: texts[ref]})
	}
	return list
}

// licenses takes a declared expression apart where AND joins whole licenses,
// and puts the names of extracted licenses in.
func licenses(expression string, names map[string]string) []string {
	expression = strings.TrimSpace(expression)
	if expression == "" || expression == noAssertion || expression == none {
		return nil
	}
	var list []string
	for _, part := range conjuncts(expression) {
		if name := names[part]; name != "" {
			part = name
		}
		list = append(list, part)
	}
	return list
}

// conjuncts splits an expression at the operators AND that stand outside of
// all parentheses, and takes the parentheses around each part off. An
// expression with an OR beside them is returned whole.
func conjuncts(expression string) []string {
	tokens := sbom.LicenseTokens(expression)
	var parts []string
	var part []string
	depth := 0
	flush := func() {
		s := sbom.JoinLicenseTokens(part)
		if inner, ok := strings.CutPrefix(s, "("); ok && strings.HasSuffix(s, ")") && closesAtEnd(part) {
			s = strings.TrimSuffix(inner, ")")
		}
		parts, part = append(parts, s), nil
	}
	for _, t := range tokens {
		switch {
		case t == "(":
			depth++
		case t == ")":
			depth--
		case depth == 0 && strings.EqualFold(t, "OR"):
			return []string{expression}
		case depth == 0 && strings.EqualFold(t, "AND"):
			flush()
			continue
		}
		part = append(part, t)
	}
	flush()
	if depth != 0 || slices.Contains(parts, "") {
		return []string{expression}
	}
	return parts
}

// closesAtEnd reports whether the first parenthesis is closed by the last token.
func closesAtEnd(tokens []string) bool {
	depth := 0
	for i, t := range tokens {
		switch t {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			return i == len(tokens)-1
		}
	}
	return false
}
