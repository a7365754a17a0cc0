package okta

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// Reader reads the pages of one collection, one after another. One goroutine uses it, and must close it.
type Reader struct {
	org        *Org
	name       string // tells the org's readers apart
	collection Collection
	begin      Begin
	now        func() time.Time
	backfill   *checkpoint.Range // nil for live collection
	member     *budget.Member
	sent       atomic.Int64 // requests
	answer     *answer      // the last one; nil before the first
	mayAsk     func() bool  // as in AskAhead; nil: no page is requested ahead
	ahead      *ahead       // the next page; nil if it was not requested
	fullSize   int          // bytes of the last page if it was full, otherwise 0
}

// Begin is where the first poll of the System Log begins.
type Begin struct {
	// Since is the `published` of the first event to fetch. Zero: the configured history, counted back from Started.
	Since time.Time
	// Started is when the service was first started; zero for now. The first run may get no answer for a while, for
	// instance without a permission. Counting back from now would skip what happens meanwhile.
	Started time.Time
}

// Reader returns a reader of a collection. begin is for the System Log only. now is the clock of Started and of
// checkpoints.
func (o *Org) Reader(c Collection, begin Begin, now func() time.Time) *Reader {
	r := o.reader(c.Name, c, ledger.LiveList, ledger.LivePerObject, now)
	r.begin = begin
	return r
}

// Backfill returns a reader of one additional pull of a collection. Of the System Log it reads the events in r, of
// another collection all objects. Live collection goes first in the budget.
func (o *Org) Backfill(c Collection, r checkpoint.Range, now func() time.Time) *Reader {
	name := c.Name + " backfill " + r.Since.String() + r.Until.String()
	backfill := o.reader(name, c, ledger.BackfillList, ledger.BackfillPerObject, now)
	backfill.backfill = &r
	return backfill
}

// reader returns a reader that has joined the budget, with the priority of lists or of listings per object.
func (o *Org) reader(name string, c Collection, list, perObject ledger.Priority, now func() time.Time) *Reader {
	priority := list
	if c.perObject() {
		priority = perObject
	}
	return &Reader{org: o, name: name, collection: c, now: now, member: o.budget.Join(priority)}
}

// Close leaves the budget. It ends a request that is under way, and the reader sends no more.
func (r *Reader) Close() {
	r.drop()
	r.member.Leave()
}

// Requests counts the requests sent to Okta, failed ones included.
func (r *Reader) Requests() int64 { return r.sent.Load() }

// Claims says how the reader claims requests of windows that other services use too. Without it, the reader counts for
// itself alone. It must be called before the first request.
func (r *Reader) Claims(claim budget.Claim) { r.member.Claims(claim) }

// Saves says how a checkpoint with the reader's Windows is made durable; save calls Saved. The reader waits for it before it sends
// more requests than the last durable checkpoint allows for. It must be called before the first request.
func (r *Reader) Saves(save func() error) { r.member.Saves(save) }

// Saved says that the checkpoint with the newest Windows is durable.
func (r *Reader) Saved() { r.member.Saved() }

// Restore adds what the checkpoint that the slice continues from says of windows.
func (r *Reader) Restore(c checkpoint.Checkpoint) { r.member.Restore(c.Windows, c.Alone, r.now()) }

// Alone are the homes on which the reader needs no claims.
func (r *Reader) Alone() []checkpoint.Alone { return r.member.Alone(r.now()) }

// Windows are the known rate-limit windows that the reader uses; that of the collection's own endpoint comes first.
// Until Close they count more than was sent, because that may be sent before the result is durable.
func (r *Reader) Windows() []checkpoint.Window {
	windows := r.member.Windows(r.now())
	own := func(w checkpoint.Window) bool { return w.Name == r.collection.Path }
	if i := slices.IndexFunc(windows, own); i > 0 {
		windows[0], windows[i] = windows[i], windows[0]
	}
	return windows
}

