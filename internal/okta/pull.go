package okta

import (
	"net/url"
	"time"

	"okta-collector/internal/checkpoint"
)

// changesOverlap is how far each pull of changes overlaps the one before. Okta documents that its filters are
// eventually consistent, "typically less than one second".
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

// fullDue reports whether a full pull is due. It computes the present as the beginning of the last pull plus the pause,
// so that it depends only on Okta's clock.
func (r *Reader) fullDue(pos checkpoint.Position) bool {
	present := pos.ChangedSince.Add(r.org.cfg.PollResources)
	return present.Sub(pos.LastFull) >= r.org.cfg.FullSync
}

// selection is the part of the query that selects the objects of a pull.
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

// begun returns pos in the pull that an answer with this date belongs to. The first answer begins the pull and gives it
// its id. Later parts of a backfill have their id already.
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

// endPull ends the pull of a listing; date is that of its last answer. A pull that a loop cut short is repeated once. A
// second loop in a row counts as complete; otherwise the list would be pulled whole forever. Okta's listing of groups
// has been seen to end only in a loop.
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
