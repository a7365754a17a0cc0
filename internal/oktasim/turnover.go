package oktasim

import (
	"slices"
	"time"
)

// Turns are numbered 0, 1, 2, …: in each, something is deleted, removed or added, and one log event tells of it, at which it
// happens. The kinds take turns. A kind that has nothing left leaves its event to the log.

// kind is what turns of one kind do.
type kind struct {
	of, event, message string
	// adds: the object is there from then on, and was not before.
	adds bool
	// targets are those of the event: their types, and whose ids they have.
	targets []target
}

// target is one of an event. Its id is that of the object, its parent, or of neither.
type target struct {
	kind string
	of   targetOf
}

type targetOf int

const (
	theObject targetOf = iota
	theParent
	another
)

var kinds = []kind{
	{of: "group_members", event: "group.user_membership.add", message: "Add user to group membership", adds: true, targets: []target{{"User", theObject}, {"UserGroup", theParent}}},
	{of: "group_members", event: "group.user_membership.remove", message: "Remove user from group membership", targets: []target{{"User", theObject}, {"UserGroup", theParent}}},
	{of: "app_users", event: "application.user_membership.remove", message: "Remove user's application membership", targets: []target{{"AppUser", another}, {"AppInstance", theParent}, {"User", theObject}}},
	{of: "users", event: "user.lifecycle.delete.completed", message: "Okta user deleted", targets: []target{{"User", theObject}}},
	{of: "groups", event: "group.lifecycle.delete", message: "Delete Okta group", targets: []target{{"UserGroup", theObject}}},
	{of: "apps", event: "application.lifecycle.delete", message: "Delete application", targets: []target{{"AppInstance", theObject}}},
	{of: "policies", event: "policy.lifecycle.delete", message: "Delete policy", targets: []target{{"PolicyEntity", theObject}}},
	{of: "policy_rules", event: "policy.rule.delete", message: "Delete policy rule", targets: []target{{"PolicyEntity", theParent}, {"PolicyRule", theObject}}},
	{of: "devices", event: "device.lifecycle.delete", message: "Delete device", targets: []target{{"Device", theObject}}},
	{of: "api_tokens", event: "system.api_token.revoke", message: "Revoke API token", targets: []target{{"Token", theObject}}},
	{of: "idps", event: "system.idp.lifecycle.delete", message: "Delete identity provider", targets: []target{{"IdentityProvider", theObject}}},
	{of: "zones", event: "zone.delete", message: "Delete network zone", targets: []target{{"NetworkZone", theObject}}},
}

// lasting are the objects of the collections in kinds that are never deleted; of users those that are present.
var lasting = sparse{every: 8, at: 7}

// kindOf finds the kinds by collection.
var kindOf = func() map[string][]int {
	all := map[string][]int{}
	for i, k := range kinds {
		all[k.of] = append(all[k.of], i)
	}
	return all
}()

// Deletion is one that the org has told of in its log.
type Deletion struct {
	// Service listed the object; Number is that of [Org.ID] and [Org.ParentID].
	Service string
	Number  int
	// Event is the uuid of the log event, EventType its type.
	Event, EventType string
}

// Deletions returns what was deleted and removed so far, in the order in which the log tells of it. What is gone with its
// parent, such as the members of a group, has no event of its own.
func (o *Org) Deletions() []Deletion {
	var all []Deletion
	for t := range o.turns(o.cfg.Now()) {
		k, n, ok := o.turn(t)
		if ok && !k.adds {
			all = append(all, Deletion{k.of, n, o.ID("logs", o.eventOf(t)), k.event})
		}
	}
	return all
}

// turns says how many there were until now.
func (o *Org) turns(now time.Time) int {
	if o.cfg.TurnEvery == 0 {
		return 0
	}
	return (o.timeline.count(now) - o.timeline.backlog) / o.cfg.TurnEvery
}

// eventOf is the number of the log event that tells of turn t.
func (o *Org) eventOf(t int) int { return o.timeline.backlog + (t+1)*o.cfg.TurnEvery - 1 }

// turnOf is the inverse of eventOf.
func (o *Org) turnOf(event int) (t int, ok bool) {
	if o.cfg.TurnEvery == 0 || event < o.timeline.backlog {
		return 0, false
	}
	live := event - o.timeline.backlog + 1
	return live/o.cfg.TurnEvery - 1, live%o.cfg.TurnEvery == 0
}

// tells says whether a log event tells of a turn.
func (o *Org) tells(event int) bool {
	t, ok := o.turnOf(event)
	if ok {
		_, _, ok = o.turn(t)
	}
	return ok
}

// turn returns what turn t does to which object, if it does anything.
func (o *Org) turn(t int) (k *kind, n int, ok bool) {
	k = &kinds[t%len(kinds)]
	n, ok = o.turned(k, t/len(kinds))
	return k, n, ok && (k.adds || o.exists(collections[k.of], n, moment{turns: t}))
}

