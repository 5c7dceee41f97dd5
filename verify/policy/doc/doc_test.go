package doc

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func all(t *testing.T, text string, limit int) ([]Value, error) {
	t.Helper()
	var out []Value
	for v, err := range Documents(strings.NewReader(text), "f.yaml", limit) {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// TestWhere checks that errors name the line and the path.
func TestWhere(t *testing.T) {
	decode := func(v Value) error {
		return v.Fields(map[string]func(Value) error{
			"n":    func(v Value) error { _, err := v.Int(1, 9); return err },
			"s":    func(v Value) error { _, err := v.String(); return err },
			"b":    func(v Value) error { _, err := v.Bool(); return err },
			"w":    func(v Value) error { _, err := v.OneOf("x", "y"); return err },
			"list": func(v Value) error { _, err := v.List(2); return err },
			"in": func(v Value) error {
				return v.Fields(map[string]func(Value) error{"a": func(Value) error { return nil }}, "a")
			},
		}, "s")
	}
	for text, want := range map[string]string{
		"s: a\nn: 12\n":                    "f.yaml:2: n: 12 is no whole number from 1 to 9",
		"s: a\nn: one\n":                   "f.yaml:2: n: text where a whole number is wanted",
		"s: a\nn: 1.5\n":                   "f.yaml:2: n: a number where a whole number is wanted",
		"s: 1\n":                           "f.yaml:1: s: a number where text is wanted",
		"s:\n":                             "f.yaml:1: s: nothing where text is wanted",
		"s: a\nb: yes\n":                   "f.yaml:2: b: text where true or false is wanted",
		"s: a\nb: !!bool yes\n":            `f.yaml:2: b: "yes" is neither true nor false`,
		"s: a\nb: !!bool 'true'\nn: 0\n":   "f.yaml:3: n: 0 is no whole number from 1 to 9",
		"s: a\nw: z\n":                     `f.yaml:2: w: "z" is none of x, y`,
		"s: a\nlist: []\n":                 "f.yaml:2: list: the list is empty",
		"s: a\nlist: [1, 2, 3]\n":          "f.yaml:2: list: 3 elements, the limit is 2",
		"s: a\nin: {}\n":                   "f.yaml:2: in: field a is missing",
		"s: a\nin:\n  a: 1\n  c: 2\n":      "f.yaml:4: in.c: unknown field, known are a",
		"n: 1\n":                           "f.yaml:1: field s is missing",
		"s: a\nn: 1\ns: b\n":               "f.yaml:3: s: stands twice",
		"s: &x a\n":                        "f.yaml:1: s: anchors and aliases are not read here",
		"s: !mine a\n":                     "f.yaml:1: s: a value of type !mine where text is wanted",
		"[1]\n":                            "f.yaml:1: a list where a mapping is wanted",
		"s: a\n1: b\n":                     "f.yaml:2: a number where text is wanted",
		"# c\n---\n# d\n---\ns: a\nn: x\n": "f.yaml:6: n: text where a whole number is wanted",
		`{"s": "a",` + "\n\t" + `"n": 10}`: "f.yaml:2: n: 10 is no whole number from 1 to 9",
	} {
		vs, err := all(t, text, 1000)
		for _, v := range vs {
			if err == nil {
				err = decode(v)
			}
		}
		if err == nil || !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestSparse: a null member is as absent where that is asked for, in all that is
// inside, and whatever is wrong with it as a member is told all the same.
func TestSparse(t *testing.T) {
	decode := func(v Value) error {
		read := func(v Value) error { _, err := v.String(); return err }
		return v.Fields(map[string]func(Value) error{
			"a": read,
			"in": func(v Value) error {
				if v.Has("b") {
					return v.Errorf("it has b")
				}
				return v.Fields(map[string]func(Value) error{"b": read, "c": read}, "c")
			},
		})
	}
	for text, want := range map[string][2]string{
		"a:\n":                     {"nothing where text is wanted", ""},
		"a: ~\n":                   {"nothing where text is wanted", ""},
		"a: null\n":                {"nothing where text is wanted", ""},
		`{"a": null}`:              {"nothing where text is wanted", ""},
		"a: 'null'\n":              {"", ""},
		"a: &x null\n":             {"anchors and aliases", "anchors and aliases"},
		"z: null\n":                {"unknown field", "unknown field"},
		"a: null\na: b\n":          {"nothing where", "stands twice"},
		"in: {b: null, c: x}\n":    {"it has b", ""},
		"in: {c: null}\n":          {"nothing where", "field c is missing"},
		"in: {b: 'null', c: x}\n":  {"it has b", "it has b"},
		"in: {b: &x null, c: x}\n": {"it has b", "it has b"},
	} {
		vs, err := all(t, text, 1000)
		if err != nil || len(vs) != 1 {
			t.Fatalf("%q: %d documents, %v", text, len(vs), err)
		}
		for i, v := range []Value{vs[0], vs[0].Sparse()} {
			if err := decode(v); (err == nil) != (want[i] == "") || err != nil && !strings.Contains(err.Error(), want[i]) {
				t.Errorf("%q, sparse %v: got %v, want %q", text, i == 1, err, want[i])
			}
		}
	}
}

// TestRefused has what is no document at all.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a: b: c\n":               "f.yaml:1: ",
		"---\n---\na: [\n":        "f.yaml:",
		"a: 1\n...\nb: 2\n":       "expected <document start>",
		"--- a\n":                 "behind --- on the same line",
		strings.Repeat("a", 2000): "longer than 1000 bytes",
		"a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200): "nested deeper than 100 levels",
	} {
		if _, err := all(t, text, 1000); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
	if _, err := all(t, strings.Repeat(",", 1<<20+1), 1<<21); err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("a million parts: %v", err)
	}
	if _, err := all(t, strings.Repeat("---\na: 1\n", MaxDocuments+1), 1000); err == nil || !strings.Contains(err.Error(), "documents") {
		t.Errorf("too many documents: %v", err)
	}
}

// TestAny compares with encoding/json and with the YAML library's own decoder.
func TestAny(t *testing.T) {
	for _, text := range []string{
		`{"a":[1,2.5,-3,true,false,null,"x",{"b":"c"}],"d":{},"e":[]}`,
		"\"\\ud83d\"", `[]`, `"yes"`, `{"a":{"a":{"a":"a"}}}`, `1e3`,
	} {
		var want any
		if json.Unmarshal([]byte(text), &want) != nil {
			continue
		}
		vs, err := all(t, text, 1000)
		if err != nil || len(vs) != 1 {
			if strings.Contains(text, `\ud83d`) {
				continue // half a surrogate pair is no character in YAML
			}
			t.Fatalf("%s: %d documents, %v", text, len(vs), err)
		}
		if got, err := vs[0].Any(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	text := "base: &b {image: x, n: one}\nuse:\n  <<: *b\n  n: two\nlist: [*b, *b]\n"
	vs, err := all(t, text, 1000)
	if err != nil {
		t.Fatal(err)
	}
	got, err := vs[0].Any()
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := yaml.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
}

// TestAliasBomb has a document of a few lines that stands for 10^9 values, and
// one that holds itself.
func TestAliasBomb(t *testing.T) {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		ref := "*a" + string(rune('0'+i))
		text += "a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.Repeat(ref+", ", 9) + ref + "]\n"
	}
	for _, text := range []string{text, "a: &a [*a]\n"} {
		vs, err := all(t, text, 10000)
		if err == nil {
			_, err = vs[0].Any()
		}
		if err == nil {
			t.Errorf("%.40q was read", text)
		}
	}
}

func FuzzDocuments(f *testing.F) {
	for _, s := range []string{"a: 1\n---\nb: [1, {c: d}]\n", `{"a": "b"}`, "a: &x [*x]", "? a\n: b", "%YAML 1.2\n---\na: |\n  x\n", "<<: {a: 1}", "--- \n", "!!binary a", "\x00", "a: .inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for v, err := range Documents(strings.NewReader(text), "f", 1<<16) {
			if err != nil {
				if !errors.Is(err, ErrInvalid) {
					t.Fatalf("%v is not ErrInvalid", err)
				}
				return
			}
			if v.Line() < 1 {
				t.Fatal("line below 1")
			}
			got, err := v.Any()
			if err != nil {
				continue
			}
			raw, err := json.Marshal(got)
			if err != nil {
				t.Fatalf("%#v is no JSON: %v", got, err)
			}
			var again any
			if json.Unmarshal(raw, &again) != nil {
				t.Fatal("JSON cannot be read back")
			}
		}
	})
}
