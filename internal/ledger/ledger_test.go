package ledger_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

const (
	apps      = "/api/v1/apps"
	appUsers  = "/api/v1/apps/{id}/users"
	appGroups = "/api/v1/apps/{id}/groups"
	logs      = "/api/v1/logs"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// account is a ledger with a clock.
type account struct {
	t *testing.T
	ledger.Ledger
	now    time.Time
	claims int
}

func newAccount(t *testing.T) *account { return &account{t: t, now: noon} }

func (a *account) claim(member string, p ledger.Priority, path, home string, change ...func(*ledger.Claim)) (ledger.Grant, []ledger.Notice) {
	a.t.Helper()
	a.claims++
	c := ledger.Claim{ID: strconv.Itoa(a.claims), Member: member, Priority: p, Path: path, Home: home, Share: 0.5}
	for _, f := range change {
		f(&c)
	}
	require.NoError(a.t, c.Check())
	grant, notices := a.Ledger.Claim(a.now, c)
	require.True(a.t, a.CanBe())
	return grant, notices
}

// told is a claim that tells of a window whose limit is 12.
func told(remaining, used int, left time.Duration, resets int64) func(*ledger.Claim) {
	return func(c *ledger.Claim) {
		c.Seen = []ledger.Seen{{Path: c.Path, Home: c.Home, Limit: 12, Remaining: remaining, Used: used, Left: left, Reset: resets}}
	}
}

func wants(n int) func(*ledger.Claim) { return func(c *ledger.Claim) { c.Want = n } }

// over tells that the window before has ended.
func over(c *ledger.Claim) { told(12, 0, -time.Second, noon.Unix())(c) }

// shared is an account in which a and b share the window of apps, whose limit is 12.
func shared(t *testing.T) *account {
	a := newAccount(t)
	first, _ := a.claim("a", ledger.LivePerObject, appUsers, apps)
	require.NotZero(t, first.Alone)
	_, notices := a.claim("b", ledger.LivePerObject, appGroups, apps)
	require.Equal(t, []ledger.Notice{{Member: "a", Home: apps, Number: first.Alone}}, notices)
	a.Release(a.now, "a", apps, first.Alone, []ledger.Seen{{Path: apps, Home: apps, Limit: 12, Remaining: 6, Used: 6, Reset: noon.Unix() + 60, Left: time.Minute}})
	a.now = a.now.Add(62 * time.Second)
	return a
}

func TestAMemberThatIsAloneNeedsNoClaims(t *testing.T) {
	a := newAccount(t)
	grant, notices := a.claim("logs", ledger.LiveList, logs, logs)
	require.NotZero(t, grant.Alone)
	require.Nil(t, notices)
	other, notices := a.claim("apps", ledger.LiveList, apps, apps)
	require.NotZero(t, other.Alone, "of a home of its own")
	require.NotEqual(t, grant.Alone, other.Alone)
	require.Nil(t, notices)
}

func TestAMemberThatAlwaysClaimsIsNeverAlone(t *testing.T) {
	a := newAccount(t)
	for range 3 {
		grant, _ := a.claim("logs", ledger.LiveList, logs, logs, func(c *ledger.Claim) { c.Always = true })
		require.Zero(t, grant.Alone)
		require.NotZero(t, grant.Requests)
		a.now = a.now.Add(67 * time.Second)
	}
}

func TestAMemberThatIsAloneAsksAgainAfterADay(t *testing.T) {
	a := newAccount(t)
	first, _ := a.claim("logs", ledger.LiveList, logs, logs)
	require.Equal(t, 24*time.Hour, first.Left)
	a.now = a.now.Add(first.Left)
	again, notices := a.claim("logs", ledger.LiveList, logs, logs, told(6, 6, 30*time.Second, noon.Unix()+60))
	require.Equal(t, first.Alone, again.Alone)
	require.Equal(t, first.Left, again.Left)
	require.Nil(t, notices)
}

// A ledger that is lost does not know since when a member was alone. So it cannot tell a claim after a day from that of a run
// that was begun anew meanwhile, and that does not know what the run before has sent.
func TestAMemberThatClaimsAfterTheLedgerWasLostIsNotAloneAtOnce(t *testing.T) {
	a := newAccount(t)
	first, _ := a.claim("logs", ledger.LiveList, logs, logs)
	require.NotZero(t, first.Alone)
	a.Ledger = a.Alone()
	a.Lost(a.now)
	a.now = a.now.Add(2 * time.Minute)
	again, notices := a.claim("logs", ledger.LiveList, logs, logs)
	require.Zero(t, again.Alone)
	require.Zero(t, again.Requests, "its whole share counts as used")
	require.Nil(t, notices)
	a.now = a.now.Add(again.Wait)
	later, _ := a.claim("logs", ledger.LiveList, logs, logs)
	require.NotZero(t, later.Alone)
}

func TestWhoeverJoinsGetsNothingBeforeTheFirstHasReleasedTheHome(t *testing.T) {
	a := newAccount(t)
	first, _ := a.claim("a", ledger.LiveList, apps, apps)
	for range 3 {
		grant, notices := a.claim("b", ledger.LivePerObject, appUsers, apps)
		require.Zero(t, grant.Requests)
		require.Positive(t, grant.Wait)
		require.Len(t, notices, 1, "it is told again")
		require.False(t, a.Released(apps, "b"))
		a.now = a.now.Add(grant.Wait)
	}
	a.Release(a.now, "a", apps, first.Alone+1, nil)
	require.False(t, a.Released(apps, "b"), "that is of another time")
	a.Release(a.now, "a", apps, first.Alone, []ledger.Seen{{Path: apps, Home: apps, Limit: 12, Remaining: 10, Used: 2, Reset: noon.Unix() + 60, Left: 30 * time.Second}})
	require.True(t, a.Released(apps, "b"))
	grant, _ := a.claim("b", ledger.LivePerObject, appUsers, apps)
	require.Equal(t, 4, grant.Requests, "the rest of the window")
}

func TestAMemberThatNeverAnswersIsNotWaitedForForever(t *testing.T) {
	a := newAccount(t)
	a.claim("a", ledger.LiveList, apps, apps)
	began, grant := a.now, ledger.Grant{}
	for grant.Requests == 0 && a.now.Sub(began) < time.Hour {
		grant, _ = a.claim("b", ledger.LivePerObject, appUsers, apps)
		a.now = a.now.Add(grant.Wait)
	}
	require.NotZero(t, grant.Requests)
	require.Greater(t, a.now.Sub(began), 15*time.Minute, "its last slice may go on that long")
}

func TestTheWholeShareOfOneThatMayHaveUsedMoreCounts(t *testing.T) {
	for name, seen := range map[string][]ledger.Seen{
		"its slice was lost":    {{Path: apps, Home: apps, Limit: 12, Remaining: 10, Used: 2, Reset: noon.Unix() + 60, Left: 30 * time.Second, Open: true}},
		"it knows of no window": nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			first, _ := a.claim("a", ledger.LiveList, apps, apps)
			a.claim("b", ledger.LivePerObject, appUsers, apps)
			a.Release(a.now, "a", apps, first.Alone, seen)
			grant, _ := a.claim("b", ledger.LivePerObject, appUsers, apps)
			require.Zero(t, grant.Requests)
			a.now = a.now.Add(grant.Wait)
			grant, _ = a.claim("b", ledger.LivePerObject, appUsers, apps)
			require.NotZero(t, grant.Requests)
		})
	}
}

