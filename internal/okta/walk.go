package okta

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/jsontext"
)

// walk fetches a page of a listing that has an end: of all users, or of a listing under parents, such as the users of
// each app, or the rules of each policy of each type.
//
// The position names a place in each parent level, outermost first: a page of the level's listing, and the id of an
// object on that page. An id stays valid when other objects come or go. If the page of a level is not cached, walk
// fetches that page and returns no objects. So the position is durable at every level.
func (r *Reader) walk(ctx context.Context, pos checkpoint.Position) (*Page, error) {
	pos.Levels = slices.Clone(pos.Levels)
	var above parents
	for i, level := range r.collection.Under {
		if i == len(pos.Levels) {
			pos.Levels = append(pos.Levels, checkpoint.Level{})
		}
		if level.Of == "" && !slices.Contains(level.Values, pos.Levels[i].ID) {
			pos = pos.Under(i, checkpoint.Level{ID: level.Values[0]})
		}
		page := r.levelPage(pos, i)
		if page == nil {
			return r.fetchLevel(ctx, pos, above)
		}
		above.pages, above.ids = append(above.pages, page), append(above.ids, pos.Levels[i].ID)
	}
	a, err := r.get(ctx, above.ids, pos)
	if err != nil {
		return r.failedUnder(ctx, pos, above, err)
	}
	if again := r.askedAgain(pos, a); again != nil {
		return again, nil
	}
	p := r.newPage(a, pos)
	for i, id := range above.ids {
		if member := r.collection.Under[i].Member; member != "" {
			quoted, _ := json.Marshal(id) // cannot fail for a string
			p.Members = fmt.Appendf(p.Members, `,%q:%s`, member, quoted)
		}
	}
	switch {
	case len(above.ids) == 0:
	case a.gone:
		p.odd.Gone++
		p.reached(p.Position.AfterNothing())
	default:
		p.reached(p.Position.AfterSuccess())
	}
	if r.ends(p, r.collection, &p.Position.Guard, a) {
		p.endParent(r.collection, above.ids)
		r.advance(p, above.pages, a.date)
	} else {
		p.Position.Cursor = a.next
	}
	return p, nil
}

// parents are the objects of the levels above a listing, outermost first, and the pages that they are on.
type parents struct {
	ids   []string
	pages []*levelPage
}

// advance moves p to the next object of the innermost level that has one. If none has, it ends the pull.
func (r *Reader) advance(p *Page, pages []*levelPage, date date) {
	for i, page := range slices.Backward(pages) {
		at := p.Position.Levels[i]
		if next := slices.Index(page.ids, at.ID) + 1; next < len(page.ids) {
			at.ID = page.ids[next]
			p.Position = p.Position.Under(i, at)
			return
		}
		if page.next != "" {
			p.Position = p.Position.Under(i, checkpoint.Level{Cursor: page.next, Guard: page.guard, Done: at.ID, Refused: at.Refused})
			return
		}
	}
	r.endPull(p, date)
}

// levelPage is the cached part of a page of a level: the objects under which the next level is listed.
type levelPage struct {
	pull         int64 // the id of its pull
	cursor, next string
	ids          []string
	guard        checkpoint.Guard // after this page
}

// levelKey is the key of a cached page: the Org caches one for each level of each reader.
type levelKey struct {
	reader string
	level  int
}

// levelPage returns the cached page of level i at pos, or nil. Constants need no cache. The Org keeps the cache for
// later slices. Without it, each slice would first request these pages, and with a share of one request a minute it
// would never get further.
func (r *Reader) levelPage(pos checkpoint.Position, i int) *levelPage {
	level, at := r.collection.Under[i], pos.Levels[i]
	if at.Only {
		return &levelPage{ids: []string{at.ID}}
	}
	if level.Of == "" {
		return &levelPage{ids: level.Values}
	}
	cached, ok := r.org.levels.Load(levelKey{r.name, i})
	if !ok {
		return nil
	}
	page := cached.(*levelPage)
	if page.pull != pos.Pull.ID || page.cursor != at.Cursor || !slices.Contains(page.ids, at.ID) {
		return nil
	}
	return page
}

