package okta

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"okta-collector/internal/checkpoint"
)

const (
	// maxObjects bounds the objects of an answer. Okta's longest pages have 10,000. Each takes about a hundred bytes
	// beside its JSON.
	maxObjects = 50_000
	// smallObject is the size of a small object, in bytes. A short answer may have fewer objects than a full page.
	smallObject = 200

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
	// isUTF8: all bytes of raw are. replaced: those that are not were replaced.
	isUTF8, replaced bool
	// dropped: the object is not shipped.
	dropped bool
	// deletes is the deletion that an event of this type tells; nil if it tells none.
	deletes *deletion
}

// time is when an event was published; zero if that is unknown.
func (o *object) time() time.Time {
	t, err := time.Parse(time.RFC3339, string(o.published))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// hash identifies the object on pages of one listing.
func (o *object) hash() uint64 {
	if o.id != nil {
		return hash(o.id)
	}
	return hash(o.raw)
}

// released are the slices of objects of released pages, for the next ones. Otherwise each page leaves some 150 KB of garbage with
// pointers.
var released sync.Pool // of *[]object

// takeObjects returns an empty slice with room for so many objects.
func takeObjects(n int) []object {
	if all, ok := released.Get().(*[]object); ok && cap(*all) >= n {
		return (*all)[:0]
	}
	return make([]object, 0, n)
}

// putObjects takes back a slice that nobody uses any more.
func putObjects(all []object) {
	clear(all)
	released.Put(&all)
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
// [Collection]. expected is how many elements there may be. The result may share the memory of body.
//
// split removes white space outside strings, within body. Every other byte of an object stays as it is, so that unknown
// members, the spelling of numbers and the order of keys survive.
//
// An element that is no JSON object has a fault, and the elements after it are read all the same. If the end of an
// element cannot be found, the last element has the rest of the answer, and the error is errApart or errEnds.
//
// Okta sends JSON without white space between tokens. Then split takes one pass over the bytes, and one allocation.
// encoding/json takes three passes (validate, compact, decode), and one allocation for each object.
func split(body []byte, items, key string, expected int) (objects []object, links []byte, err error) {
	s := splitter{scanner: scanner{data: body}, key: key}
	s.objects = takeObjects(min(expected, len(body)/smallObject))
	at := 0
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		at = len("\ufeff") // a byte order mark
	}
	if at = s.space(at); at == len(body) {
		return nil, nil, errEnds
	}
	switch first := s.peek(at); {
	case items == itemsAreTheAnswer && first != '[':
		return nil, nil, errNoArray
	case items == itemsAreTheAnswer:
		at = s.elements(at)
	case first != '{':
		return nil, nil, errNoObject
	case items == answerIsTheItem:
		at = s.single(at)
	default:
		links, at = s.envelope(at, items)
	}
	if at >= 0 {
		if at = s.space(at); at < len(body) {
			s.rest(at, errAfter)
		}
		return s.objects, links, nil
	}
	err = s.err
	if errors.Is(err, errApart) && !complete(body) {
		err = errEnds
	}
	if errors.Is(err, errApart) && items == itemsAreTheAnswer {
		last := &s.objects[len(s.objects)-1] // without the bracket that ends the answer
		last.raw = bytes.TrimSuffix(bytes.TrimSpace(last.raw), []byte("]"))
	}
	return s.objects, links, fmt.Errorf("%w (byte %d of %d)", err, s.space(s.at), len(body))
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
	s.objects = append(s.objects, object{raw: s.data[from:], fault: fault, from: from})
}

// apart makes one element of everything from a place on, and fails: its elements cannot be told apart.
func (s *splitter) apart(from int, fault error) int {
	s.rest(from, fault)
	return s.fail(len(s.data), errApart)
}

// single reads an answer that is the only object.
func (s *splitter) single(at int) int {
	o, end := s.element(at)
	if o.fault != nil {
		return s.apart(at, o.fault)
	}
	s.objects = append(s.objects, o)
	return end
}

// envelope reads an object whose member named items is the array of objects. It returns the member _links.
func (s *splitter) envelope(at int, items string) (links []byte, end int) {
	found := false
	at, more := s.open(at, 0, '}')
	for more {
		name, from := s.name(at)
		switch {
		case from < 0:
			at = failed
		case string(name) != items:
			at = s.value(from, 1)
			if string(name) == "_links" {
				links = s.data[from:max(at, s.at)] // malformed ones too: then it is unknown whether another page follows
			}
		case s.peek(from) != '[':
			at = s.fail(from, errNoArray)
		default:
			found = true
			at = s.elements(from)
		}
		at, more = s.next(at, '}')
	}
	switch {
	case at >= 0 && !found:
		at = s.fail(at, fmt.Errorf("answer has no member %q", items))
	case at < 0 && found && !errors.Is(s.err, errApart) && !errors.Is(s.err, errTooLarge):
		at = s.apart(s.at, s.err)
	}
	return links, at
}

// elements reads the array of elements.
func (s *splitter) elements(at int) int {
	at, more := s.open(at, 0, ']')
	for more {
		if len(s.objects) == maxObjects {
			return s.fail(at, errTooLarge)
		}
		o, end := s.element(at)
		if o.fault == nil {
			if end, more = s.next(end, ']'); end < 0 {
				o.fault = errSyntax
			}
		}
		if o.fault != nil {
			if end = s.skip(at); end < 0 {
				return s.apart(at, o.fault)
			}
			o.raw = s.data[at:end]
			end, more = s.next(end, ']')
		}
		s.objects = append(s.objects, o)
		at = end
	}
	return at
}

// skip returns the place of the comma or bracket behind a malformed element. It fails if the end of the element is not
// certain: outside of strings the brackets match, and each token stands between tokens that it may stand between. A quote
// that is missing breaks this rule.
func (s *splitter) skip(at int) int {
	var open []byte     // the brackets that must close, innermost last
	before := byte(',') // the token before, by its last byte
	for ; at < len(s.data); at++ {
		c := s.data[at]
		opens := before == ',' || before == ':' || before == '{' || before == '['
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '"':
			if at = s.closingQuote(at); at < 0 || !opens {
				return failed
			}
		case '{', '[':
			if !opens {
				return failed
			}
			open = append(open, c+2) // ASCII: the closing bracket is two further
		case '}', ']':
			if len(open) == 0 && c == ']' {
				return at
			}
			if len(open) == 0 || open[len(open)-1] != c {
				return failed
			}
			open = open[:len(open)-1]
		case ',':
			if len(open) == 0 {
				return at
			}
		default:
			if before == '"' || before == '}' || before == ']' {
				if c != ':' || before != '"' {
					return failed
				}
			}
		}
		before = c
	}
	return failed
}