func TestMembersThatWantMoreThanThereIsShareEqually(t *testing.T) {
	a := shared(t)
	first, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	second, _ := a.claim("b", ledger.LivePerObject, appGroups, apps, over)
	require.Equal(t, []int{3, 3}, []int{first.Requests, second.Requests})
	third, _ := a.claim("a", ledger.LivePerObject, appUsers, apps)
	require.Zero(t, third.Requests, "a new slice gets no more: what its claim was for counts as used")
	require.Positive(t, third.Wait)
}

func TestAClaimThatIsSentAgainGetsTheSameAnswer(t *testing.T) {
	a := shared(t)
	same := func(c *ledger.Claim) { c.ID = "same" }
	first, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, over, same)
	a.now = a.now.Add(time.Second)
	again, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, over, same)
	require.Equal(t, first, again)
	require.Equal(t, 3, a.Windows[0].Used())
}

func TestWhatWasGrantedTooLateIsTakenBackOnce(t *testing.T) {
	unsent := func(id string) func(*ledger.Claim) {
		return func(c *ledger.Claim) { c.Unsent = id }
	}
	same := func(c *ledger.Claim) { c.ID = "late" }
	for name, row := range map[string]struct {
		change []func(*ledger.Claim)
		want   int
	}{
		"it was sent":              {nil, 0},
		"it was not":               {[]func(*ledger.Claim){unsent("late")}, 3},
		"another one was not":      {[]func(*ledger.Claim){unsent("another")}, 0},
		"it was sent all the same": {[]func(*ledger.Claim){unsent("late"), told(9, 3, 50*time.Second, noon.Unix()+120)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := shared(t)
			first, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, over, same)
			a.claim("b", ledger.LivePerObject, appGroups, apps, over)
			require.Equal(t, 3, first.Requests)
			a.now = a.now.Add(7 * time.Second)
			again, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, row.change...)
			require.Equal(t, row.want, again.Requests)
			require.LessOrEqual(t, again.Left, 53*time.Second)
			require.Equal(t, 6, a.Windows[0].Used())
			more, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, unsent("late"))
			require.Zero(t, more.Requests)
		})
	}
}