// fetchLevel fetches the page at pos of the level below these parents, and caches it. It returns a page without objects,
// whose position is at an object of the level.
func (r *Reader) fetchLevel(ctx context.Context, pos checkpoint.Position, above parents) (*Page, error) {
	i := len(above.ids)
	level, at := r.collection.Under[i], pos.Levels[i]
	c, _ := r.org.cfg.Catalog.Lookup(level.Of) // a test checks that the catalog has it
	first := c.firstCursor(above.ids, c.Limit, level.parents(c, *pos.Pull))
	cursor := cmp.Or(at.Cursor, first)
	a, err := r.fetch(ctx, c, above.ids, first, at.Cursor)
	if err != nil {
		return r.failedLevel(ctx, pos, above, c, cursor, err)
	}
	if again := r.askedAgain(pos, a); again != nil {
		return again, nil
	}
	pos.Failing = checkpoint.Failing{}
	pos = begun(pos, a.date)
	p := &Page{Position: pos, Pull: pos.Pull.Kind, from: pos}
	if a.gone {
		p.odd.Gone++
	}
	page := &levelPage{pull: p.Position.Pull.ID, cursor: cursor, next: a.next, guard: at.Guard}
	var noID int
	if page.ids, noID = level.ids(a.objects); noID > 0 {
		p.odd.Missing += int64(noID)
		if pos.Pull.Kind == checkpoint.PullFull {
			p.Position.Pull = skipped(pos.Pull)
		}
		p.warn(WarnNoID, "%d of %s have no id of at most %d bytes that can be part of a path: the objects under them are not collected", noID, c.Name, maxID)
	}
	if reduced := limitOf(cursor, c.Limit); reduced < c.Limit && a.next != "" {
		// The next cursor repeats the reduced limit. Without this, it would last until the end of the pull.
		page.next = withLimit(a.next, c.grown(reduced))
	}
	if r.ends(p, c, &page.guard, a) {
		page.next = ""
	}
	r.org.levels.Store(levelKey{r.name, i}, page)
	if i > 0 && len(page.ids) == 0 { // with an object, what is under it is the success or the failure
		p.reached(p.Position.AfterNothing())
	}
	switch {
	case at.Seeking:
		r.seek(p, i, page, above, a.date)
	case len(page.ids) == 0:
		r.advance(p, append(above.pages, page), a.date)
	case !slices.Contains(page.ids, at.ID):
		// The page is new, or the object is gone. Then nothing says where on the page it was, so the page starts again.
		p.Position = p.Position.Under(i, checkpoint.Level{Cursor: cursor, ID: page.ids[0], Guard: at.Guard, Done: at.Done})
	}
	return p, nil
}

// seek passes the pages of a level whose listing was begun again, until the object that the level is at, or the last one
// that is done. If the listing has neither, everything under it is listed from the top.
func (r *Reader) seek(p *Page, i int, page *levelPage, above parents, date date) {
	at := p.Position.Levels[i]
	levels := slices.Clone(p.Position.Levels)
	sought := cmp.Or(at.ID, at.Done)
	switch {
	case slices.Contains(page.ids, sought):
		levels[i] = checkpoint.Level{Cursor: page.cursor, ID: sought, Guard: at.Guard, Refused: at.Refused}
		p.Position.Levels = levels
		if at.ID == "" { // everything under Done is listed; what is under ID goes on where it was
			r.advance(p, append(above.pages, page), date)
		}
	case page.next != "":
		at.Cursor, at.Guard = page.next, page.guard
		levels[i] = at
		p.Position.Levels = levels
	default:
		p.odd.Repeated = p.Position.Pull.Events
		p.warn(WarnCursor, "the object of %s that the listing was at is gone: what is under the others is shipped again", r.collection.Under[i].Of)
		p.Position = p.Position.Under(i, checkpoint.Level{})
	}
}

// ids returns the ids of a page's objects that the level selects, without duplicates: after a duplicate, advance would go
// back to the first. noID counts those without a usable id.
func (l Level) ids(objects []object) (ids []string, noID int) {
	seen := map[string]bool{}
	for _, o := range objects {
		id := jsontext.Text(o.id)
		switch {
		case !l.Where.selects(o):
		case !usableID(id):
			noID++
		case !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, noID
}
