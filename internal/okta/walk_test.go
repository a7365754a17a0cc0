package okta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
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

// capped is an org that serves smaller pages than it is asked for, so that a few objects make many.
type capped struct {
	*oktasim.Org
	limit int
}

func (c capped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	q.Set("limit", strconv.Itoa(min(limit, c.limit)))
	r = r.Clone(r.Context())
	r.URL.RawQuery = q.Encode()
	c.Org.ServeHTTP(w, r)
}

// newTree makes an org of several pages of apps or groups, most of them with several pages under them.
func newTree(t *testing.T) (capped, *clock) {
	sim, c := newSim(t, func(c *oktasim.Config) {
		c.Counts = map[string]int{"users": 40, "groups": 9, "apps": 9, "app_users": 5, "group_members": 5}
	})
	return capped{sim, 2}, c
}

var underParents = []string{"app_users", "group_members"}

// parentOf names the collection above.
func parentOf(svc okta.Collection) string { return svc.Under[0].Of }

func parentPath(svc okta.Collection) string {
	parent, _ := okta.Lookup(parentOf(svc))
	return parent.Path
}

func TestAListingUnderParentsGoesOnFromEveryPosition(t *testing.T) {
	for _, name := range underParents {
		for _, sameWorker := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s same worker=%v", name, sameWorker), func(t *testing.T) {
				sim, c := newTree(t)
				svc := service(t, name)
				all := everything(sim.Org, name)
				org, _ := newOrg(t, sim)
				whole := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
				same(t, all, whole.json())
				require.Greater(t, len(whole.positions), 5+8*3)

				shipped := 0
				for i, pos := range whole.positions[:len(whole.positions)-1] {
					shipped += whole.sizes[i]
					worker := org
					if !sameWorker {
						worker, _ = newOrg(t, sim)
					}
					c.Advance(time.Minute)
					rest := pull(t, worker.Reader(svc, okta.Begin{}, c.Now), pos)
					same(t, all[shipped:], rest.json(), "after page ", i)
					if len(rest.objects) > 0 {
						require.Equal(t, whole.id(t), rest.id(t))
					}
				}
			})
		}
	}
}

func TestAPageOfParentsIsAskedForOnceHoweverManySlicesGoThroughIt(t *testing.T) {
	for _, name := range underParents {
		sim, c := newTree(t)
		svc := service(t, name)
		org, w := newOrg(t, sim)
		for range 2 {
			w.asked, w.next = nil, nil
			var all pulled
			for {
				page, err := org.Reader(svc, okta.Begin{}, c.Now).Next(t.Context(), all.position)
				require.NoError(t, err)
				all.add(t, page)
				if page.CaughtUp {
					break
				}
			}
			same(t, everything(sim.Org, name), all.json())
			parents := 0
			for _, target := range w.asked {
				if path, _, _ := strings.Cut(target, "?"); path == parentPath(svc) {
					parents++
				}
			}
			require.Equal(t, 5, parents, "the next pull asks anew")
		}
	}
}

func TestAPageOfParentsOfAnEarlierPullIsNotGoneThrough(t *testing.T) {
	org, c := newSim(t, func(c *oktasim.Config) { c.Counts = map[string]int{"users": 40, "apps": 4, "app_users": 5} })
	sim := capped{org, 2}
	svc := service(t, "app_users")
	here, _ := newOrg(t, sim)
	sim.SetFaults(without(sim, svc, 3)) // not there yet
	pos := pull(t, here.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{}).position
	sim.SetFaults(nil)

	// Another worker begins the next pull, and this one goes on with it in the last page of parents.
	elsewhere, _ := newOrg(t, sim)
	c.Advance(24 * time.Hour)
	whole := pull(t, elsewhere.Reader(svc, okta.Begin{}, c.Now), pos)
	all := everything(sim.Org, "app_users")
	same(t, all, whole.json())
	i := slices.IndexFunc(whole.positions, func(p checkpoint.Position) bool { return len(p.Levels) > 0 && p.Levels[0].ID == sim.ID("apps", 2) })
	rest := pull(t, here.Reader(svc, okta.Begin{}, c.Now), whole.positions[i])
	same(t, all[2*5:], rest.json())
}