// turned returns the object of the m-th turn of a kind.
func (o *Org) turned(k *kind, m int) (n int, ok bool) {
	c := collections[k.of]
	if o.isOff(c) != nil {
		return 0, false
	}
	if c.pool == nil {
		n = m*lasting.every + lasting.at
		if c.name == "users" {
			n = m*present.every + present.at
		}
		return n, n < o.total(c)
	}
	// Memberships: one of each parent, then the next of each, until half are left.
	total, count := o.total(c), o.counts[c.name]
	if total == 0 {
		return 0, false
	}
	round, rank := m/(total/count), m%(total/count)
	j := count - 1 - round
	if k.adds {
		j = round
		ok = round == 0 && count >= 4
	} else {
		ok = round < count/2
	}
	n = rank*count + j
	return n, ok && !o.doomed(collections[c.parent], o.parentOf(c, n))
}

// turnsOf returns when an object is deleted or removed, and when it is added, as numbers of turns; -1: it is not.
func (o *Org) turnsOf(c *collection, n int) (gone, added int) {
	gone, added = -1, -1
	for _, i := range kindOf[c.name] {
		k, m := &kinds[i], 0
		switch {
		case c.name == "users":
			m = n / present.every
		case c.pool == nil:
			m = n / lasting.every
		default:
			count := o.counts[c.name]
			j := n % count
			if !k.adds {
				j = count - 1 - j
			}
			m = j*(o.total(c)/count) + n/count
		}
		if same, ok := o.turned(k, m); !ok || same != n {
			continue
		}
		if t := m*len(kinds) + i; k.adds {
			added = t
		} else {
			gone = t
		}
	}
	return gone, added
}

// doomed says whether an object is deleted some day, if anything is.
func (o *Org) doomed(c *collection, n int) bool {
	switch {
	case c.name == "users":
		return !present.has(n)
	case kindOf[c.name] == nil || c.pool != nil:
		return false
	default:
		return !lasting.has(n)
	}
}

// wanes says whether any of the org's objects may not be there.
func (o *Org) wanes() bool { return o.cfg.TurnEvery > 0 || len(o.off) > 0 }

// exists says whether object n is there at a moment: it, what it is listed under and what it refers to.
func (o *Org) exists(c *collection, n int, at moment) bool {
	if !o.wanes() || c.name == "logs" {
		return true
	}
	if o.off[c.name] {
		return false
	}
	if o.cfg.TurnEvery > 0 {
		if gone, added := o.turnsOf(c, n); 0 <= gone && gone < at.turns || added >= at.turns {
			return false
		}
	}
	if c.pool != nil && !o.exists(collections[c.pool.of], o.target(c, o.parentOf(c, n), n%o.counts[c.name]), at) {
		return false
	}
	switch {
	case c.constants != nil:
		return !o.off[c.name+"/"+c.constants.values[o.parentOf(c, n)]]
	case c.parent != "":
		return o.exists(collections[c.parent], o.parentOf(c, n), at)
	}
	return true
}

// membershipTurns are the times of the turns of group i's members among the first turns of the org, in epoch milliseconds.
func (o *Org) membershipTurns(group, turns int) []int64 {
	c := collections["group_members"]
	begin, any := o.first(c, group)
	if o.cfg.TurnEvery == 0 || !any || o.counts[c.name] == 0 {
		return nil
	}
	var all []int64
	for j := range o.counts[c.name] {
		gone, added := o.turnsOf(c, begin+j)
		for _, t := range []int{gone, added} {
			if 0 <= t && t < turns {
				all = append(all, o.timeline.persisted(o.eventOf(t)))
			}
		}
	}
	return all
}

// turnedAt is when the members of a group last took a turn, or 0.
func (o *Org) turnedAt(group, turns int) int64 {
	return slices.Max(append(o.membershipTurns(group, turns), 0))
}

// told returns the turn that a log event tells of.
func (it *item) told() (*kind, int) {
	t, _ := it.turnOf(it.i)
	k, n, _ := it.turn(t)
	return k, n
}

// appendTargets appends the targets of an event that tells of a turn.
func (it *item) appendTargets(dst []byte) []byte {
	k, n := it.told()
	c := collections[k.of]
	for i, t := range k.targets {
		dst = append(dst, "[,"[min(i, 1)])
		dst = append(dst, `{"id":"`...)
		switch t.of {
		case theObject:
			dst = it.appendIdentity(dst, c, n)
		case theParent:
			dst = it.appendIdentity(dst, collections[c.parent], it.parentOf(c, n))
		case another:
			dst = appendOther(dst, "0ua", it.h)
		}
		dst = append(dst, `","type":"`+t.kind+`","alternateId":"unknown","displayName":"unknown","detailEntry":null}`...)
	}
	return append(dst, ']')
}
