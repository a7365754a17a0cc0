package redact

import (
	"bytes"
	"encoding/json"
)

// maxList bounds the list of paths that is added to an object, in bytes.
const maxList = 1 << 10

// Size returns how many bytes [Rules.Append] appends at most; 0 if the object has nothing to redact. The object is valid JSON
// without white space between its tokens.
//
// anywhere: the object may be a part of another one, so a member counts wherever it has the last name of a rule's path.
func (r *Rules) Size(object []byte, anywhere bool) int {
	if r == nil || !r.concerns(object) {
		return 0 // without the memory that size takes
	}
	return r.size(object, anywhere)
}

func (r *Rules) size(object []byte, anywhere bool) (size int) {
	r.find(object, anywhere, func(e edit) {
		if size == 0 {
			size = len(object) + maxList
		}
		if e.node.rule.Action != Remove {
			size += max(len(mark), maxHash)
		}
	})
	return size
}

// Append appends an object without what must not leave, and with the list of the members that were redacted:
//
//	{"id":"0oa1","protocol":{"credentials":{"client":{"client_secret":"[redacted]"}}},"@okta_redacted":["protocol.credentials.client.client_secret"]}
//
// A value that is null stays.
func (r *Rules) Append(dst, object []byte, anywhere bool, key Key) []byte {
	start, done := len(dst), 0
	found := make([]bool, len(r.all))
	r.find(object, anywhere, func(e edit) {
		dst = append(dst, object[done:e.from]...)
		dst = append(dst, key.replacement(*e.node.rule, e.value)...)
		done = e.to
		found[e.node.index] = true
	})
	if done == 0 {
		return append(dst, object...)
	}
	dst = append(dst, object[done:len(object)-1]...)
	if len(dst)-start > len("{") {
		dst = append(dst, ',')
	}
	return append(append(dst, r.list(found)...), '}')
}

// list is the member that lists the paths of rules. If it is too long, it ends with an ellipsis.
func (r *Rules) list(found []bool) []byte {
	list := bytes.NewBufferString(`"@okta_redacted":[`)
	comma := ""
	for i, rule := range r.all {
		if !found[i] {
			continue
		}
		path, _ := json.Marshal(rule.Path) // cannot fail for a string
		if list.Len()+len(path)+len(`,"…"],`) > maxList {
			path = []byte(`"…"`)
			found = nil
		}
		list.WriteString(comma)
		list.Write(path)
		comma = ","
		if found == nil {
			break
		}
	}
	list.WriteByte(']')
	return list.Bytes()
}
