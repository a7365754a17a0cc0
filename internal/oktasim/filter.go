package oktasim

import (
	"errors"
	"strings"
	"time"
)

// attribute is what a filter can ask about objects of a collection: a time in epoch milliseconds or a text.
type attribute struct {
	time func(o *Org, i int, at moment) int64
	text func(o *Org, i int) string
}

// attributes of the collections that have a parameter to select by.
var attributes = map[string]map[string]attribute{
	"users": {
		"id":     {text: func(o *Org, i int) string { return o.ID("users", i) }},
		"status": {text: (*Org).userStatus},
		"lastUpdated": {time: func(o *Org, i int, at moment) int64 {
			return o.userUpdated(i, revision(i, o.counts["users"], at.changes))
		}},
	},
	"devices": {
		"id": {text: func(o *Org, i int) string { return o.ID("devices", i) }},
		"lastUpdated": {time: func(o *Org, i int, at moment) int64 {
			return o.deviceUpdated(i, revision(i, o.counts["devices"], at.changes))
		}},
	},
	"groups": {
		"id":   {text: func(o *Org, i int) string { return o.ID("groups", i) }},
		"type": {text: (*Org).groupType},
		"lastUpdated": {time: func(o *Org, i int, at moment) int64 {
			return o.groupUpdated(i, revision(i, o.counts["groups"], at.changes))
		}},
		"lastMembershipUpdated": {time: func(o *Org, i int, at moment) int64 {
			return o.membershipUpdated(i, revision(i, o.counts["groups"], at.changes), at.turns)
		}},
	},
}

// predicate says whether object i passes a filter, as the org is at a moment.
type predicate func(o *Org, i int, at moment) bool

var errFilter = errors.New("filter is not understood")

// maxDepth bounds the parentheses of a filter.
const maxDepth = 16

// parseFilter understands comparisons of the given attributes, joined by and, or and parentheses.
// Operators are case-insensitive, names and values are not.
func parseFilter(text string, known map[string]attribute) (predicate, error) {
	p := &filterParser{rest: text, known: known}
	pred, err := p.any(0)
	if err != nil {
		return nil, err
	}
	if p.token() != "" {
		return nil, errFilter
	}
	return pred, nil
}

type filterParser struct {
	rest  string
	known map[string]attribute
}

// token returns the next token without consuming it: a parenthesis, a quoted string with its quotes, or a
// word; "" at the end, and for a string that does not end.
func (p *filterParser) token() string {
	p.rest = strings.TrimLeft(p.rest, " ")
	switch {
	case p.rest == "":
		return ""
	case p.rest[0] == '(' || p.rest[0] == ')':
		return p.rest[:1]
	case p.rest[0] == '"':
		end := strings.IndexByte(p.rest[1:], '"')
		if end < 0 {
			return p.rest
		}
		return p.rest[:end+2]
	default:
		end := strings.IndexAny(p.rest, ` ()"`)
		if end < 0 {
			end = len(p.rest)
		}
		return p.rest[:end]
	}
}

func (p *filterParser) next() string {
	t := p.token()
	p.rest = p.rest[len(t):]
	return t
}

// any parses alternatives joined by or.
func (p *filterParser) any(depth int) (predicate, error) {
	left, err := p.all(depth)
	for err == nil && strings.EqualFold(p.token(), "or") {
		p.next()
		var right predicate
		before := left
		right, err = p.all(depth)
		left = func(o *Org, i int, at moment) bool { return before(o, i, at) || right(o, i, at) }
	}
	return left, err
}

// all parses conditions joined by and, which binds more strongly than or.
func (p *filterParser) all(depth int) (predicate, error) {
	left, err := p.one(depth)
	for err == nil && strings.EqualFold(p.token(), "and") {
		p.next()
		var right predicate
		before := left
		right, err = p.one(depth)
		left = func(o *Org, i int, at moment) bool { return before(o, i, at) && right(o, i, at) }
	}
	return left, err
}

// one parses a comparison, or anything in parentheses.
func (p *filterParser) one(depth int) (predicate, error) {
	name := p.next()
	if name == "(" {
		if depth == maxDepth {
			return nil, errFilter
		}
		inner, err := p.any(depth + 1)
		if err == nil && p.next() != ")" {
			err = errFilter
		}
		return inner, err
	}
	a, known := p.known[name]
	operator, quoted := strings.ToLower(p.next()), p.next()
	if !known || len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return nil, errFilter
	}
	value := quoted[1 : len(quoted)-1]
	if a.text != nil {
		if operator != "eq" {
			return nil, errFilter
		}
		return func(o *Org, i int, _ moment) bool { return a.text(o, i) == value }, nil
	}
	when, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil, errFilter
	}
	holds, known := comparisons[operator]
	if !known {
		return nil, errFilter
	}
	return func(o *Org, i int, at moment) bool { return holds(a.time(o, i, at), when.UnixMilli()) }, nil
}

var comparisons = map[string]func(a, b int64) bool{
	"eq": func(a, b int64) bool { return a == b },
	"gt": func(a, b int64) bool { return a > b },
	"ge": func(a, b int64) bool { return a >= b },
	"lt": func(a, b int64) bool { return a < b },
	"le": func(a, b int64) bool { return a <= b },
}
