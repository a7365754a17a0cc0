package okta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// maxObjects bounds the objects of an answer. Okta's longest pages have 10,000. Each takes about a hundred bytes
	// beside its JSON.
	maxObjects = 50_000
	// maxID bounds an id in bytes. Okta's have 20 to 36 characters. The ids of parent levels are part of cursors and
	// checkpoints.
	maxID = 256
)

// object is one element of a page.
type object struct {
	// raw is the object's JSON as Okta sent it, without insignificant white space.
	raw []byte
	// id and published are the members that identify and date the object: their JSON without the quotes. They are nil if
	// the member is absent, not a string or longer than maxID.
	id, published []byte
}

// Values of [Collection.Items] that are not the name of a member.
const (
	itemsAreTheAnswer = ""
	answerIsTheItem   = "."
)

var (
	errNoArray  = errors.New("answer is no JSON array of objects")
	errNoObject = errors.New("answer is no JSON object")
)

// split validates body as JSON. It returns its objects in order, and its member _links or nil. items and key are those
// of [Collection]. split removes white space outside strings. Every other byte stays as it is, so that unknown members,
// the spelling of numbers and the order of keys survive. The result may share the memory of body.
//
// Okta sends JSON without such white space. Then split takes one pass over the bytes. encoding/json takes three
// (validate, compact, decode), and one allocation for each object.
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

// envelope reads an object whose member named items is the array of objects.
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

// element reads one object. It returns the error notObject if the next value is not an object.
func (s *splitter) element(notObject error) (o object, err error) {
	from := s.at
	if s.peek() != '{' {
		return o, notObject
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