func TestListsGoFirstAndLiveCollectionBeforeBackfills(t *testing.T) {
	a := shared(t)
	a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	a.claim("b", ledger.LivePerObject, appGroups, apps, over)
	for _, m := range []struct {
		id   string
		p    ledger.Priority
		want int
	}{{"list", ledger.LiveList, 2}, {"backfill", ledger.BackfillPerObject, 0}} {
		a.claim(m.id, m.p, apps, apps, wants(m.want)) // they wait for the next window
	}
	got := map[string]int{}
	a.now = a.now.Add(67 * time.Second)
	for _, m := range []string{"backfill", "a", "list", "b"} {
		p := map[string]ledger.Priority{"backfill": ledger.BackfillPerObject, "list": ledger.LiveList, "a": ledger.LivePerObject, "b": ledger.LivePerObject}[m]
		want := map[string]int{"list": 2}[m]
		grant, _ := a.claim(m, p, apps, apps, wants(want))
		got[m] = grant.Requests
	}
	require.Equal(t, 6, got["backfill"]+got["a"]+got["b"]+got["list"], got)
	require.Equal(t, 1, got["backfill"], "nobody starves")
	require.Equal(t, 2, got["list"])
}

func TestWithFewerRequestsThanMembersWhoeverHasWaitedLongestIsNext(t *testing.T) {
	one := func(c *ledger.Claim) {
		c.Share = 0.01
		over(c)
	}
	a := shared(t)
	var order []string
	for range 6 {
		for _, m := range []string{"a", "b"} {
			if grant, _ := a.claim(m, ledger.LivePerObject, appUsers, apps, one); grant.Requests > 0 {
				require.Equal(t, 1, grant.Requests)
				order = append(order, m)
			}
		}
		a.now = a.now.Add(67 * time.Second)
	}
	require.Len(t, order, 6)
	for i := range order[1:] {
		require.NotEqual(t, order[i], order[i+1], order)
	}
}

func TestWhatIsKeptForOneThatDoesNotComeIsNotLostForLong(t *testing.T) {
	a := shared(t)
	a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	a.claim("b", ledger.LivePerObject, appGroups, apps, over)
	var got []int
	for range 4 {
		a.now = a.now.Add(67 * time.Second)
		grant, _ := a.claim("a", ledger.LivePerObject, appUsers, apps)
		got = append(got, grant.Requests)
	}
	require.Equal(t, []int{3, 6, 6, 6}, got)
}

