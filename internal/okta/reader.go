package okta

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
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
	// logsOverlap is asked for again when logs start from the newest event shipped, after Okta refused a cursor.
	// In a poll `since` is the time of an event's persistence, as Okta documents it, and what has not been shipped was
	// persisted after the newest event was published: then it need only cover clocks that differ. Should
	// it be the time of publishing after all, an event may come this late and is still not lost. It costs little:
	// seven pages are sent again in an org with a million events a day.
	logsOverlap = 10 * time.Minute
	// maxIdleFactor bounds how far apart idle polls of the System Log get: each costs a
	// request of a small bucket and two billable actions of Temporal Cloud.
	maxIdleFactor = 6
)

// Page is one answer of a list endpoint.
type Page struct {
	// Objects are compact JSON objects. They are valid until Release. The part of the page that was
	// delivered before is not among them.
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
	// Pull is the kind of the pull that the page is of.
	Pull checkpoint.PullKind

	from    checkpoint.Position // where the page is fetched again, as part of the same pull
	all     []object            // of the page, with those that were delivered before
	release func()
}

// After is where to go on, as part of the same pull, when the first n of Objects were delivered: inside
// the page, unless they are all of them.
func (p *Page) After(n int) checkpoint.Position {
	if n == len(p.Objects) {
		return p.Position
	}
	pos := p.from
	if done := len(p.all) - len(p.Objects) + n; done > 0 {
		pos.Part = partOf(p.all, done)
	}
	return pos
}

// partOf is the beginning of a page.
func partOf(page []object, objects int) checkpoint.Part {
	h := fnv.New64a()
	for _, o := range page[:objects] {
		id := o.id
		if id == nil {
			id = o.raw
		}
		h.Write(id)
		h.Write([]byte{0})
	}
	return checkpoint.Part{Objects: objects, IDs: h.Sum64()}
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
	begin Begin
	now   func() time.Time
	// backfill is nil for live collection.
	backfill *checkpoint.Range
	sent     int64 // requests
}

// Begin is where the System Log begins that nothing has been read of yet.
type Begin struct {
	// Since is the `published` of its first event; zero for the configured history, which is
	// counted back from Started.
	Since time.Time
	// Started is when the service was first started; zero for now. Now would skip what happens while a first
	// run gets no answer, as when it waits for a permission.
	Started time.Time
}

// Reader returns a reader of svc, which reads the System Log from where it is told to begin. now is the
// clock that Started is of.
func (o *Org) Reader(svc Service, begin Begin, now func() time.Time) *Reader {
	return &Reader{org: o, svc: svc, begin: begin, now: now}
}

// Backfill returns a reader of one more pull of svc: of the System Log's events in a range, or of everything
// there is of any other service. It leaves the budget to live collection.
func (o *Org) Backfill(svc Service, r checkpoint.Range, now func() time.Time) *Reader {
	return &Reader{org: o, svc: svc, now: now, backfill: &r}
}

// name tells the org's readers apart.
func (r *Reader) name() string {
	if r.backfill != nil {
		return r.svc.Name + " backfill " + r.backfill.Since.String() + r.backfill.Until.String()
	}
	return r.svc.Name
}

// Requests is how many requests were sent to Okta, whatever came of them.
func (r *Reader) Requests() int64 { return r.sent }

// Windows are the states of the rate-limit windows that the service uses, as far as something is known of them.
// running says that another request may be sent before what is returned here is durable.
func (r *Reader) Windows(running bool) []checkpoint.Window {
	w := r.org.budget.window(r.svc.Bucket, r.name(), r.now(), running, r.backfill == nil)
	if w == nil {
		return nil
	}
	return []checkpoint.Window{*w}
}

// Next fetches the page at pos, beginning a pull where none is under way. Its error is an
// [Error], or why ctx ended; pos is then still where to go on. A page without
// objects may only move the position, for instance to a smaller limit.
func (r *Reader) Next(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	if pos.Pull == nil {
		pos.Pull = r.nextPull(pos)
	}
	if r.svc.Parent != "" {
		return r.listingPage(ctx, pos)
	}
	a, err := r.get(ctx, r.svc.Path, pos)
	if err != nil {
		return r.failed(ctx, pos, err)
	}
	switch {
	case pos.Pull.Kind == checkpoint.PullRange:
		return r.rangePage(a, pos)
	case r.svc.Polled:
		return r.polledPage(a, pos)
	}
	p := r.newPage(a, pos)
	if r.loops(p, &p.Position.Guard, a) {
		a.next = ""
	}
	if p.Position.Cursor = a.next; a.next == "" {
		r.finish(p, a.date)
	}
	return p, nil
}