func TestAParentThatWasDeletedMeanwhileIsSkipped(t *testing.T) {
	for _, name := range underParents {
		for _, at := range []string{"at once", "after a page"} {
			t.Run(name+" "+at, func(t *testing.T) {
				sim, c := newTree(t)
				svc := service(t, name)
				deleted := sim.ID(parentOf(svc), 3)
				sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
					if strings.Contains(r.URL.Path, deleted) && (at == "at once" || r.URL.Query().Has("after")) {
						return oktasim.Refuse(404, "E0000007")
					}
					return nil
				})
				var want []string
				kept := 0
				for i, o := range sim.All(name) {
					if sim.ParentID(name, i) == deleted {
						if kept++; at == "at once" || kept > 2 {
							continue
						}
					}
					want = append(want, string(o))
				}
				org, _ := newOrg(t, sim)
				p := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
				same(t, want, p.json())
				require.Empty(t, p.warnings)
			})
		}
	}
}

func TestTheLastParentMayBeTheDeletedOne(t *testing.T) {
	sim, c := newTree(t)
	deleted := sim.ID("apps", 8)
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		c.Advance(time.Second)
		if strings.Contains(r.URL.Path, deleted) {
			return oktasim.Refuse(404, "E0000007")
		}
		return nil
	})
	org, _ := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, c.Now), checkpoint.Position{})
	same(t, everything(sim.Org, "app_users")[:7*5], p.json())
	require.Equal(t, epoch.Add(24*time.Hour), c.Now().Add(p.wait-time.Second))
}

// without is a fault that takes a parent out of the listing above.
func without(sim capped, svc okta.Collection, parent int) func(*http.Request, int) oktasim.Fault {
	return func(r *http.Request, _ int) oktasim.Fault {
		if r.URL.Path != parentPath(svc) {
			return nil
		}
		return func(a *oktasim.Answer) {
			object := sim.Object(parentOf(svc), parent)
			body := bytes.Replace(slices.Clone(a.Body), object, nil, 1)
			for _, comma := range [][2]string{{"[,", "["}, {",]", "]"}, {",,", ","}} {
				body = bytes.Replace(body, []byte(comma[0]), []byte(comma[1]), 1)
			}
			a.Body = body
		}
	}
}

func TestWhenTheParentUnderWayIsGoneItsPageIsGoneThroughAgain(t *testing.T) {
	for _, name := range underParents {
		sim, c := newTree(t)
		svc := service(t, name)
		all := everything(sim.Org, name)
		org, _ := newOrg(t, sim)
		whole := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
		shipped, tried := 0, 0
		for i, pos := range whole.positions {
			shipped += whole.sizes[i]
			if len(pos.Levels) == 0 || pos.Levels[0].ID != sim.ID(parentOf(svc), 3) { // the second of the second page
				continue
			}
			tried++
			sim.SetFaults(without(sim, svc, 3))
			other, _ := newOrg(t, sim)
			rest := pull(t, other.Reader(svc, okta.Begin{}, c.Now), pos)
			sim.SetFaults(nil)

			same(t, slices.Concat(all[2*5:3*5], all[4*5:]), rest.json(), "the page's other parent again, then the others")
			require.GreaterOrEqual(t, shipped, 3*5)
		}
		require.Equal(t, 3, tried)
	}
}

func TestPagesOfParentsMayBeEmpty(t *testing.T) {
	for _, name := range underParents {
		for _, empty := range []int{0, 2, 4} {
			t.Run(fmt.Sprint(name, " page ", empty), func(t *testing.T) {
				sim, c := newTree(t)
				svc := service(t, name)
				pages := 0
				sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
					if r.URL.Path != parentPath(svc) {
						return nil
					}
					if pages++; pages-1 != empty {
						return nil
					}
					return func(a *oktasim.Answer) { a.Body = []byte("[]") }
				})
				var want []string
				for i, o := range sim.All(name) {
					parent, _ := sim.Find(parentOf(svc), "", sim.ParentID(name, i))
					if parent/2 != empty {
						want = append(want, string(o))
					}
				}
				org, _ := newOrg(t, sim)
				p := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
				same(t, want, p.json())
				require.Nil(t, p.position.Pull)
			})
		}
	}
}

