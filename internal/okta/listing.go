package okta

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// listingPage fetches a page of a service that hangs under another: the users of each app, the
// members of each group. The position is then one in two listings, the one above and the
// one of the parent under way. It names the parent by its id, so that parents that come and go
// in between neither repeat nor skip a listing.
func (r *Reader) listingPage(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	above, err := r.above(ctx, pos)
	if err != nil {
		return nil, err
	}
	if len(above.ids) == 0 {
		p := r.newPage(&answer{date: above.date}, pos, "")
		r.nextParents(p, above)
		return p, nil
	}
	// A parent that is gone from the page: its page is gone through again, since nothing says
	// where in it the parent was.
	at := max(slices.Index(above.ids, pos.Parent.ID), 0)
	id := above.ids[at]
	if id != pos.Parent.ID {
		pos.Parent.ID, pos.Cursor, pos.Guard = id, "", checkpoint.Guard{}
	}

	cursor, stored := pos.Cursor, pos.Cursor != ""
	if !stored {
		cursor = r.first(r.svc.path(url.PathEscape(id)), pos)
	}
	a, err := r.get(ctx, cursor, stored, pos.Limit)
	var e *Error
	if errors.As(err, &e) && e.Class == gone {
		// Deleted since it was listed: it has nothing any more.
		a = &answer{date: above.date}
	} else if err != nil {
		return nil, err
	}
	p := r.newPage(a, pos, id)
	if a.next != "" && loops(&p.Position.Guard, a.next, a.objects) {
		p.Warning = r.loopWarning(a)
		a.next = ""
	}
	if p.Position.Cursor = a.next; a.next != "" {
		return p, nil
	}
	p.Position.Guard = checkpoint.Guard{}
	if at+1 < len(above.ids) {
		p.Position.Parent.ID = above.ids[at+1]
		return p, nil
	}
	r.nextParents(p, above)
	return p, nil
}

// nextParents moves a position to the next page of the listing above, or ends the pull.
func (r *Reader) nextParents(p *Page, above *parentPage) {
	if above.warning != "" {
		p.Warning = above.warning
	}
	if above.next == "" {
		r.finish(p, above.date)
		return
	}
	p.Position.Parent = checkpoint.Parent{Cursor: above.next, Guard: above.guard}
}

// parentPage is what is kept of a page of the listing above.
type parentPage struct {
	cursor, next string
	ids          []string
	date         time.Time
	guard        checkpoint.Guard // after this page
	warning      string
}

// above returns the page of the listing above that pos is in, asking for it if it is not at hand.
func (r *Reader) above(ctx context.Context, pos checkpoint.Position) (*parentPage, error) {
	if r.parents != nil && r.parents.cursor == pos.Parent.Cursor {
		return r.parents, nil
	}
	parent, _ := Lookup(r.svc.Parent)
	reader := &Reader{org: r.org, svc: parent, now: r.now}
	cursor, stored := pos.Parent.Cursor, pos.Parent.Cursor != ""
	if !stored {
		cursor = reader.first(parent.Path, checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullFull}})
	}
	a, err := reader.get(ctx, cursor, stored, 0)
	for limit := parent.Limit / 2; limit >= parent.MinLimit; limit /= 2 {
		// Links repeat the limit of the request, so a smaller one need not be remembered.
		var e *Error
		if !errors.As(err, &e) || e.Class != tooMuch {
			break
		}
		cursor = withLimit(cursor, limit)
		a, err = reader.get(ctx, cursor, stored, 0)
	}
	if err != nil {
		return nil, err
	}
	page := &parentPage{cursor: pos.Parent.Cursor, guard: pos.Parent.Guard}
	for _, o := range a.objects {
		if len(o.id) > 0 {
			page.ids = append(page.ids, string(o.id))
		}
	}
	if a.next != "" && loops(&page.guard, a.next, a.objects) {
		page.warning = reader.loopWarning(a)
		a.next = ""
	}
	page.next, page.date = a.next, a.date
	r.org.release(a)
	r.parents = page
	return page, nil
}
