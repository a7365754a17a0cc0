package test

import (
	"maps"
	"net/http"
	"slices"

	"okta-collector/internal/devosim"
)

// several is how many pages are under way together in the rows of several.
const several = 3

// severalMatrix are the steps at which several pages are under way together, each over a connection of its own. Devo may
// confirm them in any order, and no checkpoint may cover one that it has not confirmed.
var severalMatrix = []step{
	{
		name:     "several shipped and none confirmed",
		together: several,
		arm: func(c *cell) {
			c.devo.SetHooks(devosim.Hooks{
				Record: c.brought,
				End: func(a devosim.Arrival) {
					_, ok := c.ended(a)
					switch {
					case !ok:
					case !c.haveArrived() || !c.strikes():
						c.soon(c.hasStruck)
					case c.way == cut: // all of them, as by a Devo that dies
						c.devo.ResetConnections()
						c.strike()
					default:
						c.actAndHold()
					}
				},
				Post: func(a devosim.Arrival) *devosim.Refusal {
					if _, ok := c.posted(a); !ok {
						return nil
					}
					if c.haveArrived() && c.strikes() {
						c.strike()
					}
					c.soon(c.hasStruck)
					return c.refusal()
				},
			})
		},
		again: map[way]int{killed: several, cut: several, tookEffect: several},
		https: []way{refused, tookEffect},
	},
	{
		name:     "the first of several confirmed last",
		together: several,
		arm: func(c *cell) {
			c.devo.SetHooks(devosim.Hooks{
				Record: c.brought,
				End: func(a devosim.Arrival) {
					switch n, ok := c.ended(a); {
					case !ok:
					case n > 0:
						c.soon(func() bool { return c.hasArrived(0) })
					default:
						c.soon(c.othersConfirmed)
						if c.strikes() {
							c.actAndHold()
						}
					}
				},
				Answered: c.answered,
			})
		},
		again: map[way]int{killed: several},
		leftOut: map[way]string{
			cut:        "then the first is lost: see the next step",
			refused:    "then the first is lost: see the next step",
			tookEffect: "then the first is lost: see the next step",
		},
	},
	{
		name:     "the first of several lost, the others confirmed",
		together: several,
		arm: func(c *cell) {
			c.devo.SetHooks(devosim.Hooks{
				Record: func(a devosim.Arrival) {
					c.brought(a)
					if n, ok := c.pageOf(a); !ok || n > 0 || !c.strikes() {
						return
					}
					c.soon(c.othersConfirmed) // no other record of the first is read
					c.devo.ResetConnection(a.Peer)
					if c.way == cut {
						c.strike()
						return
					}
					c.act()
				},
				End:      func(a devosim.Arrival) { c.ended(a) },
				Answered: c.answered,
				Post: func(a devosim.Arrival) *devosim.Refusal {
					n, ok := c.posted(a)
					if !ok || n > 0 || !c.strikes() {
						c.answered(a)
						return nil
					}
					c.soon(c.othersConfirmed)
					c.strike()
					return c.refusal()
				},
			})
		},
		again: map[way]int{killed: several, terminated: several, paused: several, cut: several, refused: several - 1, tookEffect: several},
		https: []way{refused, tookEffect},
	},
	{
		name:     "several confirmed and not checkpointed",
		together: several,
		arm: func(c *cell) {
			c.devo.SetHooks(devosim.Hooks{
				Record: c.brought,
				End: func(a devosim.Arrival) {
					if _, ok := c.ended(a); ok {
						c.soon(c.haveArrived)
						c.confirms()
					}
				},
			})
			c.atTemporal(c.isCheckpoint, false)
		},
		again: map[way]int{killed: several},
	},
}

// brought notes which of the pages that are under way together a connection brings.
func (c *cell) brought(a devosim.Arrival) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.brings[a.Peer]; known || a.Tag != tables[c.service] || c.hasStruck() {
		return
	}
	object, _ := devosim.ParseObject(a.JSON)
	for i := c.objects(c.page - 1); i < c.objects(c.page-1+several); i++ {
		if devosim.IdentityOf(c.org.ParentID(c.service, i), c.org.ID(c.service, i)) == object.Identity {
			c.brings[a.Peer] = i/c.size + 1 - c.page
			c.unconfirmed = int64(c.objects(c.page-1) + 1)
			return
		}
	}
}

// isApart reports whether a connection brings the page with an object, or none has to. The caller holds the lock.
func (c *cell) isApart(object int) bool {
	page := object/c.size + 1 - c.page
	return c.step.together != several || page < 0 || c.hasStruck() || slices.Contains(slices.Collect(maps.Values(c.brings)), page)
}

// pageOf returns which of the pages a connection brings. It is not ok for other connections, and once the fault has struck.
func (c *cell) pageOf(a devosim.Arrival) (n int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok = c.brings[a.Peer]
	return n, ok && !c.hasStruck()
}

// ended is pageOf for a connection that has brought everything.
func (c *cell) ended(a devosim.Arrival) (n int, ok bool) {
	if n, ok = c.pageOf(a); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.arrived[n] = true
	}
	return n, ok
}

// posted is ended for a request over HTTPS. Its connection may have brought another one before.
func (c *cell) posted(a devosim.Arrival) (n int, ok bool) {
	c.mu.Lock()
	delete(c.brings, a.Peer)
	c.mu.Unlock()
	c.brought(a)
	return c.ended(a)
}

// answered notes that Devo has confirmed what a connection brought.
func (c *cell) answered(a devosim.Arrival) {
	if n, ok := c.pageOf(a); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.confirmed[n] = true
	}
}

// confirms says that Devo is about to confirm the first page.
func (c *cell) confirms() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unconfirmed = 0
}

// haveArrived reports whether everything of all pages that are under way together has arrived.
func (c *cell) haveArrived() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.arrived) == several
}

// hasArrived reports whether everything of one of the pages has arrived.
func (c *cell) hasArrived(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrived[n]
}

// othersConfirmed reports whether Devo has confirmed all of the pages but the first.
func (c *cell) othersConfirmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.confirmed) == several-1
}

// hasStruck reports whether the fault has struck.
func (c *cell) hasStruck() bool {
	select {
	case <-c.struck:
		return true
	default:
		return false
	}
}

// refusal is the answer to a request over HTTPS that the fault strikes.
func (c *cell) refusal() *devosim.Refusal {
	return &devosim.Refusal{Status: http.StatusServiceUnavailable, Delivered: c.way == tookEffect}
}
