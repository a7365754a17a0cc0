package oktasim

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Objects of a collection are numbered over all its parents: those under the first parent that has any, those under the
// second, and so on. Under each there are as many.

// sparse numbers what is left of 0, 1, 2, … when one in every so many is taken out.
type sparse struct {
	// of every consecutive numbers, the one at is taken out.
	every, at int
}

var (
	// present are the users that are not DEPROVISIONED.
	present = sparse{every: 25, at: 24}
	// inhabited are the parents that have anything under them, unless the collection says otherwise.
	inhabited = sparse{every: 8, at: 5}
)

func (s sparse) has(i int) bool { return i%s.every != s.at }

// among says how many of the first n are left.
func (s sparse) among(n int) int { return n - (n+s.every-1-s.at)/s.every }

// nth returns the k-th that is left.
func (s sparse) nth(k int) int {
	q, r := k/(s.every-1), k%(s.every-1)
	if r >= s.at {
		r++
	}
	return q*s.every + r
}

// rank is the inverse of nth, for an i that is left.
func (s sparse) rank(i int) int {
	r := i % s.every
	if r > s.at {
		r--
	}
	return i/s.every*(s.every-1) + r
}

// pool is a set of objects that those of other collections refer to.
type pool struct {
	of   string
	size func(o *Org) int
	// nth returns the number of the k-th, and rank is its inverse.
	nth  func(o *Org, k int) int
	rank func(o *Org, i int) (int, bool)
	// named begins the name that stands for an object in place of its id; its number follows.
	named string
}

// people are the users that are in groups and apps: those that are not deprovisioned.
var people = &pool{
	of:   "users",
	size: func(o *Org) int { return present.among(o.counts["users"]) },
	nth:  func(_ *Org, k int) int { return present.nth(k) },
	rank: func(_ *Org, i int) (int, bool) { return present.rank(i), present.has(i) },
}

// all is every object of a collection.
func all(of string) *pool {
	return &pool{
		of:   of,
		size: func(o *Org) int { return o.counts[of] },
		nth:  func(_ *Org, k int) int { return k },
		rank: func(_ *Org, i int) (int, bool) { return i, true },
	}
}

// catalogApps are the apps by the names that Okta's catalog has of them: those for SAML, since all others share a name.
var catalogApps = &pool{
	of: "apps", named: "acme_customsaml20app_",
	size: func(o *Org) int { return len(o.samlApps()) },
	nth:  func(o *Org, k int) int { return o.samlApps()[k] },
	rank: func(o *Org, i int) (int, bool) { return slices.BinarySearch(o.samlApps(), i) },
}

// number returns the number of the object that an id stands for.
func (p *pool) number(o *Org, id string) (int, bool) {
	if p.named == "" {
		return o.indexOfID(collections[p.of], id)
	}
	return numbered(id, p.named, o.counts[p.of])
}

// numbered returns the number after the beginning of a name, if it is one of n.
func numbered(name, beginning string, n int) (int, bool) {
	digits, ok := strings.CutPrefix(name, beginning)
	i, err := strconv.Atoi(digits)
	return i, ok && err == nil && i >= 0 && i < n && strconv.Itoa(i) == digits
}

// level lists the parents that have something, once somebody asks.
func (o *Org) level(c *collection) func() []int {
	return sync.OnceValue(func() []int {
		if c.constants != nil {
			return o.numbers(len(c.constants.values), func(*Org, int) bool { return true })
		}
		under := c.under
		if under == nil {
			under = func(_ *Org, parent int) bool { return inhabited.has(parent) }
		}
		return o.numbers(o.total(collections[c.parent]), under)
	})
}

// numbers returns those below n that are such.
func (o *Org) numbers(n int, such func(o *Org, i int) bool) []int {
	var all []int
	for i := range n {
		if such(o, i) {
			all = append(all, i)
		}
	}
	return all
}

