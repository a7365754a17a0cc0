package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
)

const (
	// changesOverlap is asked for again by each pull of changes: Okta's filters are eventually
	// consistent, "typically less than one second".
	changesOverlap = time.Minute
	// logsOverlap is asked for again when logs start from the newest event shipped.
	logsOverlap = time.Minute
	// maxLogsHistory is how long Okta keeps its System Log.
	maxLogsHistory = 90 * 24 * time.Hour
	// maxIdleFactor bounds how far apart idle polls of the System Log get: each costs a
	// request of a small bucket and two billable actions of Temporal Cloud.
	maxIdleFactor = 6
)

// Page is one answer of a list endpoint.
type Page struct {
	// Objects are compact JSON objects. They are valid until Release.
	Objects [][]byte
	// Members are the JSON members to be added to each object, without braces.
	Members []byte
	// Position is where to go on when this page was delivered.
	Position checkpoint.Position
	// CaughtUp says that there is nothing more for now, and that the next pull begins after Wait.
	CaughtUp bool
	Wait     time.Duration
	// Warning is something odd that somebody should read.
	Warning string

	release func()
}

// Release gives the page's memory back.
func (p *Page) Release() {
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

// Reader reads the pages of one service, one after another. It is used by one goroutine.
type Reader struct {
	org   *Org
	svc   Service
	since time.Time // the System Log's first event
	now   func() time.Time

	// parents is the page of the listing above that is being gone through.
	parents *parentPage
}

// Reader returns a reader of svc. since is where a first run of the System Log begins; zero
// for the configured history. now is the clock that decides when a full pull is due.
func (o *Org) Reader(svc Service, since time.Time, now func() time.Time) *Reader {
	return &Reader{org: o, svc: svc, since: since, now: now}
}

// Next fetches the page at pos, beginning a pull where none is under way. Its error is an
// [Error], or why ctx ended; pos is then still where to go on. A page without
// objects may only move the position, for instance to a smaller limit.
func (r *Reader) Next(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	if pos.Pull == nil {
		pos.Pull = r.begin(pos)
	}
	page, err := r.page(ctx, pos)
	var e *Error
	if errors.As(err, &e) && e.Class == tooMuch {
		return r.smaller(pos, e)
	}
	return page, err
}

func (r *Reader) page(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	if r.svc.Parent != "" {
		return r.listingPage(ctx, pos)
	}
	cursor, stored := pos.Cursor, pos.Cursor != ""
	if !stored {
		cursor = r.first(r.svc.Path, pos)
	}
	a, err := r.get(ctx, cursor, stored, pos.Limit)
	if err != nil {
		return nil, err
	}
	p := r.newPage(a, pos, "")
	if r.svc.Polled {
		return r.polled(p, a)
	}
	if a.next != "" && loops(&p.Position.Guard, a.next, a.objects) {
		p.Warning = r.loopWarning(a)
		a.next = ""
	}
	p.Position.Cursor = a.next
	if a.next == "" {
		r.finish(p, a.date)
	}
	return p, nil
}

func (r *Reader) loopWarning(a *answer) string {
	w := fmt.Sprintf("the listing of %s leads back to where it was; this pull ends after %d objects", r.svc.Name, len(a.objects))
	r.org.cfg.Log.Warn("a listing makes no progress", zap.String("service", r.svc.Name))
	return w
}

// begin decides what the next pull asks for.
func (r *Reader) begin(pos checkpoint.Position) *checkpoint.Pull {
	switch {
	case r.svc.Polled && !pos.Newest.IsZero():
		return &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: pos.Newest.Add(-logsOverlap)}
	case r.svc.Polled && !r.since.IsZero():
		return &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: r.since}
	case r.svc.Polled:
		return &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: r.now().Add(-r.org.cfg.LogsHistory)}
	case r.svc.Changed == nil, pos.LastFull.IsZero(), r.now().Sub(pos.LastFull) >= r.org.cfg.FullSync:
		return &checkpoint.Pull{Kind: checkpoint.PullFull}
	default:
		return &checkpoint.Pull{Kind: checkpoint.PullChanges, Since: pos.ChangedSince.Add(-changesOverlap)}
	}
}

// first is the request that begins a listing.
func (r *Reader) first(path string, pos checkpoint.Position) string {
	q := url.Values{"limit": {strconv.Itoa(r.limit(pos.Limit))}}
	switch {
	case r.svc.Polled:
		since := pos.Pull.Since
		if oldest := r.now().Add(-maxLogsHistory); since.Before(oldest) {
			since = oldest // Okta has nothing before, and refuses what is much older
		}
		q.Set("since", since.UTC().Format(filterTime))
		q.Set("sortOrder", "ASCENDING")
	case pos.Pull.Kind == checkpoint.PullChanges:
		q.Set("filter", r.svc.Changed(pos.Pull.Since))
	case r.svc.FullFilter != "":
		q.Set("filter", r.svc.FullFilter)
	}
	return path + "?" + q.Encode()
}

