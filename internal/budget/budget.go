// Package budget keeps the requests to an Okta org within the collector's share of the org's rate limits. A [Budget]
// is that of one org on this worker. A [Member] reserves each request of one slice with a [Ticket] before it sends it.
//
// Okta counts requests in fixed windows of 60 s. A window belongs to one or more endpoints. It begins with the first
// request after the previous window. Package ledger says who may use a window:
//   - A member that is alone counts for itself, in its checkpoint. It sends a request only if the collector's own requests
//     stay within share × limit. One request is always allowed.
//   - Every other member sends only what it has claimed.
//
// For both, the last tenth of the limit stays free for the org. Okta's count of what is left includes other clients.
package budget

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"okta-collector/internal/ledger"
)

// An Endpoint is one list endpoint of an org.
type Endpoint struct {
	// Path is its template, such as /api/v1/apps/{id}/users.
	Path string
	// Window is the path of the parent collection. The endpoint shares its window until answers show that it has another.
	// Empty: the endpoint starts in a window of its own.
	Window string
}

// home is where the endpoint starts.
func (e Endpoint) home() string { return cmp.Or(e.Window, e.Path) }

// Limit returns the limit that the answers of an endpoint show, 0 if they show none, and how many requests the collector
// sends at most in the endpoint's window. Both are a minute's, and 0 before an answer.
func (m *Member) Limit(path string) (shown, allowed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.endpoints[path]
	if e == nil || m.windowOf(e).limit == 0 {
		return 0, 0
	}
	return e.last.Limit, m.windowOf(e).allowed()
}

// Budget is the budget of one org on this worker. It is safe for concurrent use.
type Budget struct {
	share float64
	now   func() time.Time

	mu     sync.Mutex
	layout ledger.Layout     // what this worker knows
	shown  map[string]*shown // for the metrics, by the window's name
}

// New returns the budget of an org. share is the part of each limit that the collector may use, above 0 and at most 1.
func New(share float64, now func() time.Time) *Budget {
	return &Budget{share: share, now: now, shown: map[string]*shown{}}
}

// Claim asks the tenant's ledger for requests. It returns when the claim is durable. The budget sets all fields but ID,
// Member and Always. Claim sets the claim's id in the grant.
type Claim func(ctx context.Context, c ledger.Claim) (ledger.Grant, error)

// A Member is the reader of one service or one backfill, for one slice. It sends one request at a time. It is safe for
// concurrent use.
type Member struct {
	budget   *Budget
	priority ledger.Priority
	claim    Claim        // nil: always alone
	save     func() error // nil: nothing is saved

	mu        sync.Mutex
	left      bool               // no more requests are sent
	alone     map[string]aloneOn // by home
	windows   map[string]*window // by name
	endpoints map[string]*endpoint
	wanted    string // the endpoint to which most requests go
	want      int
	polls     bool
}

// endpoint is the state of one list endpoint.
type endpoint struct {
	Endpoint
	// sent counts the member's requests in the endpoint's window, those under way included. inFlight counts those without an
	// answer.
	sent, inFlight int
	window         string // in which these counts are
	// refusals counts the 429s since another answer.
	refusals int
	// last has the limits of the newest answer that named any. at is when that answer came.
	last Limits
	at   time.Time
}

// Join adds a member. It is alone, whoever else there is, until Claims says how it claims.
func (b *Budget) Join(p ledger.Priority) *Member {
	return &Member{
		budget: b, priority: p,
		alone: map[string]aloneOn{}, windows: map[string]*window{}, endpoints: map[string]*endpoint{},
	}
}

// Claims says how the member claims requests. It must be called before the first Acquire.
func (m *Member) Claims(claim Claim) { m.claim = claim }

// Saves says how the member makes a checkpoint durable that has its Windows; save calls Saved. Where the member is alone, Acquire
// calls it before more requests are sent than the last durable checkpoint allows for. It must be called before the first
// Acquire.
func (m *Member) Saves(save func() error) { m.save = save }

// Want says how many requests to an endpoint the next claim is for; 0: as many as there are. Of windows in which that endpoint
// does not count, few are claimed. polls: the service asks again within a minute, although it got all that it wanted.
func (m *Member) Want(endpoint string, requests int, polls bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted, m.want, m.polls = endpoint, requests, polls
}

