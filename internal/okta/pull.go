package okta

import (
	"net/url"
	"time"

	"okta-collector/internal/checkpoint"
)

// changesOverlap is asked for again by each pull of changes. Okta's documentation says that its filters are eventually
// consistent, "typically less than one second".
const changesOverlap = time.Minute

// nextPull decides what the next pull asks for.
func (r *Reader) nextPull(pos checkpoint.Position) *checkpoint.Pull {
	switch {
	case r.collection.Polled:
		return r.nextLogPull(pos)
	case r.backfill != nil, r.collection.Changed == nil, pos.LastFull.IsZero(), r.fullDue(pos):
		return &checkpoint.Pull{Kind: checkpoint.PullFull}
	default:
		return &checkpoint.Pull{Kind: checkpoint.PullChanges, Since: pos.ChangedSince.Add(-changesOverlap)}
	}
}

// fullDue says whether a full pull is due. The present is the beginning of the last pull and the pause after it, so
// that only Okta's clock counts.
func (r *Reader) fullDue(pos checkpoint.Position) bool {
	present := pos.ChangedSince.Add(r.org.cfg.PollResources)
	return present.Sub(pos.LastFull) >= r.org.cfg.FullSync
}

// selection is the part of a listing's query that says which objects a pull asks for.
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

// begun returns pos in the pull that an answer of this date belongs to. The first answer begins it. Only later parts of
// a backfill have an id before that.
func begun(pos checkpoint.Position, date time.Time) checkpoint.Position {
	pull := *pos.Pull
	if pull.Began.IsZero() {
		pull.Began = date
	}
	if pull.ID == 0 {
		pull.ID = max(date.UnixMilli(), pos.LastPullID+1)
	}
	pos.Pull, pos.LastPullID = &pull, pull.ID
	return pos
}

// endPull ends the pull of a listing, whose last answer is of this date. A pull that a loop cut short does not count:
// the next one asks for the same again. A second loop in a row counts as complete, otherwise the list would be pulled
// whole forever. Okta's listing of groups has been seen to end only so.
func (r *Reader) endPull(p *Page, date time.Time) {
	pull := p.Position.Pull
	again := pull.CutOff && !p.Position.CutOff
	p.Position.CutOff = pull.CutOff
	every := r.org.cfg.PollResources
	if !again {
		p.Position.ChangedSince = pull.Began
		if pull.Kind == checkpoint.PullFull {
			p.Position.LastFull = pull.Began
		}
		if r.collection.perObject() {
			every = r.org.cfg.FullSync
		}
	}
	p.Position = p.Position.BetweenPulls()
	p.CaughtUp = true
	p.Wait = min(max(every-date.Sub(pull.Began), time.Second), every)
}
