package okta_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// allHistory begins before all events.
var allHistory = okta.Begin{Since: epoch.Add(-85 * 24 * time.Hour)}

func TestEveryServiceIsReadWholeInOrderAndByteForByte(t *testing.T) {
	for _, pretty := range []bool{false, true} {
		for _, svc := range okta.Services() {
			t.Run(fmt.Sprintf("%s pretty=%v", svc.Name, pretty), func(t *testing.T) {
				sim, c := newSim(t, func(c *oktasim.Config) {
					c.Pretty, c.Counts = pretty, countsOf(svc)
				})
				org, w := newOrg(t, sim)
				p := pull(t, org.Reader(svc, allHistory, c.Now), checkpoint.Position{})

				sameAsIn(t, sim, svc, p.json())
				require.NotEmpty(t, p.objects)
				id := p.id(t)
				require.Equal(t, c.Now().UnixMilli(), id)
				for i, o := range p.objects {
					want := fmt.Sprintf(`"@devo_pulling_id":%d`, id)
					above := strings.Split(sim.ParentID(svc.Name, i), "/")
					for _, level := range svc.Under {
						if level.Of != "" {
							want += fmt.Sprintf(`,"%s":"%s"`, level.Member, above[0])
							above = above[1:]
						}
					}
					require.Equal(t, want, o.members)
				}
				require.Empty(t, p.warnings)
				require.Nil(t, p.position.Pull)
				for _, r := range sim.Requests() {
					if r.Status != http.StatusBadRequest || svc.None == nil {
						require.Equal(t, http.StatusOK, r.Status)
					}
					require.Contains(t, r.Agent, "okta-collector")
				}
				// Cursors are replayed as Okta spelt them.
				if len(svc.Under) == 0 && svc.Limit > 0 && svc.Next == okta.LinkHeader {
					require.Len(t, w.asked, max(1, (len(p.objects)+svc.Limit-1)/svc.Limit))
					require.Equal(t, w.next[:len(w.next)-1], w.asked[1:])
				}
			})
		}
	}
}

func TestThePausesBetweenPulls(t *testing.T) {
	for name, want := range map[string]time.Duration{"logs": 10 * time.Second, "users": 15 * time.Minute, "zones": 15 * time.Minute, "app_groups": 24 * time.Hour} {
		sim, c := newSim(t, nil)
		org, _ := newOrg(t, sim)
		// Each request takes a second of Okta's time, which is part of the pause.
		began := c.Now()
		sim.SetFaults(func(*http.Request, int) oktasim.Fault { return func(*oktasim.Answer) { c.Advance(time.Second) } })
		p := pull(t, org.Reader(service(t, name), allHistory, c.Now), checkpoint.Position{})
		if name == "logs" {
			require.Equal(t, want, p.wait)
			continue
		}
		last := c.Now().Add(-time.Second)
		require.Equal(t, began.Add(want), last.Add(p.wait), name)
	}
}

func TestAPullThatTookLongerThanItsPauseIsFollowedAtOnce(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	sim.SetFaults(func(*http.Request, int) oktasim.Fault { return func(*oktasim.Answer) { c.Advance(time.Hour) } })
	require.Equal(t, time.Second, pull(t, org.Reader(service(t, "users"), okta.Begin{}, c.Now), checkpoint.Position{}).wait)
}

func TestPullingIDsIncreaseEvenWithinASecondAndWhenAPullIsBegunAgain(t *testing.T) {
	for _, name := range []string{"logs", "zones", "app_users"} {
		sim, c := newSim(t, func(c *oktasim.Config) { c.LiveEvery = time.Millisecond; c.Counts["apps"] = 3 })
		org, _ := newOrg(t, sim)
		r := org.Reader(service(t, name), allHistory, c.Now)
		var at checkpoint.Checkpoint
		last := int64(0)
		for range 4 {
			c.Advance(time.Millisecond)
			p := pull(t, r, at.Position)
			require.Greater(t, p.id(t), last, name)
			last = p.id(t)
			at.Position = p.position
			at.Position = at.Position.BetweenPulls()
		}
	}
}

func TestAPullKeepsItsIDAcrossSlices(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	svc := service(t, "users")
	var all pulled
	for pos := (checkpoint.Position{}); ; {
		page, err := org.Reader(svc, okta.Begin{}, c.Now).Next(t.Context(), pos)
		require.NoError(t, err)
		all.add(t, page)
		pos = all.position
		c.Advance(time.Minute)
		if page.CaughtUp {
			break
		}
	}
	require.Equal(t, epoch.UnixMilli(), all.id(t))
	require.Len(t, all.positions, 5)
	require.EqualValues(t, 600, all.positions[2].Pull.Events)
}

