package okta

import (
	"context"
	"errors"
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
	// sent counts the own requests in this window, inFlight those of them that have no
	// answer yet. remaining does not know of the latter.
	sent, inFlight int
	// adopted is what a worker before this one, whose share it is too, may have used of this
	// window, and base what it last said of it, if we know of the window from there.
	adopted int
	base    *checkpoint.Window
	// unsure says that no answer has told yet how much is used.
	unsure bool
	// reset names the window by Okta's clock, 0 until an answer told it; past is that of the
	// window before.
	reset, past int64
	// ends is when the window is over by our clock, zero until something told it.
	ends time.Time
	// changed is closed, and made anew, by each answer and by each reader that ends.
	changed chan struct{}
	// running are the readers that may send a request before what they sent is durable; true for
	// live ones.
	running map[string]bool
}

func newBudget(share float64, now func() time.Time) *budget {
	return &budget{share: share, now: now, buckets: map[string]*bucket{}}
}

// acquire takes one request of a bucket. The caller sends it and then calls answered, refused
// or lost, once. yields says that it is a backfill's: live collection goes first. Where the budget does
// not allow it the error is an [Error] of class RateLimited or Yields that says how long to wait; otherwise
// it is why ctx ended.
func (b *budget) acquire(ctx context.Context, name string, yields bool) (*bucket, error) {
	var patience <-chan time.Time
	if yields {
		patience = time.After(longestYield)
	}
	for ctx.Err() == nil {
		k, changed, err := b.take(name, yields)
		if changed == nil {
			return k, err
		}
		select {
		case <-changed:
		case <-patience:
			return nil, &Error{Class: Yields, Wait: longestYield, Path: name, err: errors.New("live collection goes first")}
		case <-ctx.Done():
		}
	}
	return nil, context.Cause(ctx)
}

// take takes a request, or returns a channel to wait for.
func (b *budget) take(name string, yields bool) (*bucket, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.bucket(name)
	b.roll(k)
	if k.unsure && k.inFlight > 0 {
		// One request asks, the others wait for its answer.
		return nil, k.changed, nil
	}
	if yields && k.limit != 0 && b.allows(k, 0) {
		if k.live() {
			return nil, k.changed, nil
		}
		if reserve := b.reserve(k); !b.allows(k, reserve) {
			return nil, nil, &Error{
				Class: Yields, Wait: max(k.ends.Sub(b.now()), margin) + headStart, Path: name,
				err: fmt.Errorf("the last %d requests of this minute are left to live collection", reserve),
			}
		}
	}
	if !b.allows(k, 0) {
		// Without an answer that told the end, as when all were refused or lost, there has to
		// be one all the same.
		b.endsIn(k, windowLength+margin)
		return nil, nil, &Error{
			Class: RateLimited, Wait: max(k.ends.Sub(b.now()), margin), Path: name,
			err: fmt.Errorf("the collector has used %d of %d requests a minute, with a share of %g; %d are left to the org", k.used(), k.limit, b.share, max(k.remaining, 0)),
		}
	}
	k.sent++
	k.inFlight++
	return k, nil, nil
}

