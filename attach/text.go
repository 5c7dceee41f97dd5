package attach

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// A text is a JSON text in memory that is read from front to back, once. What it
// yields are parts of raw, not copies.
type text struct {
	raw   []byte
	at    int
	depth int
	names []string // those of the open objects, one behind the other
	open  int      // members of the open objects
}

// maxMembers is how many members the objects may have that are open at once: their
// names are held, to see that none is there twice.
const maxMembers = 100_000

// manyNames is from how many members on an object's names are kept in a map.
const manyNames = 16

func (t *text) bad(what string) error {
	return fmt.Errorf("not valid JSON, %s at byte %d: %w", what, t.at, ErrMalformed)
}

// next skips white space and returns what follows, 0 at the end.
func (t *text) next() byte {
	for ; t.at < len(t.raw); t.at++ {
		switch c := t.raw[t.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// end checks that nothing but white space follows.
func (t *text) end() error {
	if t.next(); t.at < len(t.raw) {
		return t.bad("there is more")
	}
	return nil
}

// value reads one value and returns it.
func (t *text) value() (json.RawMessage, error) {
	c := t.next()
	begin := t.at
	var err error
	switch c {
	case '{':
		err = t.object(func(string, json.RawMessage) {})
	case '[':
		err = t.array(func(json.RawMessage) error { return nil })
	case '"':
		_, err = t.quoted()
	default:
		err = t.bare()
	}
	return t.raw[begin:t.at:t.at], err
}

// list reads an object or array, which begins here: its items and what separates
// and ends them.
func (t *text) list(end byte, item func() error) error {
	if t.depth++; t.depth > maxNesting {
		return fmt.Errorf("JSON is nested deeper than %d levels: %w", maxNesting, ErrMalformed)
	}
	defer func() { t.depth-- }()
	t.at++
	if t.next() == end {
		t.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch t.next() {
		case end:
			t.at++
			return nil
		case ',':
			t.at++
		default:
			return t.bad("something else than a comma")
		}
	}
}

// array reads an array and visits its elements until one fails.
func (t *text) array(visit func(json.RawMessage) error) error {
	return t.list(']', func() error {
		v, err := t.value()
		if err != nil {
			return err
		}
		return visit(v)
	})
}

// object reads an object and visits its members, each of which is there once.
func (t *text) object(visit func(name string, value json.RawMessage)) error {
	first, open := len(t.names), t.open
	defer func() { t.names, t.open = t.names[:first], open }()
	var many map[string]bool
	return t.list('}', func() error {
		if t.next() != '"' {
			return t.bad("something else than the name of a member")
		}
		quoted, err := t.quoted()
		if err != nil {
			return err
		}
		name, ok := plainString(quoted)
		if !ok {
			if err := json.Unmarshal(quoted, &name); err != nil {
				return fmt.Errorf("member name %s: %w", quoted, ErrMalformed)
			}
		}
		mine := t.names[first:]
		if many == nil && len(mine) == manyNames {
			many = make(map[string]bool)
			for _, n := range mine {
				many[n] = true
			}
		}
		if many[name] || many == nil && slices.Contains(mine, name) {
			return fmt.Errorf("JSON member %q is there twice: %w", name, ErrMalformed)
		}
		if t.open++; t.open > maxMembers {
			return fmt.Errorf("JSON objects of more than %d members: %w", maxMembers, ErrLimit)
		}
		if many != nil {
			many[name] = true
		} else {
			t.names = append(t.names, name)
		}
		if t.next() != ':' {
			return t.bad("something else than a colon")
		}
		t.at++
		v, err := t.value()
		if err != nil {
			return err
		}
		visit(name, v)
		return nil
	})
}

// quoted reads a string and returns it with its quotes.
func (t *text) quoted() ([]byte, error) {
	begin := t.at
	for t.at++; t.at < len(t.raw); t.at++ {
		switch c := t.raw[t.at]; {
		case c == '"':
			t.at++
			return t.raw[begin:t.at:t.at], nil
		case c == '\\':
			if err := t.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, t.bad("a control character in a string")
		}
	}
	return nil, t.bad("the end of the text in a string")
}

// escape reads an escape sequence up to its last byte.
func (t *text) escape() error {
	t.at++
	if t.at == len(t.raw) {
		return t.bad("the end of the text in a string")
	}
	switch t.raw[t.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			if t.at++; t.at == len(t.raw) || !isHex(t.raw[t.at]) {
				return t.bad("an escape that is none")
			}
		}
		return nil
	}
	return t.bad("an escape that is none")
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// bare reads a number, true, false or null.
func (t *text) bare() error {
	for _, word := range []string{"true", "false", "null"} {
		if rest := t.raw[t.at:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			t.at += len(word)
			return nil
		}
	}
	t.skip('-')
	ok := t.skip('0') || t.digits()
	if ok && t.skip('.') {
		ok = t.digits()
	}
	if ok && (t.skip('e') || t.skip('E')) {
		_ = t.skip('+') || t.skip('-')
		ok = t.digits()
	}
	if !ok {
		return t.bad("something that is no value")
	}
	return nil
}

// skip reads the byte if it follows.
func (t *text) skip(c byte) bool {
	if t.at == len(t.raw) || t.raw[t.at] != c {
		return false
	}
	t.at++
	return true
}

// digits reads one digit or more.
func (t *text) digits() bool {
	begin := t.at
	for t.at < len(t.raw) && isDigit(t.raw[t.at]) {
		t.at++
	}
	return t.at > begin
}

// plainString returns the string in a quoted one that has no escapes.
func plainString(quoted []byte) (string, bool) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return "", false
	}
	inside := quoted[1 : len(quoted)-1]
	if slices.Contains(inside, '\\') || !utf8.Valid(inside) {
		return "", false
	}
	return string(inside), true
}
