package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/match"
)

// The parts of SARIF 2.1.0 (OASIS) that a list of findings needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"semanticVersion,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string    `json:"id"`
		Short   sarifText `json:"shortDescription"`
		HelpURI string    `json:"helpUri,omitempty"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
		Logical  []sarifName   `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifName struct {
		FullyQualified string `json:"fullyQualifiedName"`
	}
)

// WriteSARIF prints the findings as a SARIF 2.1.0 log. What could not be told
// stands in the invocation, which then does not count as successful: an empty
// list of results never reads as a clean image.
func WriteSARIF(w io.Writer, tool Version, c Checks) error {
	run := sarifRun{
		Tool:    sarifTool{Driver: sarifDriver{Name: "hallmark", Rules: []sarifRule{}}},
		Results: []sarifResult{},
	}
	if strings.HasPrefix(tool.Version, "v") {
		run.Tool.Driver.Version = strings.TrimPrefix(tool.Version, "v")
	}
	invocation := sarifInvocation{Successful: true}
	for _, b := range c.Advisories.Bad {
		invocation.note("error", fmt.Sprintf("advisory %s: %s", b.Path, b.Reason))
	}
	for _, img := range c.Images {
		if img.Unsigned {
			invocation.note("warning", img.Name+": nobody vouches for the SBOM that this answer rests on")
		}
		if img.Outcome == "undetermined" {
			invocation.note("error", fmt.Sprintf("%s: %s: %s", img.Name, img.Reason, img.Detail))
		}
		for _, g := range img.Gaps {
			invocation.note("error", fmt.Sprintf("%s: %s: %s", img.Name, g.Reason, g.Detail))
		}
		for _, f := range img.Findings {
			run.add(img, f)
		}
	}
	run.Invocations = []sarifInvocation{invocation}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func (i *sarifInvocation) note(level, text string) {
	if level == "error" {
		i.Successful = false
	}
	i.Notifications = append(i.Notifications, sarifNotification{Level: level, Message: sarifText{Text: Clean(text)}})
}

// add adds a finding as a result, and its advisory as a rule.
func (r *sarifRun) add(img Checked, f Finding) {
	rules := &r.Tool.Driver.Rules
	index := slices.IndexFunc(*rules, func(rule sarifRule) bool { return rule.ID == f.ID })
	if index < 0 {
		index = len(*rules)
		text := f.Summary
		if text == "" {
			text = f.ID
		}
		*rules = append(*rules, sarifRule{ID: f.ID, Short: sarifText{Text: Clean(text)}, HelpURI: f.URL})
	}
	path := "image"
	if len(f.Locations) > 0 {
		path = (&url.URL{Path: f.Locations[0]}).String()
	}
	name := img.Name
	if img.Digest != "" {
		name += "@" + img.Digest
	}
	how := "is affected by"
	if f.Class != string(match.Affected) {
		how = "may be affected (" + f.Class + ") by"
	}
	fixed := "no fix is known"
	if len(f.Fixed) > 0 {
		fixed = "fixed in " + strings.Join(f.Fixed, ", ")
	}
	r.Results = append(r.Results, sarifResult{
		RuleID: f.ID, RuleIndex: index, Level: sarifLevel(f),
		Message: sarifText{Text: Clean(fmt.Sprintf("%s %s in %s %s %s; %s", f.Component, f.Installed, img.Name, how, f.ID, fixed))},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{Artifact: sarifArtifact{URI: path}},
			Logical:  []sarifName{{FullyQualified: Clean(name + ":" + f.Component)}},
		}},
		Fingerprints: map[string]string{"hallmark/v1": strings.Join([]string{cmp.Or(img.Digest, img.Name), f.ID, f.PURL, f.Component, f.Installed}, "|")},
	})
}

// sarifLevel translates severity: what is grave is an error, what is in doubt a warning.
func sarifLevel(f Finding) string {
	if f.Class != string(match.Affected) {
		return "warning"
	}
	switch f.Severity {
	case "critical", "high":
		return "error"
	case "low", "none":
		return "note"
	}
	return "warning"
}
