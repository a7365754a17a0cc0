package budget_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/budget"
)

// service asks for one page after another, in slices that end when the budget says so.
type service struct {
	name     string
	priority budget.Priority
	endpoint budget.Endpoint
	bucket   *bucket
	late     func() time.Duration // how much later than told the next slice begins; nil: at once
	think    func() time.Duration // between two pages; nil: none
	served   []time.Time
	order    *order
}

// order is in which order services were served.
type order struct {
	mu    sync.Mutex
	names []string
}

func (s *service) run(t *testing.T, b *budget.Budget, until time.Time) {
	for m := b.Join(s.name, s.priority); ; {
		began := time.Now()
		ticket, err := m.Acquire(context.Background(), s.endpoint)
		if err != nil {
			require.LessOrEqual(t, time.Since(began), 20*time.Second, "a slice is not held longer")
			m.Leave()
			time.Sleep(turnedAway(t, err).Wait)
			if s.late != nil {
				time.Sleep(s.late())
			}
			m = b.Join(s.name, s.priority)
		} else {
			time.Sleep(100 * time.Millisecond)
			s.served = append(s.served, time.Now())
			if s.order != nil {
				s.order.mu.Lock()
				s.order.names = append(s.order.names, s.name)
				s.order.mu.Unlock()
			}
			ticket.Answered(s.bucket.request(true))
			if s.think != nil {
				time.Sleep(s.think())
			}
		}
		if !time.Now().Before(until) {
			m.Leave()
			return
		}
	}
}

// runAll runs services at once. Each begins a moment after the one before it.
func runAll(t *testing.T, b *budget.Budget, lasts time.Duration, services ...*service) {
	until := time.Now().Add(lasts)
	var all sync.WaitGroup
	for _, s := range services {
		all.Go(func() { s.run(t, b, until) })
		time.Sleep(time.Millisecond)
	}
	all.Wait()
}

// upTo returns a source of random durations below a limit.
func upTo(limit time.Duration, seed1, seed2 uint64) func() time.Duration {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed1, seed2))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(r.Int64N(int64(limit)))
	}
}

func TestServicesThatShareOneRequestAMinuteTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, in := &bucket{limit: 2}, &order{}
		var services []*service
		for i, name := range []string{"a", "b", "c"} { // they wake in any order
			services = append(services, &service{name: name, endpoint: logs, bucket: o, order: in, late: upTo(2*time.Second, uint64(i), 1)})
		}
		runAll(t, budget.New(0.5, time.Now), 30*time.Minute, services...)
		require.GreaterOrEqual(t, len(in.names), 28, "no window is left unused")
		for i, name := range in.names {
			require.Equal(t, []string{"a", "b", "c"}[i%3], name, in.names)
		}
		for _, n := range o.own {
			require.Equal(t, 1, n)
		}
	})
}

func TestWhoeverIsTurnedAwayAgainKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 2}
		b := budget.New(0.5, time.Now)
		first, second, third := b.Join("first", 0), b.Join("second", 0), b.Join("third", 0)
		require.True(t, askIn(t, first, logs, o))
		require.False(t, askIn(t, second, logs, o))
		time.Sleep(time.Second)
		require.False(t, askIn(t, third, logs, o))
		require.False(t, askIn(t, second, logs, o), "asked once more, and not last because of that")
		second.Leave()
		time.Sleep(61 * time.Second)
		held := asking(t, context.Background(), third, logs, "the request is the second's")
		require.True(t, askIn(t, b.Join("second", 0), logs, o))
		require.Equal(t, budget.ShareUsed, turnedAway(t, (<-held).err).Reason)
	})
}

func TestWithinAWindowListsGoBeforeObjectsAndLiveCollectionBeforeBackfills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 2}
		b := budget.New(0.5, time.Now)
		first := b.Join("first", budget.LiveList)
		ask(t, first).Answered(o.request(true))
		first.Leave()
		want := []string{"list", "per object", "backfill of a list", "backfill per object"}
		priorities := []budget.Priority{budget.LiveList, budget.LivePerObject, budget.BackfillList, budget.BackfillPerObject}
		for i := range 4 { // the last first
			m := b.Join(want[3-i], priorities[3-i])
			m.Leave()
			require.False(t, askIn(t, m, logs, o))
		}
		var mu sync.Mutex
		var got []string
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for {
					m := b.Join(want[3-i], priorities[3-i])
					ticket, err := m.Acquire(context.Background(), logs)
					m.Leave()
					if err == nil {
						mu.Lock()
						got = append(got, want[3-i])
						mu.Unlock()
						ticket.Answered(o.request(true))
						return
					}
					time.Sleep(turnedAway(t, err).Wait)
				}
			})
		}
		all.Wait()
		require.Equal(t, want, got)
		require.Equal(t, []int{1, 1, 1, 1, 1}, o.own)
	})
}

func TestWhatIsLeftForSomebodyWhoDoesNotComeIsNotLostForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 2}
		b := budget.New(0.5, time.Now)
		ask(t, b.Join("first", budget.LiveList)).Answered(o.request(true))
		paused := b.Join("paused", budget.LiveList)
		_, err := paused.Acquire(context.Background(), logs)
		time.Sleep(turnedAway(t, err).Wait)

		began := time.Now()
		require.True(t, askIn(t, b.Join("second", budget.LivePerObject), logs, o), "it waits, and its slice goes on")
		require.InDelta(t, 5, time.Since(began).Seconds(), 1)
	})
}

func TestMembersThatWaitTogetherAreServedInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 8} // 4 are ours
		b := budget.New(0.5, time.Now)
		first := ask(t, b.Join("first", budget.LiveList))
		backfill := asking(t, context.Background(), b.Join("backfill", budget.BackfillList), logs, "nothing is known yet")
		objects := asking(t, context.Background(), b.Join("objects", budget.LivePerObject), logs, "nothing is known yet")
		list := asking(t, context.Background(), b.Join("list", budget.LiveList), logs, "nothing is known yet")
		for range 5 {
			o.request(false) // one more is left above the last tenth
		}
		first.Answered(o.request(true))
		got := <-list
		require.NoError(t, got.err)
		got.ticket.Answered(o.request(true))
		require.Equal(t, budget.ShareUsed, turnedAway(t, (<-objects).err).Reason)
		require.Equal(t, budget.ShareUsed, turnedAway(t, (<-backfill).err).Reason)
	})
}

func TestABackfillWaitsForLiveCollectionOnItsWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 24}
		b := budget.New(0.5, time.Now)
		live := b.Join("logs", budget.LiveList)
		ask(t, live).Answered(o.request(true))
		m := b.Join("backfill", budget.BackfillList)
		require.True(t, askIn(t, m, apps, &bucket{limit: 24}))

		yields := asking(t, context.Background(), m, logs, "live collection goes first")
		began := time.Now()
		err := turnedAway(t, (<-yields).err)
		require.Equal(t, budget.Yielding, err.Reason)
		require.Equal(t, 15*time.Second, time.Since(began))
		require.ErrorContains(t, err, "live collection goes first")

		yields = asking(t, context.Background(), m, logs, "live collection goes first")
		live.Leave()
		got := <-yields
		require.NoError(t, got.err)
		got.ticket.Answered(o.request(true))
		require.Equal(t, 7, most(t, m, logs, o), "1 was live, 3 of 12 are reserved")
		_, e := m.Acquire(context.Background(), logs)
		require.Equal(t, 3, turnedAway(t, e).Reserved)
		require.ErrorContains(t, e, "left to live collection")
		require.Equal(t, 3, most(t, live, logs, o))
	})
}

func TestABackfillThatIsAloneIsNotHeldForEver(t *testing.T) {
	for name, test := range map[string]struct {
		limit int
		share float64
		end   func(*budget.Ticket, *bucket)
	}{
		"answers without an end": {12, 0.5, func(k *budget.Ticket, _ *bucket) { k.Refused(budget.Limits{Known: true, Left: time.Second}) }},
		"answers that are late":  {12, 0.5, func(k *budget.Ticket, _ *bucket) { k.Answered(budget.Limits{Known: true, Limit: 12, Reset: 1}) }},
		"the smallest limit":     {2, 1, func(k *budget.Ticket, o *bucket) { k.Answered(o.request(true)) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &bucket{limit: test.limit}
				m := budget.New(test.share, time.Now).Join("backfill", budget.BackfillList)
				ask(t, m).Answered(o.request(true))
				sent := 0
				for start := time.Now(); time.Since(start) < 10*time.Minute; {
					ticket, err := m.Acquire(context.Background(), logs)
					if err != nil {
						time.Sleep(turnedAway(t, err).Wait)
						continue
					}
					sent++
					test.end(ticket, o)
				}
				require.GreaterOrEqual(t, sent, 9)
			})
		})
	}
}

// Over an hour with services that come and go at random, the budget uses its whole share in each window, no more, and
// leaves nobody out.
func TestNobodyStarves(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limit := []int{1, 2, 3, 12, 25, 50}[seed%6]
				o, child := &bucket{limit: limit}, &bucket{limit: 2 * limit} // the child's window is another one
				if seed%2 == 1 {
					child.limit = 3 + limit/3
				}
				var services []*service
				for i := range uint64(4) {
					late := upTo(3*time.Second, seed, i)
					services = append(services,
						&service{name: fmt.Sprint("objects", i), priority: budget.LivePerObject, endpoint: appUsers, bucket: o, late: late},
						&service{name: fmt.Sprint("child", i), priority: budget.LivePerObject, endpoint: appGroups, bucket: child, late: late})
				}
				// Lists go first, but ask for little.
				more := upTo(5*time.Minute, seed, 4)
				think := func() time.Duration { return 5*time.Minute + more() }
				services = append(services, &service{name: "list", endpoint: apps, bucket: o, think: think})
				start := time.Now()
				runAll(t, budget.New(0.5, time.Now), time.Hour, services...)

				want := max(1, limit/2)
				require.Zero(t, o.denied+child.denied)
				require.GreaterOrEqual(t, len(o.own), 52)
				for _, all := range []*bucket{o, child} {
					for i, n := range all.own {
						require.LessOrEqual(t, n, max(1, all.limit/2))
						// Until the list has asked for a second time it may be one window, whose limit was changed.
						if i > 11 && i < len(all.own)-1 {
							require.Equal(t, max(1, all.limit/2), n, i)
						}
					}
				}
				for _, s := range services {
					all := slices.Concat([]time.Time{start}, s.served, []time.Time{start.Add(time.Hour)})
					longest := 4 * time.Duration(1+6/want) * time.Minute // of a service that waits its turn
					if s.priority == budget.LiveList {
						longest = 15 * time.Minute // it thinks up to ten
					}
					for i := range all[1:] {
						require.Less(t, all[i+1].Sub(all[i]), longest, "%s after %s", s.name, all[i].Sub(start))
					}
				}
			})
		})
	}
}
