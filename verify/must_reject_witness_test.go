package verify_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A watcher is a witness with its private key. It co-signs with the implementation of
// the witnesses' own project.
type watcher struct {
	private, public string
	name            string
}

func newWatcher(t testing.TB, name string) watcher {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	must(t, err)
	return watcher{private, public, name}
}

// line returns the witness's line under the text of a checkpoint.
func (w watcher) line(t testing.TB, text string) string {
	t.Helper()
	signer, err := formats.NewSignerForCosignatureV1(w.private)
	must(t, err)
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	must(t, err)
	return strings.TrimPrefix(string(signed), text+"\n")
}

// watched has the witnesses be asked for, so many of them, and those who saw the
// checkpoint add their lines to it.
func watched(n int, asked, saw []watcher) func(*plot) {
	return func(p *plot) {
		for _, w := range asked {
			key, err := keyless.ParseWitness(w.public)
			must(p.t, err)
			p.wanted = append(p.wanted, key)
		}
		p.witness = n
		p.bundle = func(b object) {
			c := proofOf(b)["checkpoint"].(object)
			head, _, _ := strings.Cut(c["envelope"].(string), "\n\n")
			for _, w := range saw {
				c["envelope"] = c["envelope"].(string) + w.line(p.t, head+"\n")
			}
		}
	}
}

// witnessRows are about witnesses: item 64.
func witnessRows(t testing.TB) []row {
	a, b, c := newWatcher(t, "a.test"), newWatcher(t, "b.test"), newWatcher(t, "c.test")
	twin := newWatcher(t, "a.test") // another key under the same name
	one, all := []watcher{a}, []watcher{a, b, c}
	unwitnessed := func(name string, spoil func(*plot)) row {
		return row{n: 64, name: name, version: 2, reason: verify.LogUnwitnessed, spoil: spoil, twin: watched(2, all, all[1:])}
	}
	rows := []row{
		unwitnessed("no witness saw the checkpoint", watched(1, one, nil)),
		unwitnessed("one of two that are asked for", watched(2, all, one)),
		unwitnessed("one that saw it twice", watched(2, all, []watcher{a, a})),
		unwitnessed("a witness that nobody asked for", watched(1, one, []watcher{b})),
		unwitnessed("a witness of the same name", watched(1, one, []watcher{twin})),
		{n: 64, name: "a witness of another checkpoint", version: 2, reason: verify.LogEntryInvalid, spoil: func(p *plot) {
			watched(1, one, nil)(p)
			p.bundle = func(b object) {
				c := proofOf(b)["checkpoint"].(object)
				c["envelope"] = c["envelope"].(string) + a.line(p.t, logName+"\n1\n"+b64(make([]byte, 32))+"\n")
			}
		}},
		{n: 64, name: "a log that nobody witnesses", version: 1, reason: verify.LogUnwitnessed, spoil: watched(1, one, nil)},
		{n: 64, name: "an entry without checkpoint", version: 1, reason: verify.LogUnwitnessed, spoil: func(p *plot) {
			watched(1, one, nil)(p)
			p.bundle = func(b object) {
				b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
				delete(entryOf(b), "inclusionProof")
			}
		}},
		{n: 64, name: "more witnesses than there are", version: 2, reason: badRoot, spoil: watched(2, one, one)},
		{n: 64, name: "a witness named twice", version: 2, reason: badRoot, spoil: watched(1, []watcher{a, a}, one)},
		{n: 64, name: "two witnesses of one name", version: 2, reason: badRoot, spoil: watched(1, []watcher{a, twin}, one)},
		{n: 64, name: "witnesses, but none of them", version: 2, reason: badRoot, spoil: watched(0, one, one)},
	}
	return rows
}

// TestWitnessKeys: the key that the specification of cosignatures gives is read, and
// what is none is refused. Its hash is SHA-256(name || 0x0A || 0x04 || key)[:4], and
// 0x01 for a key that is handed out as one for plain notes (C2SP signed-note).
func TestWitnessKeys(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	vkey := func(name string, kind byte, key []byte) string {
		raw := append([]byte{kind}, key...)
		sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
		return fmt.Sprintf("%s+%x+%s", name, sum[:4], b64(raw))
	}
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"a cosigner's":   {vkey("w.test/1", 4, public), true},
		"a plain one":    {vkey("w.test/1", 1, public), true},
		"ECDSA":          {vkey("w.test/1", 2, public), false},
		"short":          {vkey("w.test/1", 4, public[:31]), false},
		"no name":        {vkey("", 4, public), false},
		"a blank":        {vkey("w test", 4, public), false},
		"another name":   {strings.Replace(vkey("w.test/1", 4, public), "w.test", "v.test", 1), false},
		"half":           {"w.test+00000000", false},
		"a private key":  {newWatcher(t, "w.test").private, false},
		"nothing":        {"", false},
		"a line more":    {vkey("w.test/1", 4, public) + "\n", false},
		"a long name":    {vkey(strings.Repeat("w", 2000), 4, public), false},
		"not hex":        {"w.test+zzzzzzzz+" + b64(append([]byte{4}, public...)), false},
		"not base64":     {"w.test+00000000+!!!", false},
		"another hash":   {"w.test+00000000+" + b64(append([]byte{4}, public...)), false},
		"a long hash":    {"w.test+0000000000+" + b64(append([]byte{4}, public...)), false},
		"an empty bytes": {"w.test+00000000+", false},
	} {
		if _, err := keyless.ParseWitness(c.text); (err == nil) != c.ok {
			t.Errorf("%s: %q: %v", name, c.text, err)
		}
	}
}

// FuzzWitness: no text under a checkpoint makes a witness of one who did not sign it,
// and no text that is read as a key is two keys.
func FuzzWitness(f *testing.F) {
	p := newPlot(f, false, 2)
	w := newWatcher(f, "w.test")
	other := newWatcher(f, "w.test")
	watched(1, []watcher{w}, nil)(p)
	bundle, root := p.make()
	trusted := text(f, root)
	checkpoint := proofOf(bundle)["checkpoint"].(object)
	signed := checkpoint["envelope"].(string)
	head, _, _ := strings.Cut(signed, "\n\n")
	good := w.line(f, head+"\n")
	f.Add(good, w.public)
	f.Add(other.line(f, head+"\n"), other.public)
	f.Add(w.line(f, logName+"\n1\n"+b64(make([]byte, 32))+"\n"), w.private)
	f.Add("\n", "w.test+00000000+BA==")
	f.Fuzz(func(t *testing.T, line, key string) {
		p.t = t
		checkpoint["envelope"] = signed + line
		if c := p.judgeRaw(text(t, bundle), trusted); c.Outcome == verify.Accept && !strings.Contains(line, strings.TrimSpace(good)) {
			t.Errorf("a witness by %q", line)
		}
		if _, err := keyless.ParseWitness(key); err == nil && (strings.Count(key, "+") < 2 || strings.ContainsAny(key, " \n")) {
			t.Errorf("read as a key: %q", key)
		}
	})
}
