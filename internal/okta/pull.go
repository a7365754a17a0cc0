package okta

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"okta-collector/internal/checkpoint"
)

// changesOverlap is how far each pull of changes overlaps the one before. Okta documents that its filters are
// eventually consistent, "typically less than one second".
const changesOverlap = time.Minute

// guessedOverlap is how much more that is, if the pull before began at a time of Temporal's clock, because Okta's was not
// known: Temporal's may be the wrong one.
const guessedOverlap = time.Hour

// nextPull decides what the next pull asks for.
func (r *Reader) nextPull(pos checkpoint.Position) *checkpoint.Pull {
	switch {
	case r.collection.Polled:
		return r.nextLogPull(pos)
	case r.backfill != nil, !r.collection.byChanges(), pos.LastFull.IsZero(), r.fullDue(pos):
		return &checkpoint.Pull{Kind: checkpoint.PullFull}
	default:
		return &checkpoint.Pull{Kind: checkpoint.PullChanges, Since: pos.ChangedSince.Add(-changesOverlap)}
	}
}

// fullDue reports whether a full pull is due. It computes the present as the beginning of the last pull plus the pause,
// so that it depends only on Okta's clock.
func (r *Reader) fullDue(pos checkpoint.Position) bool {
	present := pos.ChangedSince.Add(r.org.cfg.Interval(r.collection))
	return present.Sub(pos.LastFull) >= r.org.cfg.FullSync
}

// selection is the part of the query that selects the objects of a pull, of the reader's own collection.
func (r *Reader) selection(c Collection, pull checkpoint.Pull) url.Values {
	switch {
	case c.Polled:
		return r.logQuery(pull)
	case pull.Kind == checkpoint.PullChanges && c.Changed != nil:
		return c.Changed(pull.Since)
	default:
		return c.Full
	}
}

// parents is the part of the query that selects the objects of a level under which a pull lists.
func (l Level) parents(of Collection, pull checkpoint.Pull) url.Values {
	if pull.Kind == checkpoint.PullChanges && l.Changed != nil {
		return l.Changed(pull.Since)
	}
	return of.Full
}

// begun returns pos in the pull that an answer with this date belongs to. The first answer begins the pull and gives it
// its id. Later parts of a backfill have their id already.
func begun(pos checkpoint.Position, date date) checkpoint.Position {
	pull := *pos.Pull
	if pull.Began.IsZero() {
		pull.Began, pull.Guessed = date.Time, date.guessed
	}
	if pull.ID == 0 {
		pull.ID = max(date.UnixMilli(), pos.LastPullID+1)
	}
	pos.Pull, pos.LastPullID = &pull, pull.ID
	return pos
}

// endPull ends the pull of a listing, after the parents that were put aside were tried again; date is that of its last
// answer.
//
// A pull is incomplete if a listing was cut off, if parents are missing, or if a full pull has no object although the last
// one had. An incomplete pull is repeated once, soon. A second one in a row counts as complete; otherwise the list would be
// pulled whole forever. Okta's listing of groups has been seen to end only in a loop.
func (r *Reader) endPull(p *Page, date date) {
	pos := p.Position
	if pos.Retrying && len(pos.Aside) > 0 {
		pos.Aside = pos.Aside[1:]
	} else if pos.Row != nil {
		p.odd.Aside += int64(pos.Row.Parents)
		pos.Row = nil
	}
	if len(pos.Aside) > 0 {
		p.Position = pos.FirstAside(len(r.collection.Under))
		return
	}
	pull := pos.Pull
	empty := pull.Kind == checkpoint.PullFull && pull.Events == 0 && pos.FullObjects > 0
	incomplete := pull.CutOff || pull.Missing > 0 || empty
	p.endFull(*pull, !incomplete)
	p.Again = incomplete && !pos.Incomplete
	if incomplete {
		p.odd.Incomplete++
		p.odd.Missing += int64(pull.Missing)
		r.warnOfIncomplete(p, pull, empty, pos.FullObjects)
	}
	pos.Incomplete = incomplete
	every := r.org.cfg.Interval(r.collection)
	if p.Again {
		every = min(every, r.org.cfg.PollResources)
	} else {
		pos.ChangedSince = pull.Began
		if pull.Guessed {
			pos.ChangedSince = pull.Began.Add(-guessedOverlap)
		}
		if pull.Kind == checkpoint.PullFull {
			pos.LastFull, pos.FullObjects = pull.Began, pull.Events
		}
	}
	p.Position = pos.BetweenPulls()
	p.CaughtUp = true
	p.Wait = min(max(every-date.Sub(pull.Began), time.Second), every)
}

// warnOfIncomplete says why a pull is incomplete, and what follows.
func (r *Reader) warnOfIncomplete(p *Page, pull *checkpoint.Pull, empty bool, before int64) {
	follows := "it is pulled once more soon"
	if !p.Again {
		follows = "the pull before was too, so this one counts"
	}
	name := r.collection.Name
	if empty {
		p.warn(WarnEmpty, "Okta lists no %s, and the last full pull had %d; a service app without an admin role gets such an answer: %s",
			name, before, follows)
		return
	}
	why := "a listing ended early"
	if pull.Missing > 0 {
		why = fmt.Sprintf("listings under a parent failed, %d in all", pull.Missing)
		if len(pull.MissingOf) > 0 {
			why += ", such as under " + strings.Join(pull.MissingOf, ", ")
		}
	}
	p.warn(WarnIncomplete, "the %s pull of %s is incomplete, because %s: %s", pull.Kind, name, why, follows)
}
