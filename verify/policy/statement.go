package policy

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
)

// What a part of a policy is shown of a statement is not the text that was signed. The
// policy-controller decodes it into Go types and encodes those: where predicateType is
// the short name slsaprovenance, link or vuln into types of that predicate, so that
// what they do not know is left out and what is missing is there with a zero value;
// for all other names, and for all URIs, into a type that takes any predicate.

// header is the part of a statement that all have.
type header struct {
	Type          string         `json:"_type"`
	PredicateType string         `json:"predicateType"`
	Subject       []namedSubject `json:"subject"`
}

type namedSubject struct {
	Name   string    `json:"name"`
	Digest digestSet `json:"digest"`
}

type digestSet map[string]string

// typed is a statement with a predicate of the type.
type typed[P any] struct {
	header
	Predicate P `json:"predicate"`
}

// statement returns the JSON of a statement as it is shown to a part, typ being the
// predicate type as the policy names it.
func statement(typ string, s verify.Statement) ([]byte, error) {
	raw, err := predicate(s)
	if err != nil {
		return nil, err
	}
	h := header{Type: s.Header.Type, PredicateType: s.Header.PredicateType}
	for _, of := range s.Header.Subjects {
		h.Subject = append(h.Subject, namedSubject{Name: of.Name, Digest: of.Digest})
	}
	var out []byte
	switch typ {
	case "slsaprovenance":
		out, err = shown[provenance](h, raw)
	case "link":
		out, err = shown[link](h, raw)
	case "vuln":
		out, err = shown[scan](h, raw)
	default:
		out, err = shown[any](h, raw)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("the statement %w: %w", errInput, err)
	case len(out) > MaxInput:
		return nil, fmt.Errorf("a statement of more than %d bytes, which no part of a policy is shown: %w", MaxInput, attach.ErrLimit)
	}
	return out, nil
}

// shown decodes the predicate into the type and encodes the statement.
func shown[P any](h header, predicate []byte) ([]byte, error) {
	t := typed[P]{header: h}
	if err := json.Unmarshal(predicate, &t.Predicate); err != nil {
		return nil, err
	}
	return json.Marshal(t)
}

// provenance is the predicate of SLSA 0.2 (slsa.dev/provenance/v0.2).
type provenance struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
	BuildType  string `json:"buildType"`
	Invocation struct {
		ConfigSource struct {
			URI        string    `json:"uri,omitempty"`
			Digest     digestSet `json:"digest,omitempty"`
			EntryPoint string    `json:"entryPoint,omitempty"`
		} `json:"configSource"`
		Parameters  any `json:"parameters,omitempty"`
		Environment any `json:"environment,omitempty"`
	} `json:"invocation"`
	BuildConfig any `json:"buildConfig,omitempty"`
	Metadata    *struct {
		BuildInvocationID string     `json:"buildInvocationID,omitempty"`
		BuildStartedOn    *time.Time `json:"buildStartedOn,omitempty"`
		BuildFinishedOn   *time.Time `json:"buildFinishedOn,omitempty"`
		Completeness      struct {
			Parameters  bool `json:"parameters"`
			Environment bool `json:"environment"`
			Materials   bool `json:"materials"`
		} `json:"completeness"`
		Reproducible bool `json:"reproducible"`
	} `json:"metadata,omitempty"`
	Materials []struct {
		URI    string    `json:"uri,omitempty"`
		Digest digestSet `json:"digest,omitempty"`
	} `json:"materials,omitempty"`
}

// link is the predicate of in-toto's links (in-toto.io/Link/v1).
type link struct {
	Type        string               `json:"_type"`
	Name        string               `json:"name"`
	Materials   map[string]digestSet `json:"materials"`
	Products    map[string]digestSet `json:"products"`
	ByProducts  map[string]any       `json:"byproducts"`
	Command     []string             `json:"command"`
	Environment map[string]any       `json:"environment"`
}

// scan is cosign's predicate for vulnerability scans.
type scan struct {
	Invocation struct {
		Parameters any    `json:"parameters"`
		URI        string `json:"uri"`
		EventID    string `json:"event_id"`
		BuilderID  string `json:"builder.id"`
	} `json:"invocation"`
	Scanner struct {
		URI     string `json:"uri"`
		Version string `json:"version"`
		DB      struct {
			URI     string `json:"uri"`
			Version string `json:"version"`
		} `json:"db"`
		Result any `json:"result"`
	} `json:"scanner"`
	Metadata struct {
		ScanStartedOn  time.Time `json:"scanStartedOn"`
		ScanFinishedOn time.Time `json:"scanFinishedOn"`
	} `json:"metadata"`
}
