package okta_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

var year2099 = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

// dated answers with a Date.
func dated(date func() time.Time) oktasim.Fault {
	return func(a *oktasim.Answer) { a.Header.Set("Date", date().UTC().Format(http.TimeFormat)) }
}

func TestADateThatIsFarFromTemporalsTimeIsNotBelieved(t *testing.T) {
	for name, lie := range map[string]func(c *clock) time.Time{
		"in 2099":                    func(*clock) time.Time { return year2099 },
		"in 1970":                    func(*clock) time.Time { return time.Unix(0, 0) },
		"eleven minutes ahead":       func(c *clock) time.Time { return c.Now().Add(11 * time.Minute) },
		"eleven minutes behind":      func(c *clock) time.Time { return c.Now().Add(-11 * time.Minute) },
		"ahead of what times can be": func(*clock) time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, func(c *oktasim.Config) { c.ChangeEvery = time.Minute; c.Counts["users"] = 90 })
			org, _ := newOrg(t, sim)
			r := org.Reader(service(t, "users"), okta.Begin{}, c.Now)
			current := map[int]string{} // what Devo knows of each user
			var pos checkpoint.Position
			kinds, id := "", int64(0)
			for n := range 100 {
				lies := n >= 3 && n < 8
				sim.SetFaults(nil)
				if lies {
					sim.SetFaults(func(*http.Request, int) oktasim.Fault { return dated(func() time.Time { return lie(c) }) })
				}
				p := pull(t, r, pos)
				pos = p.position
				if lies {
					require.Contains(t, p.kinds, okta.WarnClock)
					require.Contains(t, strings.Join(p.warnings, "\n"), "Temporal's time is used")
				} else {
					require.Empty(t, p.kinds)
				}
				if len(p.objects) == sim.Count("users") {
					kinds += "F"
				} else {
					kinds += "c"
				}
				if len(p.objects) > 0 {
					require.Greater(t, p.id(t), id)
					id = p.id(t)
					require.Less(t, id, c.Now().Add(time.Second).UnixMilli())
				}
				for _, o := range p.json() {
					var object struct{ ID string }
					require.NoError(t, json.Unmarshal([]byte(o), &object))
					i, ok := sim.Find("users", "", object.ID)
					require.True(t, ok)
					current[i] = o
				}
				for i, o := range sim.All("users") {
					require.Equal(t, string(o), current[i], "what changed is known")
				}
				c.Advance(p.wait)
			}
			require.Equal(t, "F"+strings.Repeat("c", 95)+"Fccc", kinds, "a full pull each day")
		})
	}
}

func TestWhatAPositionHasFromTheFutureIsForgotten(t *testing.T) {
	for name, pos := range map[string]checkpoint.Position{
		"the time of the last pull":  {LastPullID: 1, ChangedSince: year2099, LastFull: epoch.Add(-time.Hour), FullObjects: 90},
		"the time of a full pull":    {LastPullID: 1, ChangedSince: epoch, LastFull: year2099, FullObjects: 90},
		"the id of the last pull":    {LastPullID: year2099.UnixMilli()},
		"the beginning of a pull":    {Pull: &checkpoint.Pull{ID: 1, Kind: checkpoint.PullFull, Began: year2099}},
		"the id of a pull":           {Pull: &checkpoint.Pull{ID: year2099.UnixMilli(), Kind: checkpoint.PullFull, Began: epoch}},
		"what a pull of changes has": {Pull: &checkpoint.Pull{Kind: checkpoint.PullChanges, Since: year2099}, ChangedSince: epoch, LastFull: year2099},
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, func(c *oktasim.Config) { c.ChangeEvery = time.Minute; c.Counts["users"] = 90 })
			org, _ := newOrg(t, sim)
			p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, c.Now), pos)
			same(t, everything(sim, "users"), p.json())
			require.Equal(t, []okta.WarningKind{okta.WarnClock}, p.kinds, "said once")
			require.Less(t, p.id(t), epoch.Add(time.Minute).UnixMilli())
			for what, at := range map[string]time.Time{"ChangedSince": p.position.ChangedSince, "LastFull": p.position.LastFull} {
				require.WithinDuration(t, epoch, at, time.Minute, what)
			}
		})
	}
}

func TestALogWithAPollFromTheFutureGoesOnFromItsCursor(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "logs"), okta.Begin{Since: epoch.Add(-85 * 24 * time.Hour)}, c.Now)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	var all pulled
	all.add(t, page)
	pos := all.position
	pos.Pull = &checkpoint.Pull{ID: year2099.UnixMilli(), Kind: checkpoint.PullPoll, Began: year2099}
	pos.LastPullID, pos.Newest = year2099.UnixMilli(), year2099
	rest := pull(t, r, pos)
	same(t, everything(sim, "logs"), append(all.json(), rest.json()...))
	require.Equal(t, []okta.WarningKind{okta.WarnClock}, rest.kinds)
	require.True(t, rest.position.Newest.Before(epoch.Add(time.Minute)))
}
