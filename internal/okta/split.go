package okta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// maxObjects bounds the objects of an answer. Okta's longest pages have 10,000. What is kept of each takes about a
	// hundred bytes.
	maxObjects = 50_000
	// maxID bounds an id in bytes. Okta's have 20 to 36 characters. The ids of levels are part of cursors and
	// checkpoints.
	maxID = 256
)

// object is one element of a page.
type object struct {
	// raw is the object's JSON as Okta sent it, without insignificant white space.
	raw []byte
	// id and published are the members that name the object and say when it was published: their JSON without the
	// quotes. They are nil where the member is absent, no string, or longer than maxID.
	id, published []byte
}

// Where the objects of an answer are: values of [Collection.Items], beside the name of a member.
const (
	itemsAreTheAnswer = ""
	answerIsTheItem   = "."
)

var (
	errNoArray  = errors.New("answer is no JSON array of objects")
	errNoObject = errors.New("answer is no JSON object")
)

// split validates body as JSON. It returns its objects in order, and its member _links, nil without one. items says
// where the objects are, and key which member names one, as in [Collection]. White space outside strings is removed.
// Every other byte stays as it is, so that unknown members, the spelling of numbers and the order of keys survive. The
// result may share body's memory.
//
// Okta sends JSON without such white space. split then takes one pass over the bytes. encoding/json takes three
// (validate, compact, decode), and an allocation for each object.
func split(body []byte, items, key string) (objects []object, links []byte, err error) {
	s := splitter{scanner{data: body}, key}
	if objects, links, err = s.answer(items); err == nil {
		return objects, links, nil
	}
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil && compact.Len() < len(body) {
		return split(compact.Bytes(), items, key)
	}
	return nil, nil, fmt.Errorf("%w (byte %d of %d)", err, min(s.at, len(body)), len(body))
}

// splitter reads the objects of an answer without white space.
type splitter struct {
	scanner
	key string // as in [Collection]
}

func (s *splitter) answer(items string) (objects []object, links []byte, err error) {
	switch items {
	case itemsAreTheAnswer:
		objects, err = s.array(nil)
	case answerIsTheItem:
		objects = make([]object, 1)
		objects[0], err = s.element(errNoObject)
	default:
		objects, links, err = s.envelope(items)
	}
	if err == nil && s.at < len(s.data) {
		err = errSyntax
	}
	return objects, links, err
}

// envelope reads an object that holds the array of objects under the name items.
func (s *splitter) envelope(items string) (objects []object, links []byte, err error) {
	if s.peek() != '{' {
		return nil, nil, errNoObject
	}
	found := false
	err = s.object(0, func(name []byte) (err error) {
		if string(name) == items {
			found = true
			objects, err = s.array(objects)
			return err
		}
		from := s.at
		err = s.value(1)
		if string(name) == "_links" {
			links = s.data[from:s.at]
		}
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("answer has no member %q", items)
	}
	return objects, links, err
}

// array appends the objects of an array.
func (s *splitter) array(objects []object) ([]object, error) {
	if s.peek() != '[' {
		return nil, errNoArray
	}
	err := s.list(0, ']', func() error {
		if len(objects) == maxObjects {
			return errTooLarge
		}
		o, err := s.element(errNoArray)
		objects = append(objects, o)
		return err
	})
	return objects, err
}

// element reads one object. none is the error if there is something else.
func (s *splitter) element(none error) (o object, err error) {
	from := s.at
	if s.peek() != '{' {
		return o, none
	}
	err = s.object(1, func(name []byte) error {
		from := s.at
		if err := s.value(2); err != nil {
			return err
		}
		text := shortString(s.data[from:s.at])
		switch {
		case text == nil:
		case string(name) == "published":
			o.published = text
		case o.id == nil && s.isKey(name):
			o.id = text
		}
		return nil
	})
	o.raw = s.data[from:s.at:s.at]
	return o, err
}

// isKey says whether a member of this name can name an object.
func (s *splitter) isKey(name []byte) bool {
	if s.key != "" {
		return string(name) == s.key
	}
	return string(name) == "id" || string(name) == "uuid" || string(name) == "client_id"
}

// shortString returns what is between the quotes of a string, nil if the value is something else or too long.
func shortString(value []byte) []byte {
	if value[0] != '"' || len(value) > maxID+2 {
		return nil
	}
	return value[1 : len(value)-1 : len(value)-1]
}
