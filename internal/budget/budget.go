// Package budget keeps the requests to an Okta org within the collector's share of the org's rate limits. A [Budget]
// counts the requests of one org. A [Member] reserves each request with a [Ticket] before it sends it.
//
// Okta counts requests in fixed windows of 60 s. A window belongs to one or more endpoints. It begins with the first
// request after the previous window. A request is sent only if all of this holds:
//   - The collector's own requests in the window stay within share × limit. One request is always allowed.
//   - The last tenth of the limit stays free for the org. Okta's count of what is left includes other clients.
//   - Enough requests are left for the members that go first: see queue.go.
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
	// Window is the path of the parent collection. The endpoint shares its window until answers show that it has another.
	// Empty: the endpoint starts in a window of its own.
	Window string
}

// A Priority orders the members that wait for a request in one window. The lower value goes first.
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
	members   map[*Member]bool     // those that have joined and not left
	waiters   map[string]*waiter   // by the member's name
	arrivals  int                  // how many waiters there have been
}

// New returns the budget of an org. share is the part of each limit that the collector may use, above 0 and at most 1.
func New(share float64, now func() time.Time) *Budget {
	return &Budget{
		share: share, now: now, windows: map[string]*window{}, endpoints: map[string]*endpoint{},
		members: map[*Member]bool{}, waiters: map[string]*waiter{},
	}
}

// A Member is the reader of one service or one backfill, for one slice. It sends one request at a time.
type Member struct {
	budget   *Budget
	name     string
	priority Priority
	windows  map[*window]bool // those that it has used
}

// Join adds a member. Members with the same name share one place in the queue, even after the first has left.
func (b *Budget) Join(name string, p Priority) *Member {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &Member{budget: b, name: name, priority: p, windows: map[*window]bool{}}
	b.members[m] = true
	return m
}

// Leave removes the member. It sends no more requests, so its next Windows count all that it has sent.
func (m *Member) Leave() {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	delete(m.budget.members, m)
}

// joined counts the members that may send a request in w. live: at least one of them is live collection.
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
	// recheck is how often Acquire tries again. It polls because an answer, the clock or another member may end the wait,
	// and few members wait.
	recheck = 100 * time.Millisecond
	// longestYield bounds how long a backfill waits in Acquire for live collection. It is short because a slice must end
	// in time. The backfill then waits as long again outside of the slice.
	longestYield = 15 * time.Second
)

// Acquire reserves one request to an endpoint. The caller sends the request and then calls one method of the ticket.
// The error is a [*WaitError] or the cause of ctx. Acquire itself waits only for an answer that shows how much is left,
// for members that go first and, in a backfill, for live collection.
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

// take reserves a request if one may be sent now. It returns nil and no error if Acquire, called at began, has to wait.
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
	case inFlight > 0 && unknown, e.inFlight > 0 && e.last.Limit == 0, w.ends.IsZero() && !w.allows(reserve):
		return nil, nil // the answer under way will show how much is left
	case !w.allows(0):
		w.waits++
		return nil, b.deny(place, WaitError{Reason: ShareUsed, Wait: left})
	case yields && b.now().Before(began.Add(longestYield)):
		return nil, nil
	case yields:
		return nil, b.deny(place, WaitError{Reason: Yielding, Wait: longestYield})
	case !w.allows(reserve):
		return nil, b.deny(place, WaitError{Reason: Yielding, Wait: left, Reserved: reserve})
	case !w.allows(reserve + ahead):
		return nil, nil
	}
	delete(b.waiters, m.name)
	e.sent++
	e.inFlight++
	return &Ticket{member: m, endpoint: e}, nil
}

// A Ticket is one reserved request. Only the first call of one of its methods has an effect.
type Ticket struct {
	member   *Member
	endpoint *endpoint
	ended    bool
}

// Answered records an answer other than 429.
func (t *Ticket) Answered(l Limits) {
	t.end(func() {
		t.endpoint.refusals = 0
		t.endpoint.learn(l)
	})
}

// Lost records that no answer came. The request is counted, because Okta may have counted it.
func (t *Ticket) Lost() { t.end(func() { t.endpoint.window.remaining-- }) }

// longestBackoff bounds the wait after 429s in a row whose reset is not later.
const longestBackoff = windowLength

// Refused records a 429 and returns how long to wait: until the reset and, after several in a row, twice as long each
// time. A reset may be in the past, or not be kept.
func (t *Ticket) Refused(l Limits) (wait time.Duration) {
	t.end(func() {
		e := t.endpoint
		wait = min(time.Second<<min(e.refusals, 6), longestBackoff)
		e.refusals++
		if l.Concurrency() { // such an answer has no numbers of the window
			e.window.concurrent++
			wait += rand.N(3 * time.Second) // random, so that workers do not collide again
			return
		}
		e.window.refused++
		e.learn(l)
		// Remaining may be above 0: a token can have a cap that the headers do not show.
		e.window.remaining = 0
		wait = max(wait, l.Left)
		if ends := t.member.budget.now().Add(wait); ends.After(e.window.ends) {
			e.window.ends = ends
		}
	})
	return wait
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
		e.window.ends = b.now().Add(windowLength + margin) // no answer has told the end
	}
}
