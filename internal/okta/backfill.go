package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"okta-collector/internal/checkpoint"
)

// A backfill of the System Log asks bounded queries: `since` and `until`, which Okta answers in the
// order of `published`, and finitely. Whether the bounds are inclusive is not documented: a millisecond
// more is asked for, and both are kept to on our side.

// minSpan is the shortest range that is asked for; below it only smaller pages can help.
const minSpan = time.Second

// nextRange is the next part of the range: all of what is left, unless Okta timed out on that.
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

// shorterRange is a page without objects that moves the position to a range half as long, nil if that
// would be too short.
func (r *Reader) shorterRange(ctx context.Context, pos checkpoint.Position, e *Error) (*Page, error) {
	span := pos.Pull.Until.Sub(pos.Pull.Since)
	half := (span / 2).Truncate(time.Millisecond)
	if half < minSpan {
		return nil, nil
	}
	if err := pauseBeforeHalving(ctx, int(r.backfill.Until.Sub(pos.Pull.Since)/span)); err != nil {
		return nil, err
	}
	pos.Pull, pos.Span = nil, half
	return &Page{Position: pos, Pull: checkpoint.PullRange, Warning: fmt.Sprintf("%s; asked again for %s at once", e, half)}, nil
}

// rangePage makes a page of a bounded query.
func (r *Reader) rangePage(a *answer, pos checkpoint.Position) (*Page, error) {
	whole, newest := *a, pos.Newest
	a.objects = nil
	for _, o := range whole.objects {
		t, err := time.Parse(time.RFC3339, string(o.published))
		if err == nil && (t.Before(pos.Pull.Since) || !t.Before(pos.Pull.Until)) {
			continue // an event without a time is nobody else's
		}
		a.objects = append(a.objects, o)
		if err == nil && t.After(newest) {
			newest = t.UTC()
		}
	}
	p := r.newPage(a, pos)
	p.Position.Newest = newest
	if whole.next != "" && loops(&p.Position.Guard, &whole) {
		p.Release()
		return nil, &Error{Class: Passing, Status: http.StatusOK, Path: r.svc.Path, err: errors.New("the bounded query leads back to where it was")}
	}
	if whole.next != "" {
		p.Position.Cursor = whole.next
		return p, nil
	}
	p.Position = p.Position.BetweenPulls()
	p.Position.Covered = pos.Pull.Until
	p.Position.Span *= 2
	p.CaughtUp = !p.Position.Covered.Before(r.backfill.Until)
	return p, nil
}
