package program

import (
	"strings"
	"testing"
)

// FuzzAnswer: whatever the program writes, it is a yes only where it says so in full.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"protocol":"hallmark-policy/1","id":1,"outcome":"compliant"}`,
		`{"protocol":"hallmark-policy/1","id":1,"outcome":"refused","problem":"x","timed":true}`,
		`{"protocol":"hallmark-policy/1","id":1,"outcome":"unsupported","problem":"http.send"}`,
		`{"protocol":"hallmark-policy/2"}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		a, err := read(line, 1)
		if a.Compliant && (err != nil || a.Broken || a.Problem != "" || !strings.Contains(string(line), `compliant`)) {
			t.Errorf("%q: %+v, %v", line, a, err)
		}
	})
}
