package okta

import (
	"errors"
	"fmt"
)

// maxObjects bounds the objects of an answer. Okta's longest pages have 10,000; what is kept of each takes about a
// hundred bytes.
const maxObjects = 50_000

// object is one element of a page.
type object struct {
	// raw is the object's JSON as Okta sent it, without insignificant white space.
	raw []byte
	// id is the raw text of the member that names the object, published that of its member published. Both are
	// without quotes, and nil where the member is absent, no string, or longer than maxID.
	id, published []byte
}

// maxID bounds an id in bytes. Okta's have 20 to 36 characters. Those of the levels above are part of cursors and
// checkpoints.
const maxID = 256

// Where the objects of an answer are: values of [Collection.Items], beside the name of a member.
const (
	itemsAreTheAnswer = ""
	answerIsTheItem   = "."
)

var (
	errNoArray  = errors.New("answer is no JSON array of objects")
	errNoObject = errors.New("answer is no JSON object")
)

// split validates body as JSON and returns its objects in order, and its member _links, nil without one. items says
// where the objects are, and key which member names one, as in [Collection]. White space outside strings is removed in
// place. Every other byte stays as it is, so that unknown members, the spelling of numbers and the order of keys
// survive. What is returned shares body's memory.
//
// It is one pass over the bytes; encoding/json needs three (validate, compact, decode) and an allocation for each
// object.
func split(body []byte, items, key string) (objects []object, links []byte, err error) {
	s := splitter{data: body, id: defaultID}
	if key != "" {
		s.id = []string{key}
	}
	switch items {
	case itemsAreTheAnswer:
		objects, err = s.array()
	case answerIsTheItem:
		objects, err = s.single()
	default:
		objects, links, err = s.envelope(items)
	}
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w (byte %d of %d)", err, min(s.r, len(body)), len(body))
	}
	return objects, links, nil
}

// end requires that nothing follows but white space.
func (s *splitter) end() error {
	if s.space(); s.r != len(s.data) {
		return errSyntax
	}
	s.flush()
	return nil
}

// single reads an answer that is the one object.
func (s *splitter) single() ([]object, error) {
	if s.peek() != '{' {
		return nil, errNoObject
	}
	o, err := s.element()
	return []object{o}, err
}

// envelope reads an object that holds the array of objects under the name items.
func (s *splitter) envelope(items string) (objects []object, links []byte, err error) {
	if s.peek() != '{' {
		return nil, nil, errNoObject
	}
	keep := []member{{names: []string{items}}, {names: []string{"_links"}}}
	if err := s.object(1, keep); err != nil {
		return nil, nil, err
	}
	if err := s.end(); err != nil {
		return nil, nil, err
	}
	array := splitter{data: keep[0].value, id: s.id}
	objects, err = array.array()
	if err != nil {
		return nil, nil, fmt.Errorf("member %q: %w", items, err)
	}
	return objects, keep[1].value, nil
}

// array reads an array of objects.
func (s *splitter) array() ([]object, error) {
	var objects []object
	if !s.take('[') {
		return nil, errNoArray
	}
	if s.take(']') {
		return nil, nil
	}
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
		o, err := s.element()
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
		if s.take(']') {
			return objects, nil
		}
		if !s.take(',') {
			return nil, errSyntax
		}
	}
}

// element reads one object of a page, whose first byte is there.
func (s *splitter) element() (object, error) {
	from := s.at()
	keep := [2]member{{names: s.id, text: true, first: true}, {names: published, text: true}}
	err := s.object(1, keep[:])
	return object{s.compacted(from), keep[0].value, keep[1].value}, err
}

var (
	defaultID = []string{"id", "uuid", "client_id"}
	published = []string{"published"}
)

// member is a member of an object whose value is kept.
type member struct {
	names []string
	// text: only a string of at most maxID bytes is kept, without its quotes.
	text bool
	// first: the first member that is kept counts, else the last.
	first bool
	value []byte
}

// keep keeps a value that begins with this byte. The value itself may not be at its place yet.
func (m *member) keep(begin byte, value []byte) {
	if m.first && m.value != nil {
		return
	}
	if m.text {
		if begin != '"' {
			return
		}
		if value = value[1 : len(value)-1 : len(value)-1]; len(value) > maxID {
			value = nil
		}
	}
	m.value = value
}

// named returns the member to be kept that has this name, nil if there is none.
func named(keep []member, name []byte) *member {
	for i := range keep {
		for _, n := range keep[i].names {
			if n == string(name) {
				return &keep[i]
			}
		}
	}
	return nil
}

// object reads an object whose first byte is there, and keeps some of its members.
func (s *splitter) object(depth int, keep []member) error {
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
		m := named(keep, s.data[from:s.r-1])
		if !s.take(':') {
			return errSyntax
		}
		begin := s.peek()
		from = s.at()
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if m != nil {
			m.keep(begin, s.compacted(from))
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
