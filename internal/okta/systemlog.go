package okta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	since := pos.Newest.Add(-logsOverlap)
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
	switch {
	case a.next == "":
		return nil, r.unusable(a, "the answer has no next link, which the System Log always sends")
	case a.next == a.cursor && len(a.objects) > 0:
		return nil, r.unusable(a, "the next link of a page with events leads back to the same page")
	}
	p := r.newPage(a, pos)
	for _, o := range a.objects {
		t, err := time.Parse(time.RFC3339, string(o.published))
		// A date in the future must not become the newest: a restarted log would begin there.
		if err == nil && t.After(p.Position.Newest) && t.Before(a.date.Add(time.Second)) {
			p.Position.Newest = t.UTC()
		}
	}
	p.Position.Cursor = a.next
	// A cursor without a limit has Okta's default. Then only an empty page is certainly the end.
	if len(a.objects) >= limitOf(a.cursor, 1) {
		return p, nil
	}
	// The next poll continues from the cursor. The pause between idle polls grows.
	p.CaughtUp = true
	p.Position.IdlePolls++
	if p.Position.Pull.Events > 0 {
		p.Position.IdlePolls = 0
	}
	p.Position.Pull = nil
	p.Wait = r.org.cfg.PollLogs * time.Duration(min(1<<min(p.Position.IdlePolls, 4), maxIdleFactor))
	return p, nil
}

// unusable makes an Error of an answer whose next link is wrong. It releases the answer.
func (r *Reader) unusable(a *answer, why string) error {
	r.org.release(a)
	return &Error{Class: Passing, Status: http.StatusOK, Path: r.collection.Path, err: errors.New(why)}
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

// rangePage fetches a page of a backfill's range.
func (r *Reader) rangePage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	a, err := r.get(ctx, nil, pos)
	if err != nil {
		return r.failedRange(ctx, pos, err)
	}
	whole, newest := *a, pos.Newest
	a.objects = nil
	for _, o := range whole.objects {
		t, err := time.Parse(time.RFC3339, string(o.published))
		if err == nil && (t.Before(pos.Pull.Since) || !t.Before(pos.Pull.Until)) {
			continue // outside of the range; an event without a time is kept
		}
		a.objects = append(a.objects, o)
		if err == nil && t.After(newest) {
			newest = t.UTC()
		}
	}
	p := r.newPage(a, pos)
	p.Position.Newest = newest
	if whole.next != "" {
		if loops(&p.Position.Guard, &whole) {
			return nil, r.unusable(a, "the listing of the range leads back to an earlier page")
		}
		p.Position.Cursor = whole.next
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
	if !ok || e.Class != tooMuch || !timedOut(e) || pos.Cursor != "" || half < minSpan {
		return r.failed(ctx, pos, err)
	}
	if err := pauseBeforeHalving(ctx, int(r.backfill.Until.Sub(pos.Pull.Since)/span)); err != nil {
		return nil, err
	}
	p := moved(pos, Warning{WarnSmallerPage, fmt.Sprintf("%s; asked again for %s at once", e, half)})
	p.Position.Pull, p.Position.Span = nil, half
	return p, nil
}
