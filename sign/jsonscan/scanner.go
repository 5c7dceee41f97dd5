// Package jsonscan reads JSON texts of any size as a stream, in a few kilobytes
// of memory, and without building what nobody asked for.
//
// A [Scanner] walks a text from front to back. The caller says at each value
// what it wants: the members of an object, the elements of an array, a string,
// a whole small value, or to skip it. Skipped values are checked as closely as
// those that are read: grammar of RFC 8259, UTF-8, at most [MaxDepth] levels.
//
// Objects that are read through [Scanner.Object] refuse a member that stands
// there twice. Readers differ on which one counts, and what is signed must mean
// one thing to all of them. For the same reason names are compared exactly, and
// [Fold] finds names that a reader with less care takes for another.
package jsonscan

import (
	"errors"
	"fmt"
	"io"
)

// Errors that callers tell apart with errors.Is. An error that wraps neither
// comes from the underlying reader.
var (
	// ErrSyntax says that the text is no JSON, or not JSON of the shape asked for.
	ErrSyntax = errors.New("malformed JSON")
	// ErrLimit says that something in the text is larger than is read.
	ErrLimit = errors.New("JSON over the limit")
)

// Limits on what is read.
const (
	// MaxDepth is how many objects and arrays may stand inside each other.
	MaxDepth = 512
	// MaxName is the size of the longest member name in objects that are read,
	// in bytes. Names in skipped values may have any length.
	MaxName = 1024
	// MaxMembers is how many members an object that is read may have.
	MaxMembers = 1024
	// bufferSize is how much of the text is held at a time.
	bufferSize = 64 << 10
)

// A Scanner reads one JSON text. It is not safe for concurrent use.
type Scanner struct {
	r     io.Reader
	buf   []byte // buf[pos:] is not yet consumed
	pos   int
	base  int64 // offset of buf[0] in the text
	err   error // what ended reading
	depth int
	stack [MaxDepth]byte // '{' or '[' of the containers being skipped
}

// New returns a scanner of the text that r yields.
func New(r io.Reader) *Scanner {
	return &Scanner{r: r, buf: make([]byte, 0, bufferSize)}
}

// Offset returns how many bytes of the text are consumed.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// more reads on, keeping what is not consumed. It reports whether there is more.
func (s *Scanner) more() bool {
	if s.err != nil {
		return false
	}
	s.base += int64(s.pos)
	n := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
	s.buf, s.pos = s.buf[:n], 0
	for range 100 {
		m, err := s.r.Read(s.buf[n:cap(s.buf)])
		s.buf = s.buf[:n+m]
		if err != nil {
			s.err = err
		}
		if m > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// fail returns the reason why the text does not go on as it should: the
// reader's own error where it broke off, else a syntax error.
func (s *Scanner) fail(want string) error {
	if s.pos >= len(s.buf) {
		if s.err != nil && !errors.Is(s.err, io.EOF) {
			return s.err
		}
		return fmt.Errorf("ends at byte %d, %s expected: %w", s.Offset(), want, ErrSyntax)
	}
	return fmt.Errorf("byte %d is %q, %s expected: %w", s.Offset(), s.buf[s.pos], want, ErrSyntax)
}

// Peek skips white space and returns the first byte of what comes next, which
// tells its kind, without consuming it. At the end of the text it returns 0.
func (s *Scanner) Peek() byte {
	for {
		for i, c := range s.buf[s.pos:] {
			if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
				s.pos += i
				return c
			}
		}
		s.pos = len(s.buf)
		if !s.more() {
			return 0
		}
	}
}

// expect consumes white space and the byte c.
func (s *Scanner) expect(c byte) error {
	if s.Peek() != c || s.pos >= len(s.buf) {
		return s.fail(fmt.Sprintf("%q", c))
	}
	s.pos++
	return nil
}

// End checks that nothing but white space follows.
func (s *Scanner) End() error {
	s.Peek()
	if s.pos < len(s.buf) || s.err != nil && !errors.Is(s.err, io.EOF) {
		return s.fail("the end")
	}
	return nil
}

// Object reads an object. It calls visit for each member with its name; visit
// must consume the value. A name that stands twice, is longer than [MaxName]
// or beyond [MaxMembers] is an error.
func (s *Scanner) Object(visit func(name string) error) error {
	seen := make(map[string]struct{})
	return s.sequence('{', '}', func() error {
		name, err := s.String(MaxName)
		if err != nil {
			return err
		}
		if _, twice := seen[name]; twice {
			return fmt.Errorf("member %q stands twice before byte %d: %w", name, s.Offset(), ErrSyntax)
		}
		if len(seen) == MaxMembers {
			return fmt.Errorf("object with more than %d members: %w", MaxMembers, ErrLimit)
		}
		seen[name] = struct{}{}
		if err := s.expect(':'); err != nil {
			return err
		}
		return visit(name)
	})
}

// Array reads an array. It calls visit for each element with its index; visit
// must consume the element.
func (s *Scanner) Array(visit func(i int) error) error {
	i := 0
	return s.sequence('[', ']', func() error {
		err := visit(i)
		i++
		return err
	})
}

// sequence reads what stands between two brackets, separated by commas.
func (s *Scanner) sequence(open, end byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.depth == MaxDepth {
		return s.tooDeep()
	}
	s.depth++
	if s.Peek() != end {
		for {
			if err := item(); err != nil {
				return err
			}
			if s.Peek() != ',' {
				break
			}
			s.pos++
		}
	}
	s.depth--
	return s.expect(end)
}

func (s *Scanner) tooDeep() error {
	return fmt.Errorf("more than %d levels at byte %d: %w", MaxDepth, s.Offset(), ErrLimit)
}

// Span consumes the next value and returns where it stands in the text.
func (s *Scanner) Span() (offset, length int64, err error) {
	s.Peek()
	offset = s.Offset()
	err = s.Skip()
	return offset, s.Offset() - offset, err
}
