package budget_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

var (
	apps      = budget.Endpoint{Path: "/api/v1/apps"}
	appUsers  = budget.Endpoint{Path: "/api/v1/apps/{id}/users", Window: apps.Path}
	appGroups = budget.Endpoint{Path: "/api/v1/apps/{id}/groups", Window: apps.Path}
)

// names are those of the windows in the checkpoint of a member.
func names(m *budget.Member) []string {
	var all []string
	for _, w := range m.Windows(time.Now()) {
		all = append(all, w.Name)
	}
	return all
}

// askIn asks for an endpoint that counts in a bucket, and returns whether the budget allowed that.
func askIn(t *testing.T, m *budget.Member, e budget.Endpoint, o *bucket) bool {
	t.Helper()
	ticket, err := m.Acquire(context.Background(), e)
	if err != nil {
		turnedAway(t, err)
		return false
	}
	time.Sleep(50 * time.Millisecond)
	ticket.Answered(o.request(true))
	return true
}

// most asks for an endpoint until the budget allows no more.
func most(t *testing.T, m *budget.Member, e budget.Endpoint, o *bucket) (n int) {
	for askIn(t, m, e, o) {
		n++
	}
	return n
}

func TestEndpointsWithWindowsOfTheirOwnDoNotStarveEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(0.5, time.Now)
		idps, zones := &bucket{limit: 500}, &bucket{limit: 50}
		const polls = 14
		for range polls {
			require.True(t, askIn(t, b.Join(ledger.LiveList), budget.Endpoint{Path: "/api/v1/idps"}, idps))
			require.True(t, askIn(t, b.Join(ledger.LiveList), budget.Endpoint{Path: "/api/v1/zones"}, zones))
			time.Sleep(5*time.Second - 100*time.Millisecond)
		}
		require.Zero(t, idps.denied+zones.denied)
	})
}

// pair is a collection and what is below it, asked for by one member, as a slice that lists below it does.
type pair struct{ above, below *budget.Member }

func newPair(b *budget.Budget) pair {
	m := b.Join(ledger.LivePerObject)
	return pair{m, m}
}

func TestAnEndpointSharesTheWindowOfTheCollectionAboveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		p := newPair(budget.New(0.5, time.Now))
		for range 10 {
			n := 0
			for range 3 {
				if askIn(t, p.above, apps, o) {
					n++
				}
			}
			require.Equal(t, 6, n+most(t, p.below, appUsers, o))
			require.Equal(t, []string{apps.Path}, names(p.below))
			time.Sleep(62 * time.Second)
		}
	})
}

func TestAnEndpointWhoseAnswersNameAnotherLimitGetsAWindowOfItsOwn(t *testing.T) {
	for name, limits := range map[string][2]int{"a larger one": {12, 100}, "a smaller one": {100, 12}, "the smallest": {100, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				above, below := &bucket{limit: limits[0]}, &bucket{limit: limits[1]}
				p := newPair(budget.New(0.5, time.Now))
				for range 3 {
					askIn(t, p.above, apps, above)
					askIn(t, p.below, appUsers, below)
				}
				time.Sleep(62 * time.Second)
				require.True(t, askIn(t, p.above, apps, above))
				require.True(t, askIn(t, p.below, appUsers, below))
				require.Contains(t, names(p.below), appUsers.Path)

				time.Sleep(62 * time.Second)
				require.Equal(t, limits[0]/2, most(t, p.above, apps, above))
				require.Equal(t, limits[1]/2, most(t, p.below, appUsers, below))
				for _, n := range above.own {
					require.LessOrEqual(t, n, limits[0]/2)
				}
				for _, n := range below.own {
					require.LessOrEqual(t, n, limits[1]/2)
				}
			})
		})
	}
}

func TestAnEndpointWhoseAnswersNameAnotherResetGetsAWindowOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		above, below := &bucket{limit: 12}, &bucket{limit: 12}
		p := newPair(budget.New(0.5, time.Now))
		require.True(t, askIn(t, p.above, apps, above))
		require.True(t, askIn(t, p.above, apps, above))
		time.Sleep(20 * time.Second)
		require.True(t, askIn(t, p.below, appUsers, below), "the first answer shows it")
		require.Equal(t, 5, most(t, p.below, appUsers, below), "what it used itself is carried over, and no more")
		require.Equal(t, 4, most(t, p.above, apps, above))
	})
}