func (b *budget) bucket(name string) *bucket {
	k := b.buckets[name]
	if k == nil {
		k = &bucket{name: name, unsure: true, changed: make(chan struct{}), running: map[string]bool{}}
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
	k.renew()
	k.remaining, k.reset, k.ends = k.limit, 0, time.Time{}
}

// renew forgets what was used of the window before. Requests still under way may be counted in
// the new one.
func (k *bucket) renew() { k.sent, k.adopted, k.base = k.inFlight, 0, nil }

// endsIn sets when the window is over, if nothing is known of that.
func (b *budget) endsIn(k *bucket, left time.Duration) {
	if k.ends.IsZero() {
		k.ends = b.now().Add(left)
	}
}

func (k *bucket) used() int { return k.sent + k.adopted }

func (b *budget) allowed(k *bucket) int {
	// The small term keeps 0.29 × 100 from being 28.999….
	return max(1, int(b.share*float64(k.limit)+1e-9))
}

// longestYield is how long a backfill's slice waits for live collection to end, and how long it then
// leaves before it looks again: a slice must not outlive its time.
const longestYield = 15 * time.Second

// headStart is how much later than live collection a backfill looks at a new window.
const headStart = 2 * time.Second

// reserve is what a backfill leaves of a window's share, for polls to come.
func (b *budget) reserve(k *bucket) int { return min((b.allowed(k)+3)/4, b.allowed(k)-1) }

// allows says whether one more request may be sent, and as many as are reserved after it.
func (b *budget) allows(k *bucket, reserved int) bool {
	if k.limit == 0 {
		return true // unknown: the first request asks
	}
	lastTenth := min((k.limit+9)/10, k.limit-1) // a limit of 1 would otherwise allow nothing
	return k.used()+reserved < b.allowed(k) && k.remaining-k.inFlight-reserved > lastTenth
}

// answered records what an answer said about its bucket.
func (b *budget) answered(k *bucket, rl rateLimit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learn(k, rl)
	k.done()
}

func (b *budget) learn(k *bucket, rl rateLimit) {
	k.unsure = false
	if !rl.known || rl.limit == 0 {
		if k.limit == 0 {
			k.limit, k.remaining = unknownLimit, unknownLimit
		}
		k.remaining--
		b.endsIn(k, windowLength+margin)
		return
	}
	switch {
	case rl.reset == 0:
		if k.limit == 0 || k.ends.IsZero() {
			k.remaining = rl.remaining
		}
		b.endsIn(k, rl.left)
	case k.past != 0 && !later(rl.reset, k.past), k.reset != 0 && later(k.reset, rl.reset):
		return // a late answer from a window that is over
	case k.reset == 0:
		k.reset, k.remaining, k.ends = rl.reset, rl.remaining, b.now().Add(rl.left)
	case later(rl.reset, k.reset):
		// Okta began a new window before ours was over: what was answered before this
		// request was counted in the old one.
		k.past, k.reset = k.reset, rl.reset
		k.renew()
		k.remaining, k.ends = rl.remaining, b.now().Add(rl.left)
	default:
		// Dates are whole seconds: among several estimates of one end the latest is safe.
		if ends := b.now().Add(rl.left); ends.After(k.ends) {
			k.ends = ends
		}
	}
	k.limit, k.remaining = rl.limit, min(k.remaining, rl.remaining)
	k.reckon()
}

// reckon puts right what was adopted, which is of some moments before its worker was killed: what
// was taken since may all have been that worker's, and together we have not used more than is gone.
func (k *bucket) reckon() {
	answered := k.sent - k.inFlight + 1 // this answer's request is still counted as under way
	if k.base != nil {
		k.adopted = max(k.adopted, k.base.Used+k.base.Remaining-k.remaining-answered)
	}
	k.adopted = max(min(k.adopted, k.limit-k.remaining-answered), 0)
}

// later says that reset a names a later window than b. Windows are a minute apart; what
// differs by less is one window of which Okta's servers do not say quite the same.
func later(a, b int64) bool { return a-b > int64(windowLength/time.Second)/2 }

// refused records a 429 and returns how long to wait.
func (b *budget) refused(k *bucket, rl rateLimit) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer k.done()
	if rl.concurrency() {
		// Its numbers are not the bucket's.
		return concurrencyWait()
	}
	b.learn(k, rl)
	// Even with Remaining above 0: a token may have a cap that the headers do not show.
	k.remaining = 0
	b.endsIn(k, rl.left)
	return rl.left
}

// lost records that no answer came. The request may have been counted all the same.
func (b *budget) lost(k *bucket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.remaining--
	b.endsIn(k, windowLength+margin)
	k.done()
}

func (k *bucket) done() {
	k.inFlight--
	k.wake()
}

// wake lets everybody look again who waits for a change.
func (k *bucket) wake() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// live says whether live collection is using the bucket.
func (k *bucket) live() bool {
	for _, live := range k.running {
		if live {
			return true
		}
	}
	return false
}

// window is a bucket's state for a checkpoint of a reader, nil if there is none to speak of.
// at is the present by the clock that the checkpoint is kept in. running says that the
// reader may send one more request before its next checkpoint is durable.
func (b *budget) window(name, reader string, at time.Time, running, live bool) *checkpoint.Window {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.bucket(name)
	b.roll(k)
	if running {
		k.running[reader] = live
	} else {
		delete(k.running, reader)
		k.wake()
	}
	if k.limit == 0 || k.ends.IsZero() {
		return nil
	}
	w := &checkpoint.Window{
		Name: name, Limit: k.limit, Remaining: k.remaining, Used: k.used(), Reset: k.reset,
		Ends: at.Add(k.ends.Sub(b.now())).Round(time.Millisecond).UTC(),
	}
	if running && b.allows(k, 0) {
		// One for each that shares the bucket: they are killed together.
		w.Used = min(k.used()+len(k.running), b.allowed(k))
	}
	return w
}

// adopt takes over what another worker, or this one before it was killed, had used.
func (b *budget) adopt(w checkpoint.Window, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.bucket(w.Name)
	b.roll(k)
	left := w.Ends.Sub(at)
	switch {
	case w.Limit <= 0 || left <= -windowLength:
		return
	case left <= 0:
		if k.limit == 0 {
			// Over, but its worker may have begun the next one before it was killed.
			k.base = &checkpoint.Window{Remaining: w.Limit}
		}
		return
	case k.limit == 0 || k.ends.IsZero():
		k.limit, k.remaining, k.reset = w.Limit, w.Remaining, w.Reset
		k.ends = b.now().Add(min(left, maxWait))
		k.base, k.unsure = &w, true
	case later(k.reset, w.Reset), later(w.Reset, k.reset):
		return // another window
	}
	k.adopted = max(k.adopted, w.Used-k.sent)
	k.remaining = min(k.remaining, w.Remaining)
}