func TestAFullPullOfUsersIncludesTheDeprovisioned(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, c.Now), checkpoint.Position{})
	deprovisioned := 0
	for _, o := range p.json() {
		if strings.Contains(o, `"status":"DEPROVISIONED"`) {
			deprovisioned++
		}
	}
	require.Equal(t, 34, deprovisioned)
}

func TestUsersAndGroupsArePulledByChangesBetweenFullPulls(t *testing.T) {
	// Okta's clock decides: Temporal's is minutes off, this way or that.
	for _, off := range []time.Duration{-9 * time.Minute, 0, 9 * time.Minute} {
		for _, name := range []string{"users", "groups"} {
			t.Run(fmt.Sprint(name, " ", off), func(t *testing.T) {
				sim, c := newSim(t, func(c *oktasim.Config) { c.ChangeEvery = time.Minute; c.Counts["users"], c.Counts["groups"] = 90, 80 })
				org, w := newOrg(t, sim)
				r := org.Reader(service(t, name), okta.Begin{}, c.off(off))
				current := map[int]string{} // what Devo knows of each object

				var pos checkpoint.Position
				var began, full time.Time
				kinds := ""
				for n := range 100 {
					w.asked, w.next = nil, nil
					asked := c.Now().Truncate(time.Second)
					p := pull(t, r, pos)
					pos = p.position
					filter := filterOf(t, w.asked[0])
					if len(p.objects) == sim.Count(name) {
						kinds += "F"
						full = asked
						require.NotContains(t, filter, "2026")
					} else {
						kinds += "c"
						since := began.Add(-time.Minute).Format("2006-01-02T15:04:05.000Z")
						want := map[string]string{
							"users":  `lastUpdated gt "` + since + `"`,
							"groups": `lastUpdated gt "` + since + `" or lastMembershipUpdated gt "` + since + `"`,
						}[name]
						require.Equal(t, want, filter)
						if n > 1 {
							require.LessOrEqual(t, len(p.objects), 17)
						}
					}
					began = asked
					for _, o := range p.json() {
						var object struct{ ID string }
						require.NoError(t, json.Unmarshal([]byte(o), &object))
						i, ok := sim.Find(name, "", object.ID)
						require.True(t, ok)
						current[i] = o
					}
					for i, o := range sim.All(name) {
						require.Equal(t, string(o), current[i], "what changed is known")
					}
					require.Equal(t, began, pos.ChangedSince)
					require.Equal(t, full, pos.LastFull)
					c.Advance(p.wait + 1234*time.Millisecond)
				}
				// 24 h are 96 pulls, less a few seconds for each of them.
				require.Equal(t, "F"+strings.Repeat("c", 95)+"Fccc", kinds)
			})
		}
	}
}

func filterOf(t *testing.T, target string) string {
	u, err := url.Parse(target)
	require.NoError(t, err)
	return u.Query().Get("filter")
}

func TestAnAnswerWithoutADateDoesNotMakeTheNextPullMissAnything(t *testing.T) {
	dateless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[{"id":"00u1"}]`) })
	org, _ := newOrg(t, dateless)
	p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Less(t, p.position.ChangedSince, time.Now().Add(-59*time.Minute), "the worker's clock may be off by an hour")
	require.LessOrEqual(t, p.wait, 15*time.Minute)
	require.Positive(t, p.wait)
}

func TestAChangesPullThatIsBegunAgainAsksFromTheSameTime(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.ChangeEvery = time.Second })
	org, w := newOrg(t, sim)
	r := org.Reader(service(t, "users"), okta.Begin{}, c.Now)
	first := pull(t, r, checkpoint.Position{})
	c.Advance(10 * time.Minute)
	page, err := r.Next(t.Context(), first.position)
	require.NoError(t, err)
	require.NotEmpty(t, page.Position.Cursor)
	c.Advance(time.Minute)
	again := checkpoint.Checkpoint{Position: page.Position.BetweenPulls()}
	pull(t, r, again.Position)
	asked := w.requests("/api/v1/users?filter")
	require.Equal(t, filterOf(t, asked[1]), filterOf(t, asked[2]))
}
