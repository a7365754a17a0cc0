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
	// logsOverlap is asked for again when the log starts from the newest event delivered, after Okta refused a cursor.
	// Okta documents `since` of a poll as ingestion time, so the overlap only has to cover clock skew. Ten minutes is
	// also safe if it is publish time. It costs little: seven pages in an org with a million events a day.
	logsOverlap = 10 * time.Minute
	// maxIdleFactor bounds how far apart idle polls get: each costs a request of a small rate limit and two billable
	// actions of Temporal Cloud.
	maxIdleFactor = 6
	// minSpan is the shortest range that a backfill asks for. Below it only smaller pages can help.
	minSpan = time.Second
)

// nextLogPull decides from when, and for a backfill until when, the System Log is asked for.
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

// logQuery is the query of a poll or of a range. The listing of a range has an end, and is in the order of `published`.
// Okta does not document whether the bounds of a range are inclusive. So logQuery asks for a millisecond more, and
// rangePage drops what is outside of the range.
func (r *Reader) logQuery(pull checkpoint.Pull) url.Values {
	since := pull.Since
	if oldest := r.now().Add(-checkpoint.MaxHistory); since.Before(oldest) {
		since = oldest // Okta has nothing before, and refuses what is much older
	}
	q := url.Values{"sortOrder": {"ASCENDING"}}
	if pull.Kind == checkpoint.PullRange {
		since = since.Add(-time.Millisecond)
		q.Set("until", pull.Until.UTC().Format(filterTime))
	}
	q.Set("since", since.UTC().Format(filterTime))
	return q
}

// polledPage fetches a page of the System Log. Okta sends what was persisted since the cursor, in that order. A page
// shorter than asked for is the end for now.
func (r *Reader) polledPage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	a, err := r.get(ctx, nil, pos)
	if err != nil {
		return r.failed(ctx, pos, err)
	}
	switch {
	case a.next == "":
		return nil, r.unusable(a, "answer without a next link: the System Log always has one")
	case a.next == a.cursor && len(a.objects) > 0:
		return nil, r.unusable(a, "the next link leads back to the page, which is not empty")
	}
	p := r.newPage(a, pos)
	for _, o := range a.objects {
		t, err := time.Parse(time.RFC3339, string(o.published))
		// An event from the future must not decide where a log that is begun again goes on.
		if err == nil && t.After(p.Position.Newest) && t.Before(a.date.Add(time.Second)) {
			p.Position.Newest = t.UTC()
		}
	}
	p.Position.Cursor = a.next
	// A cursor that names no limit has Okta's default: only an empty page is sure to be the end.
	if len(a.objects) >= limitOf(a.cursor, 1) {
		return p, nil
	}
	// The next poll goes on from the cursor. Idle polls get further apart.
	p.CaughtUp = true
	p.Position.IdlePolls++
	if p.Position.Pull.Events > 0 {
		p.Position.IdlePolls = 0
	}
	p.Position.Pull = nil
	p.Wait = r.org.cfg.PollLogs * time.Duration(min(1<<min(p.Position.IdlePolls, 4), maxIdleFactor))
	return p, nil
}

// unusable makes an Error of an answer whose next link is wrong, and releases the answer.
func (r *Reader) unusable(a *answer, why string) error {
	r.org.release(a)
	return &Error{Class: Passing, Status: http.StatusOK, Path: r.collection.Path, err: errors.New(why)}
}

// nextRange is the next part of a backfill's range: all that is left, or Span of it after Okta timed out.
func (r *Reader) nextRange(pos checkpoint.Position) *checkpoint.Pull {
	pull := &checkpoint.Pull{Kind: checkpoint.PullRange, Since: r.backfill.Since.UTC(), Until: r.backfill.Until.UTC()}
	if done := pos.Reached(pull.Since); done.After(pull.Since) {
		// All parts are one pull.
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
			continue // of another range; an event without a time is of this one
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
			return nil, r.unusable(a, "the bounded query leads back to where it was")
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

// failedRange moves the position to a range half as long if Okta timed out on the range's first page.
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
	p := moved(pos, fmt.Sprintf("%s; asked again for %s at once", e, half))
	p.Position.Pull, p.Position.Span = nil, half
	return p, nil
}
