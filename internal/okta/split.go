package okta

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"okta-collector/internal/checkpoint"
)

const (
	// maxObjects bounds the objects of an answer. Okta's longest pages have 10,000. Each takes about a hundred bytes
	// beside its JSON.
	maxObjects = 50_000

	maxID = checkpoint.MaxID
)

// object is one element of a page.
type object struct {
	// raw is the object's JSON as Okta sent it, without insignificant white space. Of an element with a fault, it is
	// every byte of the element.
	raw []byte
	// id and published are the members that identify and date the object: their JSON without the quotes. They are nil if
	// the member is absent, not a string or longer than maxID.
	id, published []byte
	// kind is the type of an event, the member eventType: its JSON without the quotes, like id. Of several members, it is the last.
	kind []byte
	// fault is why the element is no JSON object; nil if it is one. It repeats no byte of the element.
	fault error
	// from is where the element begins in the answer, in bytes.
	from int
	// replaced: bytes that are not UTF-8 were replaced.
	replaced bool
	// dropped: the object is not shipped.
	dropped bool
	// deletes is the deletion that an event of this type tells; nil if it tells none.
	deletes *deletion
}

// time is when an event was published; zero if that is unknown.
func (o object) time() time.Time {
	t, err := time.Parse(time.RFC3339, string(o.published))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// hash identifies the object on pages of one listing.
func (o object) hash() uint64 {
	if o.id != nil {
		return hash(string(o.id))
	}
	return hash(string(o.raw))
}

// Values of [Collection.Items] that are not the name of a member.
const (
	itemsAreTheAnswer = ""
	answerIsTheItem   = "."
)

var (
	errNoArray  = errors.New("answer is no JSON array of objects")
	errNoObject = errors.New("answer is no JSON object")
	errElement  = errors.New("not a JSON object")
	errAfter    = errors.New("bytes after the end of the answer")
	// errApart: from some place on, the elements of the answer cannot be told apart.
	errApart = errors.New("malformed JSON, in which the elements cannot be told apart")
	// errEnds: the answer ends too early.
	errEnds = errors.New("malformed JSON: the answer ends too early")
)

// split reads the elements of an answer, in order, and its member _links or nil. items and key are those of
// [Collection]. The result may share the memory of body.
//
// split removes white space outside strings, within body. Every other byte of an object stays as it is, so that unknown
// members, the spelling of numbers and the order of keys survive.
//
// An element that is no JSON object has a fault, and the elements after it are read all the same. If the end of an
// element cannot be found, the last element has the rest of the answer, and the error is errApart or errEnds.
//
// Okta sends JSON without white space between tokens. Then split takes one pass over the bytes. encoding/json takes three
// (validate, compact, decode), and one allocation for each object.
func split(body []byte, items, key string) (objects []object, links []byte, err error) {
	s := splitter{scanner: scanner{data: body}, key: key}
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		s.at = len("\ufeff") // a byte order mark
	}
	if s.space(); s.at == len(body) {
		return nil, nil, errEnds
	}
	switch items {
	case itemsAreTheAnswer:
		if s.peek() != '[' {
			return nil, nil, errNoArray
		}
		err = s.array()
	case answerIsTheItem:
		if s.peek() != '{' {
			return nil, nil, errNoObject
		}
		err = s.single()
	default:
		if s.peek() != '{' {
			return nil, nil, errNoObject
		}
		links, err = s.envelope(items)
	}
	if s.space(); err == nil && s.at < len(body) {
		s.rest(s.at, errAfter)
	}
	if errors.Is(err, errApart) && !complete(body) {
		err = errEnds
	}
	if errors.Is(err, errApart) && items == itemsAreTheAnswer {
		last := &s.objects[len(s.objects)-1] // without the bracket that ends the answer
		last.raw = bytes.TrimSuffix(bytes.TrimSpace(last.raw), []byte("]"))
	}
	if err != nil {
		err = fmt.Errorf("%w (byte %d of %d)", err, min(s.at, len(body)), len(body))
	}
	return s.objects, links, err
}

// complete reports whether an answer ends with the bracket that it begins with.
func complete(body []byte) bool {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	return len(body) > 1 && (body[0] == '[' && body[len(body)-1] == ']' || body[0] == '{' && body[len(body)-1] == '}')
}

// splitter reads the elements of an answer.
type splitter struct {
	scanner
	key     string // as in [Collection]
	objects []object
}

// rest makes one element of everything from a place on.
func (s *splitter) rest(from int, fault error) {
	s.at = len(s.data)
	s.objects = append(s.objects, object{raw: s.data[from:], fault: fault, from: from})
}

// single reads an answer that is the only object.
func (s *splitter) single() error {
	from := s.at
	o, err := s.element()
	if err != nil {
		s.rest(from, err)
		return errApart
	}
	s.objects = append(s.objects, o)
	return nil
}

