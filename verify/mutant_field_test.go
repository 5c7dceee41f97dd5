package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	theirs "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// fieldMutants changes each field of a bundle alone, in few ways that matter for all
// readers: bytes lose or gain one or have their first, middle or last bit turned,
// numbers are one more, one less or the largest, texts are longer, and each field,
// object and list is left out.
func fieldMutants(t testing.TB, good object) []mutant {
	t.Helper()
	raw := text(t, good)
	var list []mutant
	change := func(path []any, how string, value any, keep bool) {
		var fresh any
		must(t, json.Unmarshal(raw, &fresh))
		inside, last := at(fresh, path[:len(path)-1]...), path[len(path)-1]
		switch name := last.(type) {
		case string:
			inside.(object)[name] = value
			if !keep {
				delete(inside.(object), name)
			}
		case int:
			members := inside.([]any)
			members[name] = value
			if !keep {
				holder, list := at(fresh, path[:len(path)-2]...), path[len(path)-2]
				holder.(object)[list.(string)] = slices.Delete(members, name, name+1)
			}
		}
		list = append(list, mutant{dotted(path) + " " + how, text(t, fresh)})
	}
	var walk func(v any, path []any)
	walk = func(v any, path []any) {
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
			for _, other := range fieldValues(v) {
				change(path, other[0], other[1], true)
			}
		}
		if len(path) > 0 {
			change(path, "gone", nil, false)
		}
	}
	var whole any
	must(t, json.Unmarshal(raw, &whole))
	walk(whole, nil)
	return list
}

// fieldValues returns other values of a field, each with what was done.
func fieldValues(s string) [][2]string {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return [][2]string{{"+1", fmt.Sprint(n + 1)}, {"-1", fmt.Sprint(n - 1)}, {"largest", fmt.Sprint(math.MaxInt64)}}
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) < 16 {
		return [][2]string{{"+x", s + "x"}}
	}
	turned := func(bit int) string {
		b := bytes.Clone(raw)
		b[bit/8] ^= 0x80 >> (bit % 8)
		return b64(b)
	}
	return [][2]string{
		{"first bit", turned(0)}, {"middle bit", turned(len(raw) * 4)}, {"last bit", turned(len(raw)*8 - 1)},
		{"cut", b64(raw[:len(raw)-1])}, {"longer", b64(append(bytes.Clone(raw), 0))},
	}
}

// dropped tells of a change after which the bundle is as good as before where the policy
// asks for no more than one log and one clock: evidence was left out beside other.
func dropped(name string) bool {
	return strings.HasSuffix(name, " gone") &&
		(strings.Contains(name, "inclusionPromise") || strings.Contains(name, "timestampVerificationData"))
}

// sigstoreGo returns what sigstore-go accepts, at its strictest: one certificate log,
// one log entry, one time.
func sigstoreGo(t testing.TB, p *plot, trusted []byte) func(raw []byte) bool {
	t.Helper()
	material, err := root.NewTrustedRootFromJSON(trusted)
	must(t, err)
	v, err := theirs.NewVerifier(material, theirs.WithSignedCertificateTimestamps(1), theirs.WithTransparencyLog(1), theirs.WithObserverTimestamps(1))
	must(t, err)
	id, err := theirs.NewShortCertificateIdentity(voucher, "", someone, "")
	must(t, err)
	return func(raw []byte) bool {
		var b bundle.Bundle
		if b.UnmarshalJSON(raw) != nil {
			return false
		}
		_, err := v.Verify(&b, theirs.NewPolicy(theirs.WithArtifact(bytes.NewReader(p.file)), theirs.WithCertificateIdentity(id)))
		return err == nil
	}
}

// TestFieldMutants changes one field at a time in four bundles, a message and an envelope
// with Rekor 1 and 2, and holds hallmark beside sigstore-go. By default hallmark accepts
// a mutant only where optional evidence is gone; none is left where the log and a
// timestamp authority must both tell the time.
func TestFieldMutants(t *testing.T) {
	t.Parallel()
	total, ours, others, strict := 0, 0, 0, 0
	for _, envelope := range []bool{false, true} {
		for version := 1; version <= 2; version++ {
			p := newPlot(t, envelope, version)
			good, trust := p.make()
			trusted := text(t, trust)
			reference := sigstoreGo(t, p, trusted)
			all := p.quorum
			all.Timestamps, all.Clocks = 1, keyless.Number(3-version) // Rekor 2 tells no time
			judge := func(raw []byte, q keyless.Quorum) verify.Outcome {
				p.quorum = q
				return p.judgeRaw(raw, trusted).Outcome
			}
			raw := text(t, good)
			if !reference(raw) || judge(raw, keyless.Quorum{}) != verify.Accept || judge(raw, all) != verify.Accept {
				t.Fatalf("envelope %v, Rekor %d: the good bundle is not accepted by all", envelope, version)
			}
			n, before := 0, [3]int{ours, others, strict}
			for _, m := range fieldMutants(t, good) {
				n++
				usual := judge(m.text, keyless.Quorum{}) == verify.Accept
				switch {
				case !usual:
					ours++
				case !dropped(m.name):
					t.Errorf("envelope %v, Rekor %d: accepted: %s", envelope, version, m.name)
				}
				if !reference(m.text) {
					others++
				}
				if judge(m.text, all) != verify.Accept {
					strict++
				} else {
					t.Errorf("envelope %v, Rekor %d, all evidence asked for: accepted: %s", envelope, version, m.name)
				}
			}
			total += n
			t.Logf("envelope %v, Rekor %d: of %d mutants hallmark refuses %d, all evidence asked for %d, sigstore-go %d", envelope, version, n, ours-before[0], strict-before[2], others-before[1])
		}
	}
	t.Logf("of %d mutants of 4 bundles hallmark refuses %d, all evidence asked for %d, sigstore-go %d", total, ours, strict, others)
}