// loops says whether a listing leads back to where it was; the page then bears a warning, and its pull is cut off.
func (r *Reader) loops(p *Page, g *checkpoint.Guard, a *answer) bool {
	if a.next == "" || !loops(g, a) {
		return false
	}
	p.Position.Pull.CutOff = true
	p.Warning = fmt.Sprintf("the listing of %s leads back to where it was: it ends here, and may not be whole", r.svc.Name)
	r.org.cfg.Log.Warn("a listing makes no progress", zap.String("service", r.svc.Name))
	return true
}

// failed moves the position to a smaller page where that may help.
func (r *Reader) failed(ctx context.Context, pos checkpoint.Position, err error) (*Page, error) {
	var e *Error
	if !errors.As(err, &e) || e.Class != tooMuch {
		return nil, err
	}
	if pos.Pull.Kind == checkpoint.PullRange && pos.Cursor == "" && timedOut(e) {
		if p, err := r.shorterRange(ctx, pos, e); p != nil || err != nil {
			return p, err
		}
	}
	limit := r.svc.limit(pos.Limit)
	if pos.Limit == 0 {
		limit = limitOf(pos.Cursor, limit) // Okta may allow less than was asked for
	}
	if pos.Limit, err = r.org.shrink(ctx, r.svc, limit, e); err != nil {
		return nil, err
	}
	return smallerPage(pos, e, pos.Limit), nil
}

// smallerPage is a page without objects that only moves the position to a smaller limit.
func smallerPage(pos checkpoint.Position, e *Error, limit int) *Page {
	kind := pos.Pull.Kind
	if pos.Pull.Began.IsZero() {
		pos.Pull = nil // no answer has begun it
	}
	return &Page{Position: pos, Pull: kind, Warning: fmt.Sprintf("%s; asked again with limit=%d", e, limit)}
}

// nextPull decides what the next pull asks for.
func (r *Reader) nextPull(pos checkpoint.Position) *checkpoint.Pull {
	switch {
	case r.backfill != nil && r.svc.Polled:
		return r.nextRange(pos)
	case r.backfill != nil:
		return &checkpoint.Pull{Kind: checkpoint.PullFull}
	case r.svc.Polled && !pos.Newest.IsZero():
		return &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: pos.Newest.Add(-logsOverlap)}
	case r.svc.Polled:
		return &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: r.firstEvent().UTC().Truncate(time.Millisecond)}
	case r.svc.Changed == nil, pos.LastFull.IsZero(), r.fullDue(pos):
		return &checkpoint.Pull{Kind: checkpoint.PullFull}
	default:
		return &checkpoint.Pull{Kind: checkpoint.PullChanges, Since: pos.ChangedSince.Add(-changesOverlap)}
	}
}

// firstEvent is the time at which the System Log begins that nothing has been read of yet.
func (r *Reader) firstEvent() time.Time {
	switch {
	case !r.begin.Since.IsZero():
		return r.begin.Since
	case !r.begin.Started.IsZero():
		return r.begin.Started.Add(-r.org.cfg.LogsHistory)
	default:
		return r.now().Add(-r.org.cfg.LogsHistory)
	}
}

// fullDue says whether a full pull is due. The last pull's time and the pause after it stand for the
// present, so that only Okta's clock counts.
func (r *Reader) fullDue(pos checkpoint.Position) bool {
	present := pos.ChangedSince.Add(r.org.cfg.PollResources)
	return present.Sub(pos.LastFull) >= r.org.cfg.FullSync
}

// first is the request that begins a listing.
func (r *Reader) first(path string, pos checkpoint.Position) string {
	q := url.Values{"limit": {strconv.Itoa(r.svc.limit(pos.Limit))}}
	switch {
	case r.svc.Polled:
		since := pos.Pull.Since
		if oldest := r.now().Add(-checkpoint.MaxHistory); since.Before(oldest) {
			since = oldest // Okta has nothing before, and refuses what is much older
		}
		q.Set("since", since.UTC().Format(filterTime))
		q.Set("sortOrder", "ASCENDING")
		if pos.Pull.Kind == checkpoint.PullRange {
			q.Set("since", since.Add(-time.Millisecond).UTC().Format(filterTime))
			q.Set("until", pos.Pull.Until.UTC().Format(filterTime))
		}
	case pos.Pull.Kind == checkpoint.PullChanges && r.svc.Changed != nil:
		q.Set("filter", r.svc.Changed(pos.Pull.Since))
	case r.svc.FullFilter != "":
		q.Set("filter", r.svc.FullFilter)
	}
	return path + "?" + q.Encode()
}

