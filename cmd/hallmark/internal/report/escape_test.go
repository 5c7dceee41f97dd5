package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestJSONSteersNoTerminal puts controls above ASCII and marks of direction into
// a document: the bytes hold none of them, and a reader gets them all.
func TestJSONSteersNoTerminal(t *testing.T) {
	hostile := "a\u009b31mb\u007fc\u202ed\u2066e\u200ff\u061cg é 漢"
	var out bytes.Buffer
	if err := Write(&out, "json", Failure{Error: hostile}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(out.String(), steers); i >= 0 {
		t.Errorf("%q at %d", out.String(), i)
	}
	var back Failure
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Error != hostile {
		t.Errorf("%q, %v", back.Error, err)
	}
}
