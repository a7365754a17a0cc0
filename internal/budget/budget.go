// Package budget keeps the requests to an Okta org within the collector's share of the org's rate limits.
//
// Okta counts requests in fixed windows of 60 s. A window belongs to one endpoint, or to several, and begins with the
// first request after the last one ended. A request is sent only if all of this holds:
//   - The collector's own requests in the window stay within share × limit. One request is always allowed.
//   - The last tenth of the limit stays free for the org, whoever used the rest.
//   - Enough is left for everybody who goes first: see queue.go.
package budget

import (
	"context"
	"sync"
	"time"
)

// An Endpoint is one list endpoint of an org.
type Endpoint struct {
	// Path is its template, such as /api/v1/apps/{id}/users.
	Path string
	// Window names the window that the endpoint shares until its own answers show another. Empty: its own, which is
	// named by Path.
	Window string
}

// A Priority is the order of members within a window. Lower goes first.
type Priority int

const (
	LiveList Priority = iota
	LivePerObject
	BackfillList
	BackfillPerObject
)

func (p Priority) backfill() bool { return p >= BackfillList }

// A Budget is the budget of one org. It is safe for concurrent use.
type Budget struct {
	share   float64
	now     func() time.Time
	metrics *Metrics // nil: none
	tenant  string   // in metrics

	mu        sync.Mutex
	windows   map[string]*window   // by name
	endpoints map[string]*endpoint // by path
	answers   int                  // counts the answers with limits
	members   map[*Member]bool     // those that are joined
	waiters   map[string]*waiter   // by the member's name
	arrivals  int                  // counts the waiters
	changed   chan struct{}        // closed, and made anew, when somebody who waits may go on
}

// New returns the budget of an org, of whose limits the collector lets itself use a share between 0 and 1.
func New(share float64, now func() time.Time) *Budget {
	return &Budget{
		share: share, now: now, windows: map[string]*window{}, endpoints: map[string]*endpoint{},
		members: map[*Member]bool{}, waiters: map[string]*waiter{}, changed: make(chan struct{}),
	}
}

// A Member sends requests, one at a time: the reader of one service or of one backfill, for one slice.
type Member struct {
	budget   *Budget
	name     string
	priority Priority
	windows  map[*window]bool // those that it has used
}

// Join returns a member that may send requests before what it sent is durable. A member that was turned away keeps its
// place in the order under its name.
func (b *Budget) Join(name string, p Priority) *Member {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &Member{budget: b, name: name, priority: p, windows: map[*window]bool{}}
	b.members[m] = true
	return m
}

// Leave says that the member sends nothing more.
func (m *Member) Leave() {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	delete(m.budget.members, m)
	m.budget.wake()
}

// joined counts the members that may send a request in w. live says whether live collection is among them.
func (b *Budget) joined(w *window) (n int, live bool) {
	for m := range b.members {
		if m.windows[w] {
			n++
			live = live || !m.priority.backfill()
		}
	}
	return n, live
}

// Acquire takes one request to an endpoint. The caller sends it and then calls one method of the ticket. The error is a
// [*WaitError], or why ctx ended. Acquire itself waits only for others: for the first answer in a window, for those who
// go first, and as a backfill for live collection.
func (m *Member) Acquire(ctx context.Context, e Endpoint) (*Ticket, error) {
	b := m.budget
	for began := b.now(); ctx.Err() == nil; {
		b.mu.Lock()
		t, wait, err := b.take(m, e, began)
		changed := b.changed
		b.mu.Unlock()
		if t != nil || err != nil {
			return t, err
		}
		select {
		case <-changed:
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	b.giveUp(m)
	return nil, context.Cause(ctx)
}

const (
	// longestYield is how long a backfill waits in Acquire for live collection, and then outside of it. A slice must
	// not outlive its time.
	longestYield = 15 * time.Second
	// headStart is how much later than live collection a backfill looks at a new window.
	headStart = 2 * time.Second
)

// take takes a request, or returns how long to wait at most before trying again. began is when the member asked.
func (b *Budget) take(m *Member, asked Endpoint, began time.Time) (*Ticket, time.Duration, error) {
	e := b.endpoint(asked)
	w := e.window
	w.roll()
	m.windows[w] = true
	me := b.enqueue(m, e)
	ahead, lapse := b.ahead(me)
	_, live := b.joined(w)
	reserve := 0
	if m.priority.backfill() {
		reserve = w.reserve()
	}
	switch {
	case w.unsure && w.inFlight() > 0, !e.answered && e.inFlight > 0:
		return nil, windowLength, nil // one request asks, the others wait for its answer
	case !w.allows(0):
		w.endIn(windowLength + margin) // no answer told the end if all were refused or lost
		b.metrics.turnedAway(b.tenant, w.name)
		return nil, 0, b.turnAway(me, ShareUsed, w.left(), 0)
	case m.priority.backfill() && live:
		patience := began.Add(longestYield).Sub(b.now())
		if patience > 0 {
			return nil, patience, nil
		}
		return nil, 0, b.turnAway(me, Yielding, longestYield, 0)
	case !w.allows(reserve):
		return nil, 0, b.turnAway(me, Yielding, w.left()+headStart, reserve)
	case !w.allows(reserve + ahead):
		return nil, lapse, nil
	}
	delete(b.waiters, me.name)
	e.sent++
	e.inFlight++
	return &Ticket{member: m, endpoint: e, since: me.since}, 0, nil
}

// wake lets everybody who waits try again.
func (b *Budget) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// A Ticket is one request. The first of its methods that is called counts.
type Ticket struct {
	member   *Member
	endpoint *endpoint
	since    int // of the member's place in the order
	ended    bool
}

// Answered records the limits of an answer that is no 429.
func (t *Ticket) Answered(l Limits) {
	t.end(func() { t.learn(l) })
}

// Refused records a 429 and returns how long to wait. The member keeps its place in the order.
func (t *Ticket) Refused(l Limits) time.Duration {
	wait := l.Left
	if l.Concurrency() {
		wait = concurrencyWait()
	}
	t.end(func() {
		b := t.member.budget
		if !l.Concurrency() { // its numbers are not the window's
			t.learn(l)
			// Even with Remaining above 0: a token may have a cap that the headers do not show.
			t.endpoint.window.remaining = 0
			t.endpoint.window.endIn(l.Left)
		}
		b.metrics.refused(b.tenant, t.endpoint.window.name, l)
		b.requeue(t, wait)
	})
	return wait
}

// Lost records that no answer came. Okta may have counted the request all the same.
func (t *Ticket) Lost() {
	t.end(func() {
		t.endpoint.window.remaining--
		t.endpoint.window.endIn(windowLength + margin)
	})
}

func (t *Ticket) end(record func()) {
	b := t.member.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	t.endpoint.inFlight--
	record()
	b.wake()
}

// learn records an answer in the window that it shows to be the endpoint's.
func (t *Ticket) learn(l Limits) {
	e, b := t.endpoint, t.member.budget
	ends := b.now().Add(l.Left)
	b.place(e, l, ends)
	e.answered = true
	e.window.learn(e, l, ends)
	t.member.windows[e.window] = true
}
