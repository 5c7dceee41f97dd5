package cyclonedx

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
)

// The words of the kinds that are choices.
const (
	componentTypes    = "application framework library container operating-system device firmware file"
	componentTypesNew = "platform device-driver machine-learning-model data" // since 1.5
	componentTypeNew6 = "cryptographic-asset"                                // since 1.6
	hashAlgorithms    = "MD5 SHA-1 SHA-256 SHA-384 SHA-512 SHA3-256 SHA3-384 SHA3-512 BLAKE2b-256 BLAKE2b-384 BLAKE2b-512 BLAKE3"
	hashAlgorithmsNew = "Streebog-256 Streebog-512" // since 1.7
	aggregates        = "complete incomplete incomplete_first_party_only incomplete_third_party_only unknown not_specified"
	aggregatesNew     = "incomplete_first_party_proprietary_only incomplete_first_party_opensource_only " +
		"incomplete_third_party_proprietary_only incomplete_third_party_opensource_only" // since 1.5
)

func word(s string, lists ...string) bool {
	for _, l := range lists {
		if slices.Contains(strings.Fields(l), s) {
			return true
		}
	}
	return false
}

// patterns are the kinds that have a form.
type patterns struct{ serial, mime *regexp.Regexp }

func newPatterns() patterns {
	return patterns{
		serial: regexp.MustCompile(`^urn:uuid:[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`),
		mime:   regexp.MustCompile(`^[-+a-z0-9.]+/[-+a-z0-9.]+$`),
	}
}

// scalar checks a value of a kind that is no object and returns what was
// wanted, "" when all is well.
func (c *checker) scalar(kind string, value any) string {
	switch kind {
	case "", "any":
		return ""
	case "bool":
		if _, ok := value.(bool); !ok {
			return "true or false"
		}
		return ""
	case "integer", "positive":
		return checkInteger(value, kind == "positive")
	}
	s, ok := value.(string)
	if !ok {
		return "a string"
	}
	return c.text(kind, s)
}

func checkInteger(value any, positive bool) string {
	n, ok := value.(json.Number)
	if !ok || strings.ContainsAny(n.String(), ".eE") {
		return "a whole number"
	}
	if positive && (strings.HasPrefix(n.String(), "-") || strings.Trim(n.String(), "0") == "") {
		return "a number of at least 1"
	}
	return ""
}

// text checks a string of the kind.
func (c *checker) text(kind, s string) string {
	pick := func(minor int, list string) string {
		if c.minor < minor {
			return ""
		}
		return list
	}
	ok := true
	switch kind {
	case "string":
	case "ref":
		ok = s != ""
	case "serial":
		ok = c.patterns.serial.MatchString(s)
	case "mime":
		ok = c.patterns.mime.MatchString(s)
	case "time":
		_, err := time.Parse(time.RFC3339, s)
		ok = err == nil
	case "componentType":
		ok = word(s, componentTypes, pick(5, componentTypesNew), pick(6, componentTypeNew6))
	case "hashAlg":
		ok = word(s, hashAlgorithms, pick(7, hashAlgorithmsNew))
	case "hashValue":
		ok = slices.Contains([]int{32, 40, 64, 96, 128}, len(s)) && strings.Trim(s, "0123456789abcdefABCDEF") == ""
	case "aggregate":
		ok = word(s, aggregates, pick(5, aggregatesNew))
	case "licenseID":
		return checkLicenseID(s)
	default: // a choice of words
		if !slices.Contains(strings.Split(kind, "|"), s) {
			return "one of " + strings.ReplaceAll(kind, "|", ", ")
		}
	}
	if !ok {
		return wanted(kind)
	}
	return ""
}

func checkLicenseID(s string) string {
	if l, ok := sbom.ParseLicense(s); ok && l.Single && l.Expression == s || sbom.IsLicenseException(s) {
		return ""
	}
	return "an identifier of the SPDX License List"
}

func wanted(kind string) string {
	switch kind {
	case "ref":
		return "a string that is not empty"
	case "serial":
		return "urn:uuid: and a UUID"
	case "mime":
		return "a media type"
	case "time":
		return "a date and time of RFC 3339"
	case "componentType":
		return "a type of component that this version knows"
	case "hashAlg":
		return "a hash algorithm that this version knows"
	case "hashValue":
		return "32, 40, 64, 96 or 128 hexadecimal digits"
	}
	return "a value that this version knows"
}
