package verify_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify"
)

// A mutant is a bundle with one change.
type mutant struct {
	name string
	text []byte
}

// mutants returns the bundle with each of its members changed in each of some ways: a
// bit of bytes, one more or less of a number, another text, or the member gone.
func mutants(t testing.TB, bundle object) []mutant {
	t.Helper()
	raw := text(t, bundle)
	var list []mutant
	add := func(path []any, how string, change func(value any) (any, bool)) {
		var fresh any
		must(t, json.Unmarshal(raw, &fresh))
		inside := at(fresh, path[:len(path)-1]...)
		value, keep := change(at(fresh, path...))
		switch last := path[len(path)-1].(type) {
		case string:
			inside.(object)[last] = value
			if !keep {
				delete(inside.(object), last)
			}
		case int:
			inside.([]any)[last] = value
			if !keep { // lists are one step up
				list := slices.Delete(inside.([]any), last, last+1)
				at(fresh, path[:len(path)-2]...).(object)[path[len(path)-2].(string)] = list
			}
		}
		list = append(list, mutant{fmt.Sprintf("%s %s", dotted(path), how), text(t, fresh)})
	}
	var walk func(v any, path []any)
	walk = func(v any, path []any) {
		if len(path) > 0 {
			add(path, "gone", func(any) (any, bool) { return nil, false })
		}
		switch v := v.(type) {
		case object:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name], append(slices.Clone(path), name))
			}
		case []any:
			for i := range v {
				walk(v[i], append(slices.Clone(path), i))
			}
		case string:
			for how, other := range others(v) {
				add(path, how, func(any) (any, bool) { return other, true })
			}
		}
	}
	var whole any
	must(t, json.Unmarshal(raw, &whole))
	walk(whole, nil)
	return list
}

// others returns a text in other forms: as a number, as base64, or as text.
func others(s string) map[string]string {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return map[string]string{
			"+1": fmt.Sprint(n + 1), "-1": fmt.Sprint(n - 1), "0": fmt.Sprint(n * 0), "largest": "9223372036854775807", "negative": fmt.Sprint(-n - 1),
		}
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) < 16 {
		return map[string]string{"+x": s + "x", "empty": "", "x+": "x" + s}
	}
	out := map[string]string{"cut": b64(raw[:len(raw)-1]), "longer": b64(append(slices.Clone(raw), 0)), "empty": ""}
	for part := range 21 {
		bit := min(part*len(raw)/20, len(raw)-1)*8 + part%8
		changed := slices.Clone(raw)
		changed[bit/8] ^= 1 << (bit % 8)
		out[fmt.Sprintf("bit %d", bit)] = b64(changed)
	}
	return out
}

func dotted(path []any) string {
	var parts []string
	for _, p := range path {
		parts = append(parts, fmt.Sprint(p))
	}
	return strings.Join(parts, ".")
}

// optional names the changes after which a bundle is still good, and why.
func optional(name string, p *plot) string {
	const material = "verificationMaterial."
	switch {
	case strings.HasPrefix(name, material+"tlogEntries.0.inclusionPromise") && (strings.HasSuffix(name, " gone") || strings.HasSuffix(name, "Timestamp empty")) && len(p.stampAt) > 0:
		return "the promise is one of two proofs, and a clock tells the time"
	case strings.HasPrefix(name, material+"timestampVerificationData") && strings.HasSuffix(name, " gone") && !strings.HasSuffix(name, "signedTimestamp gone") && (p.version == 1 || len(p.stampAt) > 1 && strings.Contains(name, "Timestamps.")):
		return "the log tells the time, or another clock does"
	}
	return ""
}

// TestTimestampBits turns bits of each byte of a timestamp: CMS is read with little care by many,
// and none of the changes may pass.
func TestTimestampBits(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine computes: there is nothing to race")
	}
	t.Parallel()
	for _, embed := range []bool{false, true} {
		p := newPlot(t, false, 2)
		p.tokens = func(over []byte) [][]byte {
			return [][]byte{p.stampBy(t, p.tsaLeaf, p.tsa, over, p.now, crypto.SHA256, embed)}
		}
		good, root := p.make()
		trusted := text(t, root)
		stamp := at(good, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0).(object)
		token := unb64(t, stamp["signedTimestamp"].(string))
		if c := p.judgeRaw(text(t, good), trusted); c.Outcome != verify.Accept {
			t.Fatalf("unchanged: %s %s", c.Reason, c.Detail)
		}
		for n := range len(token) * 2 {
			bit := n/2*8 + (n+n/16)%8
			changed := slices.Clone(token)
			changed[bit/8] ^= 1 << (bit % 8)
			stamp["signedTimestamp"] = b64(changed)
			if c := p.judgeRaw(text(t, good), trusted); c.Outcome == verify.Accept {
				t.Errorf("with the certificate %v: accepted: bit %d of byte %d, %x", embed, bit%8, bit/8, token[max(0, bit/8-8):bit/8+1])
			}
		}
	}
}

// TestMutants changes one thing in good bundles: none of them is accepted any more, save
// where evidence was dropped that was more than is asked for.
func TestMutants(t *testing.T) {
	t.Parallel()
	total, passed := 0, make(map[string]int)
	for _, envelope := range []bool{false, true} {
		for version := 1; version <= 2; version++ {
			for _, stamps := range []int{version - 1, version} {
				p := newPlot(t, envelope, version)
				p.stampAt = slices.Repeat(p.stampAt, stamps)
				if stamps == 0 {
					p.stampAt = nil
				}
				bundle, root := p.make()
				trusted := text(t, root)
				if c := p.judgeRaw(text(t, bundle), trusted); c.Outcome != verify.Accept {
					t.Fatalf("unchanged: %s %s", c.Reason, c.Detail)
				}
				for _, m := range mutants(t, bundle) {
					total++
					c := p.judgeRaw(m.text, trusted)
					why := optional(m.name, p)
					switch {
					case c.Outcome == verify.Accept && why != "":
						passed[why]++
					case c.Outcome == verify.Accept:
						t.Errorf("envelope %v, Rekor %d, %d stamps: accepted: %s", envelope, version, stamps, m.name)
					case why != "":
						t.Errorf("envelope %v, Rekor %d, %d stamps: refused (%s %s): %s", envelope, version, stamps, c.Reason, c.Detail, m.name)
					}
				}
			}
		}
	}
	dropped := 0
	for why, n := range passed {
		t.Logf("%d accepted: %s", n, why)
		dropped += n
	}
	t.Logf("%d of %d mutants of 8 bundles refused", total-dropped, total)
	if total < 2000 {
		t.Errorf("only %d mutants", total)
	}
}
