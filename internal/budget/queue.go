package budget

import (
	"cmp"
	"fmt"
	"time"
)

// A waiter is a member's place in the queue. The member waits in Acquire, which renews the place, or outside after a
// [WaitError]. The lower Priority goes first, then the earlier arrival.
type waiter struct {
	priority Priority
	arrival  int // its number among all waiters
	window   *window
	until    time.Time // when the place lapses
}

// grace: a request is kept for a waiter from this long before the end of its wait until this long after. Then its place
// lapses, because its service may be paused, stopped or on another worker.
const grace = 5 * time.Second

// enqueue returns the member's place, or a new one at the end of the queue. ahead counts the waiters that go first.
func (b *Budget) enqueue(m *Member, w *window) (me *waiter, ahead int) {
	me = b.waiters[m.name]
	if me == nil {
		b.arrivals++
		me = &waiter{arrival: b.arrivals}
		b.waiters[m.name] = me
	}
	now := b.now()
	me.priority, me.window, me.until = m.priority, w, now.Add(grace)
	for name, other := range b.waiters {
		left := other.until.Sub(now)
		order := cmp.Or(cmp.Compare(other.priority, me.priority), cmp.Compare(other.arrival, me.arrival))
		switch {
		case left <= 0:
			delete(b.waiters, name)
		case other.window == w && order < 0 && left <= 2*grace:
			ahead++
		}
	}
	return me, ahead
}

// A Reason says why a request was not sent.
type Reason int

const (
	// ShareUsed: the collector's share of the window is used up, or only the last tenth of the limit is left.
	ShareUsed Reason = iota
	// Yielding: a backfill leaves the request to live collection.
	Yielding
)

// A WaitError says why a request was not sent, and how long to wait. Its text does not name the window.
type WaitError struct {
	Reason Reason
	Wait   time.Duration
	Window string // its name
	Share  float64
	// Used counts the collector's own requests in the window. Limit and Remaining are Okta's numbers.
	Used, Limit, Remaining int
	// Reserved counts the requests that a backfill leaves to live collection; 0 if live collection was under way.
	Reserved int
}

func (e *WaitError) Error() string {
	switch {
	case e.Reason == ShareUsed:
		return fmt.Sprintf("the collector has used %d of %d requests a minute, with a share of %g; %d are left to the org",
			e.Used, e.Limit, e.Share, e.Remaining)
	case e.Reserved > 0:
		return fmt.Sprintf("the last %d requests of this minute are left to live collection", e.Reserved)
	default:
		return "live collection goes first"
	}
}

// deny completes the error for a member that has to wait, and keeps its place until the wait is over.
func (b *Budget) deny(place *waiter, e WaitError) error {
	w := place.window
	place.until = b.now().Add(e.Wait + grace)
	e.Window, e.Share, e.Used, e.Limit, e.Remaining = w.name, b.share, w.used(), w.limit, max(w.remaining, 0)
	return &e
}
