package budget

import (
	"fmt"
	"time"
)

// A waiter is a member that wants a request and has none yet: it waits in Acquire, or was turned away and told when to
// come again. Whoever has the higher priority goes first, then whoever has waited longest.
type waiter struct {
	priority Priority
	since    int // its number among all arrivals
	window   *window
	asking   bool      // it waits in Acquire
	comes    time.Time // otherwise: when the wait ends that it was told
}

// grace is how long before and after it is to come again a request is left to a waiter. Then this lapses: its service
// may be paused or stopped, or run at another worker.
const grace = 5 * time.Second

// enqueue returns the member's place in the order: the one that it has, or a new one at the end.
func (b *Budget) enqueue(m *Member, w *window) *waiter {
	me := b.waiters[m.name]
	if me == nil {
		b.arrivals++
		me = &waiter{since: b.arrivals}
		b.waiters[m.name] = me
	}
	me.priority, me.window, me.asking = m.priority, w, true
	return me
}

// ahead counts the waiters to whom a request is left before me. lapse is how long until that may change by itself.
func (b *Budget) ahead(me *waiter) (n int, lapse time.Duration) {
	lapse = windowLength
	for name, other := range b.waiters {
		left := other.comes.Add(grace).Sub(b.now())
		first := other.priority < me.priority || other.priority == me.priority && other.since < me.since
		switch {
		case !other.asking && left <= 0:
			delete(b.waiters, name)
		case !first || other.window != me.window:
		case other.asking:
			n++
		case left <= 2*grace:
			n++
			lapse = min(lapse, left)
		}
	}
	return n, lapse
}

// turnAway makes the error of a member that has to wait, and remembers when it comes again.
func (b *Budget) turnAway(me *waiter, why Reason, wait time.Duration, reserved int) error {
	me.asking, me.comes = false, b.now().Add(wait)
	w := me.window
	return &WaitError{
		Reason: why, Wait: wait, Window: w.name, Share: b.share,
		Used: w.used(), Limit: w.limit, Remaining: max(w.remaining, 0), Reserved: reserved,
	}
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
	// Reserved counts the requests that a backfill leaves to live collection; 0 if live collection was under way.
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