func TestRequestsAreKeptForOneThatWasAloneAndIsAboutToClaim(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		want  int
		now   int // what the second one gets in this window
		next  int // and in the next
	}{
		"at once, and all it can get":      {0, 0, 1, 1},
		"at once, and little":              {0, 2, 2, 4},
		"in the next window":               {45 * time.Second, 0, 4, 1},
		"in a quarter of an hour":          {15 * time.Minute, 0, 4, 6},
		"in the next window, and a little": {45 * time.Second, 1, 4, 5},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			first, _ := a.claim("a", ledger.LiveList, logs, logs)
			a.claim("b", ledger.BackfillList, logs, logs)
			a.Release(a.now, "a", logs, first.Alone, []ledger.Seen{{Path: logs, Home: logs, Limit: 12, Remaining: 10, Used: 2, Reset: noon.Unix() + 60, Left: 40 * time.Second}})
			a.Expect(a.now, "a", logs, test.after, test.want)
			grant, _ := a.claim("b", ledger.BackfillList, logs, logs)
			require.Equal(t, test.now, grant.Requests)
			a.now = a.now.Add(41 * time.Second)
			grant, _ = a.claim("b", ledger.BackfillList, logs, logs)
			require.Equal(t, test.next, grant.Requests)
		})
	}
}

func TestAMemberWhoseOthersAreGoneIsAloneAgain(t *testing.T) {
	a := shared(t)
	a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	a.Leave(a.now, "b", nil)
	a.now = a.now.Add(67 * time.Second)
	grant, _ := a.claim("a", ledger.LivePerObject, appUsers, apps)
	require.NotZero(t, grant.Alone)

	a = shared(t)
	for range 40 {
		a.now = a.now.Add(67 * time.Second)
		if grant, _ = a.claim("a", ledger.LivePerObject, appUsers, apps); grant.Alone != 0 {
			break
		}
	}
	require.NotZero(t, grant.Alone, "nothing was heard of the other one for long")
}

func TestASliceThatWasLostBeforeItKnewThatItIsAloneHasUsedTheWindow(t *testing.T) {
	a := newAccount(t)
	first, _ := a.claim("a", ledger.LiveList, apps, apps)
	a.now = a.now.Add(10 * time.Second)
	again, _ := a.claim("a", ledger.LiveList, apps, apps)
	require.Zero(t, again.Alone)
	a.now = a.now.Add(again.Wait)
	again, _ = a.claim("a", ledger.LiveList, apps, apps)
	require.Greater(t, again.Alone, first.Alone)
}

func TestNothingIsGrantedThatCouldBeSentInTheNextWindow(t *testing.T) {
	a := shared(t)
	first, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	require.Equal(t, 5*time.Second, first.Begin, "nobody knows yet when the window ends")
	require.LessOrEqual(t, first.Left, time.Minute)
	a.now = a.now.Add(55 * time.Second)
	late, _ := a.claim("b", ledger.LivePerObject, appGroups, apps)
	require.Zero(t, late.Requests)
	require.LessOrEqual(t, late.Wait, 11*time.Second)
}

// The end may be told with a claim that takes long, and the answer to another one may take long as well.
func TestNothingIsGrantedShortlyBeforeAKnownEnd(t *testing.T) {
	for left, granted := range map[time.Duration]bool{9 * time.Second: false, 11 * time.Second: true} {
		a := shared(t)
		a.claim("a", ledger.LivePerObject, appUsers, apps, told(9, 3, left, noon.Unix()+120))
		late, _ := a.claim("b", ledger.LivePerObject, appGroups, apps)
		require.Equal(t, granted, late.Requests > 0, left)
		require.LessOrEqual(t, late.Left, left-3*time.Second)
	}
}

func TestWhatWasClaimedAsAWindowEndedCountsInTheNextToo(t *testing.T) {
	a := shared(t)
	a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	began := a.now
	a.now = a.now.Add(50 * time.Second)
	late, _ := a.claim("b", ledger.LivePerObject, appGroups, apps)
	require.Equal(t, 3, late.Requests)
	// The first one's answer has told that Okta's window ended two seconds after that.
	a.now = began.Add(53 * time.Second)
	grant, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, told(6, 3, -time.Second, noon.Unix()+121))
	require.LessOrEqual(t, grant.Requests, 3)
	require.Equal(t, 3+grant.Requests, a.Windows[0].Used())
}

