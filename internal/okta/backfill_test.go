package okta_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// publishedIn are the org's events of a range, in the order of their publishing.
func publishedIn(t *testing.T, sim *oktasim.Org, r checkpoint.Range) []string {
	t.Helper()
	type event struct {
		at   time.Time
		json string
	}
	var events []event
	for _, o := range sim.All("logs") {
		var e struct {
			Published time.Time `json:"published"`
		}
		require.NoError(t, json.Unmarshal(o, &e))
		if !e.Published.Before(r.Since) && e.Published.Before(r.Until) {
			events = append(events, event{e.Published, string(o)})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var all []string
	for _, e := range events {
		all = append(all, e.json)
	}
	return all
}

func TestABackfillOfLogsIsExactAtItsEdges(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["logs"] = 5000; c.BacklogSpan = 10 * time.Second }) // several in a millisecond
	org, w := newOrg(t, sim)
	edges := []time.Time{epoch.Add(-8 * time.Second), epoch.Add(-5 * time.Second), epoch.Add(-2 * time.Second)}
	var both []string
	for i := range 2 {
		r := checkpoint.Range{Since: edges[i], Until: edges[i+1]}
		p := pull(t, org.Backfill(service(t, "logs"), r, c.Now), checkpoint.Position{})
		want := publishedIn(t, sim, r)
		require.Greater(t, len(want), 1000, "or the test shows little")
		same(t, want, p.json())
		p.id(t)
		require.Equal(t, r.Until, p.position.Covered)
		both = append(both, p.json()...)
	}
	same(t, publishedIn(t, sim, checkpoint.Range{Since: edges[0], Until: edges[2]}), both, "each once")
	require.Contains(t, w.asked[0], "until=")
}

func TestABackfillOfLogsGoesOnFromAnyPage(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["logs"] = 5000; c.BacklogSpan = 20 * 24 * time.Hour })
	org, _ := newOrg(t, sim)
	r := checkpoint.Range{Since: epoch.Add(-30 * 24 * time.Hour), Until: epoch}
	whole := pull(t, org.Backfill(service(t, "logs"), r, c.Now), checkpoint.Position{})
	require.Greater(t, len(whole.positions), 2)
	done := 0
	for i, pos := range whole.positions[:len(whole.positions)-1] {
		done += whole.sizes[i]
		other, _ := newOrg(t, sim)
		rest := pull(t, other.Backfill(service(t, "logs"), r, c.Now), pos)
		same(t, whole.json()[done:], rest.json())
		if len(rest.objects) > 0 { // the last page may be empty
			require.Equal(t, whole.id(t), rest.id(t))
		}
	}
}

func TestABackfillWhoseCursorIsRefusedRepeatsNoMoreThanAMillisecond(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["logs"] = 5000; c.BacklogSpan = 20 * 24 * time.Hour })
	org, _ := newOrg(t, sim)
	r := checkpoint.Range{Since: epoch.Add(-30 * 24 * time.Hour), Until: epoch}
	whole := pull(t, org.Backfill(service(t, "logs"), r, c.Now), checkpoint.Position{})
	again := checkpoint.Checkpoint{Position: whole.positions[1].BetweenPulls()}
	rest := pull(t, org.Backfill(service(t, "logs"), r, c.Now), again.Position)
	same(t, whole.json()[1999:], rest.json())
	require.Equal(t, whole.id(t), rest.id(t))
	require.Equal(t, epoch, rest.positions[0].Pull.Began, "when Okta first answered, and not where in the log that was")
}

func TestABackfillThatOktaTimesOutOnIsSplit(t *testing.T) {
	inBubble(t, 0, func(c *oktasim.Config) {
		c.Counts["logs"] = 3000
		c.BacklogSpan = 16 * time.Hour
		c.Faults = func(r *http.Request, _ int) oktasim.Fault {
			since, _ := time.Parse(time.RFC3339, r.URL.Query().Get("since"))
			until, _ := time.Parse(time.RFC3339, r.URL.Query().Get("until"))
			if until.Sub(since) > 3*time.Hour {
				return oktasim.Refuse(http.StatusInternalServerError, "E0000009")
			}
			return nil
		}
	}, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, _ *wire) {
		r := checkpoint.Range{Since: time.Now().Add(-16 * time.Hour).UTC(), Until: time.Now().UTC()}
		p := pull(t, orgs[0].Backfill(service(t, "logs"), r, time.Now), checkpoint.Position{})
		same(t, publishedIn(t, sim, r), p.json())
		p.id(t) // all parts are one pull
		require.NotEmpty(t, p.warnings)
		require.Contains(t, p.warnings[0], "asked again for 8h0m0s at once")
	})
}

