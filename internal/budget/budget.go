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
	"math/rand/v2"
	"sync"
	"time"
)

// An Endpoint is one list endpoint of an org.
type Endpoint struct {
	// Path is its template, such as /api/v1/apps/{id}/users.
	Path string
	// Window is the path of the collection above, whose window the endpoint shares until its own answers show another one.
	// Empty: the endpoint begins in a window of its own.
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
}

// joined counts the members that may send a request in w. live says whether live collection is among them.
func (b *Budget) joined(w *window) (n int, live bool) {
	for m := range b.members {
		if m.windows[w] {
			n++
			live = live || m.priority < BackfillList
		}
	}
	return n, live
}

const (
	// recheck is how often Acquire looks whether it has to wait any longer. Few wait, and answers, times and other members
	// can all let one go on.
	recheck = 100 * time.Millisecond
	// longestYield is how long a backfill waits for live collection in Acquire, since a slice must not outlive its time,
	// and then outside of it.
	longestYield = 15 * time.Second
)

// Acquire takes one request to an endpoint. The caller sends it and then calls one method of the ticket. The error is a
// [*WaitError], or why ctx ended. Acquire itself waits only for an answer that shows how much is left, for members that
// go first, and as a backfill for live collection.
func (m *Member) Acquire(ctx context.Context, e Endpoint) (*Ticket, error) {
	for began := m.budget.now(); ctx.Err() == nil; {
		if t, err := m.take(e, began); t != nil || err != nil {
			return t, err
		}
		select {
		case <-time.After(recheck):
		case <-ctx.Done():
		}
	}
	return nil, context.Cause(ctx)
}

// take takes a request. It returns nothing if the member has to wait in Acquire, which began at a time.
func (m *Member) take(asked Endpoint, began time.Time) (*Ticket, error) {
	b := m.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.endpoint(asked)
	w := e.window
	w.roll()
	m.windows[w] = true
	place, ahead := b.enqueue(m, w)
	_, inFlight := w.requests()
	reserve, yields := 0, false
	if m.priority >= BackfillList {
		reserve = w.reserve()
		_, yields = b.joined(w)
	}
	unknown := w.limit == 0 || w.restored != 0
	left := max(w.ends.Sub(b.now()), margin)
	switch {
	case inFlight > 0 && unknown, e.inFlight > 0 && e.said.Limit == 0, w.ends.IsZero() && !w.allows(reserve):
		return nil, nil // an answer under way shows how much is left
	case !w.allows(0):
		w.waits++
		return nil, b.turnAway(place, WaitError{Reason: ShareUsed, Wait: left})
	case yields && b.now().Before(began.Add(longestYield)):
		return nil, nil
	case yields:
		return nil, b.turnAway(place, WaitError{Reason: Yielding, Wait: longestYield})
	case !w.allows(reserve):
		return nil, b.turnAway(place, WaitError{Reason: Yielding, Wait: left, Reserved: reserve})
	case !w.allows(reserve + ahead):
		return nil, nil
	}
	delete(b.waiters, m.name)
	e.sent++
	e.inFlight++
	return &Ticket{member: m, endpoint: e}, nil
}

// A Ticket is one request. The first call of one of its methods counts.
type Ticket struct {
	member   *Member
	endpoint *endpoint
	ended    bool
}

// Answered records an answer that is no 429.
func (t *Ticket) Answered(l Limits) { t.end(func() { t.endpoint.learn(l) }) }

// Lost records that no answer came. Okta may have counted the request all the same.
func (t *Ticket) Lost() { t.end(func() { t.endpoint.window.remaining-- }) }

// Refused records a 429 and returns how long to wait.
func (t *Ticket) Refused(l Limits) time.Duration {
	if l.Concurrency() { // its numbers are not the window's
		t.end(func() { t.endpoint.window.crowded++ })
		return time.Second + rand.N(3*time.Second) // keeps colliding workers apart
	}
	t.end(func() {
		t.endpoint.window.refused++
		t.endpoint.learn(l)
		// Even with Remaining above 0: a token may have a cap that the headers do not show.
		t.endpoint.window.remaining = 0
	})
	return l.Left
}

func (t *Ticket) end(record func()) {
	b, e := t.member.budget, t.endpoint
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	e.inFlight--
	record()
	t.member.windows[e.window] = true
	if e.window.ends.IsZero() {
		e.window.ends = b.now().Add(windowLength + margin) // no answer has said when
	}
}
