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
	s := splitter{data: body, key: key}
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
	w := wanted{items: items}
	if err := s.object(1, &w); err != nil {
		return nil, nil, err
	}
	if !w.found {
		return nil, nil, fmt.Errorf("answer has no array %q", items)
	}
	return w.objects, w.links, nil
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
	w := wanted{key: s.key}
	err := s.object(1, &w)
	return object{s.compacted(from), w.id, w.published}, err
}

// object reads an object whose first byte is there. If w is not nil, the members that it wants are kept in it.
func (s *splitter) object(depth int, w *wanted) error {
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
		wants := nothing
		if w != nil {
			wants = w.member(s.data[from : s.r-1])
		}
		if !s.take(':') {
			return errSyntax
		}
		var err error
		if wants == nothing {
			err = s.value(depth + 1)
		} else {
			err = s.keep(depth+1, wants, w)
		}
		if err != nil {
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

// keep reads the value of a member and keeps it in w.
func (s *splitter) keep(depth int, m member, w *wanted) (err error) {
	first := s.peek()
	from := s.at()
	switch {
	case m == theItems && first == '[':
		w.found = true
		more, err := s.array()
		w.objects = append(w.objects, more...)
		return err
	case m == theLinks:
		err = s.value(depth)
		w.links = s.compacted(from)
		return err
	case first != '"' || m == theItems:
		return s.value(depth)
	}
	if err := s.string(); err != nil {
		return err
	}
	text := s.compacted(from)
	text = text[1 : len(text)-1 : len(text)-1]
	if len(text) > maxID {
		text = nil
	}
	if m == theID {
		w.id = text
	} else {
		w.published = text
	}
	return nil
}

// wanted are the members of an object that are kept.
type wanted struct {
	key           string // names the object; empty: id, uuid or client_id does
	id, published []byte

	items   string // holds the page's objects; empty in one of them
	found   bool   // items was there
	objects []object
	links   []byte
}

// member is what one of the members is that are kept.
type member int

const (
	nothing member = iota
	theID
	thePublished
	theItems
	theLinks
)

func (w *wanted) member(name []byte) member {
	if w.items != "" {
		switch string(name) {
		case w.items:
			return theItems
		case "_links":
			return theLinks
		}
		return nothing
	}
	if w.id == nil && w.names(name) {
		return theID
	}
	if string(name) == "published" {
		return thePublished
	}
	return nothing
}

// names says whether a member of this name can name the object.
func (w *wanted) names(name []byte) bool {
	if w.key != "" {
		return string(name) == w.key
	}
	switch string(name) {
	case "id", "uuid", "client_id":
		return true
	}
	return false
}
