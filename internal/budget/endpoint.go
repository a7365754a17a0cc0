package budget

import (
	"cmp"
	"time"
)

// An endpoint is a list endpoint and what is known of it. An endpoint below a collection shares the window of that
// collection, its home, until its answers show another one. Then it has a window of its own, or that of another endpoint
// with the same home and the same numbers. It comes back when its answers are those of the home's window again.
type endpoint struct {
	path, home string
	window     *window
	// sent counts the collector's requests in the window, those under way included. inFlight have no answer yet.
	sent, inFlight int
	answered       bool
	// said is its last answer with limits: order its number among all, ends the window's end by our clock.
	said  Limits
	order int
	ends  time.Time
}

// endpoint returns what is known of an endpoint.
func (b *Budget) endpoint(asked Endpoint) *endpoint {
	e := b.endpoints[asked.Path]
	if e == nil {
		e = &endpoint{path: asked.Path, home: cmp.Or(asked.Window, asked.Path)}
		b.endpoints[e.path] = e
		to := b.windows[e.path] // a checkpoint has one if the endpoint had its own
		if to == nil {
			to = b.window(e.home)
		}
		b.move(e, to)
	}
	return e
}

// move lets a window count the requests of e. Requests of previous workers are not known by endpoint: they count in both
// windows, as far as the next answer allows.
func (b *Budget) move(e *endpoint, to *window) {
	if from := e.window; from != nil {
		to.previous = max(to.previous, from.previous)
		delete(from.endpoints, e)
		if len(from.endpoints) == 0 && from.name != e.home {
			delete(b.windows, from.name)
		}
	}
	e.window = to
	to.endpoints[e] = true
}

// place moves endpoints to the windows that an answer of e shows to be theirs. ends is when the answer's window is over.
func (b *Budget) place(e *endpoint, l Limits, ends time.Time) {
	if !l.Known || l.Limit == 0 {
		return
	}
	w := e.window
	if to := b.windowOf(e, l, nil); to != nil && e.path != e.home {
		b.move(e, to)
	} else {
		for other := range w.endpoints {
			switch {
			case !e.differs(l, other):
			case e.path != w.name:
				b.move(e, b.window(e.path))
			default: // the window is named by e: the other one leaves
				to := b.windowOf(other, other.said, w)
				if to == nil {
					to = b.window(other.path)
				}
				b.move(other, to)
				to.learn(other, other.said, other.ends)
				w.reset, w.past = 0, 0 // may be the other's: this answer tells it anew
			}
		}
	}
	b.answers++
	e.said, e.order, e.ends = l, b.answers, ends
}

// windowOf finds the window of an endpoint with the same home whose last answer named the same limit and reset, that of
// the home first; nil if there is none but not.
func (b *Budget) windowOf(e *endpoint, l Limits, not *window) (found *window) {
	for _, other := range b.endpoints {
		w := other.window
		if other == e || other.home != e.home || w == not || other.said.Limit != l.Limit || !near(other.said.Reset, l.Reset) {
			continue
		}
		if found == nil || w.name == e.home || w.name < found.name && found.name != e.home {
			found = w
		}
	}
	return found
}

// differs says whether an answer of e, with limits l, and the last answer of another endpoint are of two windows.
func (e *endpoint) differs(l Limits, other *endpoint) bool {
	if other == e || other.said.Limit == 0 {
		return false
	}
	apart := max(l.Reset-other.said.Reset, other.said.Reset-l.Reset)
	if l.Reset != 0 && other.said.Reset != 0 && apart > jitter && apart < int64(windowLength/time.Second)-jitter {
		return true // neither one window nor two windows one after the other
	}
	// Another limit may only mean that the org's limit was changed, until each has repeated its own after the other's.
	return other.said.Limit != l.Limit && e.said.Limit == l.Limit && other.order > e.order
}

// jitter is how many seconds Okta's servers may differ in what they say of the end of one window.
const jitter = 5

func near(a, b int64) bool { return a != 0 && b != 0 && max(a-b, b-a) <= jitter }