// Next fetches the page at pos. It begins a pull if none is under way. Its error is an [Error] or the cause of ctx, and
// pos stays valid. A page without objects may only change the position, for instance to a smaller page size. Such a page
// may come with an error: then its position is the one to continue from after the failure.
func (r *Reader) Next(ctx context.Context, pos checkpoint.Position) (page *Page, err error) {
	r.answer = nil
	defer func() {
		if r.answer != nil && (page == nil || page.answer == nil) { // also after a panic
			r.answer.release()
		}
	}()
	pos, mended := pos.WithoutFuture(r.now())
	page, err = r.next(ctx, pos)
	if page != nil {
		page.Asked = r.requested(page.Position.Cursor)
	}
	if page != nil && mended {
		page.warn(WarnClock, "the position had times from the future, which Okta's clock had said once: they are forgotten, "+
			"and what depends on them is pulled whole")
	}
	if a := r.answer; page != nil && a != nil && a.date.off != 0 {
		page.warn(WarnClock, "Okta's clock is %s from Temporal's (%+.0f s), so Temporal's time is used: if Temporal's is the wrong one, set its "+
			"server's clock right, otherwise tell Okta's support", a.date.off.Abs().Round(time.Second), a.date.off.Seconds())
	}
	return page, err
}

// next fetches the page at pos, as Next does.
func (r *Reader) next(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	if pos.Pull == nil {
		pos.Pull = r.nextPull(pos)
	}
	wanted, polls := r.wants(pos)
	r.member.Want(r.collection.Path, wanted, polls)
	switch {
	case pos.Pull.Kind == checkpoint.PullRange:
		return r.rangePage(ctx, pos)
	case r.collection.Polled:
		return r.polledPage(ctx, pos)
	default:
		return r.walk(ctx, pos)
	}
}

// get fetches the page at pos, of the listing under these ids. A reduced page size replaces the limit in the cursor.
func (r *Reader) get(ctx context.Context, under []string, pos checkpoint.Position) (*answer, error) {
	c, cursor := r.collection, pos.Cursor
	if cursor != "" && pos.Limit > 0 && c.Limit > 0 {
		cursor = withLimit(cursor, c.pageSize(pos.Limit))
	}
	q := r.query(c, under, c.firstCursor(under, c.pageSize(pos.Limit), r.selection(c, *pos.Pull)), cursor)
	a, err := r.receive(ctx, q)
	if err != nil {
		return nil, err
	}
	r.askAhead(ctx, q, pos, a)
	return r.parse(ctx, q, a)
}

// fetch fetches a page of c, the reader's own collection or a parent, of the listing under these ids. first is the cursor of
// the listing's first page. cursor is from an answer of Okta; empty: the first page.
func (r *Reader) fetch(ctx context.Context, c Collection, under []string, first, cursor string) (*answer, error) {
	q := r.query(c, under, first, cursor)
	a, err := r.org.get(ctx, q)
	if err != nil {
		return nil, err
	}
	return r.parse(ctx, q, a)
}

// query is the request for a page, as in fetch.
func (r *Reader) query(c Collection, under []string, first, cursor string) query {
	stored := cursor != ""
	cursor = cmp.Or(cursor, first)
	return query{
		service: r.collection, collection: c, under: under, first: first, cursor: cursor, stored: stored, smallest: c.smallest(limitOf(cursor, c.Limit)),
		now: r.now, member: r.member, sent: &r.sent,
	}
}

// parse reads the objects of an answer to q. An answer that cannot be read is released.
func (r *Reader) parse(ctx context.Context, q query, a *answer) (*answer, error) {
	r.answer = a // Next releases it after a panic
	if a.body == nil {
		return a, nil
	}
	if err := r.org.parse(ctx, a, q); err != nil {
		r.answer = nil
		a.release()
		r.drop()
		return nil, r.org.transportError(ctx, ctx, a.failed(q, err))
	}
	r.fullSize = 0
	if limit := limitOf(q.cursor, 0); limit > 0 && len(a.objects) >= limit {
		r.fullSize = len(a.body.Bytes())
	}
	return a, nil
}

// size is the page size that is asked for at pos.
func (r *Reader) size(pos checkpoint.Position) int {
	size := r.collection.pageSize(pos.Limit)
	if pos.Limit == 0 {
		size = limitOf(pos.Cursor, size) // Okta may have answered with fewer than asked for
	}
	return size
}

// failed decides what follows a failed request for the page at pos.
func (r *Reader) failed(ctx context.Context, pos checkpoint.Position, err error) (*Page, error) {
	return r.shrink(ctx, r.collection, pos, r.size(pos), err, func(pos *checkpoint.Position, limit int) { pos.Limit, pos.Steady = limit, 0 })
}
