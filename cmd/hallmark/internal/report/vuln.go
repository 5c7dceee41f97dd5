package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Scan is what stands in a vulnerability attestation beside the answer.
type Scan struct {
	// Advisories is the name of the set, Newest when the newest of its records was
	// modified, which is its version; zero where no record tells.
	Advisories        string
	Newest            time.Time
	Started, Finished time.Time
}

// vulnPredicate is cosign's predicate of type vuln
// (cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md).
type vulnPredicate struct {
	Scanner struct {
		URI     string          `json:"uri"`
		Version string          `json:"version"`
		DB      vulnDB          `json:"db"`
		Result  json.RawMessage `json:"result"`
	} `json:"scanner"`
	Metadata struct {
		Started  string `json:"scanStartedOn"`
		Finished string `json:"scanFinishedOn"`
	} `json:"metadata"`
}

type vulnDB struct {
	URI     string `json:"uri"`
	Version string `json:"version"`
}

// WriteVuln prints the answer on one image as the predicate of a vulnerability
// attestation. The answer itself, as "json" prints it, is the result of the scanner.
func WriteVuln(w io.Writer, tool Version, c Checks, s Scan) error {
	if len(c.Images) != 1 {
		return fmt.Errorf("a vulnerability attestation is about one image, not %d", len(c.Images))
	}
	result, err := documentJSON(c)
	if err != nil {
		return err
	}
	var p vulnPredicate
	p.Scanner.URI, p.Scanner.Version = "pkg:golang/github.com/hallmark-oci/hallmark", tool.Version
	p.Scanner.DB.URI = s.Advisories
	if !s.Newest.IsZero() {
		p.Scanner.DB.Version = s.Newest.UTC().Format(time.RFC3339)
	}
	p.Scanner.Result = json.RawMessage(result)
	p.Metadata.Started, p.Metadata.Finished = s.Started.UTC().Format(time.RFC3339), s.Finished.UTC().Format(time.RFC3339)
	body, err := encode(p, "")
	if err == nil {
		_, err = io.WriteString(w, escape(body)+"\n")
	}
	return err
}
