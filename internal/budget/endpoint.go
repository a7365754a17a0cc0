package budget

import (
	"cmp"
	"time"
)

// An endpoint is what is known of a list endpoint. It begins in its home, the window of the collection above.
type endpoint struct {
	path, home string
	window     *window
	// sent counts the collector's requests in the window, those under way included. inFlight have no answer yet.
	sent, inFlight int
	// said are the limits of its last answer that named one, at when it came.
	said Limits
	at   time.Time
}

// owner says whether the endpoint is in the window that has its path for a name.
func (e *endpoint) owner() bool { return e.window.name == e.path }

func (b *Budget) endpoint(asked Endpoint) *endpoint {
	e := b.endpoints[asked.Path]
	if e == nil {
		e = &endpoint{path: asked.Path, home: cmp.Or(asked.Window, asked.Path)}
		b.endpoints[e.path] = e
		if e.window = b.windows[e.path]; e.window == nil { // none of a checkpoint
			e.window = b.window(e.home)
		}
		e.window.endpoints[e] = true
	}
	return e
}

// learn records an answer, in the window that it shows to be the endpoint's:
//   - If the answer contradicts the owner of the window, or the owner's answer an endpoint, that one gets its own.
//   - If it agrees with the owner of another window of the same home, or the owner's answer with an endpoint, that one
//     moves there. Of two owners the one moves whose path sorts last, never the home.
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
			other.window.learn(other, other.said, other.at)
		case e.said.Limit != 0 && e.said.Limit != l.Limit:
			other.said, other.at = Limits{}, time.Time{} // outdated: the org's limit was changed
		}
	}
	e.said, e.at = l, b.now()
	for _, other := range b.endpoints {
		from, to := e, other
		if e.owner() && (!other.owner() || e.path < other.path) {
			from, to = other, e
		}
		agree := other.home == e.home && other.said.Limit == l.Limit && near(other.said.Reset, l.Reset)
		if agree && to.owner() && from.window != to.window {
			from.move(to.window)
		}
	}
	e.window.learn(e, l, e.at)
}

// contradicted says whether an answer of e is about another window than the last answer of other. Either their ends are
// neither of one window nor of different ones that follow each other. Or e repeats its limit although other has named
// another in between: a new limit alone could mean that the org's limit was changed.
func (other *endpoint) contradicted(e *endpoint, l Limits) bool {
	a, b := l.Reset, other.said.Reset
	return !near(a, b) && !later(a, b) && !later(b, a) ||
		l.Limit == e.said.Limit && l.Limit != other.said.Limit && e.at.Before(other.at)
}

// move takes along what the endpoint used, and an owner all others in its window. Requests of previous workers are not
// known by endpoint: they count in both windows, as far as answers allow.
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
		from.limit = 0 // nobody uses it any more
	}
}
