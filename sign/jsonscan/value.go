package jsonscan

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Value reads a whole value into memory: nil, bool, string, json.Number, []any
// or map[string]any. Members that stand twice are an error on every level, as
// in [Scanner.Object]. A value of more than limit bytes of text is an error.
func (s *Scanner) Value(limit int64) (any, error) {
	s.Peek()
	return s.value(s.Offset() + limit)
}

// value reads a value that ends before the offset until.
func (s *Scanner) value(until int64) (any, error) {
	c := s.Peek()
	left := until - s.Offset()
	if left <= 0 {
		return nil, fmt.Errorf("value that goes on at byte %d: %w", s.Offset(), ErrLimit)
	}
	switch c {
	case '"':
		return s.String(int(min(left, 1<<30)))
	case '{':
		m := make(map[string]any)
		return m, s.Object(func(name string) (err error) {
			m[name], err = s.value(until)
			return err
		})
	case '[':
		list := []any{}
		err := s.Array(func(int) error {
			v, err := s.value(until)
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
