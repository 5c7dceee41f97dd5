package jsonscan

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Value reads a whole value into memory: nil, bool, string, json.Number, []any
// or map[string]any. Members that stand twice are an error on every level, as
// in [Scanner.Object]. The caller bounds the text.
func (s *Scanner) Value() (any, error) {
	switch s.Peek() {
	case '"':
		return s.String(int(^uint(0) >> 1))
	case '{':
		m := make(map[string]any)
		return m, s.Object(func(name string) (err error) {
			m[name], err = s.Value()
			return err
		})
	case '[':
		list := []any{}
		err := s.Array(func(int) error {
			v, err := s.Value()
			list = append(list, v)
			return err
		})
		return list, err
	case 't':
		return true, s.literal("true")
	case 'f':
		return false, s.literal("false")
	case 'n':
		return nil, s.literal("null")
	default:
		return s.numberText()
	}
}

// maxNumber is the size of the longest number that is kept, in bytes.
const maxNumber = 128

func (s *Scanner) numberText() (json.Number, error) {
	// The number is at hand whole unless the buffer ends inside it.
	for len(s.buf)-s.pos <= maxNumber && s.more() {
	}
	rest := s.buf[s.pos:]
	start := s.Offset()
	if err := s.number(); err != nil {
		return "", err
	}
	n := s.Offset() - start
	if n > maxNumber || n > int64(len(rest)) {
		return "", fmt.Errorf("number of %d bytes at byte %d: %w", n, start, ErrLimit)
	}
	return json.Number(rest[:n]), nil
}

// Fold returns the name among known that a reader which ignores case takes
// name for, although it is another one. It returns "" when there is none.
func Fold(name string, known ...string) string {
	for _, k := range known {
		if name == k {
			return ""
		}
	}
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return k
		}
	}
	return ""
}