// total is how many numbers a collection's objects have.
func (o *Org) total(c *collection) int {
	switch {
	case c.name == "logs":
		return o.timeline.count(o.cfg.Now())
	case c.nested() && o.counts[c.name] > 0:
		return len(o.parents[c.name]()) * o.counts[c.name]
	case c.nested():
		return 0
	default:
		return o.counts[c.name]
	}
}

// parentOf returns the number of the parent of object n.
func (o *Org) parentOf(c *collection, n int) int {
	if !c.nested() {
		return 0
	}
	return o.parents[c.name]()[n/o.counts[c.name]]
}

// first returns the number of the first object under a parent, if it has any.
func (o *Org) first(c *collection, parent int) (int, bool) {
	if !c.nested() {
		return 0, true
	}
	rank, ok := slices.BinarySearch(o.parents[c.name](), parent)
	return rank * o.counts[c.name], ok
}

// place returns where in the pool the objects under a parent begin; it differs between parents.
func (o *Org) place(c *collection, parent int) int {
	return int(o.hash(c.salt, parent) % uint64(c.pool.size(o)))
}

// target returns the object of the pool that the j-th object under a parent refers to.
func (o *Org) target(c *collection, parent, j int) int {
	return c.pool.nth(o, (o.place(c, parent)+j)%c.pool.size(o))
}

// appendIdentity appends what identifies object n: an id, a name, or nothing of an endpoint that answers with one object.
func (o *Org) appendIdentity(dst []byte, c *collection, n int) []byte {
	switch {
	case c.prefix == uuidPrefix:
		return o.appendUUID(dst, c, n)
	case c.prefix != "":
		return o.appendID(dst, c, n)
	case o.counts[c.name] == 0:
		return dst
	case c.names != nil:
		return append(dst, c.names[n%o.counts[c.name]]...)
	case c.pool == nil:
		return dst
	}
	i := o.target(c, o.parentOf(c, n), n%o.counts[c.name])
	if c.pool.named != "" {
		return strconv.AppendInt(append(dst, c.pool.named...), int64(i), 10)
	}
	return o.appendID(dst, collections[c.pool.of], i)
}

// within returns which of the objects under a parent has an identity.
func (o *Org) within(c *collection, parent int, id string) (j int, ok bool) {
	count := o.counts[c.name]
	begin, ok := o.first(c, parent)
	switch {
	case !ok || count == 0:
		return 0, false
	case c.prefix != "":
		n, ok := o.indexOf(c, id)
		return n - begin, ok && n >= begin && n < begin+count
	case c.names != nil:
		j = slices.Index(c.names, id)
		return j, j >= 0 && j < count
	case c.pool == nil:
		return 0, id == ""
	}
	i, ok := c.pool.number(o, id)
	if !ok {
		return 0, false
	}
	rank, ok := c.pool.rank(o, i)
	size := c.pool.size(o)
	j = (rank - o.place(c, parent) + size) % size
	return j, ok && j < count
}

// locate returns the number of the object that the ids of a path stand for: its parents', the outermost first, and its own.
func (o *Org) locate(c *collection, ids []string) (int, bool) {
	above, id := ids[:len(ids)-1], ids[len(ids)-1]
	parent := 0
	switch {
	case len(above) != c.params():
		return 0, false
	case len(above) > 0:
		var ok bool
		if parent, ok = o.locate(collections[c.parent], above); !ok {
			return 0, false
		}
	case c.prefix != "": // whatever it is listed for, its id says which it is
		return o.indexOf(c, id)
	}
	begin, _ := o.first(c, parent)
	j, ok := o.within(c, parent, id)
	return begin + j, ok
}

// pathIDs returns the ids in the path of the listing under a parent, with / between them.
func (o *Org) pathIDs(c *collection, parent int) string {
	if c.params() == 0 {
		return ""
	}
	of := collections[c.parent]
	id := string(o.appendIdentity(nil, of, parent))
	if above := o.pathIDs(of, o.parentOf(of, parent)); above != "" {
		return above + "/" + id
	}
	return id
}
