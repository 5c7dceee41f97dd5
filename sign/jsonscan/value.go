package jsonscan

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Value reads a whole value into memory: nil, bool, string, json.Number, []any
// or map[string]any. Members that stand twice are an error on every level, as
// in [Scanner.Object]. A value of more than limit bytes of text, or made of more than
// [MaxValues] values, is an error.
func (s *Scanner) Value(limit int64) (any, error) {
	s.Peek()
	return s.value(&budget{until: s.Offset() + limit, values: MaxValues})
}

// MaxValues is how many values one value may be made of, itself and all in it: each takes
// tens of bytes, of which its text may be two.
const MaxValues = 1 << 18

// A budget is what may still be read of one value.
type budget struct {
	until  int64 // the offset before which it ends
	values int
}

// value reads a value within the budget.
func (s *Scanner) value(b *budget) (any, error) {
	c := s.Peek()
	left := b.until - s.Offset()
	if b.values--; left <= 0 || b.values < 0 {
		return nil, fmt.Errorf("value that goes on at byte %d: %w", s.Offset(), ErrLimit)
	}
	switch c {
	case '"':
		return s.String(int(min(left, 1<<30)))
	case '{':
		m := make(map[string]any)
		return m, s.Object(func(name string) (err error) {
			m[name], err = s.value(b)
			return err
		})
	case '[':
		list := []any{}
		err := s.Array(func(int) error {
			v, err := s.value(b)
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
