package checkpoint

import (
	"slices"
	"strings"
	"time"
)

// A checkpoint comes from Temporal, and whoever may write to the namespace may have written it. So it is checked when it
// is taken up. What cannot be is dropped: the rest of the collector relies on these bounds.

const (
	// MaxCursor bounds a cursor in bytes. Okta's are below 500. A checkpoint holds one for each parent level and one more.
	MaxCursor = 4 << 10
	// MaxAsideCursor bounds a cursor that is kept with a parent put aside, in bytes.
	MaxAsideCursor = 384
	// MaxID bounds an id in bytes. Okta's have 20 to 36 characters. The ids of parents are part of cursors and checkpoints.
	MaxID = 256
	// MaxHashes bounds the hashes of a list.
	MaxHashes = 2000

	maxLevels = 3 // of parents; the catalog has two
	// maxText bounds a directory, a server, a window's name, and what is missing, in bytes.
	maxText = 1 << 10
	// maxWindows bounds the windows of a service: its own, and those of its parents.
	maxWindows = 2 * (maxLevels + 1)
	maxNamed   = 8 // of Pull.MissingOf
	// maxCount bounds what is counted. A sum of two still is an int64, and exact in JSON.
	maxCount = 1 << 53
	// maxTimes bounds what is counted in a row.
	maxTimes = 1 << 30
)

// Dropped names what a check has dropped.
type Dropped []string

// Keep keeps a value that can be. It drops any other one: it sets it to zero.
func Keep[T any](d *Dropped, name string, v *T, can bool) {
	if !can {
		*d = append(*d, name)
		*v = *new(T)
	}
}

// Count keeps a count of at least 0.
func Count[T int | int64](d *Dropped, name string, n *T) { Keep(d, name, n, counts(*n)) }

// Time keeps a time that is zero or of a year that times can be compared and written in.
func Time(d *Dropped, name string, t *time.Time) { Keep(d, name, t, plausible(*t)) }

func counts[T int | int64](all ...T) bool {
	return !slices.ContainsFunc(all, func(n T) bool { return n < 0 || int64(n) > maxCount })
}

func plausible(all ...time.Time) bool {
	return !slices.ContainsFunc(all, func(t time.Time) bool {
		year := t.UTC().Year()
		return !t.IsZero() && (year < 1970 || year > 2200)
	})
}

// CanBe reports whether a range is the zero one, or has an order and plausible times.
func (r Range) CanBe() bool {
	return r == Range{} || !r.Since.IsZero() && r.Since.Before(r.Until) && plausible(r.Since, r.Until)
}

// Checked returns the checkpoint without what cannot be, and names what was dropped.
func (c Checkpoint) Checked() (Checkpoint, Dropped) {
	var d Dropped
	Keep(&d, "offset", &c.Offset, c.Offset == nil || counts(*c.Offset))
	Keep(&d, "offsetOf", &c.OffsetOf, len(c.OffsetOf) <= maxText)
	Keep(&d, "proof", &c.Proof, slices.Contains([]Proof{"", ProofCloseNotify, ProofFIN, ProofLateFIN, ProofKernel}, c.Proof))
	Keep(&d, "proofOf", &c.ProofOf, len(c.ProofOf) <= maxText)
	Time(&d, "proofReset", &c.ProofReset)
	Time(&d, "due", &c.Due)
	Count(&d, "pages", &c.Totals.Pages)
	Count(&d, "events", &c.Totals.Events)
	Count(&d, "bytes", &c.Totals.Bytes)
	Count(&d, "pulls", &c.Totals.Pulls)
	Count(&d, "cut", &c.Totals.Cut)
	Keep(&d, "oddities", &c.Totals.Oddities, c.Totals.Oddities.canBe())
	windows := slices.DeleteFunc(slices.Clone(c.Windows), func(w Window) bool { return !w.canBe() })
	if windows = windows[:min(len(windows), maxWindows)]; len(windows) < len(c.Windows) {
		c.Windows, d = windows, append(d, "windows")
	}
	alone := slices.DeleteFunc(slices.Clone(c.Alone), func(a Alone) bool {
		return !isPath(a.Home) || a.Number <= 0 || !counts(a.Number) || !times(a.Want) || !plausible(a.Until)
	})
	if alone = alone[:min(len(alone), maxWindows)]; len(alone) < len(c.Alone) {
		c.Alone, d = alone, append(d, "alone")
	}
	c.Position.check(&d)
	return c, d
}

func (o Oddities) canBe() bool {
	for _, n := range o.All() {
		if !counts(n) {
			return false
		}
	}
	return true
}

