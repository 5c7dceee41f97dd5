package jsonscan

// Skip consumes the next value, whatever it is, and checks it.
func (s *Scanner) Skip() error {
	floor := s.depth
	for {
		opened, err := s.skipOne()
		if err != nil {
			return err
		}
		if opened {
			continue
		}
		for {
			if s.depth == floor {
				return nil
			}
			c := s.Peek()
			if c == ',' {
				s.pos++
				if s.stack[s.depth-1] == '{' {
					if err := s.skipName(); err != nil {
						return err
					}
				}
				break
			}
			if c != s.stack[s.depth-1]+2 { // '}' is '{'+2, ']' is '['+2
				return s.fail("',' or the end of the container")
			}
			s.pos++
			s.depth--
		}
	}
}

// skipOne consumes a value that holds no others, an empty container, or the
// head of a container up to its first value, and then reports that it opened one.
func (s *Scanner) skipOne() (opened bool, err error) {
	c := s.Peek()
	switch c {
	case '"':
		return false, s.skipString()
	case '{', '[':
		return s.open(c)
	case 't':
		return false, s.literal("true")
	case 'f':
		return false, s.literal("false")
	case 'n':
		return false, s.literal("null")
	default:
		return false, s.number()
	}
}

func (s *Scanner) open(c byte) (bool, error) {
	if s.depth == MaxDepth {
		return false, s.tooDeep()
	}
	s.pos++
	if s.Peek() == c+2 {
		s.pos++
		return false, nil
	}
	s.stack[s.depth] = c
	s.depth++
	if c == '{' {
		return true, s.skipName()
	}
	return true, nil
}

func (s *Scanner) skipName() error {
	if s.Peek() != '"' {
		return s.fail("a member name")
	}
	if err := s.skipString(); err != nil {
		return err
	}
	return s.expect(':')
}

// literal consumes true, false or null.
func (s *Scanner) literal(word string) error {
	for i := range len(word) {
		if s.at() != word[i] {
			return s.fail(word)
		}
		s.pos++
	}
	return nil
}

// at returns the byte at the position, 0 at the end of the text.
func (s *Scanner) at() byte {
	if s.pos >= len(s.buf) && !s.more() {
		return 0
	}
	return s.buf[s.pos]
}

// number consumes a number: -? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)?
func (s *Scanner) number() error {
	if s.at() == '-' {
		s.pos++
	}
	if s.at() == '0' {
		s.pos++
	} else if err := s.digits("a value"); err != nil {
		return err
	}
	if s.at() == '.' {
		s.pos++
		if err := s.digits("a digit"); err != nil {
			return err
		}
	}
	if c := s.at(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.at(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits("a digit")
	}
	return nil
}

// digits consumes one digit or more.
func (s *Scanner) digits(want string) error {
	if c := s.at(); c < '0' || c > '9' {
		return s.fail(want)
	}
	for c := s.at(); c >= '0' && c <= '9'; c = s.at() {
		s.pos++
	}
	return nil
}
