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

// scanner checks JSON (RFC 8259), and finds the ends of values. Its methods take the place of what they read, and return
// the place behind it, or failed. Places are not kept in the scanner, because that takes a third more time: a scan is half
// of the CPU time of a page.
type scanner struct {
	data   []byte
	spaced bool  // there was white space between tokens
	err    error // why a method failed
	at     int   // where it failed
}

// failed is returned instead of a place. A method that is given it fails too.
const failed = -1

func (s *scanner) fail(at int, err error) int {
	s.at, s.err = min(at, len(s.data)), err
	return failed
}

// peek returns the byte at a place, 0 at the end.
func (s *scanner) peek(at int) byte {
	if at >= len(s.data) {
		return 0
	}
	return s.data[at]
}

// space skips white space between tokens. Okta sends none.
func (s *scanner) space(at int) int {
	if at < len(s.data) && s.data[at] <= ' ' {
		return s.skipSpace(at)
	}
	return at
}

// skipSpace is not inlined, so that space can be.
//
//go:noinline
func (s *scanner) skipSpace(at int) int {
	for c := s.peek(at); c == ' ' || c == '\t' || c == '\r' || c == '\n'; c = s.peek(at) {
		at++
		s.spaced = true
	}
	return at
}

// value reads a value.
func (s *scanner) value(at, depth int) int {
	if at < 0 {
		return failed
	}
	switch s.peek(at) {
	case '"':
		return s.string(at)
	case '{':
		return s.object(at, depth)
	case '[':
		return s.array(at, depth)
	case 't':
		return s.literal(at, "true")
	case 'f':
		return s.literal(at, "false")
	case 'n':
		return s.literal(at, "null")
	default:
		return s.number(at)
	}
}

// object reads an object. Most members have a string, and end with a comma and the next name: that way needs few calls.
func (s *scanner) object(at, depth int) int {
	at, more := s.open(at, depth, '}')
	for more {
		if at = s.colon(s.string(at)); at >= 0 && s.peek(at) == '"' {
			at = s.string(at)
		} else {
			at = s.value(at, depth+1)
		}
		if at >= 0 && s.peek(at) == ',' && s.peek(at+1) == '"' {
			at++
		} else {
			at, more = s.next(at, '}')
		}
	}
	return at
}

// array reads an array.
func (s *scanner) array(at, depth int) int {
	at, more := s.open(at, depth, ']')
	for more {
		at, more = s.next(s.value(at, depth+1), ']')
	}
	return at
}

// open reads the bracket at the beginning of an object or array. more: an element follows.
func (s *scanner) open(at, depth int, end byte) (behind int, more bool) {
	if depth > maxDepth {
		return s.fail(at, errDeep), false
	}
	at = s.space(at + 1)
	if s.peek(at) == end {
		return at + 1, false
	}
	return at, true
}

// next reads what is behind an element: a comma, or the bracket end. more: an element follows.
func (s *scanner) next(at int, end byte) (behind int, more bool) {
	if at < 0 {
		return failed, false
	}
	at = s.space(at)
	switch s.peek(at) {
	case ',':
		return s.space(at + 1), true
	case end:
		return at + 1, false
	}
	return s.fail(at, errSyntax), false
}

// name reads the name of a member and the colon.
func (s *scanner) name(at int) (name []byte, behind int) {
	end := s.string(at)
	if behind = s.colon(end); behind < 0 {
		return nil, failed
	}
	return s.data[at+1 : end-1], behind
}

// colon reads the colon behind a name.
func (s *scanner) colon(at int) int {
	if at < 0 {
		return failed
	}
	if at = s.space(at); s.peek(at) != ':' {
		return s.fail(at, errSyntax)
	}
	return s.space(at + 1)
}

func (s *scanner) literal(at int, want string) int {
	end := at + len(want)
	if end > len(s.data) || string(s.data[at:end]) != want {
		return s.fail(at, errSyntax)
	}
	return end
}

// string reads a string. It looks at eight bytes at a time, for the first one that needs attention: a quote, but none after
// a backslash; what else comes after a backslash; and a control character. The texts that Okta has in strings are JSON
// themselves, with a quote after almost every backslash.
func (s *scanner) string(at int) int {
	data := s.data
	if at >= len(data) || data[at] != '"' {
		return s.fail(at, errSyntax)
	}
	at++
	after := uint64(0)                  // marks the first byte if a backslash was before it
	for uint(at)+8 <= uint(len(data)) { // unsigned, so that the slice needs no check
		x := binary.LittleEndian.Uint64(data[at : at+8 : at+8])
		backslashes := zeros(x ^ ones*'\\')
		escaped := backslashes<<8 | after
		special := (zeros(x^ones*'"') ^ escaped) | below(x, ' ')
		if special == 0 {
			at += 8
			after = backslashes >> 56
			continue
		}
		at += bits.TrailingZeros64(special) / 8
		after = 0
		switch {
		case escaped&special&-special != 0:
			if at = s.escape(at - 1); at < 0 {
				return failed
			}
		case data[at] == '"':
			return at + 1
		default:
			return s.fail(at, errSyntax)
		}
	}
	if after != 0 {
		at--
	}
	for at < len(data) && data[at] != '"' {
		if data[at] >= ' ' && data[at] != '\\' {
			at++
		} else if at = s.escape(at); at < 0 {
			return failed
		}
	}
	if at >= len(data) {
		return s.fail(at, errSyntax)
	}
	return at + 1
}

// Eight bytes, each 1, 0x7f or 0x80.
const (
	ones  = 0x0101010101010101
	lows  = 0x7f7f7f7f7f7f7f7f
	highs = 0x8080808080808080
)

// zeros marks those of eight bytes that are 0, by their highest bit.
func zeros(x uint64) uint64 { return ^((x&lows + lows) | x) & highs }

// below marks the first of eight bytes that is below n, at most 128, by its highest bit. A borrow may mark later ones wrongly.
func below(x, n uint64) uint64 { return (x - ones*n) &^ x & highs }

// escape reads an escape sequence. It fails at a control character, which would break a record.
func (s *scanner) escape(at int) int {
	if s.data[at] != '\\' {
		return s.fail(at, errSyntax)
	}
	switch s.peek(at + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 2
	case 'u':
		for i := at + 2; i < at+6; i++ {
			if !isHex(s.peek(i)) {
				return s.fail(i, errSyntax)
			}
		}
		return at + 6
	}
	return s.fail(at+1, errSyntax)
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (s *scanner) number(at int) int {
	if s.peek(at) == '-' {
		at++
	}
	if s.peek(at) == '0' {
		at++
	} else if at = s.digits(at); at < 0 {
		return failed
	}
	if s.peek(at) == '.' {
		if at = s.digits(at + 1); at < 0 {
			return failed
		}
	}
	if c := s.peek(at); c == 'e' || c == 'E' {
		if at++; s.peek(at) == '+' || s.peek(at) == '-' {
			at++
		}
		at = s.digits(at)
	}
	return at
}

// digits reads at least one digit.
func (s *scanner) digits(at int) int {
	from := at
	for isDigit(s.peek(at)) {
		at++
	}
	if at == from {
		return s.fail(at, errSyntax)
	}
	return at
}
