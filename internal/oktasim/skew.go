package oktasim

import "time"

// SetSkew sets the clock that the org shows to its clients so far ahead of its own; behind, if d is negative.
// The Date of every answer and the rate-limit windows follow the shown clock, while the objects and
// the times in them do not: what is persisted stays persisted.
func (o *Org) SetSkew(d time.Duration) { o.skew.Store(int64(d)) }

// shown is the time by the clock that clients see.
func (o *Org) shown(now time.Time) time.Time { return now.Add(time.Duration(o.skew.Load())) }
