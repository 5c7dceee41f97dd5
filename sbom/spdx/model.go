package spdx

// The parts of a document that an inventory is made from and written as. The
// names of the fields are those of the SPDX 2.3 JSON schema. A field of type
// extra is there only to notice that the document uses it.

type pkg struct {
	ID          string     `json:"SPDXID"`
	Name        string     `json:"name"`
	Version     string     `json:"versionInfo,omitempty"`
	Supplier    string     `json:"supplier,omitempty"`
	Download    string     `json:"downloadLocation"`
	Analyzed    bool       `json:"filesAnalyzed"`
	Checksums   []checksum `json:"checksums,omitempty"`
	SourceInfo  string     `json:"sourceInfo,omitempty"`
	Concluded   string     `json:"licenseConcluded,omitempty"`
	Declared    string     `json:"licenseDeclared,omitempty"`
	Copyright   string     `json:"copyrightText,omitempty"`
	Description string     `json:"description,omitempty"`
	References  []external `json:"externalRefs,omitempty"`
	Purpose     string     `json:"primaryPackagePurpose,omitempty"`

	extras
}

// extras are the fields of a package that are read over.
type extras struct {
	Annotations extra `json:"annotations,omitzero"`
	Attribution extra `json:"attributionTexts,omitzero"`
	Built       extra `json:"builtDate,omitzero"`
	Comment     extra `json:"comment,omitzero"`
	HasFiles    extra `json:"hasFiles,omitzero"`
	Homepage    extra `json:"homepage,omitzero"`
	Comments    extra `json:"licenseComments,omitzero"`
	FromFiles   extra `json:"licenseInfoFromFiles,omitzero"`
	Originator  extra `json:"originator,omitzero"`
	FileName    extra `json:"packageFileName,omitzero"`
	Code        extra `json:"packageVerificationCode,omitzero"`
	Released    extra `json:"releaseDate,omitzero"`
	Summary     extra `json:"summary,omitzero"`
	ValidUntil  extra `json:"validUntilDate,omitzero"`
}

// extra notes that a field is there and drops its value.
type extra bool

// UnmarshalJSON implements json.Unmarshaler.
func (e *extra) UnmarshalJSON(b []byte) error {
	s := string(b)
	*e = s != "null" && s != `""` && s != "[]" && s != `"NOASSERTION"`
	return nil
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type external struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
	Comment  extra  `json:"comment,omitzero"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

type creation struct {
	Created     string   `json:"created"`
	Creators    []string `json:"creators"`
	Comment     extra    `json:"comment,omitzero"`
	ListVersion extra    `json:"licenseListVersion,omitzero"`
}

type annotation struct {
	Date      string `json:"annotationDate"`
	Type      string `json:"annotationType"`
	Annotator string `json:"annotator"`
	Comment   string `json:"comment"`
}

type extracted struct {
	ID       string `json:"licenseId"`
	Name     string `json:"name,omitempty"`
	Text     string `json:"extractedText"`
	Comment  extra  `json:"comment,omitzero"`
	CrossRef extra  `json:"crossRefs,omitzero"`
	SeeAlso  extra  `json:"seeAlsos,omitzero"`
}

const (
	documentID  = "SPDXRef-DOCUMENT"
	noAssertion = "NOASSERTION"
	none        = "NONE"
)

// spdxAlgorithm returns the name that SPDX has for a hash algorithm. The two
// formats differ in the dashes of SHA-1 and SHA-2 only.
func spdxAlgorithm(name string) string {
	switch name {
	case "SHA-1", "SHA-256", "SHA-384", "SHA-512":
		return "SHA" + name[len("SHA-"):]
	}
	return name
}

// algorithm is the inverse of spdxAlgorithm.
func algorithm(name string) string {
	switch name {
	case "SHA1", "SHA256", "SHA384", "SHA512":
		return "SHA-" + name[len("SHA"):]
	}
	return name
}
