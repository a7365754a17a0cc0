package oktasim

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// window is the length of a rate-limit window. It is opened by the first request after the last one ended.
const window = 60 * time.Second

// plans are the published default limits a minute of each bucket. Endpoints that are published together as "other"
// have the same limit, each in a bucket of its own, unless another one was recorded.
var plans = map[string]map[string]int{
	"free":       plan(20, 100, 100, 20, 25, 100),
	"one-app":    plan(50, 600, 600, 100, 100, 600),
	"enterprise": plan(50, 600, 600, 100, 100, 600),
	"workforce":  plan(120, 600, 500, 100, 100, 1200),
}

func plan(logs, users, groups, apps, clients, other int) map[string]int {
	return map[string]int{
		bucketLogs: logs, bucketUsers: users, bucketGroups: groups, bucketApps: apps, bucketClients: clients,
		bucketIdPs: other, bucketZones: other, bucketOther: other,
		bucketToken: 150, // seen; not published
	}
}

// unlimited is the limit of every bucket of an org without limits.
const unlimited = 1_000_000_000

// Buckets returns the names of the rate-limit buckets.
func Buckets() []string { return slices.Sorted(maps.Keys(plans["enterprise"])) }

// Window is one rate-limit window of a bucket.
type Window struct {
	Bucket string
	// Start is when its first request came, by the org's clock. It lasts 60 s.
	Start time.Time
	// Limit is how many requests it admits.
	Limit int
	// Admitted is how many were, whatever their answer; Refused how many were answered with 429.
	Admitted, Refused int
}

// maxWindows bounds how many windows of a bucket are remembered: a week of them.
const maxWindows = 7 * 24 * 60

// limiter keeps the windows of the buckets and the number of requests being served.
type limiter struct {
	limits      map[string]int
	concurrency int

	mu      sync.Mutex
	windows map[string][]Window
	serving int
	crowded int
}

func newLimiter(c Config) *limiter {
	limits := maps.Clone(plans[c.Plan])
	maps.Copy(limits, c.Limits)
	if c.Unlimited {
		for bucket := range limits {
			limits[bucket] = unlimited
		}
	}
	return &limiter{limits: limits, concurrency: c.Concurrency, windows: map[string][]Window{}}
}

// allowance is what the rate-limit headers of an answer say.
type allowance struct {
	limit, remaining int
	reset            time.Time
	// at is when the request drew on its bucket, by the org's clock.
	at time.Time
}

// current returns the bucket's window at now, opening one if there is none. The caller holds the mutex.
func (l *limiter) current(bucket string, now time.Time) *Window {
	all := l.windows[bucket]
	if n := len(all); n > 0 {
		w := &all[n-1]
		if since := now.Sub(w.Start); 0 <= since && since < window {
			return w
		}
	}
	if len(all) == maxWindows {
		all = slices.Delete(all, 0, maxWindows/2)
	}
	all = append(all, Window{Bucket: bucket, Start: now, Limit: l.limits[bucket]})
	l.windows[bucket] = all
	return &all[len(all)-1]
}

// charge draws one request from the bucket, if there is one left.
func (o *Org) charge(bucket string) (allowance, bool) {
	l := o.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	// The clock is read under the lock. Otherwise a request that another one overtakes comes with an earlier time, and opens a
	// second window.
	at := o.cfg.Now()
	w := l.current(bucket, o.shown(at))
	admitted := w.Admitted < w.Limit
	if admitted {
		w.Admitted++
	} else {
		w.Refused++
	}
	return allowance{limit: w.Limit, remaining: w.Limit - w.Admitted, reset: w.Start.Add(window), at: at}, admitted
}

// enter admits one more request to being served at once; leave ends it.
func (l *limiter) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.serving == l.concurrency {
		l.crowded++
		return false
	}
	l.serving++
	return true
}

func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving--
}

// Windows returns the rate-limit windows that requests have opened, by bucket and in the order of time.
func (o *Org) Windows() []Window {
	o.limiter.mu.Lock()
	defer o.limiter.mu.Unlock()
	var all []Window
	for _, bucket := range Buckets() {
		all = append(all, o.limiter.windows[bucket]...)
	}
	return all
}

// Crowded says how many requests were refused because too many were being served.
func (o *Org) Crowded() int {
	o.limiter.mu.Lock()
	defer o.limiter.mu.Unlock()
	return o.limiter.crowded
}
