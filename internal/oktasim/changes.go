package oktasim

import (
	"slices"
	"time"
)

// Changes are numbered 1, 2, 3, …; the c-th comes ChangeEvery × c after Epoch, to the user, the group and the device
// whose turn it is. Each is updated in its profile or, for every other group or so, in its membership.

// changes says how many there were until now.
func (o *Org) changes(now time.Time) int {
	if o.cfg.ChangeEvery == 0 || now.Before(o.cfg.Epoch) {
		return 0
	}
	return int(now.Sub(o.cfg.Epoch) / o.cfg.ChangeEvery)
}

// revision says how often object i of n was changed by the first c changes.
func revision(i, n, c int) int {
	if c <= i {
		return 0
	}
	return (c-1-i)/n + 1
}

// changedAt returns the time of the r-th change (from 1) of object i of n, in epoch milliseconds.
func (o *Org) changedAt(i, n, r int) int64 {
	c := (r-1)*n + i + 1
	return o.cfg.Epoch.Add(time.Duration(c) * o.cfg.ChangeEvery).UnixMilli()
}

// membership says whether the r-th change of group i is one of its membership.
func (o *Org) membership(i, r int) bool {
	return mix(o.hash(collections["groups"].salt, i)+uint64(r))&1 == 0
}

const day = 24 * time.Hour

// settled is an object's last update before Epoch, in epoch milliseconds: from 2 hours to 400 days before.
func (o *Org) settled(h uint64) int64 {
	ago := 2*time.Hour + time.Duration((h>>16)%uint64(400*day/time.Millisecond))*time.Millisecond
	return o.cfg.Epoch.Add(-ago).UnixMilli()
}

// userUpdated is lastUpdated of user i after r changes, and deviceUpdated that of a device.
func (o *Org) userUpdated(i, r int) int64   { return o.updated(collections["users"], i, r) }
func (o *Org) deviceUpdated(i, r int) int64 { return o.updated(collections["devices"], i, r) }

func (o *Org) updated(c *collection, i, r int) int64 {
	if r > 0 {
		return o.changedAt(i, o.counts[c.name], r)
	}
	return o.settled(o.hash(c.salt, i))
}

// groupUpdated is lastUpdated of group i after r changes, and membershipUpdated is lastMembershipUpdated.
func (o *Org) groupUpdated(i, r int) int64 {
	return o.lastChange(i, r, false, o.settled(o.hash(collections["groups"].salt, i)))
}

func (o *Org) membershipUpdated(i, r, turns int) int64 {
	before := o.settled(mix(o.hash(collections["groups"].salt, i)))
	return max(o.lastChange(i, r, true, before), o.turnedAt(i, turns))
}

// lastChange is the last of the first r changes of group i that was one of its membership or not, or the time before.
func (o *Org) lastChange(i, r int, membership bool, before int64) int64 {
	for ; r > 0; r-- {
		if o.membership(i, r) == membership {
			return o.changedAt(i, o.counts["groups"], r)
		}
	}
	return before
}

// moment is what has happened in the org until a time: how many changes, and how many turns.
type moment struct{ changes, turns int }

func (o *Org) moment(now time.Time) moment { return moment{o.changes(now), o.turns(now)} }

// moments are those in which object n got the forms that it has had until a moment, the oldest first.
func (o *Org) moments(c *collection, n int, until moment) []moment {
	times := []int64{o.cfg.Epoch.UnixMilli()}
	if it := o.itemAt(c, n, until); c.whole || it.revision > 0 || it.name == "groups" {
		for r := range it.revision {
			times = append(times, o.changedAt(it.i, o.counts[it.name], r+1))
		}
		if it.name == "groups" {
			times = append(times, o.membershipTurns(it.i, until.turns)...)
		}
	}
	slices.Sort(times)
	var all []moment
	for _, ms := range slices.Compact(times) {
		all = append(all, o.moment(time.UnixMilli(ms)))
	}
	return all
}