func (r *Reader) limit(reduced int) int {
	if reduced > 0 {
		return min(reduced, r.svc.Limit)
	}
	return r.svc.Limit
}

// get asks for a cursor; where the limit is reduced, with that limit instead of the cursor's own.
func (r *Reader) get(ctx context.Context, cursor string, stored bool, reduced int) (*answer, error) {
	if reduced > 0 && stored {
		cursor = withLimit(cursor, r.limit(reduced))
	}
	a, err := r.org.get(ctx, r.svc, cursor, stored)
	if err != nil {
		return nil, err
	}
	a.limit = limitOf(cursor, r.svc.Limit)
	return a, nil
}

// newPage makes a page of an answer, and of the position that it was fetched at the one after it.
func (r *Reader) newPage(a *answer, pos checkpoint.Position, parentID string) *Page {
	pull := *pos.Pull
	if pull.Began.IsZero() {
		pull.Began = a.date
		pull.ID = max(a.date.UnixMilli(), pos.LastPullID+1)
	}
	pull.Events += int64(len(a.objects))
	pos.Pull = &pull
	pos.LastPullID = pull.ID
	if pos.Limit > 0 {
		// It went well: back towards the service's own limit, which the last step asks for
		// once more, since cursors repeat the limit they were made with.
		if pos.Limit >= r.svc.Limit {
			pos.Limit = 0
		} else {
			pos.Limit = min(pos.Limit*2, r.svc.Limit)
		}
	}

	p := &Page{Position: pos, Objects: make([][]byte, len(a.objects)), release: func() { r.org.release(a) }}
	for i, o := range a.objects {
		p.Objects[i] = o.raw
	}
	p.Members = strconv.AppendInt([]byte(`"@devo_pulling_id":`), pull.ID, 10)
	if parentID != "" {
		id, _ := json.Marshal(parentID) // a string always marshals
		p.Members = fmt.Appendf(p.Members, `,%q:%s`, r.svc.ParentMember, id)
	}
	return p
}

// polled completes a page of the System Log. Okta sends what was persisted since the
// cursor, in that order; a page shorter than asked for is the end for now.
func (r *Reader) polled(p *Page, a *answer) (*Page, error) {
	if a.next == "" {
		p.Release()
		return nil, &Error{Class: Passing, path: r.svc.Path, err: errors.New("answer without a next link: the System Log always has one")}
	}
	for _, o := range a.objects {
		if t, err := time.Parse(time.RFC3339, string(o.published)); err == nil && t.After(p.Position.Newest) {
			p.Position.Newest = t.UTC()
		}
	}
	p.Position.Cursor = a.next
	if len(a.objects) < a.limit {
		p.CaughtUp = true
		if p.Position.Pull.Events == 0 {
			p.Position.IdlePolls++
		} else {
			p.Position.IdlePolls = 0
		}
		p.Position.Pull = nil
		p.Wait = r.org.cfg.PollLogs * time.Duration(min(1<<min(p.Position.IdlePolls, 4), maxIdleFactor))
	}
	return p, nil
}

// finish ends the pull of a listing.
func (r *Reader) finish(p *Page, date time.Time) {
	pull := p.Position.Pull
	p.Position.ChangedSince = pull.Began
	if pull.Kind == checkpoint.PullFull {
		p.Position.LastFull = pull.Began
	}
	p.Position.Pull = nil
	p.Position.Cursor = ""
	p.Position.Parent = checkpoint.Parent{}
	p.Position.Guard = checkpoint.Guard{}

	every := r.org.cfg.PollResources
	if r.svc.Parent != "" {
		every = r.org.cfg.FullSync
	}
	p.CaughtUp = true
	p.Wait = max(every-date.Sub(pull.Began), time.Second)
}

// smaller halves the page size after Okta timed out or sent too much.
func (r *Reader) smaller(pos checkpoint.Position, e *Error) (*Page, error) {
	limit := r.limit(pos.Limit)
	if limit <= r.svc.MinLimit {
		e.Class = Person
		e.advice = fmt.Sprintf("it fails even with limit=%d: report the request id to Okta's support", limit)
		return nil, e
	}
	pos.Limit = max(limit/2, r.svc.MinLimit)
	if pos.Pull.ID == 0 {
		pos.Pull = nil // no answer has begun it
	}
	r.org.cfg.Log.Warn("asking for a smaller page", zap.String("service", r.svc.Name), zap.Int("limit", pos.Limit), zap.Error(e))
	return &Page{Position: pos, Warning: fmt.Sprintf("%s; asked again with limit=%d", e, pos.Limit)}, nil
}
