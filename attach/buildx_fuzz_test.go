package attach

import (
	"strings"
	"testing"
)

// FuzzStatements: a manifest that buildx is said to have put into an index is read
// within the limits, or refused as what it is: bad content.
func FuzzStatements(f *testing.F) {
	layer := `{"mediaType":"application/vnd.in-toto+json","size":2,"digest":"sha256:` + strings.Repeat("a", 64) + `","annotations":{"in-toto.io/predicate-type":"https://spdx.dev/Document"}}`
	for _, seed := range []string{`{"layers":[` + layer + `]}`, `{"layers":[` + layer + `,{}]}`, `{"layers":null}`, `{"layers":{}}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := statementsIn(raw)
		if err != nil {
			if !Judged(err) || list != nil {
				t.Errorf("%v, %v", list, err)
			}
			return
		}
		if len(list) > MaxEntries {
			t.Errorf("%d statements", len(list))
		}
		for _, d := range list {
			if d.Digest.Algorithm != "sha256" || len(d.Digest.Hex) != 64 || d.Size < 0 {
				t.Errorf("descriptor %+v", d)
			}
		}
	})
}
