package spdx

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/sbom"
)

// SPDX has one field of free text for how a package was found, sourceInfo.
// It is written as sentences of fixed form, one a line, with every value in
// quotes, so that people can read it and a program can read it back.
const (
	sayFound     = "found at "
	sayLayer     = " in layer "
	saySource    = "built from source package "
	sayVersion   = " version "
	sayEcosystem = "ecosystem "
	sayPlatform  = "platform "
)

// sourceInfo says where the component was found and what it was built from.
func sourceInfo(c *sbom.Component) string {
	var b strings.Builder
	for _, l := range c.Locations {
		fmt.Fprintf(&b, "%s%q", sayFound, l.Path)
		if l.Layer != "" {
			b.WriteString(sayLayer + l.Layer)
		}
		b.WriteByte('\n')
	}
	if c.SourceName != "" {
		fmt.Fprintf(&b, "%s%q", saySource, c.SourceName)
		if c.SourceVersion != "" {
			fmt.Fprintf(&b, "%s%q", sayVersion, c.SourceVersion)
		}
		b.WriteByte('\n')
	}
	if c.Ecosystem != "" && c.Ecosystem != sbom.EcosystemOf(c.PURL) {
		fmt.Fprintf(&b, "%s%q\n", sayEcosystem, c.Ecosystem)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// readSourceInfo takes what sourceInfo wrote. It reports whether all lines
// were of that form; c gets those that were.
func readSourceInfo(text string, c *sbom.Component) bool {
	all := true
	for line := range strings.SplitSeq(text, "\n") {
		all = readSentence(line, c) && all
	}
	return all
}

func readSentence(line string, c *sbom.Component) bool {
	if rest, ok := strings.CutPrefix(line, sayFound); ok {
		path, rest, ok := cutQuoted(rest)
		layer := strings.TrimPrefix(rest, sayLayer)
		path = strings.TrimLeft(path, "/")
		if !ok || path == "" || rest != "" && (layer == rest || !sbom.ValidDigest(layer)) {
			return false
		}
		c.Locations = append(c.Locations, sbom.Location{Path: path, Layer: layer})
		return true
	}
	if rest, ok := strings.CutPrefix(line, saySource); ok {
		name, rest, ok := cutQuoted(rest)
		if !ok || name == "" || c.SourceName != "" {
			return false
		}
		version := ""
		if rest != "" {
			if rest, ok = strings.CutPrefix(rest, sayVersion); !ok {
				return false
			}
			if version, rest, ok = cutQuoted(rest); !ok || rest != "" {
				return false
			}
		}
		c.SourceName, c.SourceVersion = name, version
		return true
	}
	if rest, ok := strings.CutPrefix(line, sayEcosystem); ok {
		name, rest, ok := cutQuoted(rest)
		if !ok || rest != "" || name == "" {
			return false
		}
		c.Ecosystem = name
		return true
	}
	return false
}

// cutQuoted takes a quoted string off the front.
func cutQuoted(s string) (value, rest string, ok bool) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", s, false
	}
	value, err = strconv.Unquote(quoted)
	return value, s[len(quoted):], err == nil
}
