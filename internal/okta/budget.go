package okta

import (
	"context"
	"fmt"
	"sync"
	"time"

	"okta-collector/internal/checkpoint"
)

// budget keeps an org's requests within the collector's share of its rate limits. Okta's
// windows are 60 s long, fixed, one for each bucket, and opened by the first request.
//
// Two rules are judged before a request is sent: the collector's own requests in a window
// stay within share × limit (at least one), and it never takes the last tenth of a bucket,
// whoever used the rest.
type budget struct {
	share float64
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	name string
	// limit is 0 until an answer told it.
	limit, remaining int
	// used counts the own requests in this window, inFlight those of them that have no
	// answer yet. remaining does not know of the latter.
	used, inFlight int
	// reset names the window by Okta's clock; ends is when it is over by ours, zero
	// until an answer told it. past is the reset of the window before.
	reset, past int64
	ends        time.Time
	// answered is closed, and made anew, by each answer.
	answered chan struct{}
}

func newBudget(share float64, now func() time.Time) *budget {
	return &budget{share: share, now: now, buckets: map[string]*bucket{}}
}

// acquire takes one request of a bucket. The caller sends it and then calls
// answered or lost, once. Where the budget does not allow it the error is an
// [Error] of class RateLimited that says how long to wait.
func (b *budget) acquire(ctx context.Context, name string) (*bucket, error) {
	for {
		b.mu.Lock()
		k := b.bucket(name)
		b.roll(k)
		if k.limit == 0 && k.inFlight > 0 {
			// Nothing is known of this bucket yet: one request asks, the others wait for it.
			answered := k.answered
			b.mu.Unlock()
			select {
			case <-answered:
				continue
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		if !b.allows(k) {
			wait := max(k.ends.Sub(b.now()), margin)
			if k.ends.IsZero() {
				wait = windowLength + margin
			}
			err := &Error{
				Class: RateLimited, Wait: wait, path: name,
				err: fmt.Errorf("budget used: %d of %d requests a minute by the collector, share %g, %d left to the org", k.used, k.limit, b.share, k.remaining),
			}
			b.mu.Unlock()
			return nil, err
		}
		k.used++
		k.inFlight++
		b.mu.Unlock()
		return k, nil
	}
}

func (b *budget) bucket(name string) *bucket {
	k := b.buckets[name]
	if k == nil {
		k = &bucket{name: name, answered: make(chan struct{})}
		b.buckets[name] = k
	}
	return k
}

// roll begins a new window where the old one is over.
func (b *budget) roll(k *bucket) {
	if k.ends.IsZero() || b.now().Before(k.ends) {
		return
	}
	if k.reset != 0 {
		k.past = k.reset
	}
	// Requests still under way may be counted in the new window.
	k.used, k.remaining, k.reset, k.ends = k.inFlight, k.limit, 0, time.Time{}
}

func (b *budget) allowed(k *bucket) int {
	// The small term keeps 0.29 × 100 from being 28.999….
	return max(1, int(b.share*float64(k.limit)+1e-9))
}

func (b *budget) allows(k *bucket) bool {
	if k.limit == 0 {
		return true // unknown: the first request asks
	}
	return k.used < b.allowed(k) && k.remaining-k.inFlight-1 >= k.limit/10
}

// answered records what an answer said about its bucket.
func (b *budget) answered(k *bucket, rl rateLimit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer k.done()
	switch {
	case rl.concurrency():
		// The request was refused for another reason, and its numbers are not the bucket's.
		return
	case !rl.known:
		if k.limit == 0 {
			k.limit, k.remaining = unknownLimit, unknownLimit
		}
		if k.ends.IsZero() {
			k.ends = b.now().Add(windowLength + margin)
		}
		k.remaining--
		return
	case rl.reset != 0 && rl.reset <= k.past:
		return // a late answer from a window that is over
	case k.reset == 0:
		k.remaining = rl.remaining
	case rl.reset > k.reset:
		// Okta began a new window before ours was over: what was answered before this
		// request was counted in the old one.
		k.past, k.used, k.remaining = k.reset, k.inFlight, rl.remaining
	default:
		k.remaining = min(k.remaining, rl.remaining)
	}
	k.limit, k.reset = rl.limit, rl.reset
	// Dates are whole seconds: among several estimates of one end the latest is safe.
	if ends := b.now().Add(rl.left); ends.After(k.ends) {
		k.ends = ends
	}
}

// refused records a 429 and returns how long to wait.
func (b *budget) refused(k *bucket, rl rateLimit) time.Duration {
	b.answered(k, rl)
	if rl.concurrency() {
		return concurrencyWait()
	}
	// Even with Remaining above 0: a token may have a cap that the headers do not show.
	b.mu.Lock()
	defer b.mu.Unlock()
	k.remaining = 0
	if k.ends.IsZero() {
		k.ends = b.now().Add(rl.left)
	}
	return rl.left
}

// lost records that no answer came. The request may have been counted all the same.
func (b *budget) lost(k *bucket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.remaining--
	if k.limit != 0 && k.ends.IsZero() {
		k.ends = b.now().Add(windowLength + margin)
	}
	k.done()
}

func (k *bucket) done() {
	k.inFlight--
	close(k.answered)
	k.answered = make(chan struct{})
}

// window is a bucket's state for a checkpoint, nil if there is none to speak of. at is the
// present by the clock that the checkpoint is kept in. next says that one more
// request may be sent before the next checkpoint is durable.
func (b *budget) window(name string, at time.Time, next bool) *checkpoint.Window {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.bucket(name)
	b.roll(k)
	if k.limit == 0 || k.ends.IsZero() {
		return nil
	}
	w := &checkpoint.Window{
		Bucket: name, Limit: k.limit, Remaining: k.remaining, Used: k.used, Reset: k.reset,
		Ends: at.Add(k.ends.Sub(b.now())).Round(time.Millisecond).UTC(),
	}
	if next && b.allows(k) {
		w.Used++
	}
	return w
}

// adopt takes over what another worker, or this one before it was killed, had used.
func (b *budget) adopt(w checkpoint.Window, at time.Time) {
	left := w.Ends.Sub(at)
	if left <= 0 || w.Limit <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.bucket(w.Bucket)
	b.roll(k)
	switch {
	case k.ends.IsZero():
		k.limit, k.remaining, k.reset = w.Limit, w.Remaining, w.Reset
		k.used = max(k.used, w.Used)
		k.ends = b.now().Add(min(left, maxWait))
	case k.reset == w.Reset:
		k.used = max(k.used, w.Used)
	}
}