// closingQuote returns the place of the quote that closes a string, whatever else is in it. What follows a backslash belongs to
// the string.
func (s *splitter) closingQuote(at int) int {
	for at++; at < len(s.data); at++ {
		switch s.data[at] {
		case '"':
			return at
		case '\\':
			at++
		}
	}
	return failed
}

// element reads one object. If it has a fault, it has the id that came before.
func (s *splitter) element(at int) (o object, end int) {
	o.from = at
	if s.peek(at) != '{' {
		o.fault = errElement
		return o, failed
	}
	s.spaced = false
	at, more := s.open(at, 1, '}')
	for more {
		name, from := s.name(at)
		if at = s.value(from, 2); at >= 0 {
			s.read(&o, name, s.data[from:at])
		}
		at, more = s.next(at, '}')
	}
	if at < 0 {
		o.fault = fmt.Errorf("%w at byte %d", s.err, s.at-o.from)
		return o, failed
	}
	o.raw = s.data[o.from:at:at]
	if s.spaced {
		o.id, o.published, o.kind = bytes.Clone(o.id), bytes.Clone(o.published), bytes.Clone(o.kind) // their bytes move
		o.raw = compact(o.raw)
	}
	o.isUTF8 = utf8.Valid(o.raw) // here, while the CPU has the object at hand
	return o, at
}

// read reads a member of an object, if it identifies, dates or types it.
func (s *splitter) read(o *object, name, value []byte) {
	switch {
	case isNamed(name, "eventType"):
		o.kind = shortString(value)
	case string(name) == "published":
		if text := shortString(value); text != nil {
			o.published = text
		}
	case o.id == nil && s.isKey(name):
		o.id = shortString(value)
	}
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
