package oktasim

import (
	"slices"
	"strings"
)

// canBeOff says whether an org can be without a feature: a service, or a policy type.
func canBeOff(name string) bool {
	service, kind, typed := strings.Cut(name, "/")
	c, known := collections[service]
	return known && (!typed || c.constants != nil && slices.Contains(c.constants.values, kind))
}

// isOff returns the answer of an org that has not got a collection, or what it is listed under. It is nil if the org has it.
func (o *Org) isOff(c *collection) *refusal {
	for ; c != nil; c = collections[c.parent] {
		if o.off[c.name] {
			return c.manner()
		}
	}
	return nil
}

// manner is how Okta says that an org has not got a feature.
func (c *collection) manner() *refusal {
	if c.off != nil {
		return c.off
	}
	return &pathNotOfOrg
}
