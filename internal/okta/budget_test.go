package okta

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
)

// oktaBucket is the other side of a budget: one bucket with fixed windows, as Okta keeps them.
type oktaBucket struct {
	limit int
	skew  time.Duration

	mu     sync.Mutex
	opened time.Time
	counts []int // requests of each window, those of others included
	own    []int
	denied int
}

// request answers a request as Okta would at this moment.
func (o *oktaBucket) request(own bool) rateLimit {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now().Add(o.skew)
	if o.opened.IsZero() || now.Sub(o.opened) >= time.Minute {
		o.opened, o.counts, o.own = now, append(o.counts, 0), append(o.own, 0)
	}
	last := len(o.counts) - 1
	o.counts[last]++
	if own {
		o.own[last]++
	}
	if o.counts[last] > o.limit {
		o.denied++
	}
	h := http.Header{}
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(o.limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(max(o.limit-o.counts[last], 0)))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(o.opened.Add(time.Minute).Unix(), 10))
	return readRateLimit(h)
}

// spend sends requests until the time is over, waiting as it is told.
func spend(t *testing.T, b *budget, o *oktaBucket, until time.Time) {
	for time.Now().Before(until) {
		k, err := b.acquire(context.Background(), "logs", false)
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, RateLimited, e.Class)
			require.Positive(t, e.Wait)
			time.Sleep(e.Wait)
			continue
		}
		time.Sleep(70 * time.Millisecond)
		b.answered(k, o.request(true))
	}
}

func TestBudgetUsesItsWholeShareAndNoMore(t *testing.T) {
	for _, test := range []struct {
		limit int
		share float64
		skew  time.Duration
		want  int
	}{
		{12, 0.5, 0, 6},
		{12, 0.5, time.Hour, 6},
		{12, 0.5, -time.Hour, 6},
		{50, 0.5, 400 * time.Millisecond, 25},
		{600, 0.29, 0, 174},
		{100, 1, 0, 90}, // never the last tenth
		{1, 0.1, 0, 1},  // at least one
		{7, 0.01, 0, 1},
	} {
		t.Run(strconv.Itoa(test.limit)+" share "+strconv.FormatFloat(test.share, 'g', -1, 64)+" skew "+test.skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &oktaBucket{limit: test.limit, skew: test.skew}
				spend(t, newBudget(test.share, time.Now), o, time.Now().Add(10*time.Minute))
				require.Zero(t, o.denied)
				require.GreaterOrEqual(t, len(o.own), 9, "no window is slept through")
				for _, n := range o.own[:len(o.own)-1] {
					require.Equal(t, test.want, n)
				}
			})
		})
	}
}

func TestBudgetLeavesTheLastTenthToTheOrg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 100}
		b := newBudget(0.5, time.Now)
		for range 80 {
			o.request(false)
		}
		spend(t, b, o, time.Now().Add(30*time.Second))
		require.Equal(t, []int{90}, o.counts)
	})
}

func TestBudgetIsSharedByWhatRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		b := newBudget(0.5, time.Now)
		done := make(chan struct{})
		for range 4 {
			go func() { spend(t, b, o, time.Now().Add(5*time.Minute)); done <- struct{}{} }()
		}
		for range 4 {
			<-done
		}
		require.Zero(t, o.denied)
		for _, n := range o.own[:len(o.own)-1] {
			require.Equal(t, 6, n)
		}
	})
}

func TestBudgetOfAKilledWorkerGoesOnInTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		server := func() time.Time { return time.Now().Add(42 * time.Minute) } // Temporal's clock
		b := newBudget(0.5, time.Now)
		for range 4 {
			k, err := b.acquire(context.Background(), "logs", false)
			require.NoError(t, err)
			b.answered(k, o.request(true))
		}
		w := b.window("logs", "logs", server(), true, true)
		require.Equal(t, 5, w.Used, "a request that may be under way is counted")
		_, err := b.acquire(context.Background(), "logs", false) // killed after it was sent
		require.NoError(t, err)
		o.request(true)

		time.Sleep(7 * time.Second)
		b = newBudget(0.5, time.Now)
		b.adopt(*w, server())
		spend(t, b, o, time.Now().Add(3*time.Minute))
		for _, n := range o.own[:len(o.own)-1] {
			require.Equal(t, 6, n)
		}
	})
}

func TestBudgetOfAFinishedSliceIsNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		b := newBudget(0.5, time.Now)
		for range 6 {
			k, err := b.acquire(context.Background(), "logs", false)
			require.NoError(t, err)
			b.answered(k, o.request(true))
			b.adopt(*b.window("logs", "logs", time.Now(), false, true), time.Now())
		}
	})
}

func TestBudgetWaitsForTheFirstAnswerBeforeItSendsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, time.Now)
		first, err := b.acquire(context.Background(), "logs", false)
		require.NoError(t, err)
		second := make(chan error)
		go func() { _, err := b.acquire(context.Background(), "logs", false); second <- err }()
		synctest.Wait()
		select {
		case <-second:
			t.Fatal("nothing is known of the bucket yet")
		default:
		}
		b.answered(first, (&oktaBucket{limit: 10}).request(true))
		require.NoError(t, <-second)

		stop, cancel := context.WithCancelCause(context.Background())
		b = newBudget(1, time.Now)
		_, err = b.acquire(stop, "logs", false)
		require.NoError(t, err)
		go func() { _, err := b.acquire(stop, "logs", false); second <- err }()
		synctest.Wait()
		cancel(errors.New("stopped"))
		require.EqualError(t, <-second, "stopped")
	})
}

func TestBudgetWithoutHeadersIsCareful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(0.5, time.Now)
		sent := 0
		for start := time.Now(); time.Since(start) < 3*time.Minute; {
			k, err := b.acquire(context.Background(), "logs", false)
			var e *Error
			if errors.As(err, &e) {
				time.Sleep(e.Wait)
				continue
			}
			sent++
			b.answered(k, readRateLimit(http.Header{}))
		}
		require.LessOrEqual(t, sent, 3*unknownLimit/2)
		require.GreaterOrEqual(t, sent, 2*unknownLimit/2)
	})
}

func TestBudgetHonours429s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 100}
		b := newBudget(0.5, time.Now)
		k, err := b.acquire(context.Background(), "logs", false)
		require.NoError(t, err)
		// A cap of the token that the headers do not show: refused with most of the bucket left.
		wait := b.refused(k, o.request(true))
		require.InDelta(t, time.Minute, wait, float64(2*time.Second))
		_, err = b.acquire(context.Background(), "logs", false)
		require.Error(t, err, "the other services do not try either")
		time.Sleep(wait)
		k, err = b.acquire(context.Background(), "logs", false)
		require.NoError(t, err)

		// Too many at once: short, and it says nothing about the bucket.
		wait = b.refused(k, rateLimit{known: true, left: 114 * time.Second, reset: time.Now().Unix() + 113})
		require.Less(t, wait, 5*time.Second)
		_, err = b.acquire(context.Background(), "logs", false)
		require.NoError(t, err)
	})
}

// allowed is how many requests a bucket allows at this moment, none of which is answered.
func allowed(t *testing.T, b *budget) (n int, wait time.Duration) {
	for {
		_, err := b.acquire(context.Background(), "logs", false)
		var e *Error
		if errors.As(err, &e) {
			return n, e.Wait
		}
		require.NoError(t, err)
		n++
	}
}

func ask(t *testing.T, b *budget) *bucket {
	t.Helper()
	k, err := b.acquire(context.Background(), "logs", false)
	require.NoError(t, err)
	return k
}

