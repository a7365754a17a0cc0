package oktasim

import "slices"

// item is one object on its way to be rendered.
type item struct {
	*Org
	*collection
	i int
	h uint64
	// parent is the number of the object that it is listed under, user that of the person that it is about.
	parent, user int
	// revision is how often it was changed, turns how much was deleted and removed in the org until then.
	revision, turns int
	// order is which of the orders its members are in.
	order int
	// bare: without what expand adds.
	bare bool
}

// itemAt prepares object n of a collection, as it is at a moment.
func (o *Org) itemAt(c *collection, n int, at moment) item {
	if !c.nested() {
		return o.item(c, 0, n, at)
	}
	return o.item(c, o.parentOf(c, n), n%o.counts[c.name], at)
}

// item prepares the j-th object under a parent; of a collection that has no parents, the j-th of all.
func (o *Org) item(c *collection, parent, j int, at moment) item {
	target := 0
	if c.pool != nil {
		target = o.target(c, parent, j)
	}
	if c.whole {
		return o.item(collections[c.pool.of], 0, target, at)
	}
	begin, _ := o.first(c, parent)
	it := item{Org: o, collection: c, i: begin + j, parent: parent, turns: at.turns}
	it.h = o.hash(c.salt, it.i)
	switch c.name {
	case "logs":
		it.user = it.some("users", 2)
	case "users":
		it.user = j
		it.revision = revision(j, o.counts["users"], at.changes)
	case "groups", "devices":
		it.revision = revision(j, o.counts[c.name], at.changes)
	case "app_users":
		it.h = mix(o.hash(c.salt, parent) + uint64(j))
		it.i, it.user = j, target
	case "app_groups":
		it.h = mix(o.hash(c.salt, parent) + uint64(j))
		it.i = target
	default:
		switch {
		case c.pool == people:
			it.user = target
		case c.parent == "users":
			it.user = parent
		default:
			it.user = it.reference(collections["users"])
		}
	}
	return it
}

// reference returns an object of a collection for this one to refer to. It is one that is never deleted.
func (it *item) reference(c *collection) int {
	n := it.total(c)
	if n == 0 {
		return 0
	}
	i := int(mix(it.h^c.salt) % uint64(n))
	if it.doomed(c, i) {
		return i - 1
	}
	return i
}

// form is a kind of object, and one of the orders of its members.
type form struct {
	shape string
	order int
}

// orders is how many orders the members of an object have.
func (c *collection) orders() int {
	if c.unordered {
		return 3
	}
	return 1
}

// form returns that of an object.
func (it *item) form() form {
	shape := it.name
	switch {
	case it.name == "logs" && it.tells(it.i):
		shape = "turn"
	case it.name == "groups" && it.groupType(it.i) == "APP_GROUP":
		shape = "directory_groups"
	case isRoles(it.collection) && it.roleType() == "CUSTOM":
		shape = "custom_role_assignments"
	case isRoles(it.collection):
		shape = "role_assignments"
	case it.pool == catalogApps:
		shape = "catalog_apps"
	}
	return form{shape, it.order}
}

func (o *Org) render(dst []byte, it *item) []byte {
	s := o.catalogues[it.form()].pick(it.h)
	dst = s.append(dst, it)
	if it.expand != "" && !it.bare {
		dst = append(dst[:len(dst)-1], `,"_embedded":`...)
		dst = append(expansions[it.name](dst, it), '}')
	}
	return dst
}

// assignee says whether a user has roles.
func (o *Org) assignee(user int) bool {
	_, has := o.within(collections["role_assignees"], 0, o.ID("users", user))
	return has
}

// person says whether a user has anything of their own, such as a factor.
func (o *Org) person(user int) bool { return present.has(user) && inhabited.has(user) }

// fourth is every fourth parent.
func fourth(_ *Org, parent int) bool { return parent%4 == 1 }

// ofApp are the apps of a kind.
func ofApp(kind string) func(*Org, int) bool {
	return func(o *Org, app int) bool {
		return o.catalogues[form{shape: "apps"}].kind(o.hash(collections["apps"].salt, app)) == kind
	}
}

// ofRole are the role assignments of some types.
func ofRole(of string, types []string) func(*Org, int) bool {
	return func(o *Org, assignment int) bool {
		return slices.Contains(types, o.roleType(collections[of], assignment))
	}
}