func TestAnOrgWithoutParentsIsCaughtUp(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts = nil })
	org, _ := newOrg(t, sim)
	for _, name := range []string{"app_users", "app_groups", "group_members"} {
		p := pull(t, org.Reader(service(t, name), okta.Begin{}, c.Now), checkpoint.Position{})
		require.Empty(t, p.objects)
		require.Equal(t, settings().Interval(service(t, name)), p.wait)
		require.Equal(t, epoch, p.position.LastFull)
	}
}

func TestAParentThatIsListedTwiceIsReadOnce(t *testing.T) {
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/apps" {
			fmt.Fprint(w, `[{"id":"A"},{"id":"B"},{"id":"A"},{"name":"no id"},{"id":"C"}]`)
			return
		}
		fmt.Fprintf(w, `[{"under":%q}]`, r.URL.Path)
	}))
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, []string{`{"under":"/api/v1/apps/A/users"}`, `{"under":"/api/v1/apps/B/users"}`, `{"under":"/api/v1/apps/C/users"}`}, p.json())
}

// leadAway are ids that would be more than one element of a path, or none, for one server or another.
var leadAway = []string{"", ".", "..", "...", "a/b", `a\b`, "../users", "%2e%2e", "a%2fb", "a?q=b", "a#b", "a;b", "a\nb", "a\x00b"}

