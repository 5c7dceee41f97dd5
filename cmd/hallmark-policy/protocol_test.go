package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// line returns a request line.
func line(t testing.TB, change func(*request)) string {
	t.Helper()
	q := request{
		Protocol: protocol, ID: 7, Language: "cue", Policy: "a: 1", Input: json.RawMessage(`{"a":1}`),
		Now: time.Unix(1, 0).UTC(), Memory: 512 << 20, Seconds: 5,
	}
	change(&q)
	text, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answers returns what serve writes for the input.
func answers(t *testing.T, in string) ([]answer, error) {
	t.Helper()
	var out bytes.Buffer
	err := serve(strings.NewReader(in), &out, evaluate)
	var all []answer
	for d := json.NewDecoder(&out); d.More(); {
		var a answer
		if derr := d.Decode(&a); derr != nil {
			t.Fatal(derr)
		}
		all = append(all, a)
	}
	return all, err
}

// TestServe: requests are answered in order, each with its number.
func TestServe(t *testing.T) {
	in := line(t, func(*request) {}) + "\n" + line(t, func(q *request) { q.ID, q.Policy = 8, "a: 2" }) + "\n" +
		line(t, func(q *request) {
			q.ID, q.Language, q.Policy = 9, "rego", "package sigstore\nisCompliant { input.a == 1 }"
		}) + "\n"
	got, err := answers(t, in)
	if err != nil || len(got) != 3 || got[0].Outcome != compliant || got[0].ID != 7 || got[1].Outcome != refused || got[1].ID != 8 || got[2].Outcome != compliant || got[2].ID != 9 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := answers(t, ""); err != nil || len(got) != 0 {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

// TestNoRequest: what is none is answered with failed, and nothing after it is read.
func TestNoRequest(t *testing.T) {
	good := line(t, func(*request) {})
	for name, in := range map[string]string{
		"garbage":     "x",
		"array":       "[]",
		"empty":       "{}",
		"unfinished":  good,
		"two":         good + good,
		"unknown":     strings.Replace(good, "{", `{"trusted":true,`, 1),
		"protocol":    line(t, func(q *request) { q.Protocol = "hallmark-policy/2" }),
		"language":    line(t, func(q *request) { q.Language = "cel" }),
		"no input":    strings.Replace(good, `"input"`, `"Nput"`, 1),
		"no time":     line(t, func(q *request) { q.Now = time.Time{} }),
		"memory":      line(t, func(q *request) { q.Memory = 1 }),
		"much memory": line(t, func(q *request) { q.Memory = 1 << 50 }),
		"seconds":     line(t, func(q *request) { q.Seconds = 0 }),
		"long":        line(t, func(q *request) { q.Policy = strings.Repeat("\n", maxRequest) }),
	} {
		end := "\n" + good + "\n"
		if name == "unfinished" {
			end = ""
		}
		got, err := answers(t, in+end)
		if err == nil || len(got) != 1 || got[0].Outcome != failed || got[0].Problem == "" || got[0].Protocol != protocol {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestCut: what a policy says cannot be longer than is read, or no text.
func TestCut(t *testing.T) {
	for _, s := range []string{"", "x", strings.Repeat("x", maxText), strings.Repeat("é", maxText), "a" + strings.Repeat("😀", maxText), "\xff"} {
		if got := cut(s); len(got) > maxText+3 || !utf8.ValidString(got) || len(s) <= maxText && utf8.ValidString(s) && got != s {
			t.Errorf("%d bytes: %d bytes", len(s), len(got))
		}
	}
}

// FuzzRequest: whatever comes, each line is answered with one line, and only a request
// is evaluated.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(line(f, func(*request) {}) + "\n"))
	f.Add([]byte(line(f, func(q *request) { q.Language = "rego" }) + "\n{}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		asked := 0
		err := serve(bytes.NewReader(in), &out, func(q request) answer {
			asked++
			if q.Protocol != protocol || len(q.Input) == 0 || !json.Valid(q.Input) || q.Memory < minMemory || q.Seconds < 1 {
				t.Errorf("evaluated: %+v", q)
			}
			return answer{Outcome: refused, Problem: q.Policy}
		})
		lines := bytes.Count(out.Bytes(), []byte("\n"))
		if err == nil && lines != asked || err != nil && lines != asked+1 {
			t.Errorf("%d asked, %d answers, %v", asked, lines, err)
		}
	})
}