func TestAnEndpointKeepsItsOwnWindowInTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		above, below := &bucket{limit: 100}, &bucket{limit: 12}
		p := newPair(budget.New(0.5, time.Now))
		require.True(t, askIn(t, p.above, apps, above))
		time.Sleep(20 * time.Second)
		require.Equal(t, 6, most(t, p.below, appUsers, below))
		p.below.Leave()
		p.above.Leave()
		durable := [2][]checkpoint.Window{p.above.Windows(time.Now()), p.below.Windows(time.Now())}

		p = newPair(budget.New(0.5, time.Now))
		p.above.Restore(durable[0], nil, time.Now())
		p.below.Restore(durable[1], nil, time.Now())
		require.Zero(t, most(t, p.below, appUsers, below))
		require.Equal(t, 49, most(t, p.above, apps, above))
	})
}

func TestAChangedLimitIsNotTakenForAnotherWindow(t *testing.T) {
	for name, limits := range map[string][2]int{"raised": {12, 40}, "lowered": {40, 12}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &bucket{limit: limits[0]}
				p := newPair(budget.New(0.5, time.Now))
				for range 2 {
					require.True(t, askIn(t, p.above, apps, o))
					require.True(t, askIn(t, p.below, appUsers, o))
				}
				o.limit = limits[1]
				most(t, p.below, appUsers, o)
				most(t, p.above, apps, o)
				require.LessOrEqual(t, o.own[0], max(limits[0], limits[1])/2)
				for range 5 {
					time.Sleep(62 * time.Second)
					before := len(o.own)
					require.True(t, askIn(t, p.above, apps, o))
					most(t, p.below, appUsers, o)
					require.Equal(t, []int{limits[1] / 2}, o.own[before:])
					require.Equal(t, []string{apps.Path}, names(p.below))
				}
			})
		})
	}
}

func TestAnEndpointThatAsksNoMoreDoesNotHoldARaisedLimitDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		p := newPair(budget.New(0.5, time.Now))
		require.True(t, askIn(t, p.above, apps, o))
		require.True(t, askIn(t, p.below, appUsers, o))
		o.limit = 40
		require.True(t, askIn(t, p.below, appUsers, o))
		for range 5 {
			time.Sleep(62 * time.Second)
			require.Equal(t, 20, most(t, p.below, appUsers, o))
		}
	})
}

func TestAnEndpointComesBackToAWindowThatTurnsOutToBeItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &bucket{limit: 12}
		p := newPair(budget.New(0.5, time.Now))
		require.True(t, askIn(t, p.above, apps, o))
		odd := o.request(true)
		odd.Reset += 20
		askFor(t, p.below, appUsers).Answered(odd) // one odd answer
		require.Contains(t, names(p.below), appUsers.Path)
		require.True(t, askIn(t, p.below, appUsers, o))
		require.Equal(t, []string{apps.Path}, names(p.below))
		require.Equal(t, 3, most(t, p.above, apps, o))
		require.Zero(t, most(t, p.below, appUsers, o))
	})
}

func TestAnswersThatSayNothingOfAWindowChangeNone(t *testing.T) {
	for name, answer := range map[string]func(o *bucket) budget.Limits{
		"no headers": func(*bucket) budget.Limits { return budget.Limits{Left: 61 * time.Second} },
		"no Date": func(o *bucket) budget.Limits {
			l := o.request(false)
			l.Reset = 0
			return l
		},
		"too many at once": func(*bucket) budget.Limits {
			return budget.Limits{Known: true, Reset: time.Now().Unix() + 90, Left: 90 * time.Second}
		},
		"of the window before": func(o *bucket) budget.Limits {
			l := o.request(false)
			l.Reset -= 60
			return l
		},
		"an end that differs by seconds": func(o *bucket) budget.Limits {
			l := o.request(false)
			l.Reset += 3
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &bucket{limit: 40}
				p := newPair(budget.New(0.5, time.Now))
				for range 3 {
					require.True(t, askIn(t, p.above, apps, o))
					askFor(t, p.below, appUsers).Answered(answer(o))
				}
				require.Equal(t, []string{apps.Path}, names(p.below))
				require.Equal(t, 14, most(t, p.below, appUsers, o)+most(t, p.above, apps, o))
			})
		})
	}
}
