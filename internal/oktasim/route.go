package oktasim

import "strings"

// routing finds endpoints by their paths.
type routing struct {
	// plain are the endpoints whose path has no ids, and nested those whose path has, by the number of its parts.
	plain  map[string]*collection
	nested map[int][]*collection
}

var routes = routing{plain: map[string]*collection{tokenEndpoint.path: tokenEndpoint}, nested: map[int][]*collection{}}

func (r routing) add(c *collection) {
	if c.params() == 0 {
		r.plain[c.path] = c
		return
	}
	parts := strings.Count(c.path, "/") + 1
	r.nested[parts] = append(r.nested[parts], c)
}

// find returns the endpoint of a path, and the ids in it, with / between them.
func (r routing) find(path string) (*collection, string) {
	if c, ok := r.plain[path]; ok {
		return c, ""
	}
	parts := strings.Split(path, "/")
	for _, c := range r.nested[len(parts)] {
		if ids, ok := c.match(parts); ok {
			return c, strings.Join(ids, "/")
		}
	}
	return nil, ""
}

// match returns the ids in the parts of a path, if it is one of the endpoint's.
func (c *collection) match(parts []string) (ids []string, ok bool) {
	for i, want := range strings.Split(c.path, "/") {
		switch {
		case want == "{}" && parts[i] != "":
			ids = append(ids, parts[i])
		case want != parts[i]:
			return nil, false
		}
	}
	return ids, true
}
