package okta_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

func TestAFullPageWithoutAnyLinkIsNoEnd(t *testing.T) {
	noLink := func(a *oktasim.Answer) { a.Header.Del("Link") }
	for name, spoil := range map[string]oktasim.Fault{
		"no link": noLink, "a malformed link": func(a *oktasim.Answer) { a.Header.Set("Link", "next") }, "no path": oktasim.NextTo("mailto:you"),
	} {
		for _, service2 := range []string{"users", "groups", "clients"} {
			t.Run(service2+" once "+name, func(t *testing.T) {
				sim, c := newSim(t, nil)
				sim.SetFaults(func(_ *http.Request, n int) oktasim.Fault {
					if n == 2 {
						return spoil
					}
					return nil
				})
				org, _ := newOrg(t, sim)
				p := pull(t, org.Reader(service(t, service2), okta.Begin{}, c.Now), checkpoint.Position{})
				same(t, everything(sim, service2), p.json())
				require.Empty(t, p.warnings)
				require.False(t, p.position.LastFull.IsZero())
			})
		}
		t.Run("users always "+name, func(t *testing.T) {
			sim, c := newSim(t, nil)
			sim.SetFaults(func(*http.Request, int) oktasim.Fault { return spoil })
			org, w := newOrg(t, sim)
			r := org.Reader(service(t, "users"), okta.Begin{}, c.Now)
			p := pull(t, r, checkpoint.Position{})
			same(t, everything(sim, "users")[:200], p.json())
			require.Len(t, w.asked, 2, "asked once more")
			require.Equal(t, cutOff, p.kinds)
			require.Equal(t, checkpoint.Oddities{Incomplete: 1}, p.oddities)
			require.True(t, p.position.LastFull.IsZero())
			sim.SetFaults(nil)
			same(t, everything(sim, "users"), pull(t, r, p.position).json())
		})
	}
	t.Run("a listing above", func(t *testing.T) {
		sim, c := newSim(t, nil)
		asked := 0
		sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
			if r.URL.Path != "/api/v1/apps" {
				return nil
			}
			if asked++; asked == 2 {
				return noLink
			}
			return nil
		})
		org, _ := newOrg(t, sim)
		p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, c.Now), checkpoint.Position{})
		same(t, everything(sim, "app_users"), p.json())
	})
}

func TestAShortPageWithoutALinkIsTheEnd(t *testing.T) {
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[{"id":"1"}]`) }))
	p := pull(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Empty(t, p.warnings)
	require.Len(t, w.asked, 1)
}

func TestANextLinkWithRawBlanksIsFollowed(t *testing.T) {
	sim, c := newSim(t, nil)
	sim.SetFaults(func(*http.Request, int) oktasim.Fault {
		return func(a *oktasim.Answer) {
			for i, l := range a.Header["Link"] {
				a.Header["Link"][i] = strings.NewReplacer("+", " ", "%22", `"`).Replace(l)
			}
		}
	})
	org, _ := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, c.Now), checkpoint.Position{})
	same(t, everything(sim, "users"), p.json())
	require.Empty(t, p.warnings)
}

func TestAnEmptyListWhereThereWereObjectsIsIncompleteOnce(t *testing.T) {
	for _, name := range []string{"users", "zones", "app_users"} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["apps"] = 5 })
			org, _ := newOrg(t, sim)
			r := org.Reader(service(t, name), okta.Begin{}, c.Now)
			first := pull(t, r, checkpoint.Position{})
			require.NotEmpty(t, first.objects)

			full := func(pos checkpoint.Position) pulled {
				c.Advance(25 * time.Hour)
				return pull(t, r, pos)
			}
			sim.SetFaults(func(*http.Request, int) oktasim.Fault {
				return func(a *oktasim.Answer) { a.Body = []byte("[]"); oktasim.NoNext()(a) }
			})
			first.position.LastFull = first.position.LastFull.Add(-25 * time.Hour)
			empty := full(first.position)
			require.Equal(t, []okta.WarningKind{okta.WarnEmpty}, empty.kinds)
			require.Contains(t, empty.warnings[0], "a service app without an admin role")
			require.Equal(t, 15*time.Minute, empty.wait)
			require.EqualValues(t, 1, empty.oddities.Incomplete)
			require.Equal(t, first.position.LastFull, empty.position.LastFull)

			second := full(empty.position)
			require.Equal(t, []okta.WarningKind{okta.WarnEmpty}, second.kinds)
			require.NotEqual(t, first.position.LastFull, second.position.LastFull, "it counts")
			second.position.LastFull = second.position.LastFull.Add(-25 * time.Hour)
			require.Empty(t, full(second.position).warnings, "it is no news any more")
		})
	}
}

func TestAnOrgThatNeverHadAnyIsNoWarning(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts = nil })
	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "zones"), okta.Begin{}, c.Now)
	p := pull(t, r, checkpoint.Position{})
	require.Empty(t, p.warnings)
	require.Empty(t, pull(t, r, p.position).warnings)
}
