package okta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// maxDepth bounds the nesting of an answer. Okta's objects nest below 20.
const maxDepth = 200

var (
	errSyntax = errors.New("malformed JSON")
	errDeep   = fmt.Errorf("JSON nested deeper than %d", maxDepth)
)

// splitter reads JSON and removes white space in place.
type splitter struct {
	data []byte
	id   []string // the members that can name an object
	r    int      // the next byte to read
	// data[run:r] was read and has not been moved to its place at data[w:] yet.
	run, w int
}

// at is where the next byte read will be after compaction.
func (s *splitter) at() int { return s.w + s.r - s.run }

// space skips white space, which ends the current run if there is any.
func (s *splitter) space() {
	s.flush()
	for s.r < len(s.data) {
		switch s.data[s.r] {
		case ' ', '\t', '\n', '\r':
			s.r++
			continue
		}
		break
	}
	s.run = s.r
}

// flush moves the run to its place.
func (s *splitter) flush() {
	if s.w != s.run {
		copy(s.data[s.w:], s.data[s.run:s.r])
	}
	s.w = s.at()
	s.run = s.r
}

// peek returns the next byte after white space, 0 at the end.
func (s *splitter) peek() byte {
	if s.r < len(s.data) && s.data[s.r] > ' ' {
		return s.data[s.r]
	}
	return s.peekSpaced()
}

func (s *splitter) peekSpaced() byte {
	s.space()
	if s.r >= len(s.data) {
		return 0
	}
	return s.data[s.r]
}

// take takes one byte after white space, and says whether it was c.
func (s *splitter) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.r++
	return true
}

// compacted is the place of what was read since s.at() was from. Part of it may only be moved
// there by the next flush.
func (s *splitter) compacted(from int) []byte {
	to := s.at()
	return s.data[from:to:to]
}

func (s *splitter) value(depth int) error {
	switch c := s.peek(); c {
	case '{':
		return s.object(depth, nil)
	case '[':
		return s.list(depth)
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

func (s *splitter) list(depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	s.r++
	if s.take(']') {
		return nil
	}
	for {
		if err := s.value(depth + 1); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.r++
		case ']':
			s.r++
			return nil
		default:
			return errSyntax
		}
	}
}

func (s *splitter) literal(want string) error {
	if len(s.data)-s.r < len(want) || string(s.data[s.r:s.r+len(want)]) != want {
		return errSyntax
	}
	s.r += len(want)
	return nil
}

// plain marks the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// skipPlain returns the place of the first byte from r on that does not stand for itself.
func skipPlain(data []byte, r int) int {
	// Eight at a time: a byte less than n borrows from its highest bit when n is taken from it,
	// and one equal to n is zero, so less than one, when combined with n.
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for r+8 <= len(data) {
		x := binary.LittleEndian.Uint64(data[r:])
		control := x - ones*' '
		quote := (x ^ ones*'"') - ones
		backslash := (x ^ ones*'\\') - ones
		// Borrows reach further bytes only, so the first of those found is right.
		if found := (control | quote | backslash) & ^x & highs; found != 0 {
			return r + bits.TrailingZeros64(found)/8
		}
		r += 8
	}
	for r < len(data) && plain[data[r]] {
		r++
	}
	return r
}

// string reads a string whose opening quote is there.
func (s *splitter) string() error {
	data, r := s.data, s.r+1
	for {
		r = skipPlain(data, r)
		s.r = r
		if r >= len(data) {
			return errSyntax
		}
		switch data[r] {
		case '"':
			s.r = r + 1
			return nil
		case '\\':
			r++
			if r >= len(data) {
				return errSyntax
			}
			switch data[r] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				r++
			case 'u':
				for range 4 {
					r++
					if r >= len(data) || !isHex(data[r]) {
						return errSyntax
					}
				}
				r++
			default:
				return errSyntax
			}
		default: // a control character, which would break a record
			return errSyntax
		}
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// number reads a number as RFC 8259 defines it.
func (s *splitter) number() error {
	if s.r < len(s.data) && s.data[s.r] == '-' {
		s.r++
	}
	if s.r < len(s.data) && s.data[s.r] == '0' {
		s.r++
	} else if !s.digits() {
		return errSyntax
	}
	if s.r < len(s.data) && s.data[s.r] == '.' {
		s.r++
		if !s.digits() {
			return errSyntax
		}
	}
	if s.r < len(s.data) && (s.data[s.r] == 'e' || s.data[s.r] == 'E') {
		s.r++
		if s.r < len(s.data) && (s.data[s.r] == '+' || s.data[s.r] == '-') {
			s.r++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *splitter) digits() bool {
	from := s.r
	for s.r < len(s.data) && '0' <= s.data[s.r] && s.data[s.r] <= '9' {
		s.r++
	}
	return s.r > from
}
