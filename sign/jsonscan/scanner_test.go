package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

func skip(r io.Reader) error {
	s := jsonscan.New(r)
	if err := s.Skip(); err != nil {
		return err
	}
	return s.End()
}

// texts are JSON, almost JSON and not JSON at all. What they are worth is for
// encoding/json to say.
func texts() []string {
	return []string{
		``, ` `, `{}`, `[]`, `null`, `nul`, `nulll`, `true`, `false`, `tru e`, `{"a":1}`, `{"a":1,}`, `{,}`, `[1,]`, `[,1]`,
		`[1 2]`, `{"a" 1}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[}`, `{]`, `[[[]]]`, `[[[]]`, `]`, `"`, `"a`, `"\"`, `"\\"`, `"\/\b\f\n\r\t\u00e9"`,
		`"\x"`, `"\u12g4"`, `"\u123"`, `"\ud800"`, `"\ud83d\ude00"`, "\"a\nb\"", "\"a\x00\"", "\"\x7f\"", `"é"`, `"日本語"`, `"😀"`,
		`0`, `-0`, `01`, `-`, `+1`, `1.`, `.5`, `1.5`, `1e`, `1e5`, `1E+05`, `1e-`, `0.0e0`, `-1.25E-7`, `1_0`, `0x1`, `NaN`, `1 2`, `{} x`,
		"\ufeff{}", "{}\x00", ` { "a" : [ 1 , "b" , { } , [ ] , null , true , false ] } `, "[1,\t2\r\n]", "[1,\v2]",
		`"` + strings.Repeat("long ", 20000) + `"`, `"` + strings.Repeat("é", 40000) + `"`, `[` + strings.Repeat(`1234567890,`, 9000) + `1]`,
	}
}

// agree checks the scanner against encoding/json, which differs in two ways: it
// lets bytes pass that are no UTF-8, and goes deeper.
func agree(t *testing.T, text []byte, deep bool) {
	t.Helper()
	want := json.Valid(text) && utf8.Valid(text)
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(text), "halves": iotest.HalfReader(bytes.NewReader(text)), "late": iotest.DataErrReader(bytes.NewReader(text))} {
		err := skip(r)
		if err == nil && !want {
			t.Errorf("%s: %.80q accepted", name, text)
		}
		if err != nil && want && !deep {
			t.Errorf("%s: %.80q refused: %v", name, text, err)
		}
		if err != nil && !errors.Is(err, jsonscan.ErrSyntax) && !errors.Is(err, jsonscan.ErrLimit) {
			t.Errorf("%s: %.80q: error of no kind: %v", name, text, err)
		}
	}
	v, err := value(iotest.OneByteReader(bytes.NewReader(text)))
	if err != nil {
		return // it refuses more: members that stand twice, surrogate halves, long numbers
	}
	if !want {
		t.Fatalf("value of %.80q accepted", text)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var theirs any
	if err := d.Decode(&theirs); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(v, theirs) {
		t.Errorf("value of %.80q is %#v, not %#v", text, v, theirs)
	}
}

func value(r io.Reader) (any, error) {
	s := jsonscan.New(r)
	v, err := s.Value(1 << 20)
	if err != nil {
		return nil, err
	}
	return v, s.End()
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range texts() {
		agree(t, []byte(text), false)
	}
	for _, bad := range []string{"\"\x80\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc0\xaf\"", "{\"\xff\":1}"} {
		agree(t, []byte(bad), false)
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range texts() {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		agree(t, text, bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > jsonscan.MaxDepth)
	})
}

func TestDepth(t *testing.T) {
	for _, n := range []int{jsonscan.MaxDepth, jsonscan.MaxDepth + 1, 100000} {
		for _, brackets := range []string{"[]", "{}"} {
			head := brackets[:1]
			if head == "{" {
				head = `{"a":`
			}
			text := strings.Repeat(head, n-1) + brackets + strings.Repeat(brackets[1:], n-1)
			if err := skip(strings.NewReader(text)); (err == nil) != (n <= jsonscan.MaxDepth) {
				t.Errorf("%d levels of %s: %v", n, brackets, err)
			}
			if _, err := value(strings.NewReader(text)); (err == nil) != (n <= jsonscan.MaxDepth) {
				t.Errorf("value of %d levels of %s: %v", n, brackets, err)
			}
		}
	}
}