func TestAnIDThatLeadsElsewhereIsNoPartOfAPath(t *testing.T) {
	type app struct {
		ID string `json:"id"`
	}
	apps := []app{{"0oa1"}}
	for _, id := range leadAway {
		apps = append(apps, app{id})
	}
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/apps" {
			_ = json.NewEncoder(w).Encode(apps)
			return
		}
		fmt.Fprint(w, `[{"id":"00u1"}]`)
	}))
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, p.json(), 1)
	require.Equal(t, []string{"/api/v1/apps/0oa1/users?limit=500"}, w.requests("/api/v1/apps/"))
	require.EqualValues(t, len(leadAway), p.oddities.Missing, "each is counted")
	require.Equal(t, []okta.WarningKind{okta.WarnNoID}, p.kinds)

	p = pull(t, org.Reader(service(t, "apps"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, p.json(), 1+len(leadAway), "the objects themselves arrive")
}

func TestAnIDOfAPositionThatLeadsElsewhereIsNoPartOfAPath(t *testing.T) {
	for _, id := range leadAway {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[]`) }))
		r := org.Reader(service(t, "app_users"), okta.Begin{}, time.Now)
		for name, pos := range map[string]checkpoint.Position{
			"of a parent put aside": {Levels: []checkpoint.Level{{ID: id, Only: true}}},
			"of a parent":           {Levels: []checkpoint.Level{{ID: id}}},
			"of one put aside": {
				Pull: &checkpoint.Pull{ID: 1, Kind: checkpoint.PullFull}, Aside: []checkpoint.Aside{{Under: []string{id}}}, Retrying: true,
				Levels: []checkpoint.Level{{ID: id, Only: true}},
			},
		} {
			for range 10 {
				page, err := r.Next(t.Context(), pos)
				if err != nil || page.CaughtUp {
					break
				}
				pos = page.Position
			}
			require.Empty(t, w.requests("/api/v1/apps/"), "%s %q", name, id)
		}
	}
}

func TestAListingAboveThatLeadsBackEndsThePull(t *testing.T) {
	sim, c := newTree(t)
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if r.URL.Path == "/api/v1/apps" && r.URL.Query().Has("after") {
			return oktasim.NextTo("http://acme.test" + r.URL.RequestURI())
		}
		return nil
	})
	org, _ := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, c.Now), checkpoint.Position{})
	same(t, everything(sim.Org, "app_users")[:4*5], p.json())
	require.Equal(t, cutOff, p.kinds)
	require.Contains(t, p.warnings[0], "listing of apps")
}

func TestAPullOfListingsOfWhichOneWasCutOffIsRepeatedOnce(t *testing.T) {
	for name, cut := range map[string]func(*http.Request) bool{
		"the one above":        func(r *http.Request) bool { return r.URL.Path == "/api/v1/apps" },
		"those of the parents": func(r *http.Request) bool { return r.URL.Path != "/api/v1/apps" },
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := newTree(t)
			leadBack := func(r *http.Request, _ int) oktasim.Fault {
				if cut(r) && r.URL.Query().Has("after") {
					return oktasim.NextTo("http://acme.test" + r.URL.RequestURI())
				}
				return nil
			}
			sim.SetFaults(leadBack)
			org, _ := newOrg(t, sim)
			r := org.Reader(service(t, "app_users"), okta.Begin{}, c.Now)
			p := pull(t, r, checkpoint.Position{})
			require.Equal(t, 15*time.Minute, p.wait, "soon")
			require.Equal(t, 24*time.Hour, pull(t, r, p.position).wait, "Okta ends it no other way")
			sim.SetFaults(nil)
			p = pull(t, r, p.position)
			same(t, everything(sim.Org, "app_users"), p.json())
			require.Equal(t, 24*time.Hour, p.wait)
		})
	}
}

func TestAListingAboveThatGoesInACircleEndsThePull(t *testing.T) {
	sim, c := newTree(t)
	second := ""
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if r.URL.Path == "/api/v1/apps" && strings.Contains(r.URL.RawQuery, sim.ID("apps", 1)) {
			second = r.URL.RequestURI()
		}
		if r.URL.Path == "/api/v1/apps" && strings.Contains(r.URL.RawQuery, sim.ID("apps", 5)) {
			return oktasim.NextTo("http://acme.test" + second)
		}
		return nil
	})
	org, w := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, c.Now), checkpoint.Position{})
	all := everything(sim.Org, "app_users")
	same(t, all[:7*5], p.json()[:7*5])
	require.Equal(t, cutOff, p.kinds)
	require.Less(t, len(w.asked), 3*5*7)
}

func TestAListingUnderOneParentThatLeadsBackEndsThatListingOnly(t *testing.T) {
	sim, c := newTree(t)
	looping := sim.ID("apps", 1)
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if strings.Contains(r.URL.Path, looping) && r.URL.Query().Has("after") {
			return oktasim.NextTo("http://acme.test" + r.URL.RequestURI())
		}
		return nil
	})
	org, _ := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, c.Now), checkpoint.Position{})
	all := everything(sim.Org, "app_users")
	same(t, slices.Concat(all[:5+4], all[2*5:]), p.json())
	require.Equal(t, cutOff, p.kinds)
}

// short makes cursors that are refused once they were given, unless they are used at once: before n other requests.
type short struct {
	capped
	n     int
	asked int
	given map[string]int // cursors, by when they were given
}

func (s *short) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	if after := r.URL.Query().Get("after"); after != "" && s.asked-s.given[r.URL.Path+after] > s.n {
		clear(w.Header()) // no limits
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errorCode":"E0000031","errorSummary":"Invalid search criteria: after"}`)
		return
	}
	s.capped.ServeHTTP(w, r)
	for _, l := range w.Header().Values("Link") {
		if target, ok := strings.CutSuffix(strings.TrimPrefix(l, "<"), `>; rel="next"`); ok {
			u, _ := url.Parse(target)
			s.given[u.Path+u.Query().Get("after")] = s.asked
		}
	}
}

func TestAListingAboveWhoseCursorIsRefusedGoesOnBehindTheLastParentDone(t *testing.T) {
	for _, name := range underParents {
		t.Run(name, func(t *testing.T) {
			sim, c := newTree(t)
			svc := service(t, name)
			// A page of two parents takes six requests, so every cursor of the listing above is too old.
			org, w := newOrg(t, &short{capped: sim, n: 4, given: map[string]int{}})
			p := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
			same(t, everything(sim.Org, name), p.json(), "nothing is left out or there twice")
			require.Zero(t, p.oddities)
			require.Contains(t, p.kinds, okta.WarnCursor)
			require.Contains(t, p.warnings[0], "goes on behind what is done")
			require.Less(t, len(w.requests(parentPath(svc)+"?")), 5+4*5)
		})
	}
}

