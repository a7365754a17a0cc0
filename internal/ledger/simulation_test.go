package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/ledger"
)

// simulation lets services claim the requests of one window, and send what they are granted, for half an hour.
type simulation struct {
	account
	chance   *rand.Rand
	limit    int
	services []*claimant
	// ends is when Okta's present window ends, and sent how many requests each window had.
	ends time.Time
	sent []int
	// ended counts the services that have ended.
	ended int
}

// claimant is a service that sends its requests as soon as it is granted any, and uses all that it may.
type claimant struct {
	id       string
	priority ledger.Priority
	next     time.Time     // when it claims
	late     time.Duration // how much later it may claim than it could
	once     bool          // it ends after its first requests, and another one begins
	seen     []ledger.Seen // what it knows of its last window; Left is set when it claims
	ends     time.Time     // of its last window, as its answers show
	claims   int
	got      map[int]int // by the number of the window
}

const simulated = 30 * time.Minute

func newSimulation(t *testing.T, seed uint64, limit int) *simulation {
	return &simulation{account: *newAccount(t), chance: rand.New(rand.NewPCG(seed, 3)), limit: limit}
}

// add adds services of a priority, which come in the first ten seconds.
func (s *simulation) add(n int, p ledger.Priority, name string, change ...func(*claimant)) *simulation {
	for i := range n {
		c := &claimant{id: fmt.Sprint(name, i), priority: p, late: time.Second, got: map[int]int{}}
		c.next = noon.Add(s.upTo(10 * time.Second))
		for _, f := range change {
			f(c)
		}
		s.services = append(s.services, c)
	}
	return s
}

func (s *simulation) upTo(d time.Duration) time.Duration {
	return time.Duration(s.chance.Int64N(int64(d) + 1))
}

func (s *simulation) run() *simulation {
	for {
		c := slices.MinFunc(s.services, func(a, b *claimant) int { return a.next.Compare(b.next) })
		if s.now = c.next; s.now.Sub(noon) > simulated {
			return s
		}
		s.step(c)
	}
}

// step lets a service claim, send and wait.
func (s *simulation) step(c *claimant) {
	for i := range c.seen {
		c.seen[i].Left = c.ends.Sub(s.now)
	}
	c.claims++
	grant, _ := s.claim(c.id, c.priority, apps, apps, func(claim *ledger.Claim) { claim.Always, claim.Seen = true, c.seen })
	if grant.Requests == 0 {
		c.next = s.now.Add(grant.Wait + s.upTo(c.late))
		return
	}
	first := s.now.Add(s.upTo(time.Second))
	if !first.Before(s.ends) { // Okta's window begins with the first request, and its reset is a whole second
		s.ends = first.Add(ledger.WindowLength).Truncate(time.Second).Add(time.Second)
		s.sent = append(s.sent, 0)
	}
	i := len(s.sent) - 1
	s.sent[i] += grant.Requests
	c.got[i] += grant.Requests
	c.ends = s.ends
	c.seen = []ledger.Seen{{Path: apps, Home: apps, Limit: s.limit, Remaining: s.limit - s.sent[i], Used: grant.Requests, Reset: s.ends.Unix()}}
	c.next = s.ends.Add(ledger.Margin + s.upTo(c.late))
	if c.once {
		s.Leave(s.now, c.id, nil)
		s.ended++
		c.id, c.seen, c.next = fmt.Sprint("another", s.ended), nil, s.now.Add(s.upTo(10*time.Second))
	}
}

// windows are how many requests each priority had in each window. The first windows are left out, in which not all were
// known, and the last, which was cut off.
func (s *simulation) windows() (all [][4]int) {
	for i := 3; i < len(s.sent)-1; i++ {
		var window [4]int
		for _, c := range s.services {
			window[c.priority] += c.got[i]
		}
		all = append(all, window)
	}
	return all
}

