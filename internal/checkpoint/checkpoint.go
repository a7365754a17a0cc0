// Package checkpoint holds the durable position of one service of one tenant. A [Checkpoint] is what a slice continues
// from. Its [Position] is the next page to ask Okta for, and its [Window] values count requests. Temporal keeps it; the
// collector keeps nothing.
//
// The package is data only, so that the workflow, the activity, the source and the sink can share it. Its JSON is in
// the histories of running workflows. So names and meanings of fields never change, and an absent new field means what
// was true before the field existed.
//
// A Checkpoint is a value. Nothing that its pointers and slices refer to ever changes, so a copy is a snapshot.
package checkpoint

import (
	"reflect"
	"slices"
	"time"
)

// Checkpoint is what a slice continues from.
type Checkpoint struct {
	// Position is the next page to ask Okta for. Everything before it was delivered to Devo.
	Position Position `json:"position"`
	// Offset is the length of a file sink's file at Position, in bytes; nil for other sinks. OffsetOf is the directory
	// that Offset is valid in. In another directory, Offset is ignored.
	Offset   *int64 `json:"offset,omitempty"`
	OffsetOf string `json:"offsetOf,omitempty"`
	// Proven is what Devo's server has proven so far; zero for sinks other than syslog.
	Proven
	// Due is when the next pull begins after a complete one, by Temporal's clock. Zero: at once.
	Due time.Time `json:"due,omitzero"`
	// Totals count everything since the service was first started.
	Totals Totals `json:"totals"`
	// Windows are the rate-limit windows that count the service's requests. The first is that of the service's own
	// endpoint, then come those of its parent levels.
	Windows []Window `json:"windows,omitempty"`
	// Alone are the homes on which the service needs no claims, because no other service uses their windows. On all others
	// it sends only what it has claimed.
	Alone []Alone `json:"alone,omitempty"`
}

// IsZero reports whether nothing was ever recorded.
func (c Checkpoint) IsZero() bool { return reflect.ValueOf(c).IsZero() }

// HasCollected reports whether anything was delivered, or a listing was begun.
func (c Checkpoint) HasCollected() bool {
	return c.Totals != (Totals{}) || c.Position.Cursor != "" || len(c.Position.Levels) > 0
}

// Delivered reports whether an object was delivered, or an empty page passed, since an earlier checkpoint. A new pull,
// a smaller page size or a parent that was put aside does not count.
func (c Checkpoint) Delivered(since Checkpoint) bool {
	moved := c.Position.Cursor != since.Position.Cursor || !slices.Equal(c.Position.Levels, since.Position.Levels)
	return c.Totals != since.Totals || moved && c.Position.Row == nil && since.Position.Row == nil
}

// Moved reports whether collection made any progress since an earlier checkpoint. Windows do not count, because they
// change even when nothing is collected. While requests fail, a smaller page size does not count either.
func (c Checkpoint) Moved(since Checkpoint) bool {
	smaller := c.Position.Limit != since.Position.Limit || c.Position.Span != since.Position.Span
	return c.Delivered(since) || smaller && c.Position.Failing == (Failing{}) || !c.Position.Covered.Equal(since.Position.Covered)
}

// Proof is what a syslog server gave as proof that it has read a batch. The constants are in order: each proves more than
// the next one. docs/reliability.md says what each is worth.
type Proof string

const (
	ProofCloseNotify Proof = "close_notify" // TLS: the server's close_notify
	ProofFIN         Proof = "fin"          // a FIN: over TLS in answer to close_notify, over TCP in answer to our FIN
	ProofLateFIN     Proof = "late fin"     // TLS: a FIN, and only after our own FIN
	ProofKernel      Proof = "kernel"       // no answer: the peer's kernel has acknowledged every byte
)

// Proven is the best proof that a server ever gave. Nothing less is accepted from it.
type Proven struct {
	Proof Proof `json:"proof,omitempty"`
	// ProofOf is the server: the scheme, host and port of DEVO_URL. Of another server, Proof says nothing.
	ProofOf string `json:"proofOf,omitempty"`
	// ProofReset is when an operator last discarded the proof, by Temporal's clock. Proofs from before do not count.
	ProofReset time.Time `json:"proofReset,omitzero"`
}

