package okta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

const (
	// logsOverlap is fetched again when the log restarts from the newest event delivered, after Okta refused a cursor.
	// Okta documents `since` of a poll as ingestion time, so the overlap only has to cover clock skew. Ten minutes is also
	// safe if it is publish time. They cost seven pages in an org with a million events a day.
	logsOverlap = 10 * time.Minute
	// maxIdleFactor bounds the pause between idle polls, in multiples of PollLogs. The pause grows because each poll costs
	// a request of a small rate limit, and two billable actions of Temporal Cloud.
	maxIdleFactor = 6
	// minSpan is the shortest range that a backfill asks for. Below it, only smaller pages can help.
	minSpan = time.Second
)

// nextLogPull returns the next poll, or the next range of a backfill.
func (r *Reader) nextLogPull(pos checkpoint.Position) *checkpoint.Pull {
	if r.backfill != nil {
		return r.nextRange(pos)
	}
	since := pos.Newest
	if !pos.ByTime {
		since = since.Add(-logsOverlap)
	}
	if pos.Newest.IsZero() {
		since = r.begin.Since
	}
	if since.IsZero() {
		since = cmp.Or(r.begin.Started, r.now()).Add(-r.org.cfg.LogsHistory)
	}
	return &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: since.UTC().Truncate(time.Millisecond)}
}

// logQuery is the query of a poll or a range. The listing of a range has an end, and is sorted by `published`. Okta
// does not document whether the bounds of a range are inclusive. So logQuery asks for one millisecond more, and
// rangePage drops the events outside of the range.
func (r *Reader) logQuery(pull checkpoint.Pull) url.Values {
	since := pull.Since
	if oldest := r.now().Add(-checkpoint.MaxHistory); since.Before(oldest) {
		since = oldest // Okta keeps nothing older, and refuses a much older since
	}
	q := url.Values{"sortOrder": {"ASCENDING"}}
	if pull.Kind == checkpoint.PullRange {
		since = since.Add(-time.Millisecond)
		q.Set("until", pull.Until.UTC().Format(filterTime))
	}
	q.Set("since", since.UTC().Format(filterTime))
	return q
}

// polledPage fetches a page of the System Log. Okta sends the events stored since the cursor, in the order of storing.
// A page shorter than its limit is the end for now.
func (r *Reader) polledPage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	a, err := r.get(ctx, nil, pos)
	if err != nil {
		return r.failed(ctx, pos, err)
	}
	p, whole := r.logPage(a, pos, nil)
	// A cursor without a limit has Okta's default. Then only an empty page is certainly the end.
	full := len(whole) >= limitOf(a.cursor, 1)
	switch leadsOn := a.leadsOn(whole, pos); {
	case leadsOn && len(whole) == 0:
		p.Position.Cursor = a.next
	case !leadsOn && len(whole) == 0 && !pos.ByTime && pos.Failing.Like != noLink:
		p.Position.Failing = pos.Failing.Again(noLink) // the same request finds what comes next
	case !leadsOn:
		r.goOnByTime(p, pos, whole, full)
	default:
		p.Position.Cursor, p.Position.ByTime = a.next, pos.ByTime && len(p.all) == 0 // the next page may be in Seen too
		// A page that was requested ahead says whether this is the end.
		if full || r.requested(a.next) {
			return p, nil
		}
	}
	// The next poll continues from the cursor. The pause between idle polls grows.
	p.CaughtUp = true
	p.Position.IdlePolls++
	if p.Position.Pull.Events > 0 {
		p.Position.IdlePolls = 0
	}
	p.Position.Pull = nil
	p.Wait = r.idlePause(p.Position.IdlePolls)
	return p, nil
}

// idlePause is the pause after so many polls in a row that found nothing.
func (r *Reader) idlePause(idle int) time.Duration {
	return r.org.cfg.Interval(r.collection) * time.Duration(min(1<<min(idle, 4), maxIdleFactor))
}

// maxVisited is how many of the last pages of the System Log are remembered, to notice a circle before any of its events
// is shipped twice.
const maxVisited = 16

// maxSeen bounds the events that are recognised if they come again: those of a page, and of the newest millisecond.
const maxSeen = checkpoint.MaxHashes

// withEvent returns a list of events with one more, if it is not there yet.
func withEvent(seen checkpoint.Hashes, o *object) checkpoint.Hashes {
	if h := o.hash(); !seen.Has(h) {
		return seen.With(h, maxSeen)
	}
	return seen
}

// page identifies the page of an answer.
func (a *answer) page() uint64 { return pageOf(cmp.Or(a.self, a.cursor)) }

// leadsOn reports whether the next link of a page of the System Log leads to a page that was not visited lately. After an
// empty page, Okta sends the page itself: that is the end for now. whole are all events of the page.
func (a *answer) leadsOn(whole []object, pos checkpoint.Position) bool {
	next := pageOf(a.next)
	itself := next == pageOf(a.cursor) || next == a.page()
	if itself {
		return a.next != "" && len(whole) == 0 && (pos.Cursor != "" || !pos.ByTime)
	}
	return a.next != "" && !pos.Visited.Has(next)
}

