// Package checkpoint is the durable position of one service of one tenant: what Temporal keeps while the collector keeps
// nothing.
//
// It is data only, so that the workflow, the activity, the source and the sink can share it. Its JSON is in the
// histories of running workflows: names and meanings of fields never change, and a new field that is absent means what
// was true before it.
//
// A Checkpoint is a value. What its pointers and slices refer to never changes, so a copy is a snapshot.
package checkpoint

import (
	"reflect"
	"slices"
	"time"
)

// Checkpoint says from where a slice goes on.
type Checkpoint struct {
	// Position is the next page to ask Okta for. Everything before it was delivered to Devo.
	Position Position `json:"position"`
	// Offset is the length in bytes of a file sink's file at Position, nil without such a file. In another directory than
	// OffsetOf it means nothing.
	Offset   *int64 `json:"offset,omitempty"`
	OffsetOf string `json:"offsetOf,omitempty"`
	// Due is when the next pull begins after a complete one, by Temporal's clock. Absent: at once.
	Due time.Time `json:"due,omitzero"`
	// Totals count everything since the service was first started.
	Totals Totals `json:"totals"`
	// Windows are the rate-limit windows that count the service's requests: first that of its own endpoint, then those of
	// the levels above it.
	Windows []Window `json:"windows,omitempty"`
}

// IsZero says whether nothing was ever recorded.
func (c Checkpoint) IsZero() bool { return reflect.ValueOf(c).IsZero() }

// HasCollected says whether anything was delivered, or a listing was begun.
func (c Checkpoint) HasCollected() bool {
	return c.Totals != (Totals{}) || c.Position.Cursor != "" || len(c.Position.Levels) > 0
}

// Delivered says whether something was delivered since an earlier checkpoint, or an empty page was passed. A new pull or
// a smaller page size is not enough.
func (c Checkpoint) Delivered(since Checkpoint) bool {
	return c.Totals != since.Totals || c.Position.Cursor != since.Position.Cursor ||
		!slices.Equal(c.Position.Levels, since.Position.Levels)
}

// Moved says whether collection got anywhere since an earlier checkpoint. Windows do not count: they move while nothing
// is collected.
func (c Checkpoint) Moved(since Checkpoint) bool {
	return c.Delivered(since) || c.Position.Limit != since.Position.Limit ||
		!c.Position.Covered.Equal(since.Position.Covered) || c.Position.Span != since.Position.Span
}