// wants is how many requests a claim for an endpoint is for, and whether the service polls.
func (m *Member) wants(e *endpoint) (requests int, polls bool) {
	if most := m.endpoints[m.wanted]; e.Path != m.wanted && most != nil && most.window != e.window {
		return few, false
	}
	return m.want, m.polls
}

// few is how many requests are claimed for the lists above the one that is collected, if they have another window.
const few = 4

// Leave ends the membership. It sends no more requests, so its next Windows count what it has sent and no more.
func (m *Member) Leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = true
}

// endpoint returns the state of an endpoint, which may be new.
func (m *Member) endpoint(asked Endpoint) *endpoint {
	e := m.endpoints[asked.Path]
	if e == nil {
		e = &endpoint{Endpoint: asked}
		m.endpoints[asked.Path] = e
		b := m.budget
		b.mu.Lock()
		if m.windows[asked.Path] != nil && b.layout.Newest(asked.Path).IsZero() { // a checkpoint has restored one
			b.layout.Put(asked.Path, asked.home(), asked.Path)
		}
		e.window = b.layout.Window(asked.Path, asked.home())
		b.mu.Unlock()
	}
	return e
}

// windowOf returns the window in which an endpoint counts. It takes the endpoint's counts there if any member has found out
// that it is another one than before.
func (m *Member) windowOf(e *endpoint) *window {
	m.budget.mu.Lock()
	name := m.budget.layout.Window(e.Path, e.home())
	m.budget.mu.Unlock()
	w := m.window(name, e.home())
	if from := m.windows[e.window]; name != e.window {
		e.window = name
		w.roll()
		if from != nil {
			// Requests of earlier slices are not known by endpoint. So both windows count them until answers correct that.
			w.previous = max(w.previous, from.previous)
			if len(from.endpointsIn()) == 0 {
				delete(m.windows, from.name)
			}
		}
	}
	return w
}

// aloneOn says that a member is alone on a home.
type aloneOn struct {
	number int64
	until  time.Time
}

// isAlone reports whether the member needs no claims on a home.
func (m *Member) isAlone(home string) bool {
	return m.claim == nil || m.budget.now().Before(m.alone[home].until)
}

