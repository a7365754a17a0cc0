package budget

import (
	"cmp"
	"time"
)

// A window is the state of one of Okta's rate-limit windows. When it ends, the same value serves the next one.
type window struct {
	budget    *Budget
	name      string
	endpoints map[*endpoint]bool // whose requests it counts
	// limit and remaining are Okta's numbers. limit is 0 before the first answer. remaining excludes requests under way.
	limit, remaining int
	// previous counts the requests that previous workers may have sent in this window. They use the same share.
	previous int
	// restored is Used + Remaining of the restored checkpoint; 0 after the first answer.
	restored int
	// reset identifies the window: its end in Unix seconds by Okta's clock; 0 before the first answer. past is the reset
	// of the window before.
	reset, past int64
	ends        time.Time // the end of the window by our clock; zero before the first answer
	// Since the start: requests not sent, 429s for the window, and 429s for too many at once.
	waits, refused, concurrent int
}

// window returns the window with this name, and creates it if there is none.
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

// renew drops the counts of the window that is over. The new one may count the requests under way.
func (w *window) renew() {
	for e := range w.endpoints {
		e.sent = e.inFlight
	}
	w.previous, w.restored, w.past = 0, 0, cmp.Or(w.reset, w.past)
}

// requests counts this worker's requests in the window. inFlight is the number of those without an answer.
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

// lastTenth is how many requests stay free for the org. With a limit of 1, one request must still be allowed.
func (w *window) lastTenth() int { return min((w.limit+9)/10, w.limit-1) }

// allowed is how many requests the collector may send in the window.
func (w *window) allowed() int {
	// The small term keeps 0.29 × 100 from being 28.999….
	return max(1, min(int(w.budget.share*float64(w.limit)+1e-9), w.limit-w.lastTenth()))
}

// reserve is how many of the allowed requests a backfill leaves to live collection: a quarter.
func (w *window) reserve() int { return min((w.allowed()+3)/4, w.allowed()-1) }

// allows reports whether one request may be sent so that the reserved ones are still left.
func (w *window) allows(reserved int) bool {
	if w.limit == 0 {
		return reserved == 0 // unknown: one request finds out
	}
	_, inFlight := w.requests()
	return w.used()+reserved < w.allowed() && w.remaining-inFlight-reserved > w.lastTenth()
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
	case w.past != 0 && l.Reset <= w.past+jitter, later(w.reset, l.Reset):
		return // a late answer from a window that is over
	case w.reset == 0 || later(l.Reset, w.reset):
		if w.reset != 0 {
			// Okta began a new window before ours was over. The new one counts this request, but no earlier ones.
			w.renew()
			e.sent++
		}
		w.reset, w.remaining, w.ends = l.Reset, l.Remaining, ends
	case ends.After(w.ends):
		w.ends = ends // Dates are whole seconds: among several estimates the latest is safe
	}
	w.limit, w.remaining = l.Limit, min(w.remaining, l.Remaining)
	for other := range w.endpoints {
		if other.last.Limit != 0 {
			w.limit = min(w.limit, other.last.Limit) // the safe choice while these may be two windows
		}
	}
	// A previous worker may have sent more than its checkpoint says: up to everything that Okta has counted since. But all
	// workers together cannot have used more than limit − remaining.
	sent, inFlight := w.requests()
	answered := sent - inFlight
	most := w.limit - w.remaining - answered
	w.previous = max(min(max(w.previous, w.restored-w.remaining-answered), most), 0)
	w.restored = 0
}

// near reports whether two resets may belong to one window.
func near(a, b int64) bool { return max(a-b, b-a) <= jitter }

// later reports whether reset a belongs to a later window than reset b. Two windows end at least a minute apart.
func later(a, b int64) bool { return a-b >= int64(windowLength/time.Second)-jitter }
