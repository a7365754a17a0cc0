package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"okta-collector/internal/checkpoint"
)

const (
	// patience is how many server errors of a listing under a parent are the fault of the parent.
	patience = 3
	// maxRefused is how often a listing is begun again because Okta refuses its cursor.
	maxRefused = 3
	// maxNamed is how many missing parents a warning names.
	maxNamed = 3
)

// failedUnder decides what follows a failed request for a page of the reader's own collection. A listing under a parent
// begins again if Okta refuses its cursor, and is put aside if the failure is about the parent.
func (r *Reader) failedUnder(ctx context.Context, pos checkpoint.Position, above parents, err error) (*Page, error) {
	e, ok := errors.AsType[*Error](err)
	if !ok || len(above.ids) == 0 {
		return r.failed(ctx, pos, err)
	}
	if e.off && pos.Cursor == "" && r.isUnderConstant(above) {
		return r.passConstant(pos, above, e)
	}
	if e.Class == CursorRefused && pos.Refused < maxRefused {
		repeated := pos.Listed + int64(pos.Part.Objects)
		refused := pos.Refused + 1
		pos = pos.Restarted()
		pos.Refused = refused
		p := moved(pos)
		p.odd.Repeated = repeated
		p.warn(WarnCursor, "%s: the listing begins again, and %d objects are shipped again", e, repeated)
		return p, nil
	}
	if r.isOfParent(e, pos, r.collection.smallest(r.size(pos))) {
		return r.putAside(pos, above, pos.Cursor, e)
	}
	return r.failed(ctx, pos, err)
}

// failedLevel decides what follows a failed request for a page of a level.
func (r *Reader) failedLevel(ctx context.Context, pos checkpoint.Position, above parents, c Collection, cursor string, err error) (*Page, error) {
	i := len(above.ids)
	e, ok := errors.AsType[*Error](err)
	size := limitOf(cursor, c.Limit)
	switch {
	case ok && e.Class == CursorRefused && pos.Levels[i].Refused < maxRefused:
		at := pos.Levels[i]
		pos.Levels[i] = checkpoint.Level{ID: at.ID, Done: at.Done, Refused: at.Refused + 1, Seeking: at.ID != "" || at.Done != ""}
		return moved(pos, Warning{WarnCursor, fmt.Sprintf("%s: the listing of %s begins again, and goes on behind what is done", e, c.Name)}), nil
	case ok && e.off && pos.Levels[i].Cursor == "" && r.isUnderConstant(above):
		return r.passConstant(pos, above, e)
	case ok && i > 0 && r.isOfParent(e, pos, c.smallest(size)):
		return r.putAside(pos, above, pos.Levels[i].Cursor, e)
	}
	return r.shrink(ctx, c, pos, size, err, func(pos *checkpoint.Position, limit int) {
		at := &pos.Levels[i]
		at.Cursor = withLimit(cursor, limit)
		at.Seeking = at.Seeking || at.ID != "" // its object may be on one of the next pages now
	})
}

// isOfParent reports whether a failure is about the parent of a listing, and not about the service. A parent that is tried
// again is given up only if no smaller page is left to ask for.
func (r *Reader) isOfParent(e *Error, pos checkpoint.Position, smallest bool) bool {
	return e.Class == ofParent || e.Class == CursorRefused ||
		e.like != "" && pos.Failing.Again(e.like).Times >= patience && (smallest || !pos.Retrying)
}

// isUnderConstant reports whether the innermost of these parents is a constant.
func (r *Reader) isUnderConstant(above parents) bool {
	n := len(above.ids)
	return n > 0 && r.collection.Under[n-1].Of == ""
}

// passConstant returns a page without objects, whose position is behind a constant that is not in the org, such as a policy
// type whose feature is off: nothing is listed under it, and nothing is missing. If none of the constants is in the org, the
// service is not.
func (r *Reader) passConstant(pos checkpoint.Position, above parents, e *Error) (*Page, error) {
	pos = begun(pos, e.date)
	p := &Page{Position: pos, Pull: pos.Pull.Kind, from: pos}
	r.advance(p, above.pages, e.date)
	if p.CaughtUp && !pos.Pull.Reached {
		return &Page{Position: pos.BetweenPulls(), Pull: pos.Pull.Kind}, e.notInOrg(r.collection)
	}
	return p, nil
}