// get asks for the page at pos of the listing that begins at path. Where the limit is reduced, a
// cursor is asked for with that limit instead of its own.
func (r *Reader) get(ctx context.Context, path string, pos checkpoint.Position) (*answer, error) {
	switch {
	case pos.Cursor == "":
		return r.ask(ctx, r.svc, r.first(path, pos), false)
	case pos.Limit > 0:
		return r.ask(ctx, r.svc, withLimit(pos.Cursor, r.svc.limit(pos.Limit)), true)
	default:
		return r.ask(ctx, r.svc, pos.Cursor, true)
	}
}

// ask asks for a page of svc, which is the reader's own or the one above.
func (r *Reader) ask(ctx context.Context, svc Service, cursor string, stored bool) (*answer, error) {
	return r.org.get(ctx, question{svc, cursor, stored, r.backfill != nil, &r.sent})
}

// begun returns the pull that an answer of this date belongs to, which it begins if it is the first. A later part
// of a backfill has its id already.
func begun(pos checkpoint.Position, date time.Time) checkpoint.Pull {
	pull := *pos.Pull
	if pull.Began.IsZero() {
		pull.Began = date
	}
	if pull.ID == 0 {
		pull.ID = max(date.UnixMilli(), pos.LastPullID+1)
	}
	return pull
}

// newPage makes a page of an answer. Its position is that of the answer, with the pull
// and the limit moved on: the cursors are left to the caller.
func (r *Reader) newPage(a *answer, pos checkpoint.Position) *Page {
	from := begun(pos, a.date)
	pull := from
	pull.Events += int64(len(a.objects))
	pos.Pull, pos.LastPullID = &from, pull.ID
	done := pos.Part.Objects
	if done < 0 || done > len(a.objects) || partOf(a.objects, done) != pos.Part {
		done = 0 // the page is another one by now
	}
	pos.Part = checkpoint.Part{}
	p := &Page{Pull: pull.Kind, from: pos, all: a.objects, release: func() { r.org.release(a) }}
	for _, o := range a.objects[done:] {
		p.Objects = append(p.Objects, o.raw)
	}
	pos.Pull, pos.Limit = &pull, r.svc.grown(pos.Limit)
	p.Position = pos
	p.Members = strconv.AppendInt([]byte(`"@devo_pulling_id":`), pull.ID, 10)
	return p
}

// polledPage makes a page of the System Log. Okta sends what was persisted since the
// cursor, in that order; a page shorter than asked for is the end for now.
func (r *Reader) polledPage(a *answer, pos checkpoint.Position) (*Page, error) {
	var wrong error
	switch {
	case a.next == "":
		wrong = errors.New("answer without a next link: the System Log always has one")
	case a.next == a.cursor && len(a.objects) > 0:
		wrong = errors.New("the next link leads back to the page, which is not empty")
	}
	if wrong != nil {
		r.org.release(a)
		return nil, &Error{Class: Passing, Status: http.StatusOK, Path: r.svc.Path, err: wrong}
	}

	p := r.newPage(a, pos)
	for _, o := range a.objects {
		t, err := time.Parse(time.RFC3339, string(o.published))
		// An event from the future must not decide where the log goes on one day.
		if err == nil && t.After(p.Position.Newest) && t.Before(a.date.Add(time.Second)) {
			p.Position.Newest = t.UTC()
		}
	}
	p.Position.Cursor = a.next
	// A cursor that names no limit has Okta's default: only an empty page is sure to be the end.
	if len(a.objects) < limitOf(a.cursor, 1) {
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

// finish ends the pull of a listing, whose last answer is of this date. One that was cut off does not count, so that
// the next one asks for the same. If that is cut off too, Okta ends this listing no other way, and it counts:
// otherwise a list that always leads back, as that of groups has been seen to, would be pulled whole every time.
func (r *Reader) finish(p *Page, date time.Time) {
	pull := p.Position.Pull
	again := pull.CutOff && !p.Position.CutOff
	p.Position.CutOff = pull.CutOff
	if !again {
		p.Position.ChangedSince = pull.Began
	}
	if !again && pull.Kind == checkpoint.PullFull {
		p.Position.LastFull = pull.Began
	}
	p.Position = p.Position.BetweenPulls()

	every := r.org.cfg.PollResources
	if r.svc.Parent != "" && !again {
		every = r.org.cfg.FullSync
	}
	p.CaughtUp = true
	p.Wait = min(max(every-date.Sub(pull.Began), time.Second), every)
}
