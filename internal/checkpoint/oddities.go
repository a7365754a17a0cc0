package checkpoint

import "iter"

// Oddities count what Okta's answers had that was not in order, and what was done about it.
type Oddities struct {
	Unreadable int64 `json:"unreadable,omitempty"` // elements of a page that are no JSON object; shipped as marked records
	Replaced   int64 `json:"replaced,omitempty"`   // objects with bytes that are no UTF-8; shipped with U+FFFD instead, and marked
	Repeated   int64 `json:"repeated,omitempty"`   // objects that were shipped again, because their listing began again; at most
	Gone       int64 `json:"gone,omitempty"`       // parents that were deleted before what is under them was listed
	Aside      int64 `json:"aside,omitempty"`      // parents that were put aside, to be tried again at the end of the pull
	Missing    int64 `json:"missing,omitempty"`    // parents that failed again at the end of the pull, or were too many to keep
	Incomplete int64 `json:"incomplete,omitempty"` // pulls that ended without everything
}

// Add adds the counts of o.
func (o *Oddities) Add(more Oddities) {
	o.Unreadable += more.Unreadable
	o.Replaced += more.Replaced
	o.Repeated += more.Repeated
	o.Gone += more.Gone
	o.Aside += more.Aside
	o.Missing += more.Missing
	o.Incomplete += more.Incomplete
}

// All yields each count with its name in JSON.
func (o Oddities) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		_ = yield("unreadable", o.Unreadable) && yield("replaced", o.Replaced) && yield("repeated", o.Repeated) &&
			yield("gone", o.Gone) && yield("aside", o.Aside) && yield("missing", o.Missing) && yield("incomplete", o.Incomplete)
	}
}

// Repeats counts the objects that are shipped again if the pull under way starts again: all of a listing. Logs continue
// from the newest event.
func (p Position) Repeats() int64 {
	if p.Pull == nil || p.Pull.Kind != PullFull && p.Pull.Kind != PullChanges {
		return 0
	}
	return p.Pull.Events
}
