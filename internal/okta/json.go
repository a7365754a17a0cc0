package okta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// maxDepth bounds the nesting of an answer. Okta's objects nest below 20.
const maxDepth = 200

var (
	errSyntax = errors.New("malformed JSON")
	errDeep   = fmt.Errorf("JSON nested deeper than %d", maxDepth)
)

// scanner checks JSON (RFC 8259), and finds the ends of values.
type scanner struct {
	data   []byte
	at     int  // the next byte to read
	spaced bool // there was white space between tokens
}

// space skips white space between tokens. Okta sends none.
func (s *scanner) space() {
	for s.at < len(s.data) && s.data[s.at] <= ' ' && strings.IndexByte(" \t\r\n", s.data[s.at]) >= 0 {
		s.at++
		s.spaced = true
	}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at >= len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// take reads the next byte if it is c, and reports whether it was.
func (s *scanner) take(c byte) bool {
	if s.at >= len(s.data) || s.data[s.at] != c {
		return false
	}
	s.at++
	return true
}

// value reads a value; white space before it was skipped.
func (s *scanner) value(depth int) error {
	switch s.peek() {
	case '{':
		return s.object(depth, func([]byte) error { return s.value(depth + 1) })
	case '[':
		return s.list(depth, ']', func() error { return s.value(depth + 1) })
	case '"':
		return s.string()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// object reads an object; the next byte is its brace. It calls value with each member's name, to read the value.
func (s *scanner) object(depth int, value func(name []byte) error) error {
	return s.list(depth, '}', func() error {
		from := s.at + 1
		if s.peek() != '"' {
			return errSyntax
		}
		if err := s.string(); err != nil {
			return err
		}
		name := s.data[from : s.at-1]
		s.space()
		if !s.take(':') {
			return errSyntax
		}
		s.space()
		return value(name)
	})
}

// list reads the elements between an opening bracket, which is the next byte, and the bracket end.
func (s *scanner) list(depth int, end byte, element func() error) error {
	if depth > maxDepth {
		return errDeep
	}
	s.at++
	s.space()
	if s.take(end) {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		s.space()
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
		s.space()
	}
}

func (s *scanner) literal(want string) error {
	if !bytes.HasPrefix(s.data[s.at:], []byte(want)) {
		return errSyntax
	}
	s.at += len(want)
	return nil
}

// string reads a string; the next byte is its opening quote.
func (s *scanner) string() error {
	for s.at++; ; s.at++ {
		s.skipPlain()
		switch s.peek() {
		case '"':
			s.at++
			return nil
		case '\\':
			if err := s.escape(); err != nil {
				return err
			}
		default: // the end, or a control character, which would break a record
			return errSyntax
		}
	}
}

// skipPlain skips the bytes of a string that need no attention: most of an answer. It looks at eight at a time.
// Subtracting n sets the highest bit of a byte below n. A borrow can mark later bytes wrongly, but never an earlier
// one, so the first marked byte is right.
func (s *scanner) skipPlain() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	data, at := s.data, s.at
	for ; at+8 <= len(data); at += 8 {
		x := binary.LittleEndian.Uint64(data[at:])
		special := (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)
		if special &= ^x & highs; special != 0 {
			s.at = at + bits.TrailingZeros64(special)/8
			return
		}
	}
	for at < len(data) && data[at] >= ' ' && data[at] != '"' && data[at] != '\\' {
		at++
	}
	s.at = at
}

// escape reads an escape sequence up to its last byte; the next byte is its backslash.
func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.at++
			if strings.IndexByte("0123456789abcdefABCDEF", s.peek()) < 0 {
				return errSyntax
			}
		}
		return nil
	}
	return errSyntax
}

func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return errSyntax
	}
	if s.take('.') && !s.digits() {
		return errSyntax
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

// digits reads digits, and reports whether there are any.
func (s *scanner) digits() bool {
	from := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > from
}
