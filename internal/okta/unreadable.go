package okta

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/jsontext"
)

const (
	// defaultMaxObject is the default of [Config.MaxObject].
	defaultMaxObject = 1 << 20
	// markRoom is what a marked record leaves free of [Config.MaxObject]: for its own members beside the text, and for
	// those that are added to each object.
	markRoom = 3 << 10
	// maxMarks bounds the bytes that the marks of a page copy of its elements. The page itself is within [memory.Bound], and
	// they are not.
	maxMarks = 8 << 20
)

// mark makes the element at a place in its page fit to be shipped.
//
// An element that is no JSON object becomes a record with the element's bytes as a text:
//
//	{"@okta_unreadable":"{\"uuid\":…","@okta_reason":"malformed JSON at byte 17","@okta_place":"element 3, byte 4711 of the page","@okta_size":1234}
//
// The text is empty if objects of the collection have members that must not leave, and beyond maxMarks of a page. If the id
// came before the fault, the record has it as "@okta_id".
//
// In an object, each byte that is not UTF-8 becomes U+FFFD, and "@okta_replaced" says how many there were. If that would
// take more than room, what is left of maxMarks, the object becomes an unreadable record instead.
func (o *Org) mark(c Collection, e *object, place int, room *int) {
	if e.fault == nil && e.isUTF8 {
		return
	}
	replaced, longer := invalid(e.raw)
	if e.fault == nil && replaced > 0 && longer > *room {
		e.fault = errNotUTF8
	}
	if e.fault != nil {
		text := e.raw
		if o.rules[c.Name] != nil {
			text = nil
		}
		id := ""
		if e.id != nil && utf8.Valid(e.id) {
			id = fmt.Sprintf(`"@okta_id":"%s",`, e.id)
		}
		record := jsontext.Append([]byte(`{"@okta_unreadable":"`), text, min(o.cfg.MaxObject-markRoom, *room))
		*room -= len(record)
		e.raw = fmt.Appendf(record, `",%s"@okta_reason":%q,"@okta_place":"element %d, byte %d of the page","@okta_size":%d}`,
			id, e.fault, place+1, e.from, len(e.raw))
		return
	}
	if replaced == 0 {
		return
	}
	mark := fmt.Appendf(nil, `,"@okta_replaced":%d}`, replaced)
	valid := make([]byte, 0, longer+len(mark))
	for rest := e.raw; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		valid = utf8.AppendRune(valid, r)
		rest = rest[n:]
	}
	e.raw = append(valid[:len(valid)-1], mark...)
	e.replaced = true
	*room -= len(e.raw)
}

var errNotUTF8 = errors.New("bytes that are not UTF-8 in a large object, or in many")

// invalid counts the bytes of a text that are not UTF-8. longer is its length if each becomes U+FFFD.
func invalid(text []byte) (n, longer int) {
	if utf8.Valid(text) {
		return 0, len(text)
	}
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			n++
		}
		longer += utf8.RuneLen(r)
		rest = rest[size:]
	}
	return n, longer
}

// marks counts the marked elements of a page.
func marks(objects []object) (n checkpoint.Oddities) {
	for i := range objects {
		switch o := &objects[i]; {
		case o.fault != nil:
			n.Unreadable++
		case o.replaced:
			n.Replaced++
		}
	}
	return n
}

// warnOfMarks warns of the marked elements of a page.
func (p *Page) warnOfMarks(c Collection, n checkpoint.Oddities) {
	if n.Unreadable > 0 {
		first := slices.IndexFunc(p.all, func(o object) bool { return o.fault != nil })
		p.warn(WarnUnreadable, "unreadable elements on a page of %s: %d of %d, shipped as records with @okta_unreadable; element %d: %s",
			c.Name, n.Unreadable, len(p.all), first+1, p.all[first].fault)
	}
	if n.Replaced > 0 {
		p.warn(WarnReplaced, "objects with bytes that are not UTF-8 on a page of %s: %d of %d, shipped with U+FFFD instead and @okta_replaced",
			c.Name, n.Replaced, len(p.all))
	}
}
