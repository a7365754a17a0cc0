package budget

import (
	"cmp"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// A window is a member's account of one of Okta's rate-limit windows. When it ends, the same value serves the next one.
type window struct {
	member     *Member
	name, home string
	endpoint   string // whose answer was the newest; empty for the one that name names
	// limit and remaining are Okta's numbers. limit is 0 before the first answer. remaining excludes requests under way.
	limit, remaining int
	// previous counts the requests of the service that earlier slices may have sent in this window.
	previous int
	// restored is Used + Remaining of the restored checkpoint; 0 after the first answer. open: until then, an earlier slice
	// may have sent more than previous.
	restored int
	open     bool
	// saved is how many requests the last durable checkpoint counts, with those that may be sent before the next one. counted
	// is the same of the last checkpoint that was made. Both are 0 in a window that no checkpoint knows.
	saved, counted int
	// reset identifies the window: its end in Unix seconds by Okta's clock; 0 before the first answer. past is the reset
	// of the window before, and passed is when that was over.
	reset, past int64
	passed      time.Time
	ends        time.Time // the end of the window by our clock; zero before the first answer
	kept        time.Time // the end that was restored, which is by Temporal's clock; zero if none was

	// What was claimed. The requests used may reach granted. The first is sent before begin, all before until. claimed: there
	// is nothing more to claim in this window.
	granted      int
	claimed      bool
	begun        bool
	begin, until time.Time
	// claim is the id of the last claim. unsent is the same id if begin passed before the first request was sent, and else empty.
	claim, unsent string
}

// window returns the window with this name, and creates it if there is none.
func (m *Member) window(name, home string) *window {
	w := m.windows[name]
	if w == nil {
		w = &window{member: m, name: name}
		m.windows[name] = w
	}
	w.home = home
	return w
}

// roll begins a new window if the old one is over. It drops what was claimed and can be sent no more.
func (w *window) roll() {
	now := w.member.budget.now()
	if !w.ends.IsZero() && !now.Before(w.ends) {
		w.renew()
		w.passed = w.ends
		w.remaining, w.reset, w.ends = w.limit, 0, time.Time{}
	}
	missed := !w.begun && !w.begin.IsZero() && !now.Before(w.begin)
	if w.granted > w.used() && (missed || !now.Before(w.until)) {
		w.granted, w.claimed = 0, w.claimed && !missed
		if missed {
			w.unsent = w.claim
		}
	}
}

// renew drops the counts of the window that is over. Requests under way may count in the new one. If the window is open, so
// may requests that an earlier slice has sent.
func (w *window) renew() {
	for _, e := range w.endpointsIn() {
		e.sent = e.inFlight
	}
	w.previous, w.restored, w.past = 0, 0, cmp.Or(w.reset, w.past)
	if w.open {
		w.restored = w.limit
	}
	w.granted, w.claimed, w.begun = 0, false, false
	w.saved, w.counted = 0, 0
}

// endpointsIn are the endpoints whose requests count in the window.
func (w *window) endpointsIn() (all []*endpoint) {
	for _, e := range w.member.endpoints {
		if e.window == w.name {
			all = append(all, e)
		}
	}
	return all
}

// requests counts this member's requests in the window. inFlight is the number of those without an answer.
func (w *window) requests() (sent, inFlight int) {
	for _, e := range w.endpointsIn() {
		sent += e.sent
		inFlight += e.inFlight
	}
	return sent, inFlight
}

func (w *window) used() int {
	sent, _ := w.requests()
	return sent + w.previous
}

// allowed is how many requests the collector may send in the window.
func (w *window) allowed() int { return ledger.Allowed(w.limit, w.member.budget.share) }

// allows reports whether one more request stays within the share, as far as the member's own requests go. While the limit is
// unknown, one at a time may find out.
func (w *window) allows() bool {
	_, inFlight := w.requests()
	if w.limit == 0 {
		return inFlight == 0
	}
	return w.used() < w.allowed() && ledger.Leaves(w.limit, w.remaining-inFlight)
}

// isSaved reports whether one more request may be sent before another checkpoint is durable. If the worker is killed, the next
// one counts what the checkpoint says. Of a window that no checkpoint knows, it counts all requests that Okta counts, but only
// after its own first one. So that one must be left.
func (w *window) isSaved() bool {
	unknown := max(1, min(checkpoint.Ahead(w.limit), w.allowed()-1))
	return w.ends.IsZero() || w.used() < max(w.saved, unknown)
}

// take takes what was granted in answer to a claim that was sent at this time.
func (w *window) take(g ledger.Grant, sent time.Time) {
	if g.Limit > 0 && w.limit != g.Limit {
		w.limit, w.remaining = g.Limit, g.Limit
	}
	w.claimed, w.begun = g.Limit > 0 || g.Requests == 0, false
	w.claim, w.unsent = g.Claim, ""
	if g.Requests == 0 {
		w.ends = sent.Add(g.Wait)
		return
	}
	w.granted, w.until, w.begin = w.used()+g.Requests, sent.Add(g.Left), time.Time{}
	if g.Begin > 0 {
		w.begin = sent.Add(g.Begin)
	}
	if w.ends.IsZero() {
		w.ends = sent.Add(max(g.Left, ledger.UnknownEnd))
	}
}

// learn records an answer of an endpoint. First it puts endpoints into the windows that the answer shows.
func (m *Member) learn(e *endpoint, l Limits) {
	if !l.Known || l.Limit == 0 {
		w := m.windowOf(e)
		if w.limit == 0 {
			w.limit, w.remaining = unknownLimit, unknownLimit
		}
		w.remaining--
		return
	}
	b := m.budget
	e.last, e.at = l, b.now()
	b.mu.Lock()
	moves := b.layout.Learn(e.Path, e.home(), l.Limit, l.Reset, e.at)
	b.mu.Unlock()
	for _, moved := range moves {
		for _, path := range moved.Paths {
			if other := m.endpoints[path]; other != nil && other != e && other.last.Limit > 0 {
				m.windowOf(other).learn(other, other.last, other.at)
			}
		}
	}
	m.windowOf(e).learn(e, l, e.at)
}

// learn records an answer of e, an endpoint of the window. at is when the answer came.
func (w *window) learn(e *endpoint, l Limits, at time.Time) {
	if w.limit == 0 {
		w.remaining = l.Remaining
	}
	ends := at.Add(l.Left)
	switch {
	case l.Reset == 0:
		if w.ends.IsZero() {
			w.ends = ends
		}
	case w.past != 0 && l.Reset <= w.past+ledger.Jitter, ledger.Later(w.reset, l.Reset):
		return // a late answer from a window that is over
	case w.reset == 0 || ledger.Later(l.Reset, w.reset):
		if w.reset != 0 {
			// Okta began a new window before ours was over. The new one counts this request, but no earlier ones.
			w.renew()
			e.sent++
		}
		w.reset, w.remaining, w.ends = l.Reset, l.Remaining, ends
	case ends.After(w.ends):
		w.ends = ends // Dates are whole seconds: among several estimates the latest is safe
	}
	if w.reset != 0 {
		w.until = w.ends.Add(-ledger.Early)
	}
	b, before := w.member.budget, w.limit
	b.mu.Lock()
	w.limit, w.remaining = cmp.Or(b.layout.Limit(w.name), l.Limit), min(w.remaining, l.Remaining)
	b.mu.Unlock()
	if w.limit < before && w.granted > 0 {
		w.granted, w.claimed = 0, false // it was granted of another limit, and others may have been granted as much
	}
	if w.endpoint = ""; e.Path != w.name {
		w.endpoint = e.Path
	}
	if w.open = false; !w.member.isAlone(w.home) {
		w.restored = 0
		return
	}
	// An earlier slice may have sent more than its checkpoint says: up to everything that Okta has counted since. But the
	// service cannot have used more than limit − remaining.
	sent, inFlight := w.requests()
	answered := sent - inFlight
	most := w.limit - w.remaining - answered
	w.previous = max(min(max(w.previous, w.restored-w.remaining-answered), most), 0)
	w.restored = 0
}
