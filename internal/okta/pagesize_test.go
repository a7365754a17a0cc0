package okta_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
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

func limitOf(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	return n
}

// above refuses requests for pages of more than n.
func above(n int, fault oktasim.Fault) func(*http.Request, int) oktasim.Fault {
	return func(r *http.Request, _ int) oktasim.Fault {
		if limitOf(r) > n {
			return fault
		}
		return nil
	}
}

func TestAListThatTimesOutIsAskedForInSmallerPagesThatGrowAgain(t *testing.T) {
	for name, fault := range map[string]oktasim.Fault{"E0000009": oktasim.Refuse(500, "E0000009"), "without a code": oktasim.Page(500)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 0, nil, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
				sim.SetFaults(above(60, fault))
				r := orgs[0].Reader(service(t, "users"), okta.Begin{}, time.Now)
				p := pull(t, r, checkpoint.Position{})
				same(t, everything(sim, "users"), p.json(), "nothing is left out or there twice")
				p.id(t)
				// It stays for sixteen pages, and then grows by a sixteenth until that is too much again.
				require.Equal(t, append([]int{200, 100, 50}, slices.Repeat([]int{50}, 16)...), w.limits()[:19])
				again := pull(t, r, checkpoint.Position{Limit: 50, Steady: 16})
				same(t, everything(sim, "users"), again.json())
				require.Equal(t, []int{50, 62, 31, 31}, w.limits()[19:23])
				w.asked, w.next = w.asked[:19], w.next[:19]
				require.Contains(t, p.warnings[0], "asked again with limit=100")
				require.Contains(t, p.warnings[1], "asked again with limit=50")

				// Cursors are as Okta spelt them, but for the limit.
				other := func(target string) string {
					q, err := url.Parse(target)
					require.NoError(t, err)
					return strings.ReplaceAll(target, "limit="+q.Query().Get("limit"), "limit=")
				}
				next := ""
				for i, target := range w.asked {
					if next != "" {
						require.Equal(t, other(next), other(target))
					}
					if w.next[i] != "" {
						next = w.next[i]
					}
				}

				// When it is over, so is the smaller limit.
				sim.SetFaults(nil)
				for range 3 {
					p.position.LastFull = time.Time{} // another full one
					p = pull(t, r, p.position)
					same(t, everything(sim, "users"), p.json())
				}
				require.Zero(t, p.position.Limit)
				require.Equal(t, 200, w.limits()[len(w.asked)-1])
			})
		})
	}
}

func TestALimitIsHalvedToTheSmallestAndThatIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		fault  oktasim.Fault
		limits []int
	}{
		"users":         {oktasim.Page(500), []int{200, 100, 50, 25, 12, 6, 3, 1}},
		"groups":        {oktasim.Refuse(500, ""), []int{200, 100, 50, 25, 12, 6, 3, 1}},
		"logs":          {oktasim.Refuse(500, "E0000009"), []int{1000, 500, 250, 125, 62, 31, 15, 7, 3, 1}},
		"zones":         {oktasim.Refuse(500, "E0000009"), []int{200, 100, 50, 25, 12, 6, 3, 1}},
		"app_groups":    {oktasim.Refuse(500, "E0000009"), nil},
		"group_members": {oktasim.Refuse(500, "E0000009"), nil},
	} {
		for _, onParents := range []bool{false, true} {
			svc := service(t, name)
			if onParents != (len(svc.Under) > 0) {
				continue // a listing under a parent is put aside
			}
			t.Run(fmt.Sprintf("%s parents=%v", name, onParents), func(t *testing.T) {
				inBubble(t, 0, nil, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
					failing := func(path string) bool {
						return len(svc.Under) == 0 || (path == parentPath(svc)) == onParents
					}
					sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
						if failing(r.URL.Path) {
							return test.fault
						}
						return nil
					})
					began := time.Now()
					r := orgs[0].Reader(svc, okta.Begin{Since: began.Add(-85 * 24 * time.Hour)}, time.Now)
					var p pulled
					var err error
					for err == nil {
						var page *okta.Page
						if page, err = r.Next(t.Context(), p.position); page != nil {
							p.add(t, page)
							require.Empty(t, page.Objects)
						}
						require.LessOrEqual(t, len(w.asked), 12)
					}
					var e *okta.Error
					require.ErrorAs(t, err, &e)
					require.Equal(t, okta.Passing, e.Class, "nobody but Okta can do anything")
					require.ErrorContains(t, err, "if that goes on for hours, report it to Okta's support")
					var limits []int
					for i, target := range w.asked {
						if path, _, _ := strings.Cut(target, "?"); failing(path) {
							limits = append(limits, w.limits()[i])
						}
					}
					want := test.limits
					if onParents {
						want = []int{200, 100, 50, 25, 12, 6, 3, 1}
					}
					require.Equal(t, want, limits)
					require.ErrorContains(t, err, fmt.Sprintf("limit=%d", want[len(want)-1]))
					// A bad minute of Okta's must not use all sizes up at once.
					require.GreaterOrEqual(t, time.Since(began), 7*time.Second)
					require.Less(t, time.Since(began), time.Minute)

					// And then it goes on with what it has come to.
					sim.SetFaults(nil)
					p = pull(t, r, p.position)
					same(t, everything(sim, name)[:len(p.objects)], p.json())
					require.NotEmpty(t, p.objects)
				})
			})
		}
	}
}