func TestOthersThanTheCollectorLeaveLess(t *testing.T) {
	a := shared(t)
	grant, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, told(4, 0, 40*time.Second, noon.Unix()+130))
	require.LessOrEqual(t, grant.Requests, 2, "2 of 12 stay free for the org")
}

func TestEndpointsMoveToTheWindowsThatAnswersShow(t *testing.T) {
	a := shared(t)
	answers := func(c *ledger.Claim) {
		over(c)
		c.Answers = []ledger.Answer{
			{Path: apps, Home: apps, Limit: 100, Reset: noon.Unix() + 60, Age: time.Second},
			{Path: appUsers, Home: apps, Limit: 12, Reset: noon.Unix() + 30, Age: time.Second},
		}
	}
	grant, _ := a.claim("a", ledger.LivePerObject, appUsers, apps, answers)
	require.Equal(t, appUsers, grant.Window)
	grant, _ = a.claim("b", ledger.LivePerObject, appGroups, apps)
	require.Equal(t, apps, grant.Window, "nothing is known of its own")
}

func TestALedgerSurvivesTemporal(t *testing.T) {
	a := shared(t)
	a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	text, err := json.Marshal(a.Ledger)
	require.NoError(t, err)
	var read ledger.Ledger
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, a.Ledger, read)
}