// envelope reads an object whose member named items is the array of objects. It returns the member _links.
func (s *splitter) envelope(items string) (links []byte, err error) {
	found := false
	err = s.object(0, func(name []byte) (err error) {
		if string(name) == items {
			if s.peek() != '[' {
				return errNoArray
			}
			found = true
			return s.array()
		}
		from := s.at
		err = s.value(1)
		if string(name) == "_links" {
			links = s.data[from:s.at]
		}
		return err
	})
	switch {
	case err == nil && !found:
		err = fmt.Errorf("answer has no member %q", items)
	case err != nil && found && !errors.Is(err, errApart) && !errors.Is(err, errTooLarge):
		s.rest(s.at, err)
		err = errApart
	}
	return links, err
}

// array reads the elements of an array; the next byte is its bracket.
func (s *splitter) array() error {
	s.at++
	s.space()
	if s.take(']') {
		return nil
	}
	for {
		if len(s.objects) == maxObjects {
			return errTooLarge
		}
		from := s.at
		o, err := s.element()
		s.space()
		if c := s.peek(); err == nil && c != ',' && c != ']' {
			err = errSyntax
		}
		if err != nil {
			s.at = from
			if !s.skip() {
				s.rest(from, err)
				return errApart
			}
			o.raw, o.fault, o.from = s.data[from:s.at], err, from
		}
		s.objects = append(s.objects, o)
		if s.take(']') {
			return nil
		}
		s.take(',')
		s.space()
	}
}

// skip moves past a malformed element, to the comma or bracket after it. It reports whether the end of the element is
// certain: outside of strings the brackets match, and each token stands between tokens that it may stand between. A quote
// that is missing breaks this rule.
func (s *splitter) skip() bool {
	var open []byte     // the brackets that must close, innermost last
	before := byte(',') // the token before, by its last byte
	for ; s.at < len(s.data); s.at++ {
		c := s.data[s.at]
		opens := before == ',' || before == ':' || before == '{' || before == '['
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '"':
			if !opens || !s.skipString() {
				return false
			}
		case '{', '[':
			if !opens {
				return false
			}
			open = append(open, c+2) // ASCII: the closing bracket is two further
		case '}', ']':
			if len(open) == 0 {
				return c == ']'
			}
			if open[len(open)-1] != c {
				return false
			}
			open = open[:len(open)-1]
		case ',':
			if len(open) == 0 {
				return true
			}
		default:
			if before == '"' || before == '}' || before == ']' {
				if c != ':' || before != '"' {
					return false
				}
			}
		}
		before = c
	}
	return false
}

// skipString moves to the closing quote of a string; the next byte is its opening quote. Whatever follows a backslash
// belongs to the string.
func (s *splitter) skipString() bool {
	for s.at++; s.at < len(s.data); s.at++ {
		switch s.data[s.at] {
		case '"':
			return true
		case '\\':
			s.at++
		}
	}
	return false
}

// element reads one object. After an error, it has the id that came before.
func (s *splitter) element() (o object, err error) {
	o.from = s.at
	if s.peek() != '{' {
		return o, errElement
	}
	s.spaced = false
	err = s.object(1, func(name []byte) error {
		from := s.at
		if err := s.value(2); err != nil {
			return err
		}
		text := shortString(s.data[from:s.at])
		switch {
		case isNamed(name, "eventType"):
			o.kind = text
		case text == nil:
		case string(name) == "published":
			o.published = text
		case o.id == nil && s.isKey(name):
			o.id = text
		}
		return nil
	})
	if err != nil {
		return o, fmt.Errorf("%w at byte %d", err, s.at-o.from)
	}
	o.raw = s.data[o.from:s.at:s.at]
	if s.spaced {
		o.id, o.published, o.kind = bytes.Clone(o.id), bytes.Clone(o.published), bytes.Clone(o.kind) // their bytes move
		o.raw = compact(o.raw)
	}
	return o, nil
}

// compact removes the white space outside of the strings of valid JSON, in place: an object may be as large as a page.
func compact(data []byte) []byte {
	kept, inString := data[:0], false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			kept = append(kept, c)
			i++ // a quote after a backslash ends no string
		case c == '"':
			inString = !inString
		case !inString && c <= ' ':
			continue
		}
		kept = append(kept, data[i])
	}
	return kept[:len(kept):len(kept)]
}

// isKey reports whether a member of this name identifies an object.
func (s *splitter) isKey(name []byte) bool {
	if s.key != "" {
		return string(name) == s.key
	}
	return string(name) == "id" || string(name) == "uuid" || string(name) == "client_id"
}

// shortString returns the inside of a JSON string; nil if the value is not a string, or too long for an id.
func shortString(value []byte) []byte {
	if value[0] != '"' || len(value) > maxID+2 {
		return nil
	}
	return value[1 : len(value)-1 : len(value)-1]
}