func TestThePauseBeforeASmallerPageEndsWithTheSlice(t *testing.T) {
	inBubble(t, 0, nil, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
		sim.SetFaults(func(*http.Request, int) oktasim.Fault { return oktasim.Page(500) })
		ctx, stop := cancellable(t)
		time.AfterFunc(3*time.Second, func() { stop(errStop) })
		began := time.Now()
		_, err := orgs[0].Reader(service(t, "users"), okta.Begin{}, time.Now).Next(ctx, checkpoint.Position{Limit: 2})
		require.Equal(t, errStop, err)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

// alike are failures that a page which is too large may show as, from one page size on.
var alike = map[string]func(n int) oktasim.Fault{
	"500":      func(int) oktasim.Fault { return oktasim.Page(500) },
	"503":      func(int) oktasim.Fault { return oktasim.Refuse(503, "") },
	"504":      func(int) oktasim.Fault { return oktasim.Page(504) },
	"cut JSON": func(int) oktasim.Fault { return oktasim.Truncate() },
	"cut body": func(int) oktasim.Fault { return oktasim.CutShort() },
	"time-out": func(int) oktasim.Fault { return oktasim.Delay(time.Hour) },
}

func TestTwoFailuresAlikeHalveThePageAndItGrowsAgain(t *testing.T) {
	for _, name := range []string{"logs", "apps", "groups", "app_users", "group_members"} {
		for what, fault := range alike {
			if what == "500" && service(t, name).TimesOut {
				continue // that halves it at once
			}
			t.Run(name+" "+what, func(t *testing.T) {
				inBubble(t, 0, func(c *oktasim.Config) { c.BacklogSpan = 20 * time.Hour }, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
					svc := service(t, name)
					sim.SetFaults(func(r *http.Request, n int) oktasim.Fault {
						if limitOf(r) > svc.Limit/4 && strings.HasSuffix(r.URL.Path, svc.Path[strings.LastIndexByte(svc.Path, '/'):]) {
							return fault(n)
						}
						return nil
					})
					var p pulled
					p.untilCaughtUp(t, orgs[0].Reader(svc, okta.Begin{}, time.Now))
					want, got := everything(sim, name), p.json()
					if len(svc.Under) > 0 { // a parent that was put aside comes last
						slices.Sort(want)
						slices.Sort(got)
					}
					same(t, want, got, "nothing is left out or there twice")
					require.Zero(t, p.oddities.Missing)
					require.Contains(t, p.warnings[0], fmt.Sprintf("asked again with limit=%d", svc.Limit/2))
					var sizes []int
					for i, target := range w.requests("/") {
						if strings.Contains(target, svc.Path[strings.LastIndexByte(svc.Path, '/'):]+"?") {
							sizes = append(sizes, w.limits()[i])
						}
					}
					if what != "time-out" { // without an answer, nothing is kept of the request
						require.Equal(t, []int{svc.Limit, svc.Limit, svc.Limit / 2}, sizes[:3], "one failure may be chance")
					}
				})
			})
		}
	}
}

// untilCaughtUp goes on as a workflow does: it waits after each failure, twice as long each time. Nothing may need a person.
func (p *pulled) untilCaughtUp(t *testing.T, r *okta.Reader) {
	t.Helper()
	for failures := 0; ; {
		from := checkpoint.Checkpoint{Position: p.position, Totals: checkpoint.Totals{Events: int64(len(p.objects))}}
		page, err := r.Next(t.Context(), p.position)
		if page != nil {
			p.add(t, page)
			to := checkpoint.Checkpoint{Position: p.position, Totals: checkpoint.Totals{Events: int64(len(p.objects))}}
			if to.Moved(from) {
				failures = 0
			}
		}
		var e *okta.Error
		switch {
		case errors.As(err, &e) && e.Class == okta.RateLimited:
			time.Sleep(e.Wait)
		case err != nil:
			require.ErrorAs(t, err, &e)
			require.Equal(t, okta.Passing, e.Class, err)
			time.Sleep(min(time.Second<<min(failures, 6), time.Minute))
			failures++
		case page.CaughtUp:
			return
		}
	}
}

func TestAnOutageOfOktaNeedsNobodyAndLeavesNothingBehind(t *testing.T) {
	for _, outage := range []time.Duration{20 * time.Second, 45 * time.Second, 90 * time.Second, time.Hour} {
		for _, name := range []string{"logs", "users", "apps", "app_groups"} {
			t.Run(fmt.Sprintf("%s %s", name, outage), func(t *testing.T) {
				inBubble(t, 0, func(c *oktasim.Config) { c.Unlimited, c.Plan, c.BacklogSpan = false, "free", 20*time.Hour }, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
					r := orgs[0].Reader(service(t, name), okta.Begin{}, time.Now)
					page, err := r.Next(t.Context(), checkpoint.Position{})
					require.NoError(t, err)
					var p pulled
					p.add(t, page)

					sim.SetFaults(func(*http.Request, int) oktasim.Fault { return oktasim.Refuse(500, "E0000009") })
					asked := len(w.requests("/"))
					time.AfterFunc(outage, func() {
						sim.SetFaults(nil)
						// Ten sizes, and then one request after each wait of the workflow's. Of a parent that is put aside, one of
						// three requests is not waited for.
						minutes := int(outage / time.Minute)
						if name == "app_groups" {
							minutes += minutes/2 + 5
						}
						require.LessOrEqual(t, len(w.requests("/"))-asked, 10+7+minutes)
					})
					p.untilCaughtUp(t, r)
					want, got := everything(sim, name), p.json()
					if name == "app_groups" { // a parent that was put aside comes last
						slices.Sort(want)
						slices.Sort(got)
					}
					same(t, want, got)
				})
			})
		}
	}
}

