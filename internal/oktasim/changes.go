package oktasim

import "time"

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

// groupUpdated is lastUpdated or lastMembershipUpdated of group i after r changes.
func (o *Org) groupUpdated(i, r int, membership bool) int64 {
	for ; r > 0; r-- {
		if o.membership(i, r) == membership {
			return o.changedAt(i, o.counts["groups"], r)
		}
	}
	h := o.hash(collections["groups"].salt, i)
	if membership {
		h = mix(h)
	}
	return o.settled(h)
}
