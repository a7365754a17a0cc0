package budget

import (
	"cmp"
	"time"
)

// An endpoint is the state of one list endpoint. It starts in the window home: the parent collection's or its own.
type endpoint struct {
	path, home string
	window     *window
	// sent counts this worker's requests in the window, those under way included. inFlight counts those without an answer.
	sent, inFlight int
	// refusals counts the 429s since another answer.
	refusals int
	// last has the limits of the newest answer that named any. at is when that answer came.
	last Limits
	at   time.Time
}

// owner reports whether the endpoint's window is named after the endpoint.
func (e *endpoint) owner() bool { return e.window.name == e.path }

func (b *Budget) endpoint(asked Endpoint) *endpoint {
	e := b.endpoints[asked.Path]
	if e == nil {
		e = &endpoint{path: asked.Path, home: cmp.Or(asked.Window, asked.Path)}
		b.endpoints[e.path] = e
		if e.window = b.windows[e.path]; e.window == nil { // no checkpoint has restored one
			e.window = b.window(e.home)
		}
		e.window.endpoints[e] = true
	}
	return e
}

// Limit returns the limit that the answers of an endpoint show, 0 if they show none, and how many requests the collector
// sends at most in the endpoint's window. Both are a minute's, and 0 before an answer.
func (b *Budget) Limit(path string) (shown, allowed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.endpoints[path]
	if e == nil {
		return 0, 0
	}
	return e.last.Limit, e.window.allowed()
}

// learn records an answer. First it puts endpoints into the windows that the answer shows:
//   - An endpoint that contradicts the owner of its window moves to a window of its own.
//   - An endpoint that agrees with the owner of another window of the same home moves there. Of two owners, the one
//     whose path sorts last moves. The owner of the home sorts first.
func (e *endpoint) learn(l Limits) {
	w, b := e.window, e.window.budget
	if !l.Known || l.Limit == 0 {
		if w.limit == 0 {
			w.limit, w.remaining = unknownLimit, unknownLimit
		}
		w.remaining--
		return
	}
	for other := range w.endpoints {
		switch {
		case other == e:
		case other.path == w.name && other.contradicted(e, l):
			e.move(b.window(e.path))
		case e.path == w.name && other.contradicted(e, l):
			other.move(b.window(other.path))
			other.window.learn(other, other.last, other.at)
		case e.last.Limit != 0 && e.last.Limit != l.Limit:
			other.last, other.at = Limits{}, time.Time{} // outdated: the org's limit has changed
		}
	}
	e.last, e.at = l, b.now()
	for _, other := range b.endpoints {
		from, to := e, other
		if e.owner() && (!other.owner() || e.path < other.path) {
			from, to = other, e
		}
		agree := other.home == e.home && other.last.Limit == l.Limit && near(other.last.Reset, l.Reset)
		if agree && to.owner() && from.window != to.window {
			from.move(to.window)
		}
	}
	e.window.learn(e, l, e.at)
}

// contradicted reports whether an answer of e proves that e and other have different windows. It does if their resets
// differ too much for one window and too little for two consecutive ones. It also does if e repeats its limit after
// other has named a different one. One new limit proves nothing, because the org's limit may have been changed.
func (other *endpoint) contradicted(e *endpoint, l Limits) bool {
	a, b := l.Reset, other.last.Reset
	return !near(a, b) && !later(a, b) && !later(b, a) ||
		l.Limit == e.last.Limit && l.Limit != other.last.Limit && e.at.Before(other.at)
}

// move moves the endpoint and its counts to another window. An owner takes all endpoints of its window along. Requests
// of previous workers are not known by endpoint. So both windows count them until answers correct that.
func (e *endpoint) move(to *window) {
	from := e.window
	to.roll()
	to.previous = max(to.previous, from.previous)
	for other := range from.endpoints {
		if other == e || from.name == e.path {
			delete(from.endpoints, other)
			other.window = to
			to.endpoints[other] = true
		}
	}
	if from.name == e.path {
		from.limit = 0 // no endpoint is in it any more
	}
}
