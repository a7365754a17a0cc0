package budget

import (
	"cmp"
	"time"
)

// A window is what is known of one of Okta's rate-limit windows. When it ends, the same value stands for the next one.
type window struct {
	budget    *Budget
	name      string
	endpoints map[*endpoint]bool // whose requests it counts
	// limit and remaining are Okta's numbers. limit is 0 until an answer told it. remaining does not count requests
	// under way.
	limit, remaining int
	// previous counts the requests that previous workers may have sent in this window. The share is theirs too.
	previous int
	// restored is Used + Remaining of a previous worker's checkpoint until the first answer, otherwise 0.
	restored int
	// reset names the window: its end in seconds of Okta's clock, 0 until an answer told it. past is the reset of the
	// window before.
	reset, past int64
	ends        time.Time // when the window is over by our clock, zero before the first answer
	// These are counted since the worker started.
	waits, refused, crowded int
}

// window returns the window of a name, a new one if there is none.
func (b *Budget) window(name string) *window {
	w := b.windows[name]
	if w == nil {
		w = &window{budget: b, name: name, endpoints: map[*endpoint]bool{}}
		b.windows[name] = w
	}
	return w
}

// roll begins a new window if the old one is over.
func (w *window) roll() {
	if !w.ends.IsZero() && !w.budget.now().Before(w.ends) {
		w.renew()
		w.remaining, w.reset, w.ends = w.limit, 0, time.Time{}
	}
}

// renew forgets what was used of the window before. Requests under way may be counted in the new one.
func (w *window) renew() {
	for e := range w.endpoints {
		e.sent = e.inFlight
	}
	w.previous, w.restored, w.past = 0, 0, cmp.Or(w.reset, w.past)
}

// requests counts this worker's requests in the window. inFlight of them have no answer yet.
func (w *window) requests() (sent, inFlight int) {
	for e := range w.endpoints {
		sent += e.sent
		inFlight += e.inFlight
	}
	return sent, inFlight
}

func (w *window) used() int {
	sent, _ := w.requests()
	return sent + w.previous
}

// lastTenth is what stays free for the org. A limit of 1 would otherwise allow nothing.
func (w *window) lastTenth() int { return min((w.limit+9)/10, w.limit-1) }

// allowed is how many requests in the window the collector lets itself use.
func (w *window) allowed() int {
	// The small term keeps 0.29 × 100 from being 28.999….
	return max(1, min(int(w.budget.share*float64(w.limit)+1e-9), w.limit-w.lastTenth()))
}

// reserve is how many of the allowed requests a backfill leaves to live collection: a quarter.
func (w *window) reserve() int { return min((w.allowed()+3)/4, w.allowed()-1) }

// allows says whether one more request may be sent, and then still as many as are reserved.
func (w *window) allows(reserved int) bool {
	if w.limit == 0 {
		return reserved == 0 // unknown: one request asks
	}
	_, inFlight := w.requests()
	return w.used()+reserved < w.allowed() && w.remaining-inFlight-reserved > w.lastTenth()
}

// learn records an answer of e, whose window it is, that came at a time.
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
	case w.past != 0 && l.Reset <= w.past+jitter, later(w.reset, l.Reset):
		return // a late answer from a window that is over
	case w.reset == 0 || later(l.Reset, w.reset):
		if w.reset != 0 {
			// Okta began a new window before ours was over. It counts this request, but none that was answered earlier.
			w.renew()
			e.sent++
		}
		w.reset, w.remaining, w.ends = l.Reset, l.Remaining, ends
	case ends.After(w.ends):
		w.ends = ends // Dates are whole seconds: among several estimates the latest is safe
	}
	w.limit, w.remaining = l.Limit, min(w.remaining, l.Remaining)
	for other := range w.endpoints {
		if other.said.Limit != 0 {
			w.limit = min(w.limit, other.said.Limit) // safe until it is known whether these are two windows
		}
	}
	// A previous worker may have sent more than its checkpoint says: all that was taken since. But all workers together
	// have not used more than limit − remaining.
	sent, inFlight := w.requests()
	answered := sent - inFlight
	most := w.limit - w.remaining - answered
	w.previous = max(min(max(w.previous, w.restored-w.remaining-answered), most), 0)
	w.restored = 0
}

// near says that two resets may be of one window.
func near(a, b int64) bool { return max(a-b, b-a) <= jitter }

// later says that reset a names a later window than reset b. Windows are at least a minute apart.
func later(a, b int64) bool { return a-b >= int64(windowLength/time.Second)-jitter }