func (w Window) canBe() bool {
	return isPath(w.Name) && (w.Home == "" || isPath(w.Home)) && (w.Endpoint == "" || isPath(w.Endpoint)) && plausible(w.Ends, w.Made) && counts(w.Reset) &&
		times(w.Limit, w.Used, w.Granted) && max(w.Remaining, -w.Remaining) <= maxTimes
}

// isPath reports whether a text can be the path of an endpoint.
func isPath(s string) bool { return strings.HasPrefix(s, "/") && len(s) <= maxText }

// check drops what cannot be. If that is a part of the pull under way, the pull begins again.
func (p *Position) check(d *Dropped) {
	Time(d, "newest", &p.Newest)
	Time(d, "covered", &p.Covered)
	Time(d, "changedSince", &p.ChangedSince)
	Time(d, "lastFull", &p.LastFull)
	Keep(d, "lastPullID", &p.LastPullID, isPullID(p.LastPullID))
	Count(d, "fullObjects", &p.FullObjects)
	Keep(d, "limit", &p.Limit, p.Limit >= 0 && p.Limit <= maxTimes)
	Keep(d, "steady", &p.Steady, p.Steady >= 0 && p.Steady <= maxTimes)
	Keep(d, "span", &p.Span, p.Span >= 0 && p.Span <= 2*MaxHistory)
	Keep(d, "idlePolls", &p.IdlePolls, p.IdlePolls >= 0 && p.IdlePolls <= maxTimes)
	Keep(d, "failing", &p.Failing, len(p.Failing.Like) <= maxText && times(p.Failing.Times))
	Keep(d, "seen", &p.Seen, p.Seen.canBe())
	Keep(d, "visited", &p.Visited, p.Visited.canBe())
	if p.Pull.canBe() && p.canGoOn() {
		return
	}
	*d = append(*d, "pull")
	*p = p.BetweenPulls()
}

// times reports whether these can be counts of what happened in a row.
func times(all ...int) bool {
	return !slices.ContainsFunc(all, func(n int) bool { return n < 0 || n > maxTimes })
}

// isPullID reports whether a number is the id of a pull: milliseconds since the epoch, or zero.
func isPullID(id int64) bool { return id >= 0 && plausible(time.UnixMilli(id)) }

func (h Hashes) canBe() bool { return len(h)%8 == 0 && len(h) <= 8*MaxHashes }

func (p *Pull) canBe() bool {
	return p == nil || isPullID(p.ID) && plausible(p.Since, p.Until, p.Began) && counts(p.Events) && times(p.Missing) &&
		slices.Contains([]PullKind{PullPoll, PullFull, PullChanges, PullRange}, p.Kind) &&
		(p.Kind == PullRange) == !p.Until.IsZero() && (p.Until.IsZero() || p.Since.Before(p.Until)) &&
		len(p.MissingOf) <= maxNamed && !slices.ContainsFunc(p.MissingOf, func(s string) bool { return len(s) > 2*maxText })
}

// canGoOn reports whether the place in the pull under way can be.
func (p Position) canGoOn() bool {
	return canList(p.Levels, p.Cursor, p.Part, p.Listed) && times(p.Refused, p.Guard.Empty) &&
		len(p.Aside) <= maxAside && !slices.ContainsFunc(p.Aside, func(a Aside) bool { return !a.canBe() }) && p.Row.canBe()
}

// canList reports whether a place in a listing can be.
func canList(levels []Level, cursor string, part Part, listed int64) bool {
	return len(levels) <= maxLevels && !slices.ContainsFunc(levels, func(l Level) bool { return !l.canBe() }) &&
		isCursor(cursor) && times(part.Objects) && counts(listed)
}

func (l Level) canBe() bool {
	return isCursor(l.Cursor) && isID(l.ID) && isID(l.Done) && times(l.Refused, l.Guard.Empty) && !(l.Only && l.ID == "")
}

func (a Aside) canBe() bool {
	return len(a.Under) > 0 && len(a.Under) <= maxLevels &&
		!slices.ContainsFunc(a.Under, func(id string) bool { return id == "" || !isID(id) }) && len(a.Cursor) <= MaxAsideCursor && canList(nil, a.Cursor, a.Part, a.Listed)
}

func (r *Row) canBe() bool {
	return r == nil || canList(r.Levels, r.Cursor, r.Part, r.Listed) && r.Parents > 0 && r.Parents < MaxRow &&
		r.Off >= 0 && r.Off <= r.Parents && r.Aside >= 0 && r.Aside <= maxAside && times(r.Missing)
}

// isCursor reports whether a text can be a cursor as far as its length says. Package okta refuses any other one.
func isCursor(s string) bool { return len(s) <= MaxCursor }

// isID reports whether a text can be an object's id, or none.
func isID(s string) bool { return len(s) <= MaxID && s != "." && s != ".." }
