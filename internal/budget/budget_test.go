package budget_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// logs is an endpoint with a window of its own.
var logs = budget.Endpoint{Path: "/api/v1/logs"}

// bucket is Okta's side of a budget: what counts requests in fixed windows.
type bucket struct {
	limit int
	skew  time.Duration

	mu     sync.Mutex
	opened time.Time
	counts []int // requests of each window, those of others included
	own    []int
	denied int
}

// request answers a request as Okta would at this moment.
func (o *bucket) request(own bool) budget.Limits {
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
	return budget.ReadLimits(h, time.Now())
}

// spend sends requests until the time is over, and waits as it is told.
func spend(t *testing.T, m *budget.Member, o *bucket, until time.Time) {
	for time.Now().Before(until) {
		ticket, err := m.Acquire(context.Background(), logs)
		if err != nil {
			wait := turnedAway(t, err)
			require.Positive(t, wait.Wait)
			time.Sleep(wait.Wait)
			continue
		}
		time.Sleep(70 * time.Millisecond)
		ticket.Answered(o.request(true))
	}
}

func turnedAway(t *testing.T, err error) *budget.WaitError {
	t.Helper()
	var e *budget.WaitError
	require.ErrorAs(t, err, &e)
	return e
}

// live returns a member of a new budget.
func live(share float64) *budget.Member {
	return budget.New(share, time.Now).Join(ledger.LiveList)
}

// allowed is how many requests are allowed at this moment, none of which is answered.
func allowed(t *testing.T, m *budget.Member) (n int, wait time.Duration) {
	t.Helper()
	for {
		_, err := m.Acquire(context.Background(), logs)
		if err != nil {
			return n, turnedAway(t, err).Wait
		}
		n++
	}
}

func ask(t *testing.T, m *budget.Member) *budget.Ticket {
	t.Helper()
	return askFor(t, m, logs)
}

func askFor(t *testing.T, m *budget.Member, e budget.Endpoint) *budget.Ticket {
	t.Helper()
	ticket, err := m.Acquire(context.Background(), e)
	require.NoError(t, err)
	return ticket
}

// window is the only one that the member has used.
func window(t *testing.T, m *budget.Member, at time.Time) checkpoint.Window {
	t.Helper()
	all := m.Windows(at)
	require.Len(t, all, 1)
	return all[0]
}

// saved is the window in the checkpoint of a member whose slice is over.
func saved(t *testing.T, m *budget.Member) checkpoint.Window {
	t.Helper()
	m.Leave()
	return window(t, m, time.Now())
}

// received is the window as Temporal has it.
func received(w checkpoint.Window) checkpoint.Window {
	return checkpoint.Checkpoint{Windows: []checkpoint.Window{w}}.Received(time.Now(), 10*time.Second).Windows[0]
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
				o := &bucket{limit: test.limit, skew: test.skew}
				spend(t, live(test.share), o, time.Now().Add(10*time.Minute))
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
		o := &bucket{limit: 100}
		for range 80 {
			o.request(false)
		}
		spend(t, live(0.5), o, time.Now().Add(30*time.Second))
		require.Equal(t, []int{90}, o.counts)
	})
}

func TestBudgetOfAKilledWorkerGoesOnInTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		server := func() time.Time { return time.Now().Add(42 * time.Minute) } // Temporal's clock
		m := live(0.5)
		for range 4 {
			ask(t, m).Answered(o.request(true))
		}
		w := window(t, m, server())
		require.Equal(t, 6, w.Used, "requests that may be under way are counted")
		ask(t, m) // killed after it was sent
		o.request(true)

		time.Sleep(7 * time.Second)
		m = live(0.5)
		m.Restore([]checkpoint.Window{w}, nil, server())
		spend(t, m, o, time.Now().Add(3*time.Minute))
		for _, n := range o.own[:len(o.own)-1] {
			require.LessOrEqual(t, n, 6)
			require.GreaterOrEqual(t, n, 5)
		}
	})
}

func TestBudgetOfAFinishedSliceIsNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		b := budget.New(0.5, time.Now)
		var w []checkpoint.Window
		for range 6 {
			m := b.Join(ledger.LiveList)
			m.Restore(w, nil, time.Now())
			ask(t, m).Answered(o.request(true))
			w = []checkpoint.Window{received(saved(t, m))}
		}
	})
}

func TestBudgetIsInTheCheckpointOfASliceThatSentNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := live(0.5)
		ask(t, m).Answered((&bucket{limit: 12}).request(true))
		w := saved(t, m)
		m = live(0.5)
		m.Restore([]checkpoint.Window{w}, nil, time.Now())
		require.Equal(t, received(w), saved(t, m))
	})
}

func TestBudgetWithoutHeadersIsCareful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const unknownLimit = 20
		m := live(0.5)
		sent := 0
		for start := time.Now(); time.Since(start) < 3*time.Minute; {
			ticket, err := m.Acquire(context.Background(), logs)
			if err != nil {
				time.Sleep(turnedAway(t, err).Wait)
				continue
			}
			sent++
			ticket.Answered(budget.ReadLimits(http.Header{}, time.Now()))
		}
		require.LessOrEqual(t, sent, 3*unknownLimit/2)
		require.GreaterOrEqual(t, sent, 2*unknownLimit/2)
	})
}

func TestBudgetHonours429s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 100}
		m := live(0.5)
		// A cap of the token that the headers do not show: refused with most of the window left.
		wait := ask(t, m).Refused(o.request(true))
		require.InDelta(t, time.Minute, wait, float64(2*time.Second))
		_, err := m.Acquire(context.Background(), logs)
		require.Error(t, err, "the other services do not try either")
		time.Sleep(wait)

		// Too many at once: short, and it says nothing about the window.
		wait = ask(t, m).Refused(budget.Limits{Known: true, Left: 114 * time.Second, Reset: time.Now().Unix() + 113})
		require.Less(t, wait, 5*time.Second)
		ask(t, m)
	})
}

func TestBudgetBacksOffFrom429sWhoseResetIsPast(t *testing.T) {
	for name, limit := range map[string]int{"of a window": 50, "of too many at once": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := live(0.5)
				past := func() budget.Limits {
					h := http.Header{}
					h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
					h.Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
					h.Set("X-Rate-Limit-Remaining", "0")
					h.Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Unix()-30, 10))
					return budget.ReadLimits(h, time.Now())
				}
				asked := 0
				for began := time.Now(); time.Since(began) < 10*time.Minute; asked++ {
					wait := ask(t, m).Refused(past())
					require.GreaterOrEqual(t, wait, min(time.Second<<asked, time.Minute))
					require.LessOrEqual(t, wait, time.Minute+3*time.Second)
					time.Sleep(wait)
				}
				require.LessOrEqual(t, asked, 6+10)
				ask(t, m).Answered(budget.Limits{Known: true, Limit: 50, Remaining: 40, Reset: time.Now().Unix() + 30, Left: 31 * time.Second})
				require.Less(t, ask(t, m).Refused(past()), 5*time.Second, "after an answer it begins anew")
			})
		})
	}
}

func TestATicketCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		m := live(0.5)
		ticket := ask(t, m)
		ticket.Answered(o.request(true))
		before := window(t, m, time.Now())
		ticket.Lost()
		ticket.Refused(budget.Limits{Left: time.Hour})
		require.Equal(t, before, window(t, m, time.Now()))
	})
}