func TestPagesOfParentsGrowAgainToo(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts["apps"] = 500 })
	org, w := newOrg(t, sim)
	r := org.Reader(service(t, "app_groups"), okta.Begin{}, c.Now)
	p := pull(t, r, checkpoint.Position{Levels: []checkpoint.Level{{Cursor: "/api/v1/apps?limit=1"}}})
	same(t, everything(sim, "app_groups"), p.json())
	var limits []string
	for _, target := range w.requests("/api/v1/apps?") {
		u, err := url.Parse(target)
		require.NoError(t, err)
		limits = append(limits, u.Query().Get("limit"))
	}
	require.Equal(t, []string{"1", "13", "25", "37", "49", "61", "73", "85", "97", "109"}, limits)
}

func TestNothingIsMissedWhenAListingAboveTimesOutAtAnyMoment(t *testing.T) {
	for _, name := range underParents {
		for _, largest := range []int{200, 100, 2, 1} {
			t.Run(fmt.Sprint(name, " ", largest), func(t *testing.T) {
				inBubble(t, 0, func(c *oktasim.Config) {
					c.Counts = map[string]int{"users": 40, "groups": 9, "apps": 9, "app_users": 5, "group_members": 5}
				}, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
					w.handler = capped{sim, 4}
					svc := service(t, name)
					all := everything(sim, name)
					whole := pull(t, orgs[0].Reader(svc, okta.Begin{}, time.Now), checkpoint.Position{})
					same(t, all, whole.json())
					// From now on Okta times out on larger pages of the listing above.
					w.handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
						if r.URL.Path == parentPath(svc) && limitOf(r) > largest {
							out.WriteHeader(http.StatusInternalServerError)
							fmt.Fprint(out, `{"errorCode":"E0000009"}`)
							return
						}
						capped{sim, 4}.ServeHTTP(out, r)
					})
					shipped := 0
					for i, pos := range whole.positions[:len(whole.positions)-1] {
						shipped += whole.sizes[i]
						rest := pull(t, orgs[1].Reader(svc, okta.Begin{}, time.Now), pos).json()
						for _, o := range all[shipped:] {
							require.Contains(t, rest, o, "from position ", i)
						}
						require.LessOrEqual(t, len(rest), len(all)-shipped+4*5, "no more than a page of parents twice")
					}
				})
			})
		}
	}
}