func TestARefusedCursorMakesTheListingItBelongsToBeginAgain(t *testing.T) {
	sim, c := newTree(t)
	svc := service(t, "app_users")
	org, _ := newOrg(t, sim)
	all := everything(sim.Org, "app_users")
	whole := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
	shipped, tried := 0, 0
	for i, pos := range whole.positions[:len(whole.positions)-1] {
		shipped += whole.sizes[i]
		for _, spoil := range []*string{&pos.Cursor, &pos.Levels[0].Cursor} {
			if !strings.Contains(*spoil, "after=") {
				continue
			}
			tried++
			good := *spoil
			*spoil = strings.Replace(good, "after=", "after=x", 1)
			other, _ := newOrg(t, sim)
			p := pull(t, other.Reader(svc, okta.Begin{}, c.Now), pos)
			*spoil = good
			again := int(p.oddities.Repeated)
			require.LessOrEqual(t, again, 4, "no more than the listing under the parent")
			same(t, all[shipped-again:], p.json())
			require.Equal(t, []okta.WarningKind{okta.WarnCursor}, p.kinds)
		}
	}
	require.Greater(t, tried, 20)
}

func TestIfTheLastParentDoneIsGoneWhatRepeatsIsCounted(t *testing.T) {
	sim, c := newTree(t)
	svc := service(t, "app_users")
	org, _ := newOrg(t, sim)
	all := everything(sim.Org, "app_users")
	whole := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
	i := slices.IndexFunc(whole.positions, func(p checkpoint.Position) bool { return p.Levels[0].ID == "" && p.Levels[0].Done != "" })
	pos := whole.positions[i]
	pos.Levels = slices.Clone(pos.Levels)
	pos.Levels[0].Cursor += "x"
	pos.Levels[0].Done = "0oaGone"
	other, _ := newOrg(t, sim)
	p := pull(t, other.Reader(svc, okta.Begin{}, c.Now), pos)
	same(t, all, p.json(), "from the top")
	require.EqualValues(t, 2*5, p.oddities.Repeated)
}

func TestACursorThatIsAlwaysRefusedWhileItIsLookedForIsSaidSo(t *testing.T) {
	sim, c := newTree(t)
	svc := service(t, "app_users")
	org, _ := newOrg(t, &short{capped: sim, n: 0, given: map[string]int{}})
	r := org.Reader(svc, okta.Begin{}, c.Now)
	var p pulled
	for {
		page, err := r.Next(t.Context(), p.position)
		if err != nil {
			var e *okta.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, okta.CursorRefused, e.Class, e)
			break
		}
		p.add(t, page)
		require.Less(t, len(p.positions), 100)
	}
}

func TestAShareOfOneRequestAMinuteStillGetsToTheEnd(t *testing.T) {
	inBubble(t, 0, func(c *oktasim.Config) {
		c.Unlimited = false
		c.Limits = map[string]int{"/api/v1/apps": 2}
		c.Counts = map[string]int{"users": 40, "apps": 3, "app_users": 5}
	}, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
		w.handler = capped{sim, 2}
		svc := service(t, "app_users")
		var all pulled
		var at checkpoint.Checkpoint
		for {
			// A slice that is rate limited ends, and the next one has a new reader.
			r := orgs[0].Reader(svc, okta.Begin{}, time.Now)
			r.Restore(at)
			page, err := r.Next(t.Context(), all.position)
			r.Close()
			at.Windows = r.Windows()
			if err != nil {
				require.Equal(t, okta.RateLimited, refused(t, r, all.position).Class)
				time.Sleep(time.Minute)
				continue
			}
			all.add(t, page)
			if page.CaughtUp {
				break
			}
		}
		same(t, everything(sim, "app_users"), all.json())
		for _, window := range sim.Windows() {
			require.Equal(t, 1, window.Admitted)
		}
	})
}

func TestAParentWithoutAUsableIDIsSkippedWithAWarning(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/apps" {
			fmt.Fprintf(w, `[{"id":"0oa1"},{"id":"%s"},{"name":"none"},{"id":"0oa2"}]`, strings.Repeat("x", 3<<20))
			return
		}
		fmt.Fprintf(w, `[{"id":"00u1"}]`)
	})
	org, w := newOrg(t, handler)
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, p.objects, 2)
	require.Len(t, p.warnings, 1)
	require.Contains(t, p.warnings[0], "2 of apps have no id of at most 256 bytes")
	require.Len(t, w.requests("/api/v1/apps/"), 2)
}