// goOnByTime sets p to go on without a next link: the next request asks for the events since the newest one. Those of this
// page come again, and are recognised. full: the page may not be the last for now.
func (r *Reader) goOnByTime(p *Page, pos checkpoint.Position, whole []object, full bool) {
	next := &p.Position
	if !pos.ByTime {
		p.warn(WarnNext, "the next link of a page of %s is missing or leads back: the listing goes on with the events since %s; "+
			"an event that Okta publishes late may be missed", r.collection.Name, cmp.Or(next.Newest, pos.Pull.Since).Format(filterTime))
	}
	next.Cursor, next.ByTime = "", true
	for i := range whole {
		next.Seen = withEvent(next.Seen, &whole[i])
	}
	if full && len(p.all) == 0 && pos.Limit == 0 && !next.Newest.IsZero() {
		next.Newest = next.Newest.Add(time.Millisecond)
		p.warn(WarnNext, "a full page of %s has events of one millisecond only, and no next link: the listing goes on with the next millisecond, "+
			"and may miss events", r.collection.Name)
	}
}

// logPage makes a page of an answer of the System Log. It leaves out the events that are not wanted, and those that were
// shipped before a request that goes on by time. A nil wanted wants all. It also returns all events of the answer.
func (r *Reader) logPage(a *answer, pos checkpoint.Position, wanted func(object) bool) (p *Page, whole []object) {
	whole = a.objects
	if pos.ByTime || wanted != nil {
		a.objects = slices.DeleteFunc(slices.Clone(whole), func(o object) bool {
			return pos.ByTime && pos.Seen.Has(o.hash()) || wanted != nil && !wanted(o)
		})
	}
	p = r.newPage(a, pos)
	p.readDeleted()
	next := &p.Position
	if len(whole) > 0 {
		next.Visited = pos.Visited.With(a.page(), maxVisited)
	}
	newest := 0 // the place of the first event of that time
	for i := range a.objects {
		// A date in the future must not become the newest: a restarted log would begin there.
		if t := a.objects[i].time(); t.After(next.Newest) && t.Before(a.date.Add(time.Second)) {
			next.Newest, next.Seen, newest = t, nil, i
		}
	}
	for i := range a.objects[newest:] {
		if o := &a.objects[newest+i]; o.time().Equal(next.Newest) {
			next.Seen = withEvent(next.Seen, o)
		}
	}
	return p, whole
}

// nextRange is the next part of a backfill's range: all that is left or, after Okta timed out, at most Span of it.
func (r *Reader) nextRange(pos checkpoint.Position) *checkpoint.Pull {
	pull := &checkpoint.Pull{Kind: checkpoint.PullRange, Since: r.backfill.Since.UTC(), Until: r.backfill.Until.UTC()}
	if done := pos.Reached(pull.Since); done.After(pull.Since) {
		// All parts have the same pull id.
		pull.Since, pull.ID = done, pos.LastPullID
	}
	if pos.Span > 0 && pos.Span < pull.Until.Sub(pull.Since) {
		pull.Until = pull.Since.Add(pos.Span)
	}
	return pull
}

// rangePage fetches a page of a backfill's range, whose listing is sorted by `published`. An empty page ends it, and so
// does one that is beyond the range: Okta was seen to send a next link with each page.
func (r *Reader) rangePage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	a, err := r.get(ctx, nil, pos)
	if err != nil {
		return r.failedRange(ctx, pos, err)
	}
	if again := r.askedAgain(pos, a); again != nil {
		return again, nil
	}
	beyond := func(o object) bool { return !o.time().Before(pos.Pull.Until) }
	p, whole := r.logPage(a, pos, func(o object) bool {
		t := o.time() // an event without a time is kept
		return t.IsZero() || !t.Before(pos.Pull.Since) && t.Before(pos.Pull.Until)
	})
	full := len(whole) >= limitOf(a.cursor, 1)
	over := len(whole) == 0 || !slices.ContainsFunc(whole, func(o object) bool { return !beyond(o) }) || a.next == "" && !a.lost
	switch {
	case over:
	case a.leadsOn(whole, pos) && !loops(&p.Position.Guard, a):
		p.Position.Cursor = a.next
		return p, nil
	case (full || len(p.all) > 0) && !p.Position.Newest.IsZero():
		r.goOnByTime(p, pos, whole, full)
		p.Position = p.Position.Restarted()
		p.Position.Pull = nil
		return p, nil
	}
	p.Position = p.Position.BetweenPulls()
	p.Position.Covered = pos.Pull.Until
	p.Position.Span *= 2
	p.CaughtUp = !p.Position.Covered.Before(r.backfill.Until)
	return p, nil
}

// failedRange halves the range if Okta timed out on its first page.
func (r *Reader) failedRange(ctx context.Context, pos checkpoint.Position, err error) (*Page, error) {
	span := pos.Pull.Until.Sub(pos.Pull.Since)
	half := (span / 2).Truncate(time.Millisecond)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class != tooMuch || e.like == "" || pos.Cursor != "" || half < minSpan {
		return r.failed(ctx, pos, err)
	}
	if err := pauseBeforeHalving(ctx, int(r.backfill.Until.Sub(pos.Pull.Since)/span)); err != nil {
		return nil, err
	}
	p := moved(pos, Warning{WarnSmallerPage, fmt.Sprintf("%s; asked again for %s at once", e, half)})
	p.Position.Pull, p.Position.Span = nil, half
	return p, nil
}
