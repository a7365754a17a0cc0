package okta

import (
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// perMinute is how many times something happens in a minute, at most once every pause.
func perMinute(pause time.Duration) int { return int((time.Minute + pause - 1) / pause) }

// wants returns how many requests the reader can use in a minute; 0: as many as there are. polls: it asks again within a
// minute, although it got them.
func (r *Reader) wants(pos checkpoint.Position) (requests int, polls bool) {
	switch {
	case r.collection.perObject():
		return r.pagesBelow(pos), false
	case r.backfill != nil:
		return 0, false
	case r.collection.Polled:
		pause := max(r.idlePause(pos.IdlePolls), time.Second)
		if pos.Pull.Events > 0 || pos.Newest.IsZero() && pos.IdlePolls == 0 {
			return 0, true // it is not at the end
		}
		return perMinute(pause), pause <= time.Minute
	}
	pages := r.pagesLeft(pos)
	if every := max(r.org.cfg.Interval(r.collection), time.Second); every <= time.Minute {
		return pages * perMinute(every), true
	}
	return pages, false
}

// firstPages is how many pages a list is believed to have before its first pull.
const firstPages = 2

// pagesLeft is how many pages a pull of a list probably has left; 0: nobody knows.
func (r *Reader) pagesLeft(pos checkpoint.Position) int {
	left := pos.FullObjects - pos.Listed
	switch {
	case pos.Pull.Kind == checkpoint.PullChanges:
		return 1
	case pos.LastFull.IsZero() && pos.Cursor == "":
		return firstPages
	case pos.LastFull.IsZero(), left <= 0 && pos.Cursor != "":
		return 0
	}
	return max(1, (int(left)+r.size(pos)-1)/max(r.size(pos), 1))
}

// pagesBelow is how many pages the listings below the parents probably have left; 0: nobody knows. There is one at least below
// each parent. How many more there are, the last complete pull tells; in a first pull nobody knows once there is more than a
// page of objects.
func (r *Reader) pagesBelow(pos checkpoint.Position) int {
	parents := r.parentsLeft(pos)
	size := int64(max(r.size(pos), 1))
	changes := pos.Pull.Kind == checkpoint.PullChanges
	switch {
	case changes && len(pos.Levels) == 0:
		return 1 // usually nothing has changed
	case parents == 0, pos.Cursor != "", pos.LastFull.IsZero() && pos.Pull.Events > size:
		return 0
	case changes:
		return parents
	}
	return parents + int(max(0, pos.FullObjects-pos.Pull.Events)/size)
}

// parentsLeft is how many parents a pull has left, with the one under way, if the last page of each level is known; 0 if not.
func (r *Reader) parentsLeft(pos checkpoint.Position) (left int) {
	for i := range r.collection.Under {
		if i >= len(pos.Levels) {
			return 0
		}
		page := r.levelPage(pos, i)
		if page == nil || page.next != "" {
			return 0
		}
		behind := len(page.ids) - slices.Index(page.ids, pos.Levels[i].ID)
		if last := i == len(r.collection.Under)-1; !last && behind > 1 {
			return 0
		}
		left = behind
	}
	return left + len(pos.Aside)
}
