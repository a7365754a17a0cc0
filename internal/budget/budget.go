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
	// Window names the window that the endpoint shares until its own answers show another. Empty: Path, which names the
	// endpoint's own.
	Window string
}

// A Priority is the order of members within a window. The lower one goes first.
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
	share float64
	now   func() time.Time

	mu        sync.Mutex
	windows   map[string]*window   // by name
	endpoints map[string]*endpoint // by path
	members   map[*Member]bool     // those that are joined
	waiters   map[string]*waiter   // by the member's name
	arrivals  int                  // counts the waiters
	changed   chan struct{}        // closed when a member that waits may go on; nil if none waits
}

// New returns the budget of an org. share is the part of each limit that the collector lets itself use.
func New(share float64, now func() time.Time) *Budget {
	return &Budget{
		share: share, now: now, windows: map[string]*window{}, endpoints: map[string]*endpoint{},
		members: map[*Member]bool{}, waiters: map[string]*waiter{},
	}
}

// A Member sends requests, one at a time: the reader of one service or of one backfill, for one slice.
type Member struct {
	budget   *Budget
	name     string
	priority Priority
	windows  map[*window]bool // those that it has used
}

// Join returns a member that may send requests before what it sent is durable. Members of one name are one in the order
// of those who wait, also if the first has left.
func (b *Budget) Join(name string, p Priority) *Member {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &Member{budget: b, name: name, priority: p, windows: map[*window]bool{}}
	b.members[m] = true
	return m
}

// Leave says that all that the member sent is durable with its next Windows.
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

const (
	// longestYield is how long a backfill waits in Acquire for live collection, and then outside of it: a slice must not
	// outlive its time.
	longestYield = 15 * time.Second
	// headStart is how much later than live collection a backfill looks at a new window.
	headStart = 2 * time.Second
)

// Acquire takes one request to an endpoint. The caller sends it and then calls one method of the ticket. The error is a
// [*WaitError], or why ctx ended. Acquire itself waits only for the first answer in a window, for members that go
// first, and as a backfill for live collection.
func (m *Member) Acquire(ctx context.Context, e Endpoint) (*Ticket, error) {
	b := m.budget
	for began := b.now(); ctx.Err() == nil; {
		b.mu.Lock()
		t, wait, err := b.take(m, e, began)
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
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
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiters, m.name)
	b.wake()
	return nil, context.Cause(ctx)
}

// take takes a request, or returns how long to wait at most before trying again. began is when the member asked.
func (b *Budget) take(m *Member, asked Endpoint, began time.Time) (*Ticket, time.Duration, error) {
	e := b.endpoint(asked)
	w := e.window
	w.roll()
	m.windows[w] = true
	me := b.enqueue(m, w)
	ahead, lapse := b.ahead(me)
	_, live := b.joined(w)
	_, inFlight := w.requests()
	reserve := 0
	if m.priority.backfill() {
		reserve = w.reserve()
	}
	patience := began.Add(longestYield).Sub(b.now())
	switch {
	case w.unsure && inFlight > 0, !e.answered && e.inFlight > 0:
		return nil, windowLength, nil // one request asks, the others wait for its answer
	case !w.allows(0):
		w.endIn(windowLength + margin) // no answer told the end if all were refused or lost
		w.counts.waits++
		return nil, 0, b.turnAway(me, ShareUsed, w.left(), 0)
	case m.priority.backfill() && live && patience <= 0:
		return nil, 0, b.turnAway(me, Yielding, longestYield, 0)
	case m.priority.backfill() && live:
		return nil, patience, nil
	case !w.allows(reserve):
		return nil, 0, b.turnAway(me, Yielding, w.left()+headStart, reserve)
	case !w.allows(reserve + ahead):
		return nil, lapse, nil
	}
	delete(b.waiters, m.name)
	e.sent++
	e.inFlight++
	return &Ticket{member: m, endpoint: e}, 0, nil
}

// wake lets all members that wait try again.
func (b *Budget) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// A Ticket is one request. The first call of one of its methods counts.
type Ticket struct {
	member   *Member
	endpoint *endpoint
	ended    bool
}

// Answered records an answer that is no 429.
func (t *Ticket) Answered(l Limits) {
	t.end(func(*window) { t.learn(l) })
}

// Refused records a 429 and returns how long to wait.
func (t *Ticket) Refused(l Limits) time.Duration {
	wait := l.Left
	if l.Concurrency() {
		wait = concurrencyWait()
	}
	t.end(func(w *window) {
		if l.Concurrency() {
			w.counts.crowded++
			return // its numbers are not the window's
		}
		w.counts.refused++
		t.learn(l)
		// Even with Remaining above 0: a token may have a cap that the headers do not show.
		t.endpoint.window.remaining = 0
		t.endpoint.window.endIn(l.Left)
	})
	return wait
}

// Lost records that no answer came. Okta may have counted the request all the same.
func (t *Ticket) Lost() {
	t.end(func(w *window) {
		w.remaining--
		w.endIn(windowLength + margin)
	})
}

func (t *Ticket) end(record func(*window)) {
	b := t.member.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	t.endpoint.inFlight--
	record(t.endpoint.window)
	b.wake()
}

// learn records an answer in the window that it shows to be the endpoint's.
func (t *Ticket) learn(l Limits) {
	t.member.budget.place(t.endpoint, l)
	t.endpoint.answered = true
	t.endpoint.window.learn(t.endpoint, l, t.member.budget.now())
	t.member.windows[t.endpoint.window] = true
}
