package okta

import (
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
)

// mark makes the element at a place in its page fit to be shipped.
//
// An element that is no JSON object becomes a record with the element's bytes as a text:
//
//	{"@okta_unreadable":"{\"uuid\":…","@okta_reason":"malformed JSON at byte 17","@okta_place":"element 3, byte 4711 of the page","@okta_size":1234}
//
// If the objects of the collection may hold secrets, the text is empty. If the id came before the fault, the record has it
// as "@okta_id".
//
// In an object, each byte that is not UTF-8 becomes U+FFFD, and "@okta_replaced" says how many there were.
func (o *Org) mark(c Collection, e *object, place int) {
	if e.fault != nil {
		text := e.raw
		if c.Secret {
			text = nil
		}
		id := ""
		if e.id != nil && utf8.Valid(e.id) {
			id = fmt.Sprintf(`"@okta_id":"%s",`, e.id)
		}
		record := jsontext.Append([]byte(`{"@okta_unreadable":"`), text, o.cfg.MaxObject-markRoom)
		e.raw = fmt.Appendf(record, `",%s"@okta_reason":%q,"@okta_place":"element %d, byte %d of the page","@okta_size":%d}`,
			id, e.fault, place+1, e.from, len(e.raw))
		return
	}
	if utf8.Valid(e.raw) {
		return
	}
	var valid []byte
	replaced := 0
	for rest := e.raw; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			replaced++
		}
		valid = utf8.AppendRune(valid, r)
		rest = rest[n:]
	}
	e.raw = fmt.Appendf(valid[:len(valid)-1], `,"@okta_replaced":%d}`, replaced)
	e.replaced = true
}

// marks counts the marked elements of a page.
func marks(objects []object) (n checkpoint.Oddities) {
	for _, o := range objects {
		switch {
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
