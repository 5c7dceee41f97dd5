package cyclonedx

import "encoding/json"

// The parts of a BOM that an inventory is made from and written as. The names
// of the fields are those of the CycloneDX 1.6 JSON schema. A field of type
// extra is there only to notice that the document uses it.

type component struct {
	Type        string          `json:"type"`
	Ref         string          `json:"bom-ref,omitempty"`
	Supplier    *entity         `json:"supplier,omitempty"`
	Publisher   string          `json:"publisher,omitempty"`
	Group       string          `json:"group,omitempty"`
	Name        string          `json:"name"`
	Version     string          `json:"version,omitempty"`
	Description string          `json:"description,omitempty"`
	Hashes      []hash          `json:"hashes,omitempty"`
	Licenses    []licenseChoice `json:"licenses,omitempty"`
	PURL        string          `json:"purl,omitempty"`
	Pedigree    *pedigree       `json:"pedigree,omitempty"`
	Components  []component     `json:"components,omitempty"`
	Evidence    *evidence       `json:"evidence,omitempty"`
	Properties  []property      `json:"properties,omitempty"`

	extras
}

// extras are the fields of a component that are read over.
type extras struct {
	MIME      extra `json:"mime-type,omitzero"`
	Author    extra `json:"author,omitzero"`
	Authors   extra `json:"authors,omitzero"`
	Maker     extra `json:"manufacturer,omitzero"`
	Scope     extra `json:"scope,omitzero"`
	Copyright extra `json:"copyright,omitzero"`
	CPE       extra `json:"cpe,omitzero"`
	Omnibor   extra `json:"omniborId,omitzero"`
	SWHID     extra `json:"swhid,omitzero"`
	SWID      extra `json:"swid,omitzero"`
	Modified  extra `json:"modified,omitzero"`
	External  extra `json:"externalReferences,omitzero"`
	Notes     extra `json:"releaseNotes,omitzero"`
	Model     extra `json:"modelCard,omitzero"`
	Data      extra `json:"data,omitzero"`
	Crypto    extra `json:"cryptoProperties,omitzero"`
	Tags      extra `json:"tags,omitzero"`
	Signature extra `json:"signature,omitzero"`
}

// extra notes that a field is there and drops its value.
type extra bool

// UnmarshalJSON implements json.Unmarshaler.
func (e *extra) UnmarshalJSON(b []byte) error {
	*e = string(b) != "null"
	return nil
}

type entity struct {
	Name    string    `json:"name,omitempty"`
	Contact []contact `json:"contact,omitempty"`
	URL     extra     `json:"url,omitzero"`
	Address extra     `json:"address,omitzero"`
}

type contact struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Value     string `json:"content"`
}

type licenseChoice struct {
	License    *license `json:"license,omitempty"`
	Expression string   `json:"expression,omitempty"`
	Statement  string   `json:"acknowledgement,omitempty"`
}

type license struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Statement string `json:"acknowledgement,omitempty"`
	Text      extra  `json:"text,omitzero"`
	URL       extra  `json:"url,omitzero"`
	Licensing extra  `json:"licensing,omitzero"`
}

type pedigree struct {
	Ancestors   []component `json:"ancestors,omitempty"`
	Descendants extra       `json:"descendants,omitzero"`
	Variants    extra       `json:"variants,omitzero"`
	Commits     extra       `json:"commits,omitzero"`
	Patches     extra       `json:"patches,omitzero"`
	Notes       extra       `json:"notes,omitzero"`
}

type evidence struct {
	Occurrences []occurrence `json:"occurrences,omitempty"`
	Identity    extra        `json:"identity,omitzero"`
	Callstack   extra        `json:"callstack,omitzero"`
	Licenses    extra        `json:"licenses,omitzero"`
	Copyright   extra        `json:"copyright,omitzero"`
}

type occurrence struct {
	Location string `json:"location"`
	Context  string `json:"additionalContext,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

type metadata struct {
	Timestamp  string     `json:"timestamp,omitempty"`
	Lifecycles []phase    `json:"lifecycles,omitempty"`
	Tools      *tools     `json:"tools,omitempty"`
	Component  *component `json:"component,omitempty"`
	Properties []property `json:"properties,omitempty"`

	Authors     extra `json:"authors,omitzero"`
	Manufacture extra `json:"manufacture,omitzero"`
	Maker       extra `json:"manufacturer,omitzero"`
	Supplier    extra `json:"supplier,omitzero"`
	Licenses    extra `json:"licenses,omitzero"`
}

type phase struct {
	Phase string `json:"phase,omitempty"`
	Name  string `json:"name,omitempty"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
	Provides  extra    `json:"provides,omitzero"`
}

// tools are an object with components since 1.5, a list of tools before.
type tools struct {
	Components []component `json:"components,omitempty"`
	Services   extra       `json:"services,omitzero"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *tools) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, &t.Components)
	}
	type plain tools
	return json.Unmarshal(b, (*plain)(t))
}
