package attach

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are what readers of JSON disagree on.
var texts = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":1}x`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":[}`, `{"a":{]}`, `{`, `{"`, `{"a":"`, ``, `[]`, `"a"`, `7`, `null`,
	`{"a":01}`, `{"a":-}`, `{"a":-0}`, `{"a":1.}`, `{"a":.5}`, `{"a":1.5e}`, `{"a":1.5e+7}`, `{"a":1E-2}`, `{"a":+1}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":1e99}`, `{"a":9223372036854775807}`, `{"a":9223372036854775808}`,
	`{"a":true}`, `{"a":tru}`, `{"a":trues}`, `{"a":false}`, `{"a":null}`, `{"a":nul`, `{"a":True}`,
	`{"a":"\u00e9"}`, `{"a":"\u00zz"}`, `{"a":"\u12"}`, `{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\x"}`, `{"a":"\`, `{"a":"\"}`, "{\"a\":\"\n\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\xff\"}", "{\"\xff\":1}", "{\"a\":\"\u2028<&>\"}",
	`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"A":1,"a":2}`, `{"b":{"a":1,"a":2}}`, `{"b":[{"a":1},{"a":1}]}`, `{"":1,"":2}`,
	`{"a":"aGVsbG8="}`, `{"a":"aGVsbG8"}`, `{"a":"aGVs\nbG8="}`, `{"a":""}`, `{"a":"?"}`, `{"a":[1,2]}`,
	`{"a":{"k":"v"}}`, `{"a":{"k":"v\n\"w\""}}`, `{"a":{"k":null}}`, `{"a":{"k":1}}`, `{"a":{}}`, `{"a":{"\u006b":"v"}}`, `{"a": [ 1 , { "x" : "}" } , "]" ] , "b":2}`,
	"\ufeff{}", "{\"a\":1}\x00", "{\u00a0}", "{\"a\":1}\v",
}

// TestTexts compares what is accepted, and how it is understood, with
// encoding/json: the two may differ in what is refused for being ambiguous alone.
func TestTexts(t *testing.T) {
	many := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		}
		return "{" + b.String() + `"` + last + `":0}`
	}
	all := append([]string{
		many(manyNames-1, "k0"), many(manyNames, "k0"), many(manyNames, "x"), many(manyNames+1, "k16"), many(100, "k99"), many(100, "x"),
		`{"a":` + strings.Repeat("[", maxNesting-1) + strings.Repeat("]", maxNesting-1) + `}`,
		`{"a":` + strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting) + `}`,
	}, texts...)
	for _, s := range all {
		compare(t, []byte(s))
	}
}

func FuzzTexts(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { compare(t, raw) })
}

// compare holds Members, Member and Elements against encoding/json.
func compare(t *testing.T, raw []byte) {
	t.Helper()
	got, err := Members(raw)
	var want map[string]json.RawMessage
	clear := json.Unmarshal(raw, &want) == nil && want != nil && utf8.Valid(raw) && !ambiguous(raw)
	if (err == nil) != clear || err != nil && !errors.Is(err, ErrMalformed) {
		t.Fatalf("%q: %v, but encoding/json: %v", raw, err, clear)
	}
	if err != nil {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: %q, not %q", raw, got, want)
	}
	for name, value := range got {
		for _, pair := range [][2]any{
			{new(string), new(string)}, {new(int64), new(int64)}, {new([]byte), new([]byte)},
			{new(map[string]string), new(map[string]string)}, {new([]string), new([]string)},
		} {
			err, bad := Member(got, name, pair[0]), json.Unmarshal(value, pair[1])
			if (err == nil) != (bad == nil) || err == nil && !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%q into a %T: %v, %v, not %v, %v", value, pair[0], pair[0], err, pair[1], bad)
			}
		}
		var list, elements []json.RawMessage
		bad := json.Unmarshal(value, &list)
		err := Elements(value, 1<<20, func(e json.RawMessage) { elements = append(elements, e) })
		if (err == nil) != (bad == nil) || err == nil && len(list) > 0 && !reflect.DeepEqual(list, elements) {
			t.Errorf("elements of %q: %q, %v, not %q, %v", value, elements, err, list, bad)
		}
	}
}

// ambiguous reports whether valid JSON names a member twice or is nested too deep.
func ambiguous(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	type level struct {
		object, value bool // the next string is a value, not a name
		names         map[string]bool
	}
	var open []level
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return true
		}
		if n := len(open); n > 0 && open[n-1].object && tok != json.Delim('}') {
			top := &open[n-1]
			if name, ok := tok.(string); ok && !top.value {
				if top.names[name] {
					return true
				}
				top.names[name], top.value = true, true
				continue
			}
			top.value = false
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if len(open) == maxNesting {
				return true
			}
			open = append(open, level{object: tok == json.Delim('{'), names: make(map[string]bool)})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

// BenchmarkMembers reads an object of many long strings.
func BenchmarkMembers(b *testing.B) {
	raw := []byte(`{"a":[` + strings.Repeat(`{"b":"`+strings.Repeat("x", 200)+`","c":[1,2,{"d":null}]},`, 2000) + `{}]}`)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Members(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMembersOpen: the names of objects that are open at once are limited, those of
// objects that were closed are not held.
func TestMembersOpen(t *testing.T) {
	object := func(n int, last string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"%d":0,`, i)
		}
		return b.String() + `"last":` + last + `}`
	}
	many := object(60_000, "0")
	for _, raw := range []string{many, `{"a":` + many + `,"b":` + many + `,"c":` + many + `}`} {
		if _, err := Members([]byte(raw)); err != nil {
			t.Error(err)
		}
	}
	for _, raw := range []string{object(100_001, "0"), object(60_000, many)} {
		if _, err := Members([]byte(raw)); !errors.Is(err, ErrLimit) {
			t.Errorf("%.20s...: %v", raw, err)
		}
	}
}