func TestClaimsThatCannotBeAreRefused(t *testing.T) {
	good := ledger.Claim{ID: "1", Member: "a", Path: apps, Home: apps, Share: 0.5}
	require.NoError(t, good.Check())
	long := "/" + string(make([]byte, 2000))
	for name, change := range map[string]func(*ledger.Claim){
		"no id":             func(c *ledger.Claim) { c.ID = "" },
		"no member":         func(c *ledger.Claim) { c.Member = "" },
		"no path":           func(c *ledger.Claim) { c.Path = "apps" },
		"a long path":       func(c *ledger.Claim) { c.Path = long },
		"no home":           func(c *ledger.Claim) { c.Home = "" },
		"no share":          func(c *ledger.Claim) { c.Share = 0 },
		"more than all":     func(c *ledger.Claim) { c.Share = 1.1 },
		"a share of NaN":    func(c *ledger.Claim) { c.Share = nan() },
		"an odd priority":   func(c *ledger.Claim) { c.Priority = 4 },
		"less than nothing": func(c *ledger.Claim) { c.Want = -1 },
		"a window's odd limit": func(c *ledger.Claim) {
			c.Seen = []ledger.Seen{{Path: apps, Home: apps, Limit: -1}}
		},
		"an answer without a limit": func(c *ledger.Claim) {
			c.Answers = []ledger.Answer{{Path: apps, Home: apps, Reset: 1}}
		},
		"many windows": func(c *ledger.Claim) { c.Seen = make([]ledger.Seen, 100) },
		"many answers": func(c *ledger.Claim) { c.Answers = make([]ledger.Answer, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			require.Error(t, c.Check())
		})
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// TestWhateverIsClaimedTheLedgerKeepsItsBounds sends claims that nobody sends. A ledger beyond its bounds is dropped when the
// tenant's workflow continues as new, and services that are alone would not be known any more.
func TestWhateverIsClaimedTheLedgerKeepsItsBounds(t *testing.T) {
	for seed := range uint64(20) {
		chance := rand.New(rand.NewPCG(seed, 2))
		spread := []int{3, 50, 100_000}[seed%3]
		path := func() string { return fmt.Sprintf("/api/v1/%0200d", chance.IntN(spread)) }
		number := func() int { return []int{0, 1, 2, 12, 100, 1 << 30}[chance.IntN(6)] }
		duration := func() time.Duration {
			return []time.Duration{-1 << 62, -101 * 24 * time.Hour, -time.Minute, -time.Second, 0, time.Second, time.Minute, 1 << 62}[chance.IntN(8)]
		}
		reset := func() int64 { return noon.Unix() + []int64{-100, 0, 30, 60, 90, 120, 1 << 60}[chance.IntN(7)] }
		a := newAccount(t)
		var homes []string
		for range 3 {
			homes = append(homes, path())
		}
		for range 1800 {
			a.now = a.now.Add(time.Duration(chance.Int64N(int64(2 * time.Second))))
			member := fmt.Sprintf("okta/acme/%0200d", chance.IntN(spread))
			switch chance.IntN(20) {
			case 0:
				a.Leave(a.now, member, nil)
			case 1:
				a.Release(a.now, member, homes[0], 1+chance.Int64N(3), nil)
			default:
				a.claim(member, ledger.Priority(chance.IntN(4)), path(), homes[chance.IntN(3)], func(c *ledger.Claim) {
					c.Want, c.Polls = number(), chance.IntN(2) == 0
					for range chance.IntN(10) {
						c.Seen = append(c.Seen, ledger.Seen{
							Path: path(), Home: homes[chance.IntN(3)], Limit: number(), Remaining: number() - 12, Reset: max(0, reset()*int64(chance.IntN(2))),
							Used: number(), Open: chance.IntN(2) == 0, Left: duration(),
						})
						c.Answers = append(c.Answers, ledger.Answer{Path: path(), Home: homes[chance.IntN(3)], Limit: 1 + number()/2, Reset: reset(), Age: max(0, duration())})
					}
				}) // which looks at the bounds
			}
		}
		require.LessOrEqual(t, len(a.Members), 200)
		text, err := json.Marshal(a.Ledger)
		require.NoError(t, err)
		require.Less(t, len(text), 1<<20, "seed %d", seed)
	}
}

// A full pull may be a year ago, and so may the stop of a service that is started again.
func TestAMemberMayTellOfAWindowOfLongAgo(t *testing.T) {
	a := newAccount(t)
	grant, _ := a.claim("a", ledger.LiveList, apps, apps, told(6, 6, -400*24*time.Hour, noon.Unix()), func(c *ledger.Claim) {
		c.Answers = []ledger.Answer{{Path: apps, Home: apps, Limit: 12, Reset: 1, Age: 400 * 24 * time.Hour}}
	})
	require.NotZero(t, grant.Alone)
}

func TestAMemberThatLeavesWhileItIsAloneHasUsedTheWindow(t *testing.T) {
	used := ledger.Seen{Path: apps, Home: apps, Limit: 12, Remaining: 8, Used: 4, Reset: noon.Unix() + 60, Left: 30 * time.Second}
	over := used
	over.Left = -time.Second
	for name, test := range map[string]struct {
		seen  []ledger.Seen
		alone bool
		next  int
	}{
		"as much as it knows":           {[]ledger.Seen{used}, false, 2},
		"which is over":                 {[]ledger.Seen{over}, true, 0},
		"all, if nobody knows how much": {nil, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			a.claim("a", ledger.LiveList, apps, apps)
			a.Leave(a.now, "a", test.seen)
			grant, notices := a.claim("b", ledger.LivePerObject, appUsers, apps)
			require.Nil(t, notices)
			require.Equal(t, test.alone, grant.Alone != 0)
			require.Equal(t, test.next, grant.Requests)
			if !test.alone {
				a.now = a.now.Add(67 * time.Second)
				grant, _ = a.claim("b", ledger.LivePerObject, appUsers, apps)
				require.NotZero(t, grant.Alone, "in the next window")
			}
		})
	}
}

// Its release may be on the way still, or it is a new run after the one that was alone: started anew, or after somebody has
// terminated that one.
func TestAMemberThatClaimsAlthoughItIsAloneHasUsedTheWindow(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ledger.Claim)
		next   int
	}{
		"as much as it knows":    {told(8, 4, 30*time.Second, noon.Unix()+60), 2},
		"all, if it was lost":    {func(c *ledger.Claim) { told(8, 4, 30*time.Second, noon.Unix()+60)(c); c.Seen[0].Open = true }, 0},
		"all, if it knows none":  {func(*ledger.Claim) {}, 0},
		"all, if it knows other": {func(c *ledger.Claim) { told(8, 4, 30*time.Second, noon.Unix()+60)(c); c.Seen[0].Home = logs }, 0},
	} {
		for _, isTold := range []bool{false, true} {
			t.Run(fmt.Sprint(name, isTold), func(t *testing.T) {
				a := newAccount(t)
				first, _ := a.claim("a", ledger.LiveList, apps, apps)
				a.now = a.now.Add(time.Hour)
				if isTold {
					_, notices := a.claim("b", ledger.LivePerObject, appUsers, apps)
					require.Len(t, notices, 1)
				}
				again, _ := a.claim("a", ledger.LiveList, apps, apps, test.change, wants(2))
				require.Zero(t, again.Alone)
				require.Equal(t, test.next, again.Requests)
				a.Release(a.now, "a", apps, first.Alone, nil)
				require.LessOrEqual(t, a.Windows[0].Used(), 6, "it comes too late")
			})
		}
	}
}