// Totals count what was delivered.
type Totals struct {
	Pages  int64 `json:"pages"`
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`         // of JSON as it was shipped
	Pulls  int64 `json:"pulls"`         // complete ones
	Cut    int64 `json:"cut,omitempty"` // objects above DEVO_MAX_EVENT that were shipped cut and marked
	// Dropped counts the events of OKTA_DROP_EVENTS, which are not shipped. Events does not have them.
	Dropped int64 `json:"dropped,omitempty"`
	Oddities
}

// Position is where the source continues.
type Position struct {
	// Pull is the pull under way; nil between pulls.
	Pull *Pull `json:"pull,omitempty"`
	// Cursor is the path and query of the next page; empty at the start of a listing.
	Cursor string `json:"cursor,omitempty"`
	// Part is the beginning of the page at Cursor that is already delivered.
	Part Part `json:"part,omitzero"`
	// Levels are the positions in the parent listings, outermost first.
	Levels []Level `json:"levels,omitempty"`
	// Listed counts the objects before Cursor in the listing that Cursor belongs to.
	Listed int64 `json:"listed,omitempty"`
	// Refused counts how often Okta has refused a cursor of this listing under a parent.
	Refused int `json:"refused,omitempty"`
	// Failing counts the failures in a row of the request at this position.
	Failing Failing `json:"failing,omitzero"`
	// Aside are parents whose listing failed, in the order in which they are tried again at the end of the pull. At most 64.
	// Retrying: the others are done, and the first of Aside is under way.
	Aside    []Aside `json:"aside,omitempty"`
	Retrying bool    `json:"retrying,omitempty"`
	// Row are the parents put aside since a listing under a parent succeeded; nil if there are none.
	Row *Row `json:"row,omitempty"`
	// Limit is a reduced page size, after Okta timed out or sent too much; 0 is the collection's own. Steady counts the good
	// pages since it was reduced.
	Limit  int `json:"limit,omitempty"`
	Steady int `json:"steady,omitempty"`
	// Guard finds a listing that leads back to an earlier page.
	Guard Guard `json:"guard,omitzero"`

	// LastPullID is the id of the newest pull. The next id is larger, so that @devo_pulling_id always increases.
	LastPullID int64 `json:"lastPullID,omitempty"`
	// Incomplete: the last pull ended without everything. If the next one does too, it counts as complete.
	Incomplete bool `json:"cutOff,omitempty"`
	// FullObjects counts the objects of the last complete full pull.
	FullObjects int64 `json:"fullObjects,omitempty"`
	// ChangedSince is when the last complete pull began, by Okta's clock. The next pull of changes starts from it.
	ChangedSince time.Time `json:"changedSince,omitzero"`
	// LastFull is when the last complete full pull began, by Okta's clock.
	LastFull time.Time `json:"lastFull,omitzero"`
	// Newest is the largest `published` of the shipped log events.
	Newest time.Time `json:"newest,omitzero"`
	// ByTime: the last page of the System Log had no usable next link, and the next request asks for the events since
	// Newest. Seen are events that may come again then: those of Newest's millisecond, and of such pages.
	ByTime bool   `json:"byTime,omitempty"`
	Seen   Hashes `json:"seen,omitempty"`
	// Visited are the last pages of the System Log. A next link to one of them leads back.
	Visited Hashes `json:"visited,omitempty"`
	// Covered is the end of the range that a backfill of logs has finished; zero at its beginning.
	Covered time.Time `json:"covered,omitzero"`
	// Span is how much a backfill of logs asks for at once, after Okta timed out; 0 is all that is left.
	Span time.Duration `json:"span,omitempty"`
	// IdlePolls counts the polls in a row that found nothing.
	IdlePolls int `json:"idlePolls,omitempty"`
}

// Restarted returns p at the start of the listing that Cursor belongs to, in the same pull.
func (p Position) Restarted() Position {
	p.Cursor, p.Part, p.Guard, p.Listed, p.Failing = "", Part{}, Guard{}, 0, Failing{}
	return p
}

// Under returns p with its level i at the given place, and at the start of the listing under that, in the same pull.
func (p Position) Under(i int, at Level) Position {
	p.Levels = append(slices.Clone(p.Levels[:i]), at)
	p.Refused = 0
	return p.Restarted()
}

// BetweenPulls returns p without the pull under way. It ends a complete pull. It also restarts a pull after a refused
// cursor: logs and their backfills from the newest event delivered, listings from the top.
func (p Position) BetweenPulls() Position {
	p.Pull, p.Levels, p.Refused = nil, nil, 0
	p.Aside, p.Retrying, p.Row = nil, false, nil
	p.Visited = nil // what is read again is no circle
	return p.Restarted()
}

// Reached is the time up to which a backfill of logs from since is done. The millisecond of the newest event is fetched
// again, because other events may have been published in it.
func (p Position) Reached(since time.Time) time.Time {
	for _, done := range []time.Time{p.Covered, p.Newest} {
		if done.After(since) {
			since = done
		}
	}
	return since
}

// Part is the delivered beginning of a page. When the page is fetched again, Part is skipped if the page still begins
// with the same objects.
type Part struct {
	Objects int    `json:"objects"`
	IDs     uint64 `json:"ids"` // hash of their ids, in order
}

// Failing is a series of failures of one request.
type Failing struct {
	Like  string `json:"like"` // what the failures have in common
	Times int    `json:"times"`
}

// Again returns f after one more failure.
func (f Failing) Again(like string) Failing {
	if f.Like != like {
		return Failing{like, 1}
	}
	return Failing{like, f.Times + 1}
}

// PullKind says what a pull asks for.
type PullKind string

const (
	PullPoll    PullKind = "poll"    // one poll of the System Log
	PullFull    PullKind = "full"    // everything
	PullChanges PullKind = "changes" // what changed since an earlier pull
	PullRange   PullKind = "range"   // a backfill of the System Log, or one part of it
)

// MaxHistory is how long Okta keeps its System Log. Okta silently leaves out older events.
const MaxHistory = 90 * 24 * time.Hour

// Range is what a backfill of the System Log fetches: events with Since ≤ published < Until. It is zero for a backfill
// of another service, which is one full pull.
type Range struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Pull is one complete listing of a service.
type Pull struct {
	// ID is @devo_pulling_id: milliseconds since the epoch, the same for all events of the pull.
	ID   int64    `json:"id"`
	Kind PullKind `json:"kind"`
	// Since is the lower bound of a PullChanges, a PullRange or the first PullPoll.
	Since time.Time `json:"since,omitzero"`
	// Until is the upper bound of a PullRange.
	Until time.Time `json:"until,omitzero"`
	// Began is the Date of Okta's first answer. Guessed: it is the time of Temporal's clock, because that answer had no Date,
	// or one that is not believed.
	Began   time.Time `json:"began,omitzero"`
	Guessed bool      `json:"guessed,omitempty"`
	// Events counts the objects shipped by this pull.
	Events int64 `json:"events"`
	// CutOff: a listing of the pull was ended because its next link led back or was missing. The pull may not be whole.
	CutOff bool `json:"cutOff,omitempty"`
	// Missing counts the parents under which the pull lists nothing, because their listing failed. MissingOf are the first
	// of them that were tried again: the ids with the collection's name.
	Missing   int      `json:"missing,omitempty"`
	MissingOf []string `json:"missingOf,omitempty"`
	// Reached: a listing under a parent has succeeded. Listed: one of the collection itself has, and not only one of a level
	// that has nothing to list under.
	Reached bool `json:"reached,omitempty"`
	Listed  bool `json:"listed,omitempty"`
	// Announced: the record that a full pull begins with was shipped.
	Announced bool `json:"announced,omitempty"`
	// Skipped: an element could not be read, or a parent has no usable id. The pull is not complete.
	Skipped bool `json:"skipped,omitempty"`
}

// Level is a position in a parent listing.
type Level struct {
	// Cursor is the current page of that listing; empty for the first.
	Cursor string `json:"cursor,omitempty"`
	// ID is the object of that page, or the constant, under which the next level is listed. It is empty before the page
	// was read.
	ID string `json:"id,omitempty"`
	// Guard finds a listing that leads back to an earlier page.
	Guard Guard `json:"guard,omitzero"`
	// Done is the last object of the page before, under which everything was listed.
	Done string `json:"done,omitempty"`
	// Refused counts how often Okta has refused a cursor of the listing since the last page that was new. Seeking: the
	// listing began again, and its pages are passed until ID or, if ID is empty, Done.
	Refused int  `json:"refused,omitempty"`
	Seeking bool `json:"seeking,omitempty"`
	// Only: nothing but ID is listed, because it was put aside before.
	Only bool `json:"only,omitempty"`
}

// Guard is the state of Brent's cycle detection over the pages of one listing. It remembers one earlier page, and
// replaces it at powers of two. So its size does not depend on the length of the listing.
type Guard struct {
	Cursor  uint64 `json:"cursor,omitempty"`  // hash of the remembered page's cursor
	Content uint64 `json:"content,omitempty"` // hash of the remembered page's first and last object
	Power   uint64 `json:"power,omitempty"`
	Steps   uint64 `json:"steps,omitempty"`
	Empty   int    `json:"empty,omitempty"` // pages without an object, in a row
}

// Window is the state of one of Okta's rate-limit windows.
type Window struct {
	Name      string `json:"name"` // the path of the endpoint whose window it is
	Limit     int    `json:"limit"`
	Remaining int    `json:"remaining"`
	// Used counts the service's own requests, those under way included. In the checkpoint of a running slice it also
	// counts requests that may be sent before the next checkpoint is durable.
	Used int `json:"used"`
	// Open: the checkpoint is of a running slice, which may have sent more.
	Open bool `json:"open,omitempty"`
	// Reset identifies the window: its end in Unix seconds by Okta's clock; 0 if unknown.
	Reset int64 `json:"reset,omitempty"`
	// Ends is when the window is over at the latest. If Made is zero, Ends is by Temporal's clock. Otherwise Ends is by a slice's
	// estimate of that clock, and Made is when the slice made the checkpoint, by the same estimate. The estimate is behind by
	// the time that the slice took to reach its worker.
	Ends time.Time `json:"ends"`
	Made time.Time `json:"made,omitzero"`
	// Granted is how many requests of the window were claimed; 0 if the service is alone.
	Granted int `json:"granted,omitempty"`
	// Home is the path of the collection in whose window the endpoints start; empty if that is Name.
	Home string `json:"home,omitempty"`
	// Endpoint is the path of the endpoint whose answer was the newest; empty if that is Name.
	Endpoint string `json:"endpoint,omitempty"`
}

// Alone says that a service is alone on a home. A home is a collection with all that is listed below it. Its name is the
// path of the collection's list.
type Alone struct {
	Home string `json:"home"`
	// Number tells the times apart that it was alone.
	Number int64 `json:"number"`
	// Until is when the service claims again all the same, by Temporal's clock: its tenant's workflow may have been reset.
	Until time.Time `json:"until"`
	// Want is how many requests the service could use in a minute when the checkpoint was made; 0: as many as there are.
	Want int `json:"want,omitempty"`
}

// AloneUntil returns the checkpoint without the home, if it says so of this number or an earlier one.
func (c Checkpoint) AloneUntil(home string, number int64) Checkpoint {
	c.Alone = slices.DeleteFunc(slices.Clone(c.Alone), func(a Alone) bool { return a.Home == home && a.Number <= number })
	return c
}

// Ahead is how many requests of a window a slice sends at most before a checkpoint that counts them is durable. limit is
// Okta's.
func Ahead(limit int) int { return max(2, limit/10) }

// Received returns the checkpoint of a slice with the ends of its windows by Temporal's clock. now is the time by that clock at
// which Temporal has the checkpoint. The slice's estimate is behind by at most now − Made, and by at most longest. Received
// adds the smaller of the two. So a window may end late, but it never ends while Okta still counts in it.
func (c Checkpoint) Received(now time.Time, longest time.Duration) Checkpoint {
	c.Windows = slices.Clone(c.Windows)
	for i := range c.Windows {
		if w := &c.Windows[i]; !w.Made.IsZero() {
			w.Ends, w.Made = w.Ends.Add(min(max(now.Sub(w.Made), 0), longest)), time.Time{}
		}
	}
	return c
}

// Lost returns the checkpoint for the slice after one that began with it and was lost: nobody knows what that one has sent.
// All that was claimed counts as used.
func (c Checkpoint) Lost() Checkpoint {
	c.Windows = slices.Clone(c.Windows)
	for i := range c.Windows {
		w := &c.Windows[i]
		if !w.Open && w.Granted == 0 {
			w.Used += Ahead(w.Limit)
		}
		w.Open, w.Used = true, max(w.Used, w.Granted)
	}
	return c
}
