package redact

import (
	"bytes"
	"slices"

	"okta-collector/internal/jsontext"
)

// edit is a part of an object that gives way: a value, or a whole member.
type edit struct {
	from, to int
	value    []byte
	node     *node
}

// finder walks through an object, and calls found for each edit in order.
type finder struct {
	rules    *Rules
	text     []byte
	anywhere bool
	found    func(edit)
}

// find calls found for each edit of an object, in order. anywhere is that of [Rules.Size].
func (r *Rules) find(object []byte, anywhere bool, found func(edit)) {
	f := &finder{r, object, anywhere, found}
	f.value(0, &r.root)
}

// concerns reports whether an object may have a member to redact. Most have none, and a search is faster than a walk.
func (r *Rules) concerns(object []byte) bool {
	if bytes.IndexByte(object, '\\') >= 0 && (bytes.Contains(object, []byte(`\u`)) || bytes.Contains(object, []byte(`\/`))) {
		return true // a name may be spelt with escapes
	}
	for _, needle := range r.needles {
		if bytes.Contains(object, needle) {
			return true
		}
	}
	return false
}

// value walks through the value at a place, and returns its end. rules are those about it; nil if there are none.
func (f *finder) value(at int, rules *node) (end int) {
	if at < len(f.text) && (rules != nil || f.anywhere) {
		switch f.text[at] {
		case '{':
			return f.object(at, rules)
		case '[':
			return f.array(at, rules)
		}
	}
	return jsontext.End(f.text, at)
}

// array walks through the elements of an array.
func (f *finder) array(at int, rules *node) (end int) {
	for at++; !f.is(at, ']'); at++ {
		if at = f.value(at, rules); !f.is(at, ',') {
			break
		}
	}
	return min(at+1, len(f.text))
}

// object walks through the members of an object.
func (f *finder) object(at int, rules *node) (end int) {
	top, kept := at == 0, false
	for at++; f.is(at, '"'); at++ {
		from, colon := at, jsontext.End(f.text, at)
		if !f.is(colon, ':') {
			break
		}
		member := f.member(f.text[from+1:colon-1], rules, top)
		if member == nil || member.rule == nil {
			at = f.value(colon+1, member)
			kept = true
		} else {
			if at = jsontext.End(f.text, colon+1); at == colon+1 || at == len(f.text) {
				break // not valid JSON
			}
			e := edit{colon + 1, at, f.text[colon+1 : at], member}
			switch {
			case member.rule.Action != Remove:
				kept = true
			case kept: // with the comma before it
				e.from = from - 1
			default: // with the comma after it
				e.from = from
				if f.is(at, ',') {
					e.to++
				}
			}
			if string(e.value) != "null" {
				f.found(e)
			} else {
				kept = true
			}
		}
		if !f.is(at, ',') {
			break
		}
	}
	return min(at+1, len(f.text))
}

// is reports whether the byte at a place is c.
func (f *finder) is(at int, c byte) bool { return at < len(f.text) && f.text[at] == c }

// member returns the rules about a member, whose name may have escapes.
func (f *finder) member(name []byte, rules *node, top bool) *node {
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(jsontext.Text(name))
	}
	if rules != nil {
		if member := rules.members[string(name)]; member != nil {
			return member
		}
	}
	if !f.anywhere || top && IsKey(string(name)) {
		return nil
	}
	return f.rules.leaves.members[string(name)]
}

// IsKey reports whether the collector needs a member of this name at the top of objects, because it identifies or dates them.
func IsKey(name string) bool {
	return slices.Contains([]string{"id", "uuid", "client_id", "published"}, name)
}