func TestWhatManyAnswersMoveToAndFroDoesNotGrow(t *testing.T) {
	a := shared(t)
	a.claim("a", ledger.LivePerObject, appUsers, apps, over)
	for i := range 100 {
		a.claim("b", ledger.LivePerObject, appGroups, apps, func(c *ledger.Claim) {
			limit := 12 + i%2*88
			c.Answers = []ledger.Answer{{Path: apps, Home: apps, Limit: 12, Reset: noon.Unix() + 60}, {Path: appUsers, Home: apps, Limit: limit, Reset: noon.Unix() + 30 + int64(i%2)*30}}
		})
	}
	for _, w := range a.Windows {
		require.LessOrEqual(t, len(w.Claimed), 2)
	}
}

// TestNoSequenceOfClaimsGrantsMoreThanTheShare claims, releases and leaves at random, and counts what was granted of each
// window as the ledger tells it.
func TestNoSequenceOfClaimsGrantsMoreThanTheShare(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 1))
		a := newAccount(t)
		alone := map[string]int64{}
		granted, opened := 0, time.Time{}
		for range 300 {
			a.now = a.now.Add(time.Duration(chance.Int64N(int64(8 * time.Second))))
			id := fmt.Sprint("m", chance.IntN(5))
			switch chance.IntN(12) {
			case 0:
				a.Leave(a.now, id, nil)
				delete(alone, id)
			case 1, 2:
				if n := alone[id]; n != 0 {
					a.Release(a.now, id, apps, n, nil)
					delete(alone, id)
				}
			default:
				if alone[id] != 0 {
					continue
				}
				grant, _ := a.claim(id, ledger.Priority(chance.IntN(4)), apps, apps, func(c *ledger.Claim) {
					c.Want, c.Polls = chance.IntN(8), chance.IntN(2) == 0
					c.Seen = []ledger.Seen{{Path: apps, Home: apps, Limit: 12, Remaining: 12, Left: -time.Hour, Reset: 1}}
				})
				if grant.Alone != 0 {
					alone[id] = grant.Alone
				}
				w := a.Windows[0]
				if !w.Opened.Equal(opened) {
					granted, opened = 0, w.Opened
				}
				granted += grant.Requests
				require.LessOrEqual(t, granted, 6, "seed %d", seed)
				require.LessOrEqual(t, grant.Wait, 67*time.Second)
				require.False(t, grant.Alone == 0 && grant.Requests == 0 && grant.Wait <= 0, "seed %d: it neither may nor has to wait", seed)
			}
		}
	}
}

func TestWhatACheckpointSaysOfWindows(t *testing.T) {
	seen := ledger.SeenIn([]checkpoint.Window{
		{Name: apps, Limit: 100, Remaining: 90, Used: 7, Reset: 5, Ends: noon.Add(time.Minute), Endpoint: appUsers, Open: true},
		{Name: appGroups, Home: apps, Limit: 20, Ends: noon.Add(-time.Minute)},
		{Name: logs, Limit: 60, Ends: noon},
	}, noon)
	require.Equal(t, []ledger.Seen{
		{Path: appUsers, Home: apps, Limit: 100, Remaining: 90, Used: 7, Reset: 5, Left: time.Minute, Open: true},
		{Path: appGroups, Home: apps, Limit: 20, Left: -time.Minute},
		{Path: logs, Home: logs, Limit: 60},
	}, seen)
}
