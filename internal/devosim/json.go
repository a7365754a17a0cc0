package devosim

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON, and with it the stack. Okta's objects stay below 20.
const maxDepth = 1000

// eachMember checks that json is one JSON object without any insignificant white space,
// in valid UTF-8, and calls visit for each member of its top level: with the name between its quotes, the
// value, and the whole member. encoding/json would take three passes for
// this, and allocate; there is one checker for up to 50,000 objects a second.
func eachMember(json []byte, visit func(name, value, member []byte) error) error {
	if !utf8.Valid(json) {
		return errors.New("is not UTF-8")
	}
	s := scanner{json: json}
	if s.peek() != '{' {
		return s.unexpected("an object")
	}
	if err := s.object(visit); err != nil {
		return err
	}
	if s.at != len(json) {
		return s.unexpected("the end")
	}
	return nil
}

// scanner walks once through compact JSON (RFC 8259 without its white space).
type scanner struct {
	json  []byte
	at    int
	depth int
}

// peek returns the next byte, 0 at the end: no token of JSON begins with it.
func (s *scanner) peek() byte {
	if s.at == len(s.json) {
		return 0
	}
	return s.json[s.at]
}

// skip steps over c if it is next.
func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) unexpected(want string) error {
	if s.at == len(s.json) {
		return fmt.Errorf("ends where %s was expected", want)
	}
	return fmt.Errorf("has %q at byte %d where %s was expected", s.json[s.at], s.at, want)
}

func (s *scanner) value() error {
	switch c := s.peek(); c {
	case '{':
		return s.object(nil)
	case '[':
		return s.elements(']', s.value)
	case '"':
		return s.string()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if c == '-' || isDigit(c) {
			return s.number()
		}
		return s.unexpected("a value")
	}
}

func (s *scanner) object(visit func(name, value, member []byte) error) error {
	return s.elements('}', func() error {
		start := s.at
		if err := s.string(); err != nil {
			return err
		}
		colon := s.at
		if !s.skip(':') {
			return s.unexpected("a colon")
		}
		if err := s.value(); err != nil {
			return err
		}
		if visit == nil {
			return nil
		}
		return visit(s.json[start+1:colon-1], s.json[colon+1:s.at], s.json[start:s.at])
	})
}

// elements steps over an opening bracket, what element reads, separated by commas, and end.
func (s *scanner) elements(end byte, element func() error) error {
	s.at++
	s.depth++
	if s.depth > maxDepth {
		return fmt.Errorf("is nested deeper than %d", maxDepth)
	}
	for empty := s.skip(end); !empty; {
		if err := element(); err != nil {
			return err
		}
		if s.skip(end) {
			break
		}
		if !s.skip(',') {
			return s.unexpected(fmt.Sprintf("a comma or %q", end))
		}
	}
	s.depth--
	return nil
}

func (s *scanner) string() error {
	if !s.skip('"') {
		return s.unexpected("a string")
	}
	for s.at < len(s.json) {
		switch c := s.json[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c == '\\':
			s.at++
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.unexpected("no control character")
		default:
			s.at++
		}
	}
	return s.unexpected("the end of a string")
}

func (s *scanner) escape() error {
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		s.at++
		for range 4 {
			if !isHex(s.peek()) {
				return s.unexpected("a hexadecimal digit")
			}
			s.at++
		}
		return nil
	default:
		return s.unexpected("an escape")
	}
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if !s.skip(word[i]) {
			return s.unexpected(word)
		}
	}
	return nil
}

func (s *scanner) number() error {
	s.skip('-')
	if !s.skip('0') {
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.skip('.') {
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		return s.digits()
	}
	return nil
}

// digits steps over one digit or more.
func (s *scanner) digits() error {
	if !isDigit(s.peek()) {
		return s.unexpected("a digit")
	}
	for isDigit(s.peek()) {
		s.at++
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
