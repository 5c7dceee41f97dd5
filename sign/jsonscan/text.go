package jsonscan

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// skipString consumes a string, checking escapes and UTF-8.
func (s *Scanner) skipString() error {
	if err := s.expect('"'); err != nil {
		return err
	}
	for {
		s.pos += plain(s.buf[s.pos:])
		switch c := s.at(); {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if _, err := s.escape(); err != nil {
				return err
			}
		case c >= utf8.RuneSelf:
			if err := s.runes(); err != nil {
				return err
			}
		case c < ' ':
			return s.fail("the end of the string")
		}
	}
}

// plain returns how many bytes at the front of b stand for themselves: ASCII
// without quote, backslash and control characters. Eight are looked at at once.
func plain(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// A byte's high bit is set below where the byte is zero, or less than a
		// space, or has it set already. A false one needs a true one to its right.
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones))&highs != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// runes consumes the characters beyond ASCII that stand next to each other.
func (s *Scanner) runes() error {
	for s.at() >= utf8.RuneSelf {
		if _, err := s.rune(); err != nil {
			return err
		}
	}
	return nil
}

// escape consumes a backslash and what belongs to it. It returns the UTF-16
// unit or the character that is meant.
func (s *Scanner) escape() (rune, error) {
	s.pos++
	c := s.at()
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		s.pos++
		return s.hex4()
	default:
		return 0, s.fail("an escape")
	}
	s.pos++
	return rune(c), nil
}

func (s *Scanner) hex4() (rune, error) {
	var digits [4]byte
	for i := range digits {
		digits[i] = s.at()
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0, s.fail("a hexadecimal digit")
		}
		s.pos++
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 16)
	return rune(n), err
}

// String reads a string of at most limit bytes. Halves of surrogate pairs are
// an error: they stand for no character.
func (s *Scanner) String(limit int) (string, error) {
	if s.Peek() != '"' {
		return "", s.fail("a string")
	}
	s.pos++
	var out []byte
	for {
		n := plain(s.buf[s.pos:])
		if c := s.byteAt(s.pos + n); n == 0 && c >= utf8.RuneSelf {
			r, err := s.rune()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		} else {
			out = append(out, s.buf[s.pos:s.pos+n]...)
			s.pos += n
		}
		if len(out) > limit {
			return "", fmt.Errorf("string of more than %d bytes before byte %d: %w", limit, s.Offset(), ErrLimit)
		}
		switch c := s.at(); {
		case c == '"':
			s.pos++
			return string(out), nil
		case c == '\\':
			r, err := s.character()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return "", s.fail("the end of the string")
		}
	}
}

// byteAt returns a byte of the buffer, 0 behind its end.
func (s *Scanner) byteAt(i int) byte {
	if i < len(s.buf) {
		return s.buf[i]
	}
	return 0
}

// rune consumes one character beyond ASCII.
func (s *Scanner) rune() (rune, error) {
	for !utf8.FullRune(s.buf[s.pos:]) && s.more() {
	}
	r, n := utf8.DecodeRune(s.buf[s.pos:])
	if r == utf8.RuneError && n <= 1 {
		if !utf8.FullRune(s.buf[s.pos:]) {
			s.pos = len(s.buf) // cut off by the end of the text
		}
		return 0, s.fail("UTF-8")
	}
	s.pos += n
	return r, nil
}

// character reads an escape, or the two that make up a surrogate pair.
func (s *Scanner) character() (rune, error) {
	r, err := s.escape()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if s.at() == '\\' {
		second, err := s.escape()
		if err != nil {
			return 0, err
		}
		if full := utf16.DecodeRune(r, second); full != utf8.RuneError {
			return full, nil
		}
	}
	return 0, fmt.Errorf("half of a surrogate pair before byte %d: %w", s.Offset(), ErrSyntax)
}

// Raw reads a string that must not contain escapes, of any length. It hands its
// bytes to visit in pieces, which visit must not keep, and returns where they
// stand in the text, without the quotes. Only ASCII is accepted.
func (s *Scanner) Raw(visit func(piece []byte) error) (offset, length int64, err error) {
	if s.Peek() != '"' {
		return 0, 0, s.fail("a string")
	}
	s.pos++
	offset = s.Offset()
	for {
		n := plain(s.buf[s.pos:])
		if n > 0 {
			if err := visit(s.buf[s.pos : s.pos+n]); err != nil {
				return 0, 0, err
			}
		}
		s.pos += n
		c := s.at()
		if c == '"' {
			length = s.Offset() - offset
			s.pos++
			return offset, length, nil
		}
		if c < ' ' || c >= utf8.RuneSelf || c == '\\' {
			return 0, 0, s.fail("a string of ASCII without escapes")
		}
	}
}
