package okta

import (
	"cmp"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// Checked returns a checkpoint without what cannot be of this reader's collection, and names what was dropped. It is for
// checkpoints that [checkpoint.Checkpoint.Checked] has passed.
func (r *Reader) Checked(c checkpoint.Checkpoint) (checkpoint.Checkpoint, checkpoint.Dropped) {
	var d checkpoint.Dropped
	homes, endpoints := r.homes(), r.endpoints()
	names := slices.Clone(endpoints)
	windows := slices.DeleteFunc(slices.Clone(c.Windows), func(w checkpoint.Window) bool {
		i := slices.Index(names, w.Name)
		if i >= 0 {
			names = slices.Delete(names, i, i+1) // a second one of the name cannot be
		}
		return i < 0 || !slices.Contains(homes, cmp.Or(w.Home, homes[0])) || !slices.Contains(endpoints, cmp.Or(w.Endpoint, w.Name))
	})
	if len(windows) < len(c.Windows) {
		c.Windows, d = windows, append(d, "windows of other endpoints")
	}
	alone := slices.DeleteFunc(slices.Clone(c.Alone), func(a checkpoint.Alone) bool { return !slices.Contains(homes, a.Home) })
	if len(alone) < len(c.Alone) {
		c.Alone, d = alone, append(d, "homes of other endpoints")
	}
	p := &c.Position
	if r.backfill != nil && *r.backfill != (checkpoint.Range{}) && p.Reached(r.backfill.Since).After(r.backfill.Until) {
		p.Covered, p.Newest, d = time.Time{}, time.Time{}, append(d, "covered")
	}
	if !r.canPull(p.Pull) || !r.canBeIn(*p) {
		*p, d = p.BetweenPulls(), append(d, "pull")
	}
	return c, d
}

// homes are the windows in which the reader's endpoint and those of its parents start.
func (r *Reader) homes() []string {
	homes := []string{r.collection.window()}
	for _, level := range r.collection.Under {
		if parent, ok := r.org.cfg.Catalog.Lookup(level.Of); ok {
			homes = append(homes, parent.window())
		}
	}
	return homes
}

// endpoints are the paths of all endpoints that start in one of the reader's homes. Their windows can count its requests.
func (r *Reader) endpoints() []string {
	homes := r.homes()
	names := slices.Clone(homes)
	for _, c := range append(slices.Clip(r.org.cfg.Catalog), r.collection) {
		if slices.Contains(homes, c.window()) {
			names = append(names, c.Path)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// canPull reports whether a pull under way is of a kind that the reader makes.
func (r *Reader) canPull(p *checkpoint.Pull) bool {
	if p == nil {
		return true
	}
	switch p.Kind {
	case checkpoint.PullPoll:
		return r.collection.Polled && r.backfill == nil
	case checkpoint.PullRange:
		return r.collection.Polled && r.backfill != nil && !p.Since.Before(r.backfill.Since) && !p.Until.After(r.backfill.Until)
	case checkpoint.PullChanges:
		return r.collection.byChanges() && r.backfill == nil
	default:
		return !r.collection.Polled
	}
}

// canBeIn reports whether the collection has the levels of a position.
func (r *Reader) canBeIn(p checkpoint.Position) bool {
	levels := len(r.collection.Under)
	deeper := func(a checkpoint.Aside) bool { return len(a.Under) > levels }
	return len(p.Levels) <= levels && !slices.ContainsFunc(p.Aside, deeper) && (p.Row == nil || len(p.Row.Levels) <= levels) &&
		(levels > 0 || p.Aside == nil && p.Row == nil)
}