func TestBudgetIsNotUsedUpForeverByRequestsWithoutAnAnswerOfUse(t *testing.T) {
	crowded := rateLimit{known: true, left: 114 * time.Second}
	for name, end := range map[string]func(b *budget, k *bucket){
		"lost":             func(b *budget, k *bucket) { b.lost(k) },
		"too many at once": func(b *budget, k *bucket) { b.refused(k, crowded) },
		"answers of long ago": func(b *budget, k *bucket) {
			b.answered(k, rateLimit{known: true, limit: 12, remaining: 3, reset: 1, left: margin})
		},
		"answers without any":  func(b *budget, k *bucket) { b.answered(k, rateLimit{left: time.Minute}) },
		"answers with limit 0": func(b *budget, k *bucket) { b.answered(k, rateLimit{known: true, left: time.Minute}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &oktaBucket{limit: 12}
				b := newBudget(0.5, time.Now)
				b.answered(ask(t, b), o.request(true))
				time.Sleep(2 * time.Minute)
				sent := 0
				for start := time.Now(); time.Since(start) < 10*time.Minute; {
					k, err := b.acquire(context.Background(), "logs", false)
					if err != nil {
						var e *Error
						require.ErrorAs(t, err, &e)
						time.Sleep(e.Wait)
						continue
					}
					sent++
					end(b, k)
				}
				require.GreaterOrEqual(t, sent, 9*6)
				require.LessOrEqual(t, sent, 10*6)
			})
		})
	}
}

func TestBudgetBeforeTheFirstAnswerIsNotChargedForAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(0.5, time.Now)
		for range 60 {
			b.lost(ask(t, b))
			time.Sleep(time.Minute)
		}
		o := &oktaBucket{limit: 12}
		spend(t, b, o, time.Now().Add(30*time.Second))
		require.GreaterOrEqual(t, o.own[0], 5)
	})
}

func TestBudgetTakesAWindowForOneAlthoughItsEndIsNotAlwaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(0.5, time.Now)
		reset := time.Now().Unix() + 55
		for i := range 6 {
			b.answered(ask(t, b), rateLimit{known: true, limit: 12, remaining: 12 - i - 1, reset: reset + int64(i%3), left: 56 * time.Second})
		}
		n, _ := allowed(t, b)
		require.Zero(t, n)
		// A window that Okta began early is another one.
		k := b.bucket("logs")
		k.inFlight++
		b.answered(k, rateLimit{known: true, limit: 12, remaining: 11, reset: reset + 60, left: time.Minute})
		n, _ = allowed(t, b)
		require.Equal(t, 5, n)
	})
}

func TestBudgetSharesTheLastTenthWithNobody(t *testing.T) {
	for limit, want := range map[int]int{1: 1, 2: 1, 9: 8, 10: 9, 12: 10, 25: 22, 100: 90, 600: 540} {
		synctest.Test(t, func(t *testing.T) {
			o := &oktaBucket{limit: limit}
			b := newBudget(1, time.Now)
			b.answered(ask(t, b), o.request(true))
			n, wait := allowed(t, b)
			require.Equal(t, want, n+1)
			require.InDelta(t, 60, wait.Seconds(), 2)
		})
	}
}

func TestBudgetInACheckpointCountsARequestForEachThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 20}
		b := newBudget(0.5, time.Now)
		b.answered(ask(t, b), o.request(true))
		used := func(reader string, running bool) int { return b.window("logs", reader, time.Now(), running, true).Used }
		require.Equal(t, 2, used("apps", true))
		require.Equal(t, 3, used("app_users", true))
		require.Equal(t, 3, used("app_users", true))
		require.Equal(t, 4, used("app_groups", true), "they are killed together")
		require.Equal(t, 1, used("app_groups", false), "what has ended knows")
		require.Equal(t, 3, used("apps", true))
		for range 8 {
			b.answered(ask(t, b), o.request(true))
		}
		require.Equal(t, 10, used("apps", true), "never more than allowed")
	})
}

func TestBudgetAdoptsWhatWasUsedOfTheSameWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		b := newBudget(0.5, time.Now)
		b.answered(ask(t, b), o.request(true))
		w := *b.window("logs", "logs", time.Now(), false, true)

		w.Used, w.Remaining = 5, 7
		other := w
		other.Reset += 60
		other.Used = 6
		b.adopt(other, time.Now())
		b.adopt(w, time.Now())
		n, _ := allowed(t, b)
		require.Equal(t, 1, n)
	})
}

