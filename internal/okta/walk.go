package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// levelPage is what is kept of a page of a level: the objects under which the next level is listed.
type levelPage struct {
	pull         int64 // the id of the pull that it belongs to
	cursor, next string
	ids          []string
	guard        checkpoint.Guard // after this page
}

// walk fetches a page of a collection that hangs under others: the users of each app, the rules of each policy of each
// type. The position is one in each level, outermost first: the page of the level's listing, and the object of that
// page by its id. So objects that come or go meanwhile shift nothing. Where the page of a level is not at hand, walk
// fetches it and returns a page without objects, so that the position is durable at every level.
func (r *Reader) walk(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	levels := make([]checkpoint.Level, len(r.collection.Under))
	copy(levels, pos.Levels)
	pos.Levels = levels
	var under []string
	var pages []*levelPage
	for i, level := range r.collection.Under {
		if level.Of == "" && !slices.Contains(level.Values, levels[i].ID) {
			clear(levels[i:])
			levels[i].ID, pos = level.Values[0], pos.NewListing()
		}
		page := r.levelAt(pos, i)
		if page == nil {
			return r.fetchLevel(ctx, pos, pages, under)
		}
		pages, under = append(pages, page), append(under, levels[i].ID)
	}
	a, err := r.get(ctx, under, pos)
	if a, err = orGone(a, err); err != nil {
		return r.failed(ctx, pos, err)
	}
	p := r.newPage(a, pos)
	for i, id := range under {
		if member := r.collection.Under[i].Member; member != "" {
			quoted, _ := json.Marshal(id) // a string always marshals
			p.Members = fmt.Appendf(p.Members, `,%q:%s`, member, quoted)
		}
	}
	if !r.loops(p, &p.Position.Guard, a) && a.next != "" {
		p.Position.Cursor = a.next
		return p, nil
	}
	p.Position = p.Position.NewListing()
	r.advance(p, pages, a.date)
	return p, nil
}

// orGone makes an empty answer of the error that an object was deleted since it was listed: nothing is under it now.
func orGone(a *answer, err error) (*answer, error) {
	var e *Error
	if errors.As(err, &e) && e.Class == gone {
		return &answer{date: e.date}, nil
	}
	return a, err
}

// advance moves a page's position to the next object of the innermost of these levels that has one, or ends the pull.
func (r *Reader) advance(p *Page, pages []*levelPage, date time.Time) {
	levels := slices.Clone(p.Position.Levels)
	p.Position.Levels = levels
	for i := len(pages) - 1; i >= 0; i-- {
		page := pages[i]
		if at := slices.Index(page.ids, levels[i].ID); at+1 < len(page.ids) {
			levels[i].ID = page.ids[at+1]
			return
		}
		if page.next != "" {
			levels[i] = checkpoint.Level{Cursor: page.next, Guard: page.guard}
			return
		}
		levels[i] = checkpoint.Level{}
	}
	r.finish(p, date)
}

// levelAt returns the page of a level that pos is in, nil if it is not at hand. It is kept in the Org for later slices:
// each would otherwise begin with a request for it, and with a share of one request a minute never get any further.
// Constants are always at hand.
func (r *Reader) levelAt(pos checkpoint.Position, i int) *levelPage {
	if level := r.collection.Under[i]; level.Of == "" {
		return &levelPage{ids: level.Values}
	}
	r.org.mu.Lock()
	defer r.org.mu.Unlock()
	kept := r.org.levels[r.name]
	if kept == nil || kept[i] == nil {
		return nil
	}
	page, at := kept[i], pos.Levels[i]
	if page.pull != pos.Pull.ID || page.cursor != at.Cursor || !slices.Contains(page.ids, at.ID) {
		return nil
	}
	return page
}

// keep keeps a page of a level for later slices.
func (r *Reader) keep(i int, page *levelPage) {
	r.org.mu.Lock()
	defer r.org.mu.Unlock()
	kept := r.org.levels[r.name]
	if kept == nil {
		kept = make([]*levelPage, len(r.collection.Under))
		r.org.levels[r.name] = kept
	}
	kept[i] = page
}

// fetchLevel fetches the page of the level below these ids that pos is in. It returns a page without objects, whose
// position is at one of the level's objects. pages are those of the levels above it.
func (r *Reader) fetchLevel(ctx context.Context, pos checkpoint.Position, pages []*levelPage, under []string) (*Page, error) {
	i := len(under)
	c, _ := r.org.cfg.Catalog.Lookup(r.collection.Under[i].Of) // a test holds that the catalog has it
	level := pos.Levels[i]
	cursor, stored := level.Cursor, level.Cursor != ""
	if !stored {
		cursor = r.first(c, under, checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullFull}})
	}
	a, err := r.ask(ctx, c, cursor, stored)
	a, err = orGone(a, err)
	var e *Error
	if errors.As(err, &e) && e.Class == tooMuch {
		limit, err := r.org.shrink(ctx, c, limitOf(cursor, c.Limit), e)
		if err != nil {
			return nil, err
		}
		pos.Levels[i].Cursor = withLimit(cursor, limit)
		return smallerPage(pos, e, limit), nil
	}
	if err != nil {
		return nil, err
	}
	defer r.org.release(a)

	pull := begun(pos, a.date)
	pos.Pull, pos.LastPullID = &pull, pull.ID
	p := &Page{Position: pos, Pull: pull.Kind}
	page := &levelPage{pull: pull.ID, cursor: cursor, next: a.next, guard: level.Guard}
	if reduced := limitOf(cursor, c.Limit); reduced < c.Limit && a.next != "" {
		// Cursors repeat what they were made with: left alone, the smaller limit would last until the pull's end.
		page.next = withLimit(a.next, c.grown(reduced))
	}
	above := &Reader{org: r.org, collection: c}
	if above.loops(p, &page.guard, a) {
		page.next = ""
	}
	nameless := 0
	if page.ids, nameless = ids(a.objects); nameless > 0 {
		p.Warning = fmt.Sprintf("%d of %s have no id of at most %d bytes: what is listed under them is not collected", nameless, c.Name, maxID)
	}
	switch {
	case slices.Contains(page.ids, level.ID):
		p.Position.Levels[i].Cursor = page.cursor
	case len(page.ids) > 0:
		// It is the page's beginning, or the object is gone: then the page is gone through again, since nothing says
		// where in it the object was.
		p.Position = p.Position.NewListing()
		clear(p.Position.Levels[i+1:])
		p.Position.Levels[i] = checkpoint.Level{Cursor: page.cursor, ID: page.ids[0], Guard: level.Guard}
	default:
		p.Position = p.Position.NewListing()
		clear(p.Position.Levels[i:])
		r.advance(p, append(pages, page), a.date)
		return p, nil
	}
	r.keep(i, page)
	return p, nil
}

// ids returns the ids of a page's objects, each once: an id twice would lead from the second back to the first.
// nameless counts the objects without one.
func ids(objects []object) (ids []string, nameless int) {
	seen := map[string]bool{}
	for _, o := range objects {
		switch id := string(o.id); {
		case id == "":
			nameless++
		case !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nameless
}
