package oktasim

import (
	"sort"
	"time"
)

// timeline says when each log event was persisted and published.
type timeline struct {
	epoch   time.Time
	backlog int
	span    time.Duration
	every   time.Duration
	// The delays bound how long before its persistence an event was published.
	backlogDelay, liveDelay time.Duration
}

func newTimeline(c Config) timeline {
	t := timeline{
		epoch: c.Epoch, backlog: c.Counts["logs"], span: c.BacklogSpan, every: c.LiveEvery,
		backlogDelay: lateness(c.BacklogSpan / time.Duration(max(1, c.Counts["logs"]))),
		liveDelay:    lateness(c.LiveEvery),
	}
	if c.Punctual {
		t.backlogDelay, t.liveDelay = time.Millisecond, time.Millisecond // less than that
	}
	return t
}

// lateness is how late an event may be: enough to overtake some forty others, within reason.
func lateness(step time.Duration) time.Duration {
	return min(max(40*step, 2*time.Second), 30*time.Minute)
}

// count says how many events are persisted at now. Events are numbered in the order of persistence.
func (t timeline) count(now time.Time) int {
	if t.every == 0 || now.Before(t.epoch) {
		return t.backlog
	}
	return t.backlog + int(now.Sub(t.epoch)/t.every)
}

// persisted returns when event i was persisted, in epoch milliseconds. Of every 64 in the backlog the
// first six share a millisecond, as they do in a busy org.
func (t timeline) persisted(i int) int64 {
	epoch := t.epoch.UnixMilli()
	if i < t.backlog {
		if r := i % 64; r <= 5 {
			i -= r
		}
		return epoch - t.span.Milliseconds() + t.span.Milliseconds()*int64(i)/int64(t.backlog)
	}
	return epoch + int64(time.Duration(i-t.backlog+1)*t.every/time.Millisecond)
}

// published returns the time that event i bears. Most are published a moment before they are persisted, one in 16 much earlier.
func (t timeline) published(i int, h uint64) int64 {
	late := t.liveDelay
	if i < t.backlog {
		late = t.backlogDelay
	}
	if h%16 != 0 {
		late = min(late, 1500*time.Millisecond)
	}
	return t.persisted(i) - int64((h>>8)%uint64(late.Milliseconds()))
}

// from returns the first of n events persisted at ms or later.
func (t timeline) from(ms int64, n int) int {
	return sort.Search(n, func(i int) bool { return t.persisted(i) >= ms })
}

// maxDelay bounds persisted − published over all events, in milliseconds.
func (t timeline) maxDelay() int64 {
	return max(t.backlogDelay, t.liveDelay).Milliseconds()
}