func TestRefusedWhereRead(t *testing.T) {
	many := "{"
	for i := range jsonscan.MaxMembers {
		many += fmt.Sprintf(`"%d":0,`, i)
	}
	cases := map[string]struct {
		text string
		want error
	}{
		"twice":           {`{"a":1,"a":1}`, jsonscan.ErrSyntax},
		"twice, escaped":  {`{"a":1,"\u0061":1}`, jsonscan.ErrSyntax},
		"twice, deeper":   {`[{"x":{"a":1,"a":1}}]`, jsonscan.ErrSyntax},
		"half a pair":     {`"\ud83d"`, jsonscan.ErrSyntax},
		"the other half":  {`"\ude00"`, jsonscan.ErrSyntax},
		"two first ones":  {`"\ud83d\ud83d"`, jsonscan.ErrSyntax},
		"half and letter": {`"\ud83d\n"`, jsonscan.ErrSyntax},
		"long name":       {`{"` + strings.Repeat("a", jsonscan.MaxName+1) + `":1}`, jsonscan.ErrLimit},
		"long number":     {strings.Repeat("1", 129), jsonscan.ErrLimit},
		"many members":    {many + `"x":0}`, jsonscan.ErrLimit},
		"long string":     {`"` + strings.Repeat("a", 1<<20+1) + `"`, jsonscan.ErrLimit},
		"long array":      {`[` + strings.Repeat("1,", 1<<19) + `1]`, jsonscan.ErrLimit},
	}
	for name, c := range cases {
		if _, err := value(strings.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := value(strings.NewReader(strings.TrimSuffix(many, ",") + "}")); err != nil {
		t.Errorf("as many members as are read: %v", err)
	}
}

func TestReaderErrorsArePassedOn(t *testing.T) {
	broken := errors.New("connection reset")
	for _, text := range []string{``, `{"a`, `{"a":12`, `[tr`, `["\u00`, "[\"\xc3"} {
		err := skip(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, jsonscan.ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := skip(io.MultiReader(strings.NewReader(`{}`), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("behind the value: %v", err)
	}
}

func TestSpanAndRaw(t *testing.T) {
	text := `  { "x" : [1, {"y":2}] , "b64":"QUJD+/=="}`
	s := jsonscan.New(iotest.OneByteReader(strings.NewReader(text)))
	var pieces []byte
	err := s.Object(func(name string) error {
		if name == "x" {
			at, n, err := s.Span()
			if got := text[at : at+n]; err == nil && got != `[1, {"y":2}]` {
				t.Errorf("span %q", got)
			}
			return err
		}
		at, n, err := s.Raw(func(p []byte) error { pieces = append(pieces, p...); return nil })
		if got := text[at : at+n]; err == nil && (got != "QUJD+/==" || string(pieces) != got) {
			t.Errorf("raw %q, pieces %q", got, pieces)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`"a\n"`, `"é"`, "\"\x01\"", `"a`, `1`} {
		s := jsonscan.New(strings.NewReader(bad))
		if _, _, err := s.Raw(func([]byte) error { return nil }); !errors.Is(err, jsonscan.ErrSyntax) {
			t.Errorf("raw %s: %v", bad, err)
		}
	}
}

func TestFold(t *testing.T) {
	for name, want := range map[string]string{"payload": "", "Payload": "payload", "PAYLOAD": "payload", "payloads": "", "ſignatures": "signatures"} {
		if got := jsonscan.Fold(name, "payload", "signatures"); got != want {
			t.Errorf("fold %q: %q", name, got)
		}
	}
}

// BenchmarkSkip measures the speed on a text like an SPDX document.
func BenchmarkSkip(b *testing.B) {
	text := document(8 << 20)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := skip(bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

func document(size int) []byte {
	var out bytes.Buffer
	out.WriteString("{\n  \"spdxVersion\": \"SPDX-2.3\",\n  \"packages\": [\n")
	for i := 0; out.Len() < size; i++ {
		fmt.Fprintf(&out, "    {\n      \"name\": \"package-%d\",\n      \"SPDXID\": \"SPDXRef-%d\",\n      \"versionInfo\": \"1.%d.0-é\",\n      \"filesAnalyzed\": false,\n      \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": \"%064x\"}]\n    },\n", i, i, i%7, i)
	}
	out.WriteString("    {}\n  ]\n}\n")
	return out.Bytes()
}