func (s *simulation) String() string {
	total, most, sum := 0, 0, 0
	for _, n := range s.sent {
		total += n
	}
	for _, c := range s.services {
		most, sum = max(most, c.claims), sum+c.claims
	}
	return fmt.Sprintf("%d windows, %d requests, at most %d claims of a service, %.2f a window", len(s.sent), total, most, float64(sum)/float64(len(s.services)*len(s.sent)))
}

// simulate runs simulations that differ in chance. No window may have more than the share.
func simulate(t *testing.T, limit int, add func(*simulation), judge func(*testing.T, *simulation)) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSimulation(t, seed, limit)
			add(s)
			t.Log(s.run())
			require.LessOrEqual(t, slices.Max(s.sent), ledger.Allowed(limit, 0.5))
			judge(t, s)
		})
	}
}

func TestBackfillsTakeOneRequestFromALiveListHoweverManyTheyAre(t *testing.T) {
	simulate(t, 12, func(s *simulation) {
		s.add(1, ledger.LiveList, "live")
		s.add(50, ledger.BackfillList, "backfill")
	}, func(t *testing.T, s *simulation) {
		for _, window := range s.windows() {
			require.Equal(t, [4]int{5, 0, 1, 0}, window)
		}
		for _, c := range s.services[1:] {
			require.LessOrEqual(t, len(c.got), 2, "%s has not waited longest", c.id)
		}
	})
}

func TestLowerPrioritiesTogetherTakeThreeRequestsFromAListThatWantsAll(t *testing.T) {
	simulate(t, 12, func(s *simulation) {
		s.add(1, ledger.LiveList, "list")
		s.add(8, ledger.LivePerObject, "per object")
		s.add(7, ledger.BackfillList, "backfill")
		s.add(8, ledger.BackfillPerObject, "backfill per object")
	}, func(t *testing.T, s *simulation) {
		for _, window := range s.windows() {
			require.Equal(t, [4]int{3, 1, 1, 1}, window)
		}
	})
}

func TestMoreServicesThanTheShareAreServedInTurn(t *testing.T) {
	simulate(t, 12, func(s *simulation) {
		s.add(8, ledger.LivePerObject, "per object")
		s.add(20, ledger.BackfillList, "backfill")
	}, func(t *testing.T, s *simulation) {
		for _, window := range s.windows() {
			require.Equal(t, [4]int{0, 5, 1, 0}, window)
		}
		for _, c := range s.services {
			turns := map[ledger.Priority]int{ledger.LivePerObject: 8, ledger.BackfillList: 20}[c.priority]
			require.GreaterOrEqual(t, len(c.got), len(s.windows())/turns, "%s starves", c.id)
		}
	})
}

func TestWithAShareOfOneThePrioritiesAreServedInTurn(t *testing.T) {
	simulate(t, 2, func(s *simulation) {
		s.add(2, ledger.LiveList, "list")
		s.add(1, ledger.LivePerObject, "per object")
		s.add(5, ledger.BackfillList, "backfill")
		s.add(1, ledger.BackfillPerObject, "backfill per object")
	}, func(t *testing.T, s *simulation) {
		all := s.windows()
		for i := range all[3:] {
			var sum [4]int
			for _, window := range all[i : i+4] {
				for p, n := range window {
					sum[p] += n
				}
			}
			require.Equal(t, [4]int{1, 1, 1, 1}, sum, "windows %d to %d of %v", i, i+3, all)
		}
	})
}

// The backfills that wait have waited longer than the list. But their priority was served in the window before, by one that
// has ended.
func TestShortBackfillsTakeEverySecondWindowOfAShareOfOne(t *testing.T) {
	simulate(t, 2, func(s *simulation) {
		s.add(1, ledger.LiveList, "list")
		s.add(20, ledger.BackfillList, "backfill", func(c *claimant) { c.once = true })
	}, func(t *testing.T, s *simulation) {
		for i, window := range s.windows() {
			require.Equal(t, 1, window[ledger.LiveList]+window[ledger.BackfillList])
			if i > 0 {
				require.NotEqual(t, s.windows()[i-1], window, "%v", s.windows())
			}
		}
	})
}