func TestBudgetIsNotUsedUpForeverByRequestsWithoutAnAnswerOfUse(t *testing.T) {
	crowded := budget.Limits{Known: true, Left: 114 * time.Second}
	for name, end := range map[string]func(*budget.Ticket){
		"lost":             func(k *budget.Ticket) { k.Lost() },
		"too many at once": func(k *budget.Ticket) { k.Refused(crowded) },
		"answers of long ago": func(k *budget.Ticket) {
			k.Answered(budget.Limits{Known: true, Limit: 12, Remaining: 3, Reset: 1, Left: time.Second})
		},
		"answers without any":  func(k *budget.Ticket) { k.Answered(budget.Limits{Left: time.Minute}) },
		"answers with limit 0": func(k *budget.Ticket) { k.Answered(budget.Limits{Known: true, Left: time.Minute}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &bucket{limit: 12}
				m := live(0.5)
				ask(t, m).Answered(o.request(true))
				time.Sleep(2 * time.Minute)
				sent := 0
				for start := time.Now(); time.Since(start) < 10*time.Minute; {
					ticket, err := m.Acquire(context.Background(), logs)
					if err != nil {
						time.Sleep(turnedAway(t, err).Wait)
						continue
					}
					sent++
					end(ticket)
				}
				require.GreaterOrEqual(t, sent, 9*6)
				require.LessOrEqual(t, sent, 10*6)
			})
		})
	}
}

func TestBudgetBeforeTheFirstAnswerIsNotChargedForAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := live(0.5)
		for range 60 {
			ask(t, m).Lost()
			time.Sleep(time.Minute)
		}
		o := &bucket{limit: 12}
		spend(t, m, o, time.Now().Add(30*time.Second))
		require.GreaterOrEqual(t, o.own[0], 5)
	})
}

func TestBudgetTakesAWindowForOneAlthoughItsEndIsNotAlwaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := live(0.5)
		reset := time.Now().Unix() + 55
		answer := func(i int) budget.Limits {
			return budget.Limits{Known: true, Limit: 12, Remaining: 12 - i - 1, Reset: reset + int64(i%3), Left: 56 * time.Second}
		}
		ask(t, m).Answered(answer(0))
		slow := ask(t, m)
		for i := range 4 {
			ask(t, m).Answered(answer(i + 1))
		}
		n, _ := allowed(t, m)
		require.Zero(t, n)
		// A window that Okta began early is another one.
		slow.Answered(budget.Limits{Known: true, Limit: 12, Remaining: 11, Reset: reset + 60, Left: time.Minute})
		n, _ = allowed(t, m)
		require.Equal(t, 5, n)
	})
}

func TestBudgetSharesTheLastTenthWithNobody(t *testing.T) {
	for limit, want := range map[int]int{1: 1, 2: 1, 9: 8, 10: 9, 12: 10, 25: 22, 100: 90, 600: 540} {
		synctest.Test(t, func(t *testing.T) {
			m := live(1)
			ask(t, m).Answered((&bucket{limit: limit}).request(true))
			n, wait := allowed(t, m)
			require.Equal(t, want, n+1)
			require.InDelta(t, 60, wait.Seconds(), 2)
		})
	}
}

func TestBudgetThatRestoredTooMuchLearnsBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		o.request(true)
		m := live(0.5)
		m.Restore([]checkpoint.Window{{Name: logs.Path, Limit: 12, Remaining: 11, Used: 4, Reset: time.Now().Unix() + 60, Ends: time.Now().Add(time.Minute)}}, nil, time.Now())
		ask(t, m).Answered(o.request(true)) // the second of all
		n, _ := allowed(t, m)
		require.Equal(t, 4, n)
	})
}

func TestBudgetTakesWhatIsGoneSinceTheCheckpointOfALostSliceForItsRequests(t *testing.T) {
	for _, lost := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o := &bucket{limit: 12}
			m := live(0.5)
			for range 2 {
				ask(t, m).Answered(o.request(true))
			}
			if !lost {
				m.Leave()
			}
			w := window(t, m, time.Now())
			for range 3 {
				o.request(lost)
			}
			m = live(0.5)
			m.Restore([]checkpoint.Window{w}, nil, time.Now())
			ask(t, m).Answered(o.request(true))
			n, _ := allowed(t, m)
			if !lost {
				require.Equal(t, 3, n, "a slice that has ended has counted all")
				return
			}
			require.Zero(t, n)
			// In the next window what others take is not ours.
			time.Sleep(2 * time.Minute)
			for range 5 {
				o.request(false)
			}
			ask(t, m).Answered(o.request(true))
			n, _ = allowed(t, m)
			require.Equal(t, 4, n, "all but the last tenth")
		})
	}
}

