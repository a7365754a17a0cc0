package okta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	// maxDepth bounds the nesting of an answer. Okta's objects nest below 20.
	maxDepth = 200
	// maxObjects bounds the objects of an answer. Okta's longest pages have 10,000; what is
	// kept of each takes about a hundred bytes.
	maxObjects = 50_000
)

// object is one element of a page.
type object struct {
	// raw is the object's JSON as Okta sent it, without insignificant white space.
	raw []byte
	// id is the raw text of the first of its members id, uuid and client_id, published
	// that of its member published; without quotes, nil where absent, no string, or longer than maxID.
	id, published []byte
}

// maxID bounds an id in bytes. Okta's have 20 to 36 characters; those of parents are part of
// cursors and checkpoints.
const maxID = 256

var errNoArray = errors.New("answer is no JSON array of objects")

// split validates body as a JSON array of objects and returns them in order. White space
// outside strings is removed in place; every other byte stays as it is, so that unknown members,
// the spelling of numbers and the order of keys survive. The objects share body's memory.
//
// It is one pass over the bytes; encoding/json needs three (validate, compact, decode)
// and an allocation for each object.
func split(body []byte) ([]object, error) {
	s := splitter{data: body}
	objects, err := s.array()
	if err != nil {
		return nil, fmt.Errorf("%w (byte %d of %d)", err, min(s.r, len(body)), len(body))
	}
	return objects, nil
}

type splitter struct {
	data []byte
	r    int // the next byte to read
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

var (
	errSyntax = errors.New("malformed JSON")
	errDeep   = fmt.Errorf("JSON nested deeper than %d", maxDepth)
)

func (s *splitter) array() ([]object, error) {
	var objects []object
	if !s.take('[') {
		return nil, errNoArray
	}
	if !s.take(']') {
		for {
			if s.peek() != '{' {
				if s.r >= len(s.data) {
					return nil, errSyntax
				}
				return nil, errNoArray
			}
			if len(objects) == maxObjects {
				return nil, errTooLarge
			}
			var o object
			from := s.at()
			if err := s.object(1, &o); err != nil {
				return nil, err
			}
			o.raw = s.compacted(from)
			objects = append(objects, o)
			if s.take(',') {
				continue
			}
			if s.take(']') {
				break
			}
			return nil, errSyntax
		}
	}
	if s.space(); s.r != len(s.data) {
		return nil, errSyntax
	}
	s.flush()
	return objects, nil
}

// compacted is the place of what was read since s.at() was from. Part of it may only be moved
// there by the next flush.
func (s *splitter) compacted(from int) []byte {
	to := s.at()
	return s.data[from:to:to]
}

// object reads an object whose first byte is there. If top is not nil, its members that matter
// are kept in it.
func (s *splitter) object(depth int, top *object) error {
	if depth > maxDepth {
		return errDeep
	}
	s.r++
	if s.take('}') {
		return nil
	}
	for {
		if s.peek() != '"' {
			return errSyntax
		}
		from := s.r + 1
		if err := s.string(); err != nil {
			return err
		}
		var keep *[]byte // where the value belongs
		if top != nil {
			keep = top.member(s.data[from : s.r-1])
		}
		if !s.take(':') {
			return errSyntax
		}
		if keep != nil && s.peek() == '"' {
			value := s.at() + 1
			if err := s.string(); err != nil {
				return err
			}
			*keep = s.compacted(value)
			*keep = (*keep)[: len(*keep)-1 : len(*keep)-1]
			if len(*keep) > maxID {
				*keep = nil
			}
		} else if err := s.value(depth + 1); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.r++
		case '}':
			s.r++
			return nil
		default:
			return errSyntax
		}
	}
}

// member is where the value of a member is kept, nil if it is not.
func (o *object) member(key []byte) *[]byte {
	switch string(key) {
	case "id", "uuid", "client_id":
		if o.id == nil {
			return &o.id
		}
	case "published":
		return &o.published
	}
	return nil
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
