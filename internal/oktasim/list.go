package oktasim

import (
	"math"
	"net/http"
	"strings"
)

// list answers for every collection but logs. The cursor is the id of the last object of the page before:
// what comes after it is served, whatever has changed meanwhile.
func (o *Org) list(a asked, q parameters, limit int, dst []byte) (page, *refusal) {
	c := a.collection
	if why := q.only(c.parameters()...); why != nil {
		return page{}, why
	}
	passes, why := o.selection(c, q)
	if why != nil {
		return page{}, why
	}
	parent, why := o.listedFor(a, q)
	if why != nil {
		return page{}, why
	}
	begin, any := o.first(c, parent)
	total := 0
	switch {
	case any:
		total = o.counts[c.name]
	case c.otherwise != nil:
		return page{}, c.otherwise
	}
	first := 0
	if cursor, given := q["after"]; given {
		last, ok := o.rankOf(c, parent, cursor)
		if !ok || last >= total {
			return page{}, &badCursor
		}
		first = last + 1
	}

	at := o.moment(a.now)
	found := page{body: append(dst, c.opening()...)}
	last := 0
	for j := first; j < total; j++ {
		if !passes(o, j, at) || !o.exists(c, begin+j, at) {
			continue
		}
		if found.objects == limit {
			found.next = q.with(o.cursor(c, begin+last), c.parameters()...)
			break
		}
		if found.objects > 0 {
			found.body = append(found.body, ',')
		}
		it := o.item(c, parent, j, at)
		it.order = a.n % c.orders()
		it.bare = q["expand"] == ""
		found.body = o.render(found.body, &it)
		found.objects++
		last = j
	}
	return found, nil
}

// parameters are the names of those that an endpoint takes, in the order in which its links have them.
func (c *collection) parameters() []string {
	names := []string{"after", "limit"}
	if c.search != "" {
		names = append(names, c.search)
	}
	if c.expand != "" {
		names = append(names, "expand")
	}
	if c.constants != nil {
		names = append(names, c.constants.parameter)
	}
	return names
}

// selection returns what the query selects.
func (o *Org) selection(c *collection, q parameters) (predicate, *refusal) {
	if value, given := q["expand"]; given && value != c.expand {
		why := notModelled("expand")
		return nil, &why
	}
	if text, given := q[c.search]; given && c.search != "" {
		passes, err := parseFilter(text, attributes[c.name])
		if err != nil {
			return nil, &badSearch
		}
		return passes, nil
	}
	if c.name == "users" {
		return func(_ *Org, i int, _ moment) bool { return present.has(i) }, nil
	}
	return func(*Org, int, moment) bool { return true }, nil
}

// listedFor returns the number of the parent that the objects are listed under, or of the constant that they are listed for.
func (o *Org) listedFor(a asked, q parameters) (int, *refusal) {
	c := a.collection
	switch {
	case c.constants != nil:
		given := q[c.constants.parameter]
		for i, value := range c.constants.values {
			if given == c.constants.before+value+c.constants.after {
				if o.off[c.name+"/"+value] {
					return 0, c.manner()
				}
				return i, nil
			}
		}
		return 0, missingParameter(c.constants.parameter)
	case c.params() == 0:
		return 0, nil
	}
	of := collections[c.parent]
	parent, ok := o.locate(of, strings.Split(a.parentID, "/"))
	if !ok || !o.exists(of, parent, o.moment(a.now)) {
		return 0, &parentNotFound
	}
	return parent, nil
}

// missingParameter refuses a request that lacks a required parameter, or gives it an unknown value.
func missingParameter(name string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "E0000001", summary: "Api validation failed: " + name}
}

// cursor names object n.
func (o *Org) cursor(c *collection, n int) string {
	if c.cursor != "" {
		return string(appendNumber([]byte(c.cursor), n))
	}
	return string(o.appendIdentity(nil, c, n))
}

// rankOf is the inverse of cursor, under a parent.
func (o *Org) rankOf(c *collection, parent int, cursor string) (int, bool) {
	if c.cursor != "" {
		return numbered(cursor, c.cursor, o.counts[c.name])
	}
	return o.within(c, parent, cursor)
}

// pageSize returns how many objects are asked for.
func (c *collection) pageSize(q parameters) (int, *refusal) {
	_, given := q["limit"]
	switch {
	case given && c.max > 0:
		return q.limit(c)
	case c.standard > 0:
		return c.standard, nil
	default:
		return math.MaxInt, nil
	}
}

// opening is what an answer has before its objects, and end what it has after them.
func (c *collection) opening() string {
	switch c.items {
	case "":
		return "["
	case ".":
		return ""
	default:
		return `{"` + c.items + `":[`
	}
}

func (c *collection) end(next string) string {
	switch {
	case c.items == "":
		return "]"
	case c.items == ".":
		return ""
	case !c.bodyNext:
		return "]}"
	default:
		return closing(next)
	}
}