func TestBudgetOfAWorkerThatWasKilledAsAWindowBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		m := live(0.5)
		ask(t, m).Answered(o.request(true))
		w := []checkpoint.Window{window(t, m, time.Now())}
		time.Sleep(62 * time.Second)
		for range 3 { // and nothing of that is in a checkpoint
			ask(t, m).Answered(o.request(true))
		}

		time.Sleep(10 * time.Second)
		m = live(0.5)
		m.Restore(w, nil, time.Now())
		ask(t, m).Answered(o.request(true))
		n, _ := allowed(t, m)
		require.Equal(t, 2, n)

		// The slice may have begun long after its checkpoint, and may have been lost before it saved one of its own.
		time.Sleep(time.Hour)
		for range 5 {
			o.request(true)
		}
		m = live(0.5)
		m.Restore(w, nil, time.Now())
		ask(t, m).Answered(o.request(true))
		n, _ = allowed(t, m)
		require.Zero(t, n)
	})
}

// The window of a lost slice may seem to end late: see [checkpoint.Checkpoint.Received].
func TestBudgetOfAWorkerThatWasKilledAsAWindowBeganCountsItsRequestsWhereTheOneBeforeSeemsToGoOn(t *testing.T) {
	for name, late := range map[string]time.Duration{"while it seems to": 10 * time.Second, "after it seemed to": 4 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &bucket{limit: 12}
				m := live(0.5)
				ask(t, m).Answered(o.request(true))
				w := window(t, m, time.Now())
				time.Sleep(62 * time.Second)
				for range 2 { // and nothing of that is in a checkpoint
					ask(t, m).Answered(o.request(true))
				}

				w.Ends = w.Ends.Add(late)
				m = live(0.5)
				m.Restore([]checkpoint.Window{w}, nil, time.Now())
				time.Sleep(5 * time.Second)
				ask(t, m).Answered(o.request(true))
				n, _ := allowed(t, m)
				require.Equal(t, 3, n)
			})
		})
	}
}

func TestBudgetSaysWhichEndsOfWindowsAreByItsOwnEstimate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		m := live(0.5)
		ask(t, m).Answered(o.request(true))
		behind := time.Now().Add(-5 * time.Second) // of Temporal's clock
		w := window(t, m, behind)
		require.Equal(t, behind.UTC(), w.Made)
		w = received(w)
		require.Zero(t, w.Made)

		for range 3 { // by Temporal's clock they are right, and stay so
			m = live(0.5)
			m.Restore([]checkpoint.Window{w}, nil, behind)
			ask(t, m).Answered(o.request(true))
			require.Equal(t, w.Ends, window(t, m, behind).Ends)
			require.Zero(t, window(t, m, behind).Made)
		}
	})
}

func TestBudgetCountsARequestUnderWayInTheNextWindowToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		m := live(0.5)
		ask(t, m).Answered(o.request(true))
		slow := ask(t, m)
		time.Sleep(2 * time.Minute)
		ask(t, m).Answered(o.request(true))
		n, _ := allowed(t, m)
		require.Equal(t, 4, n)
		slow.Lost()
	})
}

func TestBudgetRestoresNothingThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := live(0.5)
		m.Restore([]checkpoint.Window{{Name: logs.Path, Limit: 12, Used: 6, Ends: time.Now()}}, nil, time.Now())
		ask(t, m)
		m.Restore([]checkpoint.Window{{Name: "/api/v1/users", Limit: 12, Used: 6, Ends: time.Now().Add(1000 * time.Hour)}}, nil, time.Now())
		_, err := m.Acquire(context.Background(), budget.Endpoint{Path: "/api/v1/users"})
		require.LessOrEqual(t, turnedAway(t, err).Wait, 15*time.Minute, "a wait is bounded, whatever a checkpoint says")
	})
}