func TestAnObjectThatIsTooLargeByItselfIsAMarkedRecordAndTheOthersFollow(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("after"):
			fmt.Fprint(w, `[{"id":"nzo2"}]`)
		case limitOf(r) > 1:
			w.Header().Set("Content-Length", strconv.Itoa(65<<20))
		default:
			w.Header().Set("Link", `<http://acme.test/api/v1/zones?after=1&limit=1>; rel="next"`)
			w.Header().Set("Content-Length", strconv.Itoa(65<<20))
			fmt.Fprint(w, `[{"id":"nzo1","pad":"`, strings.Repeat("x", 1<<20))
		}
	}))
	defer server.Close()
	cfg := settings()
	cfg.URL, cfg.MaxObject = server.URL, 8<<10
	org, err := okta.New(cfg)
	require.NoError(t, err)
	p := pull(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{Limit: 1})
	require.Len(t, p.objects, 2)
	require.Contains(t, p.objects[0].json, `{"@okta_unreadable":"[{\"id\":\"nzo1\",\"pad\":\"xxxx`)
	require.Contains(t, p.objects[0].json, `"@okta_reason":"page is larger than 64 MiB`)
	require.Less(t, len(p.objects[0].json), 8<<10)
	require.Equal(t, `{"id":"nzo2"}`, p.objects[1].json)
	require.EqualValues(t, 1, p.oddities.Unreadable)
}

// The large pages come over a real connection.
func TestAPageThatIsTooLargeIsAskedForAgainWithHalfTheLimit(t *testing.T) {
	chunk := []byte(strings.Repeat(" ", 1<<20))
	objects := strings.Repeat("{},", 60_000)
	for name, large := range map[string]func(w http.ResponseWriter){
		"announced": func(w http.ResponseWriter) { w.Header().Set("Content-Length", strconv.Itoa(65<<20)) },
		"not announced": func(w http.ResponseWriter) {
			fmt.Fprint(w, "[")
			for range 65 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"too many objects": func(w http.ResponseWriter) { fmt.Fprint(w, "[", objects, "{}]") },
	} {
		t.Run(name, func(t *testing.T) {
			var limits []int
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				limits = append(limits, limitOf(r))
				if limitOf(r) > 60 {
					large(w)
					return
				}
				fmt.Fprint(w, `[{"id":"0oa1"}]`)
			}))
			defer server.Close()
			cfg := settings()
			cfg.URL = server.URL
			org, err := okta.New(cfg)
			require.NoError(t, err)
			p := pull(t, org.Reader(service(t, "apps"), okta.Begin{}, time.Now), checkpoint.Position{})
			require.Equal(t, []int{200, 100, 50}, limits)
			require.Equal(t, []string{`{"id":"0oa1"}`}, p.json())
			require.Contains(t, p.warnings[0], "larger than 64 MiB")
		})
	}
}

func TestAStoredLimitIsNeverOutsideWhatOktaAccepts(t *testing.T) {
	for stored, want := range map[int]int{-5: 200, 0: 200, 1: 20, 100: 100, 100_000: 200} {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[{"id":"0oa1"}]`) }))
		pull(t, org.Reader(service(t, "app_groups"), okta.Begin{}, time.Now), checkpoint.Position{Limit: stored})
		require.Equal(t, want, w.limits()[1])
	}
}
