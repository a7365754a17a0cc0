package okta

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// The groups that OKTA_SERVICES knows. Collections that are in none of them are chosen by name.
const (
	GroupDefault  = "default"  // [DefaultServices]
	GroupIdentity = "identity" // who may do what: [Collection.Identity]
	GroupAll      = "all"      // all but those with [Collection.PerUser]
)

// Groups returns the names of all groups, the smallest first.
func Groups() []string { return []string{GroupDefault, GroupIdentity, GroupAll} }

// In reports whether the collection is in a group.
func (c Collection) In(group string) bool {
	switch group {
	case GroupDefault:
		return slices.Contains(DefaultServices, c.Name)
	case GroupIdentity:
		return c.Identity
	case GroupAll:
		return !c.PerUser()
	}
	return false
}

// PerUser reports whether a pull costs a request or more for each user of the org.
func (c Collection) PerUser() bool { return len(c.Under) > 0 && c.Under[0].Of == "users" }

// Choose returns the collections that are named, by their own name or by a group's, in the catalog's order. Other names choose
// nothing.
func (c Catalog) Choose(names ...string) (chosen Catalog) {
	for _, collection := range c {
		if slices.ContainsFunc(names, func(name string) bool { return collection.Name == name || collection.In(name) }) {
			chosen = append(chosen, collection)
		}
	}
	return chosen
}

// Scopes returns the OAuth scopes that the collections need, those of the lists that they are below among them, sorted.
func (c Catalog) Scopes() (scopes []string) {
	for _, collection := range c {
		scopes = append(scopes, collection.Scopes...)
		for _, level := range collection.Under {
			above, _ := Lookup(level.Of) // none is named by constants
			scopes = append(scopes, above.Scopes...)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// maxLike is how many names [Suggestion] has, and maxName the longest name in bytes that it looks at.
const maxLike, maxName = 3, 60

// Suggestion says what to do about a name of no service: which names somebody may have meant by it, of services or of the
// others that are known, and where all of them are. It continues a sentence, and does not repeat the name.
func Suggestion(name string, others ...string) string {
	const listed = "bin/starter services lists all"
	like := like(name, append(ServiceNames(), others...))
	if len(like) == 0 {
		return listed
	}
	return "did you mean " + strings.Join(like, " or ") + "? " + listed
}

// like returns at most [maxLike] of the names that are known: those that a name is a part of, or that differ from it in few
// letters, the nearest first.
func like(name string, known []string) []string {
	if name == "" || len(name) > maxName {
		return nil
	}
	distance := func(to string) int { return levenshtein.ComputeDistance(name, to) }
	known = slices.DeleteFunc(known, func(k string) bool {
		return distance(k) > max(1, len(name)/3) && !strings.Contains(k, name)
	})
	slices.SortStableFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	return known[:min(len(known), maxLike)]
}
