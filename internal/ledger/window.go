package ledger

import (
	"cmp"
	"slices"
	"time"
)

const (
	// begin is how long after a claim the first request may be sent, while nobody knows when the window ends. Okta's window
	// begins with the first request. So it ends at most begin + WindowLength after the claim.
	begin = 5 * time.Second
	// Margin is added to a window's end, because Okta's times are whole seconds.
	Margin = time.Second
	// UnknownEnd is when a window ends at the latest, counted from the last claim in it.
	UnknownEnd = begin + WindowLength + Margin
	// Early is how long before the known end of a window its requests are sent at the latest. A known end may be two seconds
	// late, and a request takes time to arrive.
	Early = 3 * time.Second
	// late is how long before a window's end nothing more is granted: the requests would be sent in the next window, or not
	// at all. The known end is also late by the time that the claim took that told it.
	late = begin + Early + 2*time.Second
)

// Window is the account of one of Okta's rate-limit windows. When it ends, the same value serves the next one.
type Window struct {
	Name string `json:"name"` // the path of the endpoint whose window it is
	Home string `json:"home"`
	// Limit and Remaining are Okta's numbers of the newest answer that is known. Limit is 0 before the first. Remaining is
	// the limit while nothing is known of this window.
	Limit     int     `json:"limit,omitempty"`
	Remaining int     `json:"remaining,omitempty"`
	Share     float64 `json:"share,omitempty"` // of the last claim
	// Reset identifies the window: its end in Unix seconds by Okta's clock; 0 while unknown. Past is the reset of the window
	// before.
	Reset int64 `json:"reset,omitempty"`
	Past  int64 `json:"past,omitempty"`
	// Opened is when the first request of the window was granted, and Ends when the window is over at the latest, both by
	// Temporal's clock. Both are zero between windows.
	Opened time.Time `json:"opened,omitzero"`
	Ends   time.Time `json:"ends,omitzero"`
	// Claimed is what counts as used in the window.
	Claimed []Claimed `json:"claimed,omitempty"`
	// Served is when a member of each priority was last granted a request.
	Served [BackfillPerObject + 1]time.Time `json:"served,omitzero"`
}

// Claimed is what one member has claimed of a window.
type Claimed struct {
	Member   string    `json:"member"`
	Requests int       `json:"requests"`
	At       time.Time `json:"at"`
}

// lastTenth is how many requests stay free for the org. With a limit of 1, one request must still be allowed.
func lastTenth(limit int) int { return min((limit+9)/10, limit-1) }

// Allowed is how many requests of a window the collector may send, with a share of its limit. It is at least 1.
func Allowed(limit int, share float64) int {
	// The small term keeps 0.29 × 100 from being 28.999….
	return max(1, min(int(share*float64(limit)+1e-9), limit-lastTenth(limit)))
}

// Leaves reports whether one more request leaves the last tenth of the limit untouched.
func Leaves(limit, remaining int) bool { return remaining > lastTenth(limit) }

func (l *Ledger) window(name, home string) *Window {
	i, found := slices.BinarySearchFunc(l.Windows, name, func(w Window, name string) int { return cmp.Compare(w.Name, name) })
	if !found {
		l.Windows = slices.Insert(l.Windows, i, Window{Name: name, Home: home})
	}
	return &l.Windows[i]
}

// roll begins a new window if the old one is over.
func (w *Window) roll(now time.Time) {
	if !w.Ends.IsZero() && !now.Before(w.Ends) {
		w.renew()
		w.Reset, w.Opened, w.Ends = 0, time.Time{}, time.Time{}
		if len(w.Claimed) > 0 {
			w.open(now)
		}
	}
}

// renew drops what was claimed of the window that is over. What was claimed shortly before its end may be sent in the next.
func (w *Window) renew() {
	w.Claimed = slices.DeleteFunc(w.Claimed, func(c Claimed) bool { return c.At.Add(late).Before(w.Ends) })
	w.Past, w.Remaining = cmp.Or(w.Reset, w.Past), w.Limit
}

// open begins the window, or moves its unknown end.
func (w *Window) open(now time.Time) {
	if w.Opened.IsZero() {
		w.Opened = now
	}
	if w.Reset == 0 {
		w.Ends = later(w.Ends, now.Add(UnknownEnd))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// observe records what a member has seen of the window.
func (w *Window) observe(now time.Time, member string, s Seen) {
	ends := now.Add(s.Left)
	over := s.Left <= 0
	switch {
	case s.Reset == 0 && over, s.Reset != 0 && s.Reset <= w.Past+Jitter, w.Reset != 0 && Later(w.Reset, s.Reset):
		return // of a window that is over
	case over && (w.Opened.IsZero() || w.Reset == 0 && ends.Before(w.Opened.Add(Margin))):
		w.Past = s.Reset // that of the window before
		return
	case s.Reset == 0:
		w.Ends = later(w.Ends, ends)
	case w.Reset == 0:
		w.Reset, w.Ends, w.Remaining = s.Reset, ends, w.Limit
	case Later(s.Reset, w.Reset):
		w.renew()
		w.Reset, w.Ends, w.Opened = s.Reset, ends, now
	default:
		w.Ends = later(w.Ends, ends)
	}
	if over {
		w.roll(now)
		return
	}
	if w.Opened.IsZero() {
		w.Opened = now
	}
	w.Remaining = min(w.Remaining, s.Remaining)
	w.count(member, s.Used, now.Add(-late)) // they are sent, so that they do not count in the next window
}

// count makes what a member has claimed at least what it has used.
func (w *Window) count(member string, used int, at time.Time) {
	if more := used - w.by(member); more > 0 {
		w.claim(member, more, at)
	}
}

// claim adds to what a member has claimed.
func (w *Window) claim(member string, requests int, at time.Time) {
	for i := range w.Claimed {
		if c := &w.Claimed[i]; c.Member == member {
			c.Requests, c.At = min(c.Requests+requests, maxCount), later(c.At, at)
			return
		}
	}
	w.Claimed = append(w.Claimed, Claimed{Member: member, Requests: requests, At: at})
}

// takeBack removes requests from what a member has claimed. at is the time of the claim: if the window has ended since, it
// does not count the claim any more, and nothing is removed.
func (w *Window) takeBack(member string, requests int, at time.Time) {
	for i := range w.Claimed {
		if c := &w.Claimed[i]; c.Member == member && c.At.Equal(at) {
			c.Requests = max(0, c.Requests-requests)
		}
	}
	w.Claimed = slices.DeleteFunc(w.Claimed, func(c Claimed) bool { return c.Requests == 0 })
}

// by is what a member has claimed of the window.
func (w *Window) by(member string) int {
	for _, c := range w.Claimed {
		if c.Member == member {
			return c.Requests
		}
	}
	return 0
}

// Used counts the requests that were claimed of the window.
func (w *Window) Used() (n int) {
	for _, c := range w.Claimed {
		n += c.Requests
	}
	return n
}

// Allowed is how many requests of the window the collector may send. While its limit is unknown, one request finds out.
func (w *Window) Allowed() int {
	if w.Limit == 0 {
		return 1
	}
	return Allowed(w.Limit, cmp.Or(w.Share, 1))
}

// left is how many more requests may be claimed now.
func (w *Window) left() int {
	most := w.Allowed()
	if w.Limit > 0 {
		most = min(most, w.Remaining-lastTenth(w.Limit)) // Okta's number may not have what was claimed, which counts in full
	}
	return most - w.Used()
}