func TestBudgetThatAdoptedTooMuchLearnsBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		o.request(true)
		b := newBudget(0.5, time.Now)
		b.adopt(checkpoint.Window{Name: "logs", Limit: 12, Remaining: 11, Used: 4, Reset: time.Now().Unix() + 60, Ends: time.Now().Add(time.Minute)}, time.Now())
		b.answered(ask(t, b), o.request(true)) // the second of all
		n, _ := allowed(t, b)
		require.Equal(t, 4, n)
	})
}

func TestBudgetTakesWhatIsGoneSinceTheCheckpointForTheKilledWorkers(t *testing.T) {
	for _, idle := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o := &oktaBucket{limit: 12}
			fresh := newBudget(0.5, time.Now)
			if idle { // it knows the bucket, but nothing of this window
				fresh.answered(ask(t, fresh), o.request(true))
				time.Sleep(5 * time.Minute)
			}
			b := newBudget(0.5, time.Now)
			for range 2 {
				b.answered(ask(t, b), o.request(true))
			}
			w := *b.window("logs", "logs", time.Now(), true, true)
			for range 3 { // of another service, whose checkpoint is not here yet
				b.answered(ask(t, b), o.request(true))
			}

			b = fresh
			b.adopt(w, time.Now())
			first := ask(t, b)
			second := make(chan error)
			go func() { _, err := b.acquire(context.Background(), "logs", false); second <- err }()
			synctest.Wait()
			select {
			case <-second:
				t.Fatal("one asks, the others wait for its answer")
			default:
			}
			b.answered(first, o.request(true)) // the sixth
			require.Error(t, <-second)

			// In the next window what others take is not ours.
			time.Sleep(2 * time.Minute)
			for range 5 {
				o.request(false)
			}
			b.answered(ask(t, b), o.request(true))
			n, _ := allowed(t, b)
			require.Equal(t, 4, n, "all but the last tenth")
		})
	}
}

func TestBudgetOfAWorkerThatWasKilledAsAWindowBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		b := newBudget(0.5, time.Now)
		b.answered(ask(t, b), o.request(true))
		w := *b.window("logs", "logs", time.Now(), false, true)
		time.Sleep(62 * time.Second)
		for range 3 { // and nothing of that is in a checkpoint
			b.answered(ask(t, b), o.request(true))
		}

		time.Sleep(10 * time.Second)
		before := b
		b = newBudget(0.5, time.Now)
		b.adopt(w, time.Now())
		b.answered(ask(t, b), o.request(true))
		n, _ := allowed(t, b)
		require.Equal(t, 2, n)

		// One that goes on itself knows better.
		before.adopt(w, time.Now())
		n, _ = allowed(t, before)
		require.Equal(t, 3, n)

		// And what is long ago says nothing.
		time.Sleep(2 * time.Minute)
		for range 5 {
			o.request(false)
		}
		b = newBudget(0.5, time.Now)
		b.adopt(w, time.Now())
		b.answered(ask(t, b), o.request(true))
		n, _ = allowed(t, b)
		require.Equal(t, 4, n)
	})
}

func TestBudgetCountsARequestUnderWayInTheNextWindowToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oktaBucket{limit: 12}
		b := newBudget(0.5, time.Now)
		b.answered(ask(t, b), o.request(true))
		slow := ask(t, b)
		time.Sleep(2 * time.Minute)
		b.answered(ask(t, b), o.request(true))
		n, _ := allowed(t, b)
		require.Equal(t, 4, n)
		b.lost(slow)
	})
}

func TestBudgetAdoptsNothingThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(0.5, time.Now)
		b.adopt(checkpoint.Window{Name: "logs", Limit: 12, Used: 6, Ends: time.Now()}, time.Now())
		_, err := b.acquire(context.Background(), "logs", false)
		require.NoError(t, err)
		b.adopt(checkpoint.Window{Name: "users", Limit: 12, Used: 6, Ends: time.Now().Add(1000 * time.Hour)}, time.Now())
		_, err = b.acquire(context.Background(), "users", false)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.LessOrEqual(t, e.Wait, maxWait, "a wait is bounded, whatever a checkpoint says")
	})
}

