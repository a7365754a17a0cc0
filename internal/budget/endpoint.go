package budget

import (
	"cmp"
	"time"
)

// An endpoint is what is known of a list endpoint. Its home is the window that it begins in. If its answers show another
// one, it moves to the window of an endpoint of the same home with the same numbers, or to one of its own. It moves back
// when its answers agree with its home's again.
type endpoint struct {
	path, home string
	window     *window
	// sent counts the collector's requests in the window, those under way included. inFlight have no answer yet.
	sent, inFlight int
	answered       bool
	// said are the limits of its last answer that named one, at when it came.
	said Limits
	at   time.Time
}

func (b *Budget) endpoint(asked Endpoint) *endpoint {
	e := b.endpoints[asked.Path]
	if e == nil {
		e = &endpoint{path: asked.Path, home: cmp.Or(asked.Window, asked.Path)}
		b.endpoints[e.path] = e
		e.window = b.windows[e.path] // of a checkpoint, if the endpoint had its own
		if e.window == nil {
			e.window = b.window(e.home)
		}
		e.window.endpoints[e] = true
	}
	return e
}

// place moves endpoints to the windows that an answer of e shows to be theirs.
func (b *Budget) place(e *endpoint, l Limits) {
	if !l.Known || l.Limit == 0 {
		return
	}
	for _, other := range b.endpoints {
		switch {
		case e.path != e.home || other.home != e.home: // only the answers of a home move others
		case other.agrees(e, l):
			b.move(other, e.window)
		case other.window == e.window && other.differs(e, l):
			b.move(other, b.window(other.path))
			other.window.learn(other, other.said, other.at)
			e.window.reset = 0 // may be that of the other: this answer tells it anew
		}
	}
	if to := b.agreeing(e, l); to != nil {
		b.move(e, to)
	} else if e.window.differs(e, l) {
		b.move(e, b.window(e.path))
	}
	e.said, e.at = l, b.now()
}

func (b *Budget) move(e *endpoint, to *window) {
	// Requests of previous workers are not known by endpoint. They count in both windows, as far as answers allow.
	to.previous = max(to.previous, e.window.previous)
	delete(e.window.endpoints, e)
	e.window = to
	to.endpoints[e] = true
}

// agreeing returns the window of another endpoint that agrees with an answer of e, that of the home first; nil if there
// is none. The home's own endpoint stays.
func (b *Budget) agreeing(e *endpoint, l Limits) (found *window) {
	for _, other := range b.endpoints {
		w := other.window
		if e.path != e.home && other.agrees(e, l) && !w.differs(e, l) && (found == nil || w.name == e.home) {
			found = w
		}
	}
	return found
}

// agrees says whether the last answer of another endpoint of the same home has the limit and the end of an answer of e.
func (other *endpoint) agrees(e *endpoint, l Limits) bool {
	return other != e && other.home == e.home && other.said.Limit == l.Limit && l.Reset != 0 && apart(other.said, l) <= jitter
}

// differs says whether an answer of e shows another window than the last answer of other.
func (other *endpoint) differs(e *endpoint, l Limits) bool {
	if other == e || other.said.Limit == 0 {
		return false
	}
	if l.Reset != 0 && other.said.Reset != 0 && apart(other.said, l) > jitter && !later(l.Reset, other.said.Reset) && !later(other.said.Reset, l.Reset) {
		return true // neither the same window nor one before or after it
	}
	// One answer with another limit could mean that the org's limit was changed. But e repeats its own.
	return other.said.Limit != l.Limit && e.said.Limit == l.Limit && e.at.Before(other.at)
}

// differs says whether an answer of e shows another window than w. At home only the home's own endpoint is asked: those
// below it may be of several windows.
func (w *window) differs(e *endpoint, l Limits) bool {
	for other := range w.endpoints {
		if (w.name != e.home || other.path == e.home) && other.differs(e, l) {
			return true
		}
	}
	return false
}

// smallestLimit is the smallest limit that the endpoints of a window named within the hour. Until it is known whether the
// org's limit was changed or they have two windows, this is safe for both.
func (w *window) smallestLimit(l Limits) int {
	limit := l.Limit
	for e := range w.endpoints {
		if e.said.Limit != 0 && w.budget.now().Sub(e.at) < time.Hour {
			limit = min(limit, e.said.Limit)
		}
	}
	return limit
}

func apart(a, b Limits) int64 { return max(a.Reset-b.Reset, b.Reset-a.Reset) }
