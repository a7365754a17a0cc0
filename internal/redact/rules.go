// Package redact finds members of JSON objects that must not leave, and replaces or removes them. Every other byte of an
// object stays as it is.
package redact

import (
	"bytes"
	"slices"
	"strings"
)

// Action says what becomes of a member.
type Action int

const (
	// Secret replaces the value by a fixed mark, or with a key by a hash that shows when the value changes.
	Secret Action = iota
	// Remove removes the member, with its name.
	Remove
	// Join replaces the value by a hash. Equal values have equal hashes, whichever members they are of. It needs a key.
	Join
)

// Rule says what becomes of one member.
type Rule struct {
	// Path has the names of the members that lead to it, outermost first, with dots: protocol.credentials.client.client_secret.
	// The path goes on in each element of an array, also of nested arrays.
	Path   string
	Action Action
}

// Rules are the rules for the objects of one collection. They are safe for concurrent use. A nil *Rules redacts nothing.
type Rules struct {
	all  []Rule
	root node // of an object
	// leaves has the rules by the last names of their paths.
	leaves node
	// needles are in every object that has a member to redact, unless a name has escapes.
	needles [][]byte
}

// node is what the rules say about a value.
type node struct {
	rule    *Rule // what becomes of it; nil if nothing
	index   int   // of rule
	members map[string]*node
}

// New returns the rules for a collection; nil if there are none. The last one of several with the same path counts.
func New(rules ...Rule) *Rules {
	if len(rules) == 0 {
		return nil
	}
	r := &Rules{all: slices.Clone(rules)}
	for i := range r.all {
		rule := &r.all[i]
		names := strings.Split(rule.Path, ".")
		last := names[len(names)-1]
		at := &r.root
		for _, name := range names {
			at = at.member(name)
		}
		at.rule, at.index = rule, i
		leaf := r.leaves.member(last)
		if leaf.rule == nil || rule.Action == Secret { // a secret is never shown to be equal to another value
			leaf.rule, leaf.index = rule, i
		}
		if needle := []byte(`"` + last + `"`); !slices.ContainsFunc(r.needles, func(n []byte) bool { return bytes.Equal(n, needle) }) {
			r.needles = append(r.needles, needle)
		}
	}
	return r
}

// member returns the node of a member, which it makes if there is none.
func (n *node) member(name string) *node {
	if n.members == nil {
		n.members = map[string]*node{}
	}
	if n.members[name] == nil {
		n.members[name] = &node{}
	}
	return n.members[name]
}
