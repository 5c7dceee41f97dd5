package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// The predicate types that have a name.
const (
	SPDX            = "https://spdx.dev/Document"
	CycloneDX       = "https://cyclonedx.org/bom"
	SLSAProvenance2 = "https://slsa.dev/provenance/v0.2"
	SLSAProvenance1 = "https://slsa.dev/provenance/v1"
	Vuln            = "https://cosign.sigstore.dev/attestation/vuln/v1"
	OpenVEX         = "https://openvex.dev/ns"
	Link            = "https://in-toto.io/Link/v1"
	Custom          = "https://cosign.sigstore.dev/attestation/v1"
	// Sign is the predicate type by which cosign 3 marks a statement as the
	// signature of an image. It has no short name.
	Sign = "https://sigstore.dev/cosign/sign/v1"
)

// A TypeName is a short name of a predicate type, as cosign has them.
type TypeName struct{ Name, URI string }

// TypeNames returns all short names. Where two stand for one URI the first one
// is what [NameOf] returns.
func TypeNames() []TypeName {
	return []TypeName{
		{"spdxjson", SPDX},
		{"spdx", SPDX},
		{"cyclonedx", CycloneDX},
		{"slsaprovenance1", SLSAProvenance1},
		{"slsaprovenance02", SLSAProvenance2},
		{"slsaprovenance", SLSAProvenance2},
		{"vuln", Vuln},
		{"openvex", OpenVEX},
		{"link", Link},
		{"custom", Custom},
	}
}

// TypeURI returns the predicate type that a short name or a URI stands for.
func TypeURI(nameOrURI string) (string, error) {
	names := make([]string, 0, len(TypeNames()))
	for _, t := range TypeNames() {
		if t.Name == nameOrURI {
			return t.URI, nil
		}
		names = append(names, t.Name)
	}
	u, err := url.Parse(nameOrURI)
	if err != nil || !u.IsAbs() || len(nameOrURI) > MaxText || strings.ContainsAny(nameOrURI, " \t\r\n") || !utf8.ValidString(nameOrURI) {
		return "", refuse("predicate type %.100q is no URI and none of %s", nameOrURI, strings.Join(names, ", "))
	}
	return nameOrURI, nil
}

// NameOf returns the short name of a predicate type, or the URI itself.
func NameOf(uri string) string {
	for _, t := range TypeNames() {
		if t.URI == uri {
			return t.Name
		}
	}
	return uri
}

// NewPredicate turns what the user gave into the predicate of a statement and
// returns it with its type. The document is validated (see
// [ValidatePredicate]) and taken over as it is, but for two types that wrap it,
// as cosign does: "custom" puts the text, whatever it is, into
// {"Data":...,"Timestamp":...}, and "spdx" makes one string of a tag-value
// document (an SPDX document in JSON is treated like "spdxjson"). What is
// wrapped has at most [MaxWrapped] bytes of UTF-8.
func NewPredicate(nameOrURI string, document Source, now time.Time) (uri string, predicate Source, err error) {
	if uri, err = TypeURI(nameOrURI); err != nil {
		return "", Source{}, err
	}
	switch {
	case nameOrURI == "custom" || nameOrURI == Custom:
		predicate, err = wrapCustom(document, now)
		return uri, predicate, err
	case nameOrURI == "spdx":
		first, err := firstByte(document)
		if err != nil {
			return "", Source{}, err
		}
		if first != '{' {
			predicate, err = wrapTagValue(document)
			return uri, predicate, err
		}
	}
	rc, err := document.Open()
	if err != nil {
		return "", Source{}, err
	}
	defer rc.Close()
	if err := ValidatePredicate(uri, rc); err != nil {
		return "", Source{}, err
	}
	return uri, document, nil
}

func firstByte(document Source) (byte, error) {
	rc, err := document.Open()
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	return jsonscan.New(rc).Peek(), nil
}

func wrapCustom(document Source, now time.Time) (Source, error) {
	data, err := readText(document)
	if err != nil {
		return Source{}, err
	}
	raw, err := json.Marshal(struct{ Data, Timestamp string }{data, now.UTC().Format(time.RFC3339)})
	return Bytes(raw), err
}

func wrapTagValue(document Source) (Source, error) {
	data, err := readText(document)
	if err != nil {
		return Source{}, err
	}
	if err := checkTagValue(data); err != nil {
		return Source{}, err
	}
	raw, err := json.Marshal(data)
	return Bytes(raw), err
}

// checkTagValue looks for the tag that every SPDX document in tag-value form has.
func checkTagValue(data string) error {
	for line := range strings.Lines(data) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "SPDXVersion:"); ok && strings.HasPrefix(strings.TrimSpace(version), "SPDX-") {
			return nil
		}
	}
	return refuse("SPDX document without the tag SPDXVersion")
}

func readText(document Source) (string, error) {
	if document.Size > MaxWrapped {
		return "", refuse("document of %d bytes, at most %d are wrapped into a predicate", document.Size, MaxWrapped)
	}
	rc, err := document.Open()
	if err != nil {
		return "", err
	}
	defer rc.Close()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(rc, document.Size+1))
	if err != nil {
		return "", fmt.Errorf("read predicate: %w", err)
	}
	if n != document.Size {
		return "", refuse("document of %d bytes, %d expected", n, document.Size)
	}
	if !utf8.Valid(b.Bytes()) {
		return "", refuse("document is not UTF-8")
	}
	return b.String(), nil
}