// putAside returns a page without objects, whose position is behind the parent that failed with e. The parent is tried
// again at the end of the pull. If too many parents in a row have failed, or the whole pull has listed nothing, that is
// the fault of the service: then putAside also returns an error, and the position is where the first of them is listed. If
// all of them have answered that the feature is off, the service is not in the org.
//
// A feature that is off for one parent, and not for another one before it in the pull, says nothing about the service. Nor
// do the few parents of a pull of changes, since a full pull has listed others.
func (r *Reader) putAside(pos checkpoint.Position, above parents, cursor string, e *Error) (*Page, error) {
	date := e.date
	if date.IsZero() {
		date = dateOf(nil, r.now()) // Okta has not answered
	}
	pos = begun(pos, date)
	parent := r.collection.Under[len(above.ids)-1].name() + "/" + strings.Join(above.ids, "/")
	if pos.Retrying {
		return r.failedAgain(pos, above, parent, date, e)
	}
	aside := checkpoint.Aside{Under: above.ids, Cursor: cursor, Part: pos.Part, Listed: pos.Listed}
	if len(cursor) > checkpoint.MaxAsideCursor {
		aside.Cursor, aside.Part, aside.Listed = "", checkpoint.Part{}, 0
	}
	p, kept := &Page{Pull: pos.Pull.Kind, from: pos}, true
	if e.off && pos.Pull.Listed {
		p.Position = pos.KeepAside(aside)
		p.odd.Aside++
	} else {
		p.Position, kept = pos.PutAside(aside, e.off)
	}
	if kept {
		if aside.Cursor != cursor {
			p.odd.Repeated = pos.Listed + int64(pos.Part.Objects)
		}
		p.warn(WarnAside, "%s is put aside until the end of the pull: %s", parent, e)
		r.advance(p, above.pages, date)
	}
	// The feature is off for five parents, or for all there are.
	off := e.off && !pos.Pull.Listed && pos.Pull.Kind == checkpoint.PullFull && (pos.Row == nil || pos.Row.Off == pos.Row.Parents)
	switch {
	case off && (!kept || p.Position.Retrying):
		return &Page{Position: pos.BetweenPulls(), Pull: pos.Pull.Kind}, e.notInOrg(r.collection)
	case !kept:
		return p, e.ofService(fmt.Sprintf("the listings under %d of %s in a row have failed, and begin again with the first of them",
			checkpoint.MaxRow, r.collection.Under[0].name()))
	}
	return p, nil
}

// failedAgain returns a page without objects, whose position is behind a parent that has failed for the second time in the
// pull. It is missing in the pull.
func (r *Reader) failedAgain(pos checkpoint.Position, above parents, parent string, date date, e *Error) (*Page, error) {
	pull := *pos.Pull
	pull.Missing++
	if len(pull.MissingOf) < maxNamed {
		pull.MissingOf = append(slices.Clip(pull.MissingOf), parent)
	}
	p := &Page{Position: pos, Pull: pull.Kind, from: pos}
	p.Position.Pull = &pull
	p.warn(WarnAside, "%s failed again at the end of the pull, and is left to the next one: %s", parent, e)
	r.advance(p, above.pages, date)
	switch {
	case !p.CaughtUp, pull.Kind == checkpoint.PullChanges:
		return p, nil
	case e.off && !pull.Listed:
		return &Page{Position: pos.BetweenPulls(), Pull: pull.Kind}, e.notInOrg(r.collection)
	case !pull.Reached:
		p.CaughtUp, p.begins, p.ends, p.odd = false, false, nil, checkpoint.Oddities{}
		p.Position = pos.BetweenPulls()
		return p, e.ofService("no listing under any of " + r.collection.Under[0].name() + " has succeeded")
	}
	return p, nil
}

// ofService returns the error as one of the service.
func (e *Error) ofService(why string) error {
	service := *e
	service.Class = Passing
	if e.Class == ofParent && e.Status == http.StatusForbidden && !e.html && e.Code != invalidSession {
		service.Class = Person
	}
	service.err = errors.New(why)
	return &service
}

// reached moves the position on after an answer about a parent that is no failure.
func (p *Page) reached(next checkpoint.Position) {
	if row := p.Position.Row; row != nil && next.Row == nil {
		p.before.Aside = int64(row.Parents)
	}
	p.Position = next
}
