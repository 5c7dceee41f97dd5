package report

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/payload"
)

// TestVuln: what is printed is a predicate as cosign's specification has it, and holds
// the whole answer.
func TestVuln(t *testing.T) {
	c := checks()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	scan := Scan{Advisories: "osv", Newest: at.Add(-time.Hour), Started: at, Finished: at.Add(time.Second)}
	var out bytes.Buffer
	if err := WriteVuln(&out, Version{Version: "v1.2.3"}, c, scan); err == nil {
		t.Error("a predicate about several images")
	}
	c.Images = c.Images[:1]
	out.Reset()
	if err := WriteVuln(&out, Version{Version: "v1.2.3"}, c, scan); err != nil {
		t.Fatal(err)
	}
	if err := payload.ValidatePredicate(payload.Vuln, bytes.NewReader(out.Bytes())); err != nil {
		t.Error(err)
	}
	var p struct {
		Scanner struct {
			DB     struct{ URI, Version string }
			Result json.RawMessage
		}
		Metadata struct{ ScanStartedOn, ScanFinishedOn time.Time }
	}
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Scanner.DB.URI != "osv" || p.Scanner.DB.Version != "2026-01-02T02:04:05Z" || !p.Metadata.ScanFinishedOn.Equal(scan.Finished) || !p.Metadata.ScanStartedOn.Equal(at) {
		t.Errorf("%+v", p)
	}
	var got, want any
	if err := json.Unmarshal(p.Scanner.Result, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(render(t, "json", c), &want); err != nil {
		t.Fatal(err)
	}
	if a, b := canonical(t, got), canonical(t, want); a != b {
		t.Errorf("the result is %s\nnot %s", a, b)
	}
}

func canonical(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
