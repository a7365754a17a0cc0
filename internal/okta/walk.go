package okta

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// walk fetches a page of a listing that has an end: of all users, or of a collection under others, such as the users of
// each app, or the rules of each policy of each type.
//
// The position names a place in each level, outermost first: a page of the level's listing, and an object of that page
// by its id. So objects that come or go meanwhile shift nothing. If the page of a level is not at hand, walk fetches it
// and returns a page without objects. So the position is durable at every level.
func (r *Reader) walk(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	pos.Levels = slices.Clone(pos.Levels)
	var under []string
	var pages []*levelPage
	for i, level := range r.collection.Under {
		if i == len(pos.Levels) {
			pos.Levels = append(pos.Levels, checkpoint.Level{})
		}
		if level.Of == "" && !slices.Contains(level.Values, pos.Levels[i].ID) {
			pos = pos.Under(i, checkpoint.Level{ID: level.Values[0]})
		}
		page := r.levelPage(pos, i)
		if page == nil {
			return r.fetchLevel(ctx, pos, pages, under)
		}
		pages, under = append(pages, page), append(under, pos.Levels[i].ID)
	}
	a, err := r.get(ctx, under, pos)
	if err != nil {
		return r.failed(ctx, pos, err)
	}
	p := r.newPage(a, pos)
	for i, id := range under {
		if member := r.collection.Under[i].Member; member != "" {
			quoted, _ := json.Marshal(id) // a string always marshals
			p.Members = fmt.Appendf(p.Members, `,%q:%s`, member, quoted)
		}
	}
	if r.ends(p, r.collection, &p.Position.Guard, a) {
		r.advance(p, pages, a.date)
	} else {
		p.Position.Cursor = a.next
	}
	return p, nil
}

// advance moves a page's position to the next object of the innermost of these levels that has one, or ends the pull.
func (r *Reader) advance(p *Page, pages []*levelPage, date time.Time) {
	for i, page := range slices.Backward(pages) {
		at := p.Position.Levels[i]
		if next := slices.Index(page.ids, at.ID) + 1; next < len(page.ids) {
			at.ID = page.ids[next]
			p.Position = p.Position.Under(i, at)
			return
		}
		if page.next != "" {
			p.Position = p.Position.Under(i, checkpoint.Level{Cursor: page.next, Guard: page.guard})
			return
		}
	}
	r.endPull(p, date)
}

// levelPage is what is kept of a page of a level: the objects under which the next level is listed.
type levelPage struct {
	pull         int64 // the id of the pull that it belongs to
	cursor, next string
	ids          []string
	guard        checkpoint.Guard // after this page
}

// levelKey tells the pages that are kept apart: one for each level of each reader.
type levelKey struct {
	reader string
	level  int
}

// levelPage returns the page of a level that pos is in, nil if it is not at hand. Constants always are. The Org keeps
// pages for later slices. Otherwise each slice would begin with a request for them, and with a share of one request a
// minute never get any further.
func (r *Reader) levelPage(pos checkpoint.Position, i int) *levelPage {
	if level := r.collection.Under[i]; level.Of == "" {
		return &levelPage{ids: level.Values}
	}
	kept, ok := r.org.levels.Load(levelKey{r.name, i})
	if !ok {
		return nil
	}
	page, at := kept.(*levelPage), pos.Levels[i]
	if page.pull != pos.Pull.ID || page.cursor != at.Cursor || !slices.Contains(page.ids, at.ID) {
		return nil
	}
	return page
}

// fetchLevel fetches the page that pos is in of the level below these ids. It returns a page without objects, whose
// position is at one of the level's objects. pages are those of the levels above.
func (r *Reader) fetchLevel(ctx context.Context, pos checkpoint.Position, pages []*levelPage, under []string) (*Page, error) {
	i := len(under)
	c, _ := r.org.cfg.Catalog.Lookup(r.collection.Under[i].Of) // a test holds that the catalog has it
	at := pos.Levels[i]
	cursor, stored := at.Cursor, true
	if cursor == "" {
		cursor, stored = c.firstCursor(under, c.Limit, c.Full), false
	}
	a, err := r.ask(ctx, c, cursor, stored)
	if err != nil {
		limit, warning, err := r.shrink(ctx, c, limitOf(cursor, c.Limit), err)
		if err != nil {
			return nil, err
		}
		pos.Levels[i].Cursor = withLimit(cursor, limit)
		return moved(pos, warning), nil
	}
	defer r.org.release(a)

	p := &Page{Position: begun(pos, a.date), Pull: pos.Pull.Kind}
	page := &levelPage{pull: p.Position.Pull.ID, cursor: cursor, next: a.next, guard: at.Guard}
	var nameless int
	if page.ids, nameless = ids(a.objects); nameless > 0 {
		p.Warning = fmt.Sprintf("%d of %s have no id of at most %d bytes: what is listed under them is not collected", nameless, c.Name, maxID)
	}
	if reduced := limitOf(cursor, c.Limit); reduced < c.Limit && a.next != "" {
		// Cursors repeat the limit that they were made with: the smaller one would last until the pull's end.
		page.next = withLimit(a.next, c.grown(reduced))
	}
	if r.ends(p, c, &page.guard, a) {
		page.next = ""
	}
	r.org.levels.Store(levelKey{r.name, i}, page)
	switch {
	case len(page.ids) == 0:
		r.advance(p, append(pages, page), a.date)
	case !slices.Contains(page.ids, at.ID):
		// Nothing of the page was listed yet, or the object is gone. Then the page starts again, since nothing says
		// where in it the object was.
		p.Position = p.Position.Under(i, checkpoint.Level{Cursor: cursor, ID: page.ids[0], Guard: at.Guard})
	}
	return p, nil
}

// ids returns the ids of a page's objects, each once: an id twice would lead from the second back to the first.
// nameless counts the objects without a usable one. As elements of a path, "." and ".." would lead to another endpoint.
func ids(objects []object) (ids []string, nameless int) {
	seen := map[string]bool{}
	for _, o := range objects {
		var id string
		_ = json.Unmarshal(fmt.Appendf(nil, `"%s"`, o.id), &id) // split has validated it
		switch {
		case id == "", id == ".", id == "..":
			nameless++
		case !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nameless
}
