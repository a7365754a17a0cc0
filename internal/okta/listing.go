package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"okta-collector/internal/checkpoint"
)

// listingPage fetches a page of a service that hangs under another: the users of each app, the
// members of each group. The position is then one in two listings: the page of the one above,
// and the parent of that page, by its id, with the cursor of its own listing. So parents that come
// or go meanwhile shift nothing.
func (r *Reader) listingPage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	if len(pos.Levels) == 0 {
		pos.Levels = make([]checkpoint.Level, 1)
	}
	above := r.parentsAt(pos)
	if above == nil {
		return r.parentsPage(ctx, pos)
	}
	at := slices.Index(above.ids, pos.Levels[0].ID)
	a, err := r.get(ctx, r.svc.path(url.PathEscape(pos.Levels[0].ID)), pos)
	var e *Error
	if errors.As(err, &e) && e.Class == gone {
		// Deleted since it was listed: it has nothing any more.
		a = &answer{date: e.date}
	} else if err != nil {
		return r.failed(ctx, pos, err)
	}
	p := r.newPage(a, pos)
	id, _ := json.Marshal(pos.Levels[0].ID) // a string always marshals
	p.Members = fmt.Appendf(p.Members, `,%q:%s`, r.svc.ParentMember, id)
	if !r.loops(p, &p.Position.Guard, a) && a.next != "" {
		p.Position.Cursor = a.next
		return p, nil
	}
	p.Position = p.Position.NewListing()
	switch {
	case at+1 < len(above.ids):
		p.Position.Levels = []checkpoint.Level{{Cursor: pos.Levels[0].Cursor, ID: above.ids[at+1], Guard: pos.Levels[0].Guard}}
	case above.next != "":
		p.Position.Levels = []checkpoint.Level{{Cursor: above.next, Guard: above.guard}}
	default:
		r.finish(p, a.date)
	}
	return p, nil
}

// parentPage is what is kept of a page of the listing above.
type parentPage struct {
	pull         int64 // the id of the pull that it belongs to
	cursor, next string
	ids          []string
	guard        checkpoint.Guard // after this page
}

// parentsAt returns the page of the listing above that pos is in, nil if it is not at hand. It
// is kept in the Org for the slices to come: each would otherwise begin with a request for it,
// and with a share of one request a minute never get any further.
func (r *Reader) parentsAt(pos checkpoint.Position) *parentPage {
	r.org.mu.Lock()
	defer r.org.mu.Unlock()
	page := r.org.parents[r.name()]
	if page == nil || page.pull != pos.Pull.ID || page.cursor != pos.Levels[0].Cursor || !slices.Contains(page.ids, pos.Levels[0].ID) {
		return nil
	}
	return page
}

// parentsPage asks for the page of the listing above that pos is in, and returns a page without
// objects whose position is at one of its parents.
func (r *Reader) parentsPage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	svc, _ := Lookup(r.svc.Parent)
	parents := &Reader{org: r.org, svc: svc, now: r.now}
	cursor, stored := pos.Levels[0].Cursor, pos.Levels[0].Cursor != ""
	if !stored {
		cursor = parents.first(svc.Path, checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullFull}})
	}
	a, err := r.ask(ctx, svc, cursor, stored)
	var e *Error
	if errors.As(err, &e) && e.Class == tooMuch {
		limit, err := r.org.shrink(ctx, svc, limitOf(cursor, svc.Limit), e)
		if err != nil {
			return nil, err
		}
		pos.Levels = []checkpoint.Level{{Cursor: withLimit(cursor, limit), ID: pos.Levels[0].ID, Guard: pos.Levels[0].Guard}}
		return smallerPage(pos, e, limit), nil
	}
	if err != nil {
		return nil, err
	}
	defer r.org.release(a)

	pull := begun(pos, a.date)
	pos.Pull, pos.LastPullID = &pull, pull.ID
	p := &Page{Position: pos, Pull: pull.Kind}
	page := &parentPage{pull: pull.ID, cursor: cursor, next: a.next, guard: pos.Levels[0].Guard}
	if reduced := limitOf(cursor, svc.Limit); reduced < svc.Limit && a.next != "" {
		// Cursors repeat what they were made with: left alone, the smaller limit would last until the pull's end.
		page.next = withLimit(a.next, svc.grown(reduced))
	}
	if parents.loops(p, &page.guard, a) {
		page.next = ""
	}
	seen := map[string]bool{} // an id twice would lead from the second back to the first
	nameless := 0
	for _, o := range a.objects {
		switch id := string(o.id); {
		case id == "":
			nameless++
		case !seen[id]:
			seen[id] = true
			page.ids = append(page.ids, id)
		}
	}
	if nameless > 0 {
		p.Warning = fmt.Sprintf("%d of %s have no id of at most %d bytes: what is listed under them is not collected", nameless, svc.Name, maxID)
	}
	p.Position.Levels = []checkpoint.Level{{Cursor: page.cursor, ID: pos.Levels[0].ID, Guard: pos.Levels[0].Guard}}
	switch {
	case slices.Contains(page.ids, pos.Levels[0].ID):
	case len(page.ids) > 0:
		// The page's beginning, or a parent that is gone: then the page is gone through again,
		// since nothing says where in it the parent was.
		p.Position.Levels[0].ID = page.ids[0]
		p.Position = p.Position.NewListing()
	case page.next != "":
		p.Position.Levels = []checkpoint.Level{{Cursor: page.next, Guard: page.guard}}
		return p, nil
	default:
		r.finish(p, a.date)
		return p, nil
	}
	r.org.mu.Lock()
	defer r.org.mu.Unlock()
	r.org.parents[r.name()] = page
	return p, nil
}
