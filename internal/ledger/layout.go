package ledger

import (
	"cmp"
	"slices"
	"time"
)

const (
	// WindowLength is the length of Okta's rate-limit windows.
	WindowLength = time.Minute
	// Jitter is how far the resets of one window may differ between Okta's servers, in seconds.
	Jitter = 3
)

// Layout says which endpoint counts in which of Okta's windows, as far as answers have shown it.
type Layout []Endpoint

// Endpoint is one list endpoint of an org. It starts in the window of its home: the parent collection, or itself.
type Endpoint struct {
	Path string `json:"path"` // its template, such as /api/v1/apps/{id}/users
	Home string `json:"home"`
	// Window is the path of the endpoint whose window it counts in.
	Window string `json:"window"`
	// Limit and Reset are those of the newest answer that named any, and At is when it came.
	Limit int       `json:"limit,omitempty"`
	Reset int64     `json:"reset,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Move says that endpoints count in another window from now on.
type Move struct {
	Paths    []string
	From, To string
}

// owner reports whether the endpoint's window is named after the endpoint.
func (e *Endpoint) owner() bool { return e.Window == e.Path }

// Window returns the window of an endpoint. A new endpoint starts in its home.
func (l *Layout) Window(path, home string) string { return l.endpoint(path, home).Window }

// Newest is when the newest answer of an endpoint came; zero if there was none.
func (l *Layout) Newest(path string) time.Time {
	if i, found := l.find(path); found {
		return (*l)[i].At
	}
	return time.Time{}
}

// Put puts an endpoint into a window.
func (l *Layout) Put(path, home, window string) { l.endpoint(path, home).Window = window }

// Of returns the endpoints that count in a window.
func (l Layout) Of(window string) (paths []string) {
	for _, e := range l {
		if e.Window == window {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// Limit is the smallest limit that the answers of a window's endpoints show; 0 if they show none. It is the safe choice
// while these may be two windows.
func (l Layout) Limit(window string) (limit int) {
	for _, e := range l {
		if e.Window == window && e.Limit > 0 && (limit == 0 || e.Limit < limit) {
			limit = e.Limit
		}
	}
	return limit
}

func (l *Layout) find(path string) (i int, found bool) {
	return slices.BinarySearchFunc(*l, path, func(e Endpoint, path string) int { return cmp.Compare(e.Path, path) })
}

func (l *Layout) endpoint(path, home string) *Endpoint {
	i, found := l.find(path)
	if !found {
		home = cmp.Or(home, path)
		*l = slices.Insert(*l, i, Endpoint{Path: path, Home: home, Window: home})
	}
	return &(*l)[i]
}

// Learn records an answer of an endpoint, and puts endpoints into the windows that the answer shows:
//   - An endpoint that contradicts the owner of its window moves to another one of its home that it does not contradict, or
//     to a window of its own. Two endpoints that are listed one below the other rarely have three limits.
//   - An endpoint that agrees with the owner of another window of the same home moves there. Of two owners, the one
//     whose path sorts last moves, with all that counts in its window. The owner of the home sorts first.
func (l *Layout) Learn(path, home string, limit int, reset int64, at time.Time) (moves []Move) {
	e := l.endpoint(path, home)
	window := e.Window
	move := func(e *Endpoint, to string) {
		m := Move{Paths: []string{e.Path}, From: e.Window, To: to}
		if e.owner() {
			m.Paths = l.Of(e.Window)
		}
		for _, path := range m.Paths {
			l.Put(path, "", to)
		}
		moves = append(moves, m)
	}
	for i := range *l {
		switch other := &(*l)[i]; {
		case other == e || other.Window != window:
		case other.Path == window && other.contradicted(e, limit, reset):
			move(e, l.outside(*e, limit, reset))
		case e.Path == window && other.contradicted(e, limit, reset):
			move(other, l.outside(*other, other.Limit, other.Reset))
		case e.Limit != 0 && e.Limit != limit:
			other.Limit, other.Reset, other.At = 0, 0, time.Time{} // outdated: the org's limit has changed
		}
	}
	e.Limit, e.Reset, e.At = limit, reset, at
	for i := range *l {
		other := &(*l)[i]
		from, to := e, other
		if e.owner() && (!other.owner() || e.Path < other.Path) {
			from, to = other, e
		}
		agree := other.Home == e.Home && other.Limit == limit && near(other.Reset, reset)
		if agree && to.owner() && from.Window != to.Window {
			move(from, to.Window)
		}
	}
	return moves
}

// outside is the window to which an endpoint moves that does not belong where it is.
func (l *Layout) outside(e Endpoint, limit int, reset int64) string {
	for _, other := range *l {
		if other.owner() && other.Home == e.Home && other.Path != e.Window && other.Limit == limit && !apart(other.Reset, reset) {
			return other.Path
		}
	}
	return e.Path
}

// contradicted reports whether an answer of e proves that e and other have different windows. It does if their resets
// are apart. It also does if e repeats its limit after other has named a different one. One new limit proves nothing,
// because the org's limit may have been changed.
func (other *Endpoint) contradicted(e *Endpoint, limit int, reset int64) bool {
	return apart(reset, other.Reset) || limit == e.Limit && limit != other.Limit && e.At.Before(other.At)
}

// apart reports whether two resets prove that their windows are different ones: they differ too much for one window and too
// little for two consecutive ones.
func apart(a, b int64) bool { return !near(a, b) && !Later(a, b) && !Later(b, a) }

// near reports whether two resets may belong to one window.
func near(a, b int64) bool { return max(a-b, b-a) <= Jitter }

// Later reports whether reset a belongs to a later window than reset b. Two windows end at least a minute apart.
func Later(a, b int64) bool { return a-b >= int64(WindowLength/time.Second)-Jitter }