func TestRateLimitHeaders(t *testing.T) {
	const date = "Sun, 22 Nov 2026 06:00:00 GMT"
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC).Unix()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	reset := func(in int64) string { return strconv.FormatInt(at+in, 10) }
	for name, test := range map[string]struct {
		h    http.Header
		want rateLimit
	}{
		"all":              {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(30)), rateLimit{true, 50, 49, at + 30, 31 * time.Second}},
		"two resets":       {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(30), "X-Rate-Limit-Reset", reset(40)), rateLimit{true, 50, 49, at + 40, 41 * time.Second}},
		"folded duplicate": {header("Date", date, "X-Rate-Limit-Limit", "50, 60", "X-Rate-Limit-Remaining", "49, 3", "X-Rate-Limit-Reset", reset(30)), rateLimit{true, 50, 3, at + 30, 31 * time.Second}},
		"none":             {header("Date", date), rateLimit{left: 61 * time.Second}},
		"no date":          {header("X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(30)), rateLimit{true, 50, 49, 0, 61 * time.Second}},
		"reset is past":    {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(-30)), rateLimit{true, 50, 49, at - 30, time.Second}},
		"reset far away":   {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", "1000000000000"), rateLimit{true, 50, 49, at + 900, maxWait + time.Second}},
		"no numbers":       {header("Date", date, "X-Rate-Limit-Limit", "many", "X-Rate-Limit-Remaining", "-1", "X-Rate-Limit-Reset", "99999999999999999999"), rateLimit{left: 61 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, readRateLimit(test.h))
		})
	}
}

// FuzzRateLimit: whatever two answers say, a wait is bounded, what is sent meanwhile too, and after the
// wait something may be sent again.
func FuzzRateLimit(f *testing.F) {
	const date = "Sun, 22 Nov 2026 06:00:00 GMT"
	f.Add("50", "49", "1795332420", "1795332421", date, "50, 60", "48", "1795332425", 200, 200)
	f.Add("0", "0", "1795332534", "", date, "50", "-1", "99999999999999999999", 429, 200)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, again, date, limit2, remaining2, reset2 string, status, status2 int) {
		now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
		b := newBudget(0.5, func() time.Time { return now })
		most, sent := 1, 0
		for _, answer := range []struct {
			h      http.Header
			status int
		}{
			{http.Header{"X-Rate-Limit-Limit": {limit}, "X-Rate-Limit-Remaining": {remaining}, "X-Rate-Limit-Reset": {reset, again}, "Date": {date}}, status},
			{http.Header{"X-Rate-Limit-Limit": {limit2}, "X-Rate-Limit-Remaining": {remaining2}, "X-Rate-Limit-Reset": {reset2}, "Date": {date}}, status2},
		} {
			rl := readRateLimit(answer.h)
			require.Positive(t, rl.left)
			require.LessOrEqual(t, rl.left, maxWait+margin)
			require.GreaterOrEqual(t, rl.limit, 0)
			require.GreaterOrEqual(t, rl.remaining, 0)

			k, err := b.acquire(context.Background(), "logs", false)
			if err != nil {
				break
			}
			sent++
			if answer.status == http.StatusTooManyRequests {
				wait := b.refused(k, rl)
				require.Positive(t, wait)
				require.LessOrEqual(t, wait, maxWait+margin)
			} else {
				b.answered(k, rl)
			}
			most = max(most, k.limit)
		}
		// Nothing more is answered: half of the largest limit that was named is the end of it.
		var refused *Error
		for ; sent < 300 && refused == nil; sent++ {
			k, err := b.acquire(context.Background(), "logs", false)
			if errors.As(err, &refused) {
				break
			}
			require.NoError(t, err)
			b.lost(k)
		}
		if refused == nil {
			// Before an answer has named a limit nothing is charged; the pauses after failures bound it.
			require.True(t, most >= 300 || b.buckets["logs"].limit == 0)
			return
		}
		require.LessOrEqual(t, sent, max(2, most), "both answers may have begun a window")
		require.Equal(t, RateLimited, refused.Class)
		require.Positive(t, refused.Wait)
		require.LessOrEqual(t, refused.Wait, maxWait+margin)
		now = now.Add(refused.Wait)
		_, err := b.acquire(context.Background(), "logs", false)
		require.NoError(t, err, "it goes on after the wait")
	})
}