// Totals count what was delivered.
type Totals struct {
	Pages  int64 `json:"pages"`
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`         // of JSON as it was shipped
	Pulls  int64 `json:"pulls"`         // complete ones
	Cut    int64 `json:"cut,omitempty"` // objects above DEVO_MAX_EVENT that were shipped cut and marked
}

// Position is where the source goes on.
type Position struct {
	// Pull is the pull under way; nil between pulls.
	Pull *Pull `json:"pull,omitempty"`
	// Cursor is the path and query of the next page; empty at the start of a listing.
	Cursor string `json:"cursor,omitempty"`
	// Part is what was already delivered of the page at Cursor.
	Part Part `json:"part,omitzero"`
	// Levels are the positions in the listings above, outermost first, of a collection under others.
	Levels []Level `json:"levels,omitempty"`
	// Limit is a reduced page size, after Okta timed out or sent too much; 0 is the service's own.
	Limit int `json:"limit,omitempty"`
	// Guard notices a listing that leads back to where it was.
	Guard Guard `json:"guard,omitzero"`

	// LastPullID keeps @devo_pulling_id increasing.
	LastPullID int64 `json:"lastPullID,omitempty"`
	// CutOff: the last pull ended in a loop. If the next one does too, it counts as complete.
	CutOff bool `json:"cutOff,omitempty"`
	// ChangedSince is when the last complete pull began, by Okta's clock. The next one asks for what changed since.
	ChangedSince time.Time `json:"changedSince,omitzero"`
	// LastFull is when the last complete full pull began, by Okta's clock.
	LastFull time.Time `json:"lastFull,omitzero"`
	// Newest is the largest `published` of the shipped log events.
	Newest time.Time `json:"newest,omitzero"`
	// Covered is the end of what a backfill of logs has done so far; zero at its beginning.
	Covered time.Time `json:"covered,omitzero"`
	// Span is how much of a backfill of logs is asked for at once, after Okta timed out; 0 is all.
	Span time.Duration `json:"span,omitempty"`
	// IdlePolls is how many polls in a row found nothing.
	IdlePolls int `json:"idlePolls,omitempty"`
}

// newListing returns p at the start of a listing, in the same pull.
func (p Position) newListing() Position {
	p.Cursor, p.Part, p.Guard = "", Part{}, Guard{}
	return p
}

// Under returns p with level i at this place, at the start of the listing under it, in the same pull.
func (p Position) Under(i int, at Level) Position {
	p.Levels = append(slices.Clone(p.Levels[:i]), at)
	return p.newListing()
}

// BetweenPulls returns p without the pull that was under way. After a complete pull the next one follows. After a
// refused cursor the pull starts again: logs and their backfills from the newest event delivered, listings from the top.
func (p Position) BetweenPulls() Position {
	p.Pull, p.Levels = nil, nil
	return p.newListing()
}

// Reached is up to when a backfill of logs from since has come. The millisecond of the last event comes again: other
// events may have been published in it.
func (p Position) Reached(since time.Time) time.Time {
	for _, done := range []time.Time{p.Covered, p.Newest} {
		if done.After(since) {
			since = done
		}
	}
	return since
}

// Part is the beginning of a page. It counts as delivered if the page, when it is asked for again, still begins with
// the same objects.
type Part struct {
	Objects int    `json:"objects"`
	IDs     uint64 `json:"ids"` // hash of their ids, in order
}

// PullKind says what a pull asks for.
type PullKind string

const (
	PullPoll    PullKind = "poll"    // one poll of the System Log
	PullFull    PullKind = "full"    // everything
	PullChanges PullKind = "changes" // what changed since an earlier pull
	PullRange   PullKind = "range"   // a backfill of the System Log, or the part of it that is asked for at once
)

// MaxHistory is how long Okta keeps its System Log. What is older is silently absent.
const MaxHistory = 90 * 24 * time.Hour

// Range is what a backfill of the System Log fetches: events with Since ≤ published < Until. It is zero for a backfill
// of anything else, which is one full pull.
type Range struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Pull is one complete listing of a service.
type Pull struct {
	// ID is @devo_pulling_id: milliseconds since the epoch, the same for all events of the pull.
	ID   int64    `json:"id"`
	Kind PullKind `json:"kind"`
	// Since is the lower bound that a PullChanges, a PullRange or the first PullPoll asks from.
	Since time.Time `json:"since,omitzero"`
	// Until is the upper bound of a PullRange.
	Until time.Time `json:"until,omitzero"`
	// Began is the Date of Okta's first answer.
	Began time.Time `json:"began,omitzero"`
	// Events counts the objects shipped by this pull.
	Events int64 `json:"events"`
	// CutOff: a listing of it led back to where it was and was ended there. It may not be whole.
	CutOff bool `json:"cutOff,omitempty"`
}

// Level is a position in a listing above.
type Level struct {
	// Cursor is the current page of that listing; empty for the first.
	Cursor string `json:"cursor,omitempty"`
	// ID is the object of that page, or the constant, under which the next level is listed; empty before the page was
	// read.
	ID string `json:"id,omitempty"`
	// Guard notices a listing that leads back to where it was.
	Guard Guard `json:"guard,omitzero"`
}

// Guard is the state of Brent's search for a cycle in the pages of one listing. It remembers one earlier page, and
// replaces it at powers of two. So it has the same few bytes whatever the listing's length.
type Guard struct {
	Cursor  uint64 `json:"cursor,omitempty"`  // hash of the remembered page's cursor
	Content uint64 `json:"content,omitempty"` // hash of the remembered page's first and last object
	Power   uint64 `json:"power,omitempty"`
	Steps   uint64 `json:"steps,omitempty"`
	Empty   int    `json:"empty,omitempty"` // pages without an object, in a row
}

// Window is what was known of one of Okta's rate-limit windows.
type Window struct {
	Name      string `json:"name"` // the path of the endpoint whose window it is
	Limit     int    `json:"limit"`
	Remaining int    `json:"remaining"`
	// Used counts the collector's own requests, those under way included. In the checkpoint of a running slice it also
	// counts the one that may be sent before the next checkpoint is durable.
	Used int `json:"used"`
	// Reset names the window: its end in seconds of Okta's clock, 0 if unknown.
	Reset int64 `json:"reset,omitempty"`
	// Ends is when the window is over, by Temporal's clock.
	Ends time.Time `json:"ends"`
}
