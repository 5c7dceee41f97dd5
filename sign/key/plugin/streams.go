package plugin

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
)

// bounded keeps what is written, up to a limit; what is over it is called for once
// and refused.
type bounded struct {
	text  bytes.Buffer
	limit int
	over  func()
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.limit {
		b.over()
		return 0, errors.New("over the limit")
	}
	return b.text.Write(p)
}

// tail keeps the end of what is written, without secrets. nil is empty.
type tail struct {
	env  []string // has the secrets
	keep int      // bytes: maxNoise, and as many before them as a secret can reach into them
	mu   sync.Mutex
	text []byte
	lost bool
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = t.lost || len(t.text)+len(p) > maxNoise
	t.text = append(t.text, p[max(0, len(p)-t.keep):]...)
	if over := len(t.text) - t.keep; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// String returns the last maxNoise bytes of what was written, with secrets hidden.
func (t *tail) String() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	text := hideIn(string(t.text), max(0, len(t.text)-maxNoise), len(t.text), t.env)
	if t.lost {
		return "..." + text
	}
	return text
}

// secretWords are in the names of variables that hold secrets.
const secretWords = "TOKEN SECRET PASSWORD PASSWD PASSPHRASE CREDENTIAL PIN APIKEY _KEY PRIVATE"

// hide takes the values of variables that hold secrets out of the text.
func hide(text string, env []string) string { return hideIn(text, 0, len(text), env) }

// hideIn returns the part of the text from one byte to another without secrets. They
// are looked for in the whole text, so that nothing is left of one that the part has
// half of, and the longest first: a shorter one may be a piece of it.
func hideIn(text string, from, to int, env []string) string {
	secrets := secretsOf(env)
	by := make([]int, len(text)) // which secret a byte belongs to, counted from 1
	for i, s := range secrets {
		_, value, _ := strings.Cut(s, "=")
		for at, done := 0, 0; ; at++ {
			n := strings.Index(text[at:], value)
			if n < 0 {
				break
			}
			at += n
			for k := max(at, done); k < at+len(value); k++ {
				if by[k] == 0 {
					by[k] = i + 1
				}
			}
			done = at + len(value)
		}
	}
	var out strings.Builder
	for k := from; k < to; k++ {
		switch {
		case by[k] == 0:
			out.WriteByte(text[k])
		case k == from || by[k] != by[k-1]:
			name, _, _ := strings.Cut(secrets[by[k]-1], "=")
			out.WriteString("[value of " + name + "]")
		}
	}
	return out.String()
}

// secretsOf returns the variables that hold secrets, as NAME=value, the one with the
// longest value first. Values of less than four bytes hide nothing.
func secretsOf(env []string) []string {
	size := func(v string) int { return len(v) - strings.Index(v, "=") - 1 }
	secrets := slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, value, _ := strings.Cut(v, "=")
		return len(value) < 4 || !secret(name)
	})
	slices.SortStableFunc(secrets, func(a, b string) int { return size(b) - size(a) })
	return secrets
}

// longest returns the length of the longest secret, in bytes.
func longest(env []string) int {
	for _, v := range secretsOf(env) {
		_, value, _ := strings.Cut(v, "=")
		return len(value)
	}
	return 0
}

func secret(name string) bool {
	name = strings.ToUpper(name)
	for word := range strings.FieldsSeq(secretWords) {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
