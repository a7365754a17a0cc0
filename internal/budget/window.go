package budget

import "time"

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
	// restored is Used + Remaining of a previous worker's checkpoint, 0 if there is none.
	restored int
	// unsure: no answer has told yet how much is used.
	unsure bool
	// reset names the window: its end in seconds of Okta's clock, 0 until an answer told it. past is the reset of the
	// window before.
	reset, past int64
	// ends is when the window is over by our clock, zero until something told it.
	ends   time.Time
	counts counts
}

// window returns the window of a name, a new one if there is none.
func (b *Budget) window(name string) *window {
	w := b.windows[name]
	if w == nil {
		w = &window{budget: b, name: name, unsure: true, endpoints: map[*endpoint]bool{}}
		b.windows[name] = w
	}
	return w
}

// roll begins a new window if the old one is over.
func (w *window) roll() {
	if !w.over() {
		return
	}
	if w.reset != 0 {
		w.past = w.reset
	}
	w.renew()
	w.remaining, w.reset, w.ends = w.limit, 0, time.Time{}
}

func (w *window) over() bool { return !w.ends.IsZero() && !w.budget.now().Before(w.ends) }

// renew forgets what was used of the window before. Requests under way may be counted in the new one.
func (w *window) renew() {
	for e := range w.endpoints {
		e.sent = e.inFlight
	}
	w.previous, w.restored = 0, 0
}

// endIn sets when the window is over if nothing is known of that.
func (w *window) endIn(left time.Duration) {
	if w.ends.IsZero() {
		w.ends = w.budget.now().Add(left)
	}
}

// left is how long to wait for the next window.
func (w *window) left() time.Duration { return max(w.ends.Sub(w.budget.now()), margin) }

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

// allowed is how many requests in the window the collector lets itself use.
func (w *window) allowed() int {
	// The small term keeps 0.29 × 100 from being 28.999….
	return max(1, int(w.budget.share*float64(w.limit)+1e-9))
}

// reserve is how many of the allowed requests a backfill leaves to live collection: a quarter.
func (w *window) reserve() int { return min((w.allowed()+3)/4, w.allowed()-1) }

// allows says whether one more request may be sent, and then still as many as are reserved.
func (w *window) allows(reserved int) bool {
	if w.limit == 0 {
		return reserved == 0 // unknown: one request asks
	}
	_, inFlight := w.requests()
	lastTenth := min((w.limit+9)/10, w.limit-1) // a limit of 1 would otherwise allow nothing
	return w.used()+reserved < w.allowed() && w.remaining-inFlight-reserved > lastTenth
}

// learn records an answer of e that came at a time.
func (w *window) learn(e *endpoint, l Limits, at time.Time) {
	w.unsure = false
	if !l.Known || l.Limit == 0 {
		if w.limit == 0 {
			w.limit, w.remaining = unknownLimit, unknownLimit
		}
		w.remaining--
		w.endIn(windowLength + margin)
		return
	}
	ends := at.Add(l.Left)
	switch {
	case l.Reset == 0:
		if w.limit == 0 || w.ends.IsZero() {
			w.remaining = l.Remaining
		}
		w.endIn(l.Left)
	case w.past != 0 && !later(l.Reset, w.past), w.reset != 0 && later(w.reset, l.Reset):
		return // a late answer from a window that is over
	case w.reset == 0 || later(l.Reset, w.reset):
		if w.reset != 0 {
			// Okta began a new window before ours was over. It counts this request, but none that was answered earlier.
			w.past = w.reset
			w.renew()
			e.sent++
		}
		w.reset, w.remaining, w.ends = l.Reset, l.Remaining, ends
	default:
		// Dates are whole seconds: among several estimates of one end the latest is safe.
		if ends.After(w.ends) {
			w.ends = ends
		}
	}
	w.limit, w.remaining = w.smallestLimit(l), min(w.remaining, l.Remaining)
	w.correct()
}

// correct corrects previous after an answer. A previous worker may have sent more than its checkpoint says: all that was
// taken since. But all workers together have not used more than limit − remaining.
func (w *window) correct() {
	sent, inFlight := w.requests()
	answered := sent - inFlight
	if w.restored != 0 {
		w.previous = max(w.previous, w.restored-w.remaining-answered)
	}
	w.previous = max(min(w.previous, w.limit-w.remaining-answered), 0)
}

// jitter is how many seconds Okta's servers may differ in what they say of the end of one window.
const jitter = 3

// later says that reset a names a later window than reset b. Windows are at least a minute apart.
func later(a, b int64) bool { return a-b >= int64(windowLength/time.Second)-jitter }
