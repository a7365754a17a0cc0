package budget

import (
	"fmt"
	"time"
)

// A waiter is a member that wants a request and has none yet: it waits in Acquire, or was turned away and told when to
// come again. Whoever has the higher priority goes first, then whoever has waited longest.
type waiter struct {
	name     string
	priority Priority
	since    int // its number among all arrivals
	endpoint *endpoint
	asking   bool      // it waits in Acquire
	comes    time.Time // otherwise: when the wait ends that it was told
}

// grace is how long before and after a waiter is to come again one request is left to it. Then the reservation lapses:
// its service may be paused or stopped, or run at another worker.
const grace = 5 * time.Second

func (w *waiter) before(other *waiter) bool {
	if w.priority != other.priority {
		return w.priority < other.priority
	}
	return w.since < other.since
}

// enqueue returns the member's place in the order: the one that it has, or a new one at the end.
func (b *Budget) enqueue(m *Member, e *endpoint) *waiter {
	me := b.waiters[m.name]
	if me == nil {
		b.arrivals++
		me = &waiter{name: m.name, since: b.arrivals}
		b.waiters[m.name] = me
	}
	me.priority, me.endpoint, me.asking = m.priority, e, true
	return me
}

// ahead counts those to whom a request of the same window is left before me. lapse is how long until the first of
// these reservations lapses.
func (b *Budget) ahead(me *waiter) (n int, lapse time.Duration) {
	lapse = windowLength
	for name, other := range b.waiters {
		left := other.comes.Add(grace).Sub(b.now())
		switch {
		case !other.asking && left <= 0:
			delete(b.waiters, name)
		case other.endpoint.window != me.endpoint.window || !other.before(me):
		case other.asking:
			n++
		case left <= 2*grace:
			n++
			lapse = min(lapse, left)
		}
	}
	return n, lapse
}

// requeue gives a member whose request was refused its place back.
func (b *Budget) requeue(t *Ticket, wait time.Duration) {
	me := b.enqueue(t.member, t.endpoint)
	me.since, me.asking, me.comes = min(me.since, t.since), false, b.now().Add(wait)
}

// giveUp forgets a member that does not want a request any more.
func (b *Budget) giveUp(m *Member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiters, m.name)
	b.wake()
}

// A Reason says why a request was not sent.
type Reason int

const (
	// ShareUsed: the collector's share of the window is used up, or only the last tenth of the limit is left.
	ShareUsed Reason = iota
	// Yielding: a backfill leaves the request to live collection.
	Yielding
)

// A WaitError says that a request was not sent, and how long to wait.
type WaitError struct {
	Reason Reason
	Wait   time.Duration
	Window string  // its name
	Share  float64 // of the limit
	// Used counts the collector's own requests in the window. Limit and Remaining are Okta's numbers.
	Used, Limit, Remaining int
	// Reserved counts the requests that a backfill leaves to live collection. 0: it waited for live collection to end.
	Reserved int
}

func (e *WaitError) Error() string {
	switch {
	case e.Reason == ShareUsed:
		return fmt.Sprintf("budget of %s: the collector has used %d of %d requests a minute, with a share of %g; %d are left to the org",
			e.Window, e.Used, e.Limit, e.Share, e.Remaining)
	case e.Reserved > 0:
		return fmt.Sprintf("budget of %s: the last %d requests of this minute are left to live collection", e.Window, e.Reserved)
	default:
		return fmt.Sprintf("budget of %s: live collection goes first", e.Window)
	}
}

// turnAway makes the error for a member that has to wait, and remembers when it comes again.
func (b *Budget) turnAway(me *waiter, why Reason, wait time.Duration, reserved int) error {
	me.asking, me.comes = false, b.now().Add(wait)
	w := me.endpoint.window
	return &WaitError{
		Reason: why, Wait: wait, Window: w.name, Share: b.share,
		Used: w.used(), Limit: w.limit, Remaining: max(w.remaining, 0), Reserved: reserved,
	}
}