// Acquire reserves one request to an endpoint. The caller sends the request and then calls one method of the ticket.
// The error is a [*WaitError], a [*ClaimError], or the cause of ctx.
func (m *Member) Acquire(ctx context.Context, asked Endpoint) (*Ticket, error) {
	for ctx.Err() == nil {
		t, claims, err := m.take(asked)
		switch {
		case t != nil:
			return t, nil
		case errors.Is(err, errUnsaved):
			err = m.save()
		case err == nil:
			err = m.ask(ctx, asked, claims)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, context.Cause(ctx)
}

// errUnsaved: a checkpoint has to be durable before the request is sent.
var errUnsaved = errors.New("the last durable checkpoint does not allow for another request")

// take reserves a request if one may be sent now. If it returns neither a ticket nor an error, the member has to claim.
func (m *Member) take(asked Endpoint) (*Ticket, ledger.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.endpoint(asked)
	w := m.windowOf(e)
	w.roll()
	alone := m.isAlone(w.home)
	switch {
	case alone && w.allows() && m.save != nil && !w.isSaved():
		return nil, ledger.Claim{}, errUnsaved
	case alone && w.allows(), !alone && w.granted > w.used() && w.allows():
		e.sent++
		e.inFlight++
		w.begun = true
		m.budget.count(w.name, func(s *shown) { s.sent++ })
		return &Ticket{member: m, endpoint: e}, ledger.Claim{}, nil
	case alone, w.claimed, w.granted > w.used():
		m.budget.count(w.name, func(s *shown) { s.waits++ })
		return nil, ledger.Claim{}, &WaitError{
			Wait: max(w.ends.Sub(m.budget.now()), ledger.Margin), Window: w.name, Share: m.budget.share,
			Used: w.used(), Limit: w.limit, Remaining: max(w.remaining, 0), Shared: !alone,
		}
	}
	want, polls := m.wants(e)
	return nil, ledger.Claim{
		Priority: m.priority, Path: e.Path, Home: e.home(), Share: m.budget.share, Want: want, Polls: polls,
		Seen: m.seen(), Answers: m.answers(e.home()), Unsent: w.unsent,
	}, nil
}

// ask claims requests of an endpoint's window.
func (m *Member) ask(ctx context.Context, asked Endpoint, c ledger.Claim) error {
	sent := m.budget.now()
	g, err := m.claim(ctx, c)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && (g.Alone != 0 && g.Left <= 0 || g.Alone == 0 && g.Requests <= 0 && g.Wait <= 0) {
		err = errors.New("the answer grants nothing, and names no wait")
	}
	if err != nil {
		return &ClaimError{Window: c.Path, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.endpoint(asked)
	if g.Alone != 0 {
		m.alone[e.home()] = aloneOn{g.Alone, sent.Add(g.Left)}
		return nil
	}
	m.budget.mu.Lock()
	m.budget.layout.Put(e.Path, e.home(), cmp.Or(g.Window, e.window))
	m.budget.mu.Unlock()
	w := m.windowOf(e)
	w.roll()
	w.take(g, sent)
	return nil
}

// A ClaimError says why a claim was not answered. Nothing was sent to Okta.
type ClaimError struct {
	Window string // the endpoint that was asked for
	Err    error
}

func (e *ClaimError) Error() string { return "claiming requests: " + e.Err.Error() }

// Unwrap returns Err.
func (e *ClaimError) Unwrap() error { return e.Err }

// A WaitError says why a request was not sent, and how long to wait. Its text does not name the window.
type WaitError struct {
	Wait   time.Duration
	Window string // its name
	Share  float64
	// Used counts the service's own requests in the window. Limit and Remaining are Okta's numbers.
	Used, Limit, Remaining int
	// Shared: other services use the same window.
	Shared bool
}

func (e *WaitError) Error() string {
	text := fmt.Sprintf("the service has used %d of %d requests a minute, with a share of %g", e.Used, e.Limit, e.Share)
	if e.Shared {
		text += " that other services use too"
	}
	return fmt.Sprintf("%s; %d are left to the org", text, e.Remaining)
}

// A Ticket is one reserved request. Only the first call of one of its methods has an effect.
type Ticket struct {
	member   *Member
	endpoint *endpoint
	ended    bool
}

// Answered records an answer other than 429.
func (t *Ticket) Answered(l Limits) {
	t.end(func(*window) {
		t.endpoint.refusals = 0
		t.member.learn(t.endpoint, l)
	})
}

// Lost records that no answer came. The request is counted, because Okta may have counted it.
func (t *Ticket) Lost() { t.end(func(w *window) { w.remaining-- }) }

// longestBackoff bounds the wait after 429s in a row whose reset is not later.
const longestBackoff = ledger.WindowLength

// Refused records a 429 and returns how long to wait: until the reset and, after several in a row, twice as long each
// time. A reset may be in the past, or not be kept.
func (t *Ticket) Refused(l Limits) (wait time.Duration) {
	t.end(func(w *window) {
		m, e := t.member, t.endpoint
		wait = min(time.Second<<min(e.refusals, 6), longestBackoff)
		e.refusals++
		if l.Concurrency() { // such an answer has no numbers of the window
			m.budget.count(w.name, func(s *shown) { s.concurrent++ })
			wait += rand.N(3 * time.Second) // random, so that workers do not collide again
			return
		}
		m.budget.count(w.name, func(s *shown) { s.refused++ })
		m.learn(e, l)
		w = m.windowOf(e)
		// Remaining may be above 0: a token can have a cap that the headers do not show.
		w.remaining = 0
		wait = max(wait, l.Left)
		if ends := m.budget.now().Add(wait); ends.After(w.ends) {
			w.ends = ends
		}
	})
	return wait
}

func (t *Ticket) end(record func(*window)) {
	m, e := t.member, t.endpoint
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	e.inFlight--
	record(m.windowOf(e))
	w := m.windowOf(e)
	if w.ends.IsZero() {
		w.ends = m.budget.now().Add(ledger.WindowLength + ledger.Margin) // no answer has told the end
	}
	m.budget.show(w)
}
