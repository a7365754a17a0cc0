package oktasim

import "strings"

// routes are the endpoints whose path has no ids, and nested those whose path has, by the number of parts.
var (
	routes = map[string]*collection{tokenEndpoint.path: tokenEndpoint}
	nested = map[int][]*collection{}
)

func init() {
	for i := range listed {
		c := &listed[i]
		if parts := strings.Split(c.path, "/"); c.params() > 0 {
			nested[len(parts)] = append(nested[len(parts)], c)
		} else {
			routes[c.path] = c
		}
	}
}

// route finds the endpoint of a path, and the ids in it.
func route(path string) (*collection, string) {
	if c, ok := routes[path]; ok {
		return c, ""
	}
	parts := strings.Split(path, "/")
	for _, c := range nested[len(parts)] {
		if ids, ok := c.match(parts); ok {
			return c, strings.Join(ids, "/")
		}
	}
	return nil, ""
}

// match returns the ids in a path that is one of the endpoint's.
func (c *collection) match(parts []string) ([]string, bool) {
	var ids []string
	i := 0
	for want := range strings.SplitSeq(c.path, "/") {
		switch {
		case want == "{}" && parts[i] != "":
			ids = append(ids, parts[i])
		case want != parts[i]:
			return nil, false
		}
		i++
	}
	return ids, true
}