func TestABackfillOfAnythingElseIsOneFullPull(t *testing.T) {
	for _, name := range []string{"users", "apps", "group_members"} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, nil)
			org, _ := newOrg(t, sim)
			p := pull(t, org.Backfill(service(t, name), checkpoint.Range{}, c.Now), checkpoint.Position{})
			require.Len(t, p.objects, sim.Count(name))
		})
	}
}

func TestABackfillEndsWithAnEmptyPageOrOneBeyondItsRange(t *testing.T) {
	at := func(s int) string {
		return epoch.Add(time.Duration(s) * time.Second).Format("2006-01-02T15:04:05.000Z")
	}
	for name, last := range map[string]string{"empty": `[]`, "beyond the range": `[{"uuid":"3","published":"` + at(-9) + `"}]`} {
		t.Run(name, func(t *testing.T) {
			org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, _ := strconv.Atoi(r.URL.Query().Get("after"))
				w.Header().Set("Link", fmt.Sprintf(`<http://acme.test/api/v1/logs?after=%d&limit=1>; rel="next"`, n+1))
				if n < 2 {
					fmt.Fprintf(w, `[{"uuid":"%d","published":%q}]`, n, at(-20+n))
				} else {
					fmt.Fprint(w, last)
				}
			}))
			r := checkpoint.Range{Since: epoch.Add(-20 * time.Second), Until: epoch.Add(-10 * time.Second)}
			p := pull(t, org.Backfill(service(t, "logs"), r, func() time.Time { return epoch }), checkpoint.Position{Limit: 1})
			require.Len(t, p.objects, 2)
			require.Len(t, w.asked, 3)
			require.Empty(t, p.warnings)
			require.Equal(t, r.Until, p.position.Covered)
		})
	}
}

func TestABackfillWhoseNextLinkLeadsNowhereGoesOnByTime(t *testing.T) {
	for name, fault := range map[string]oktasim.Fault{
		"the page itself": nextIsSelf, "no link at all": func(a *oktasim.Answer) { a.Header.Del("Link") }, "malformed": func(a *oktasim.Answer) { a.Header.Set("Link", "next") },
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["logs"] = 5000; c.BacklogSpan = 10 * time.Second }) // several in a millisecond
			sim.SetFaults(func(*http.Request, int) oktasim.Fault { return fault })
			org, w := newOrg(t, sim)
			r := checkpoint.Range{Since: epoch.Add(-30 * time.Second), Until: epoch}
			p := pull(t, org.Backfill(service(t, "logs"), r, c.Now), checkpoint.Position{})
			same(t, publishedIn(t, sim, r), p.json(), "each once")
			p.id(t)
			require.Equal(t, []okta.WarningKind{okta.WarnNext}, p.kinds)
			require.LessOrEqual(t, len(w.asked), 14)
		})
	}
}

func TestAShortPageOfABackfillWithABadNextLinkDoesNotEndIt(t *testing.T) {
	for name, link := range map[string]string{"malformed": "next", "itself": "self"} {
		t.Run(name, func(t *testing.T) {
			at := func(i int) time.Time { return epoch.Add(time.Duration(i-100) * time.Second) }
			org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", epoch.Format(http.TimeFormat))
				if link == "self" {
					w.Header().Set("Link", fmt.Sprintf(`<http://acme.test%s>; rel="next"`, r.URL.RequestURI()))
				} else {
					w.Header().Set("Link", link)
				}
				var events []string
				for i := range 50 {
					if since := sinceOf(t, r.URL.RequestURI()); !at(i).Before(since) && len(events) < 10 { // the server's own limit
						events = append(events, eventAt(fmt.Sprint(i), at(i)))
					}
				}
				fmt.Fprintf(w, "[%s]", strings.Join(events, ","))
			}))
			rng := checkpoint.Range{Since: epoch.Add(-100 * time.Second), Until: epoch}
			p := pull(t, org.Backfill(service(t, "logs"), rng, func() time.Time { return epoch }), checkpoint.Position{})
			require.Len(t, p.objects, 50)
		})
	}
}
