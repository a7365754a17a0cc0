package okta_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// ofParents spoils the answers about some parents.
func ofParents(fault oktasim.Fault, ids ...string) func(*http.Request, int) oktasim.Fault {
	return func(r *http.Request, _ int) oktasim.Fault {
		if slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(r.URL.Path, id) }) {
			return fault
		}
		return nil
	}
}

// split tells the objects of a service under some parents from those under others.
func split(sim capped, name string, ids ...string) (under, others []string) {
	for i, o := range sim.All(name) {
		if slices.Contains(ids, sim.ParentID(name, i)) {
			under = append(under, string(o))
		} else {
			others = append(others, string(o))
		}
	}
	return under, others
}

// answersAboutAParent put the parent aside at once, the others after three.
var answersAboutAParent = map[string]oktasim.Fault{
	"403": oktasim.Refuse(403, "E0000006"), "404 in HTML": oktasim.Page(404), "403 in HTML": oktasim.Page(403), "400": oktasim.Refuse(400, "E0000001"),
	"423": oktasim.Refuse(423, "E0000239"), "405": oktasim.Refuse(405, "E0000022"),
	"500 for good": oktasim.Refuse(500, ""), "503 for good": oktasim.Page(503), "E0000009 for good": oktasim.Refuse(500, "E0000009"), "bodies that are always cut": oktasim.CutShort(),
}

func TestAParentWhoseListingFailsStopsNoOther(t *testing.T) {
	for _, name := range underParents {
		for what, fault := range answersAboutAParent {
			t.Run(name+" "+what, func(t *testing.T) {
				inBubble(t, 0, func(c *oktasim.Config) {
					c.Counts = map[string]int{"users": 40, "groups": 9, "apps": 9, "app_users": 5, "group_members": 5}
				}, func(t *testing.T, org *oktasim.Org, orgs [2]*okta.Org, w *wire) {
					sim := capped{org, 2}
					w.handler = sim
					svc := service(t, name)
					bad := sim.ID(parentOf(svc), 3)
					sim.SetFaults(ofParents(fault, bad))
					r := orgs[0].Reader(svc, okta.Begin{}, time.Now)
					var p pulled
					p.untilCaughtUp(t, r)
					_, others := split(sim, name, bad)
					same(t, others, p.json())
					require.Equal(t, checkpoint.Oddities{Aside: 1, Missing: 1, Incomplete: 1}, p.oddities)
					require.Contains(t, strings.Join(p.warnings, "\n"), parentOf(svc)+"/"+bad+" is put aside until the end of the pull: asking Okta for ")
					require.Contains(t, strings.Join(p.warnings, "\n"), parentOf(svc)+"/"+bad+" failed again at the end of the pull")
					require.Contains(t, p.warnings[len(p.warnings)-1], "incomplete, because listings under a parent failed, 1 in all, such as under "+parentOf(svc)+"/"+bad+": it is pulled once more soon")
					require.Equal(t, okta.WarnIncomplete, p.kinds[len(p.kinds)-1])
					require.True(t, p.position.LastFull.IsZero())

					// The next pull tries it again, and counts whatever comes of it.
					second := pulled{position: p.position}
					second.untilCaughtUp(t, r)
					require.Contains(t, second.warnings[len(second.warnings)-1], "so this one counts")
					require.False(t, second.position.LastFull.IsZero())

					sim.SetFaults(nil)
					third := pulled{position: second.position}
					third.position.LastFull = time.Time{} // the next full pull
					third.untilCaughtUp(t, r)
					same(t, everything(org, name), third.json())
					require.False(t, third.position.Incomplete)
				})
			})
		}
	}
}

func TestAParentThatWasPutAsideGoesOnWhereItWasAtTheEndOfThePull(t *testing.T) {
	for _, name := range underParents {
		for _, failures := range []int{1, 2} {
			t.Run(fmt.Sprint(name, " ", failures), func(t *testing.T) {
				sim, c := newTree(t)
				svc := service(t, name)
				bad := []string{sim.ID(parentOf(svc), 3), sim.ID(parentOf(svc), 6)}[:failures]
				failed := map[string]bool{}
				sim.SetFaults(func(r *http.Request, n int) oktasim.Fault {
					if failed[r.URL.Path] || !r.URL.Query().Has("after") {
						return nil
					}
					fault := ofParents(oktasim.Refuse(403, "E0000005"), bad...)(r, n)
					failed[r.URL.Path] = fault != nil
					return fault
				})
				org, _ := newOrg(t, sim)
				p := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
				want, got := everything(sim.Org, name), p.json()
				under, _ := split(sim, name, bad...)
				require.Subset(t, got[len(got)-3*failures:], []string{under[2], under[len(under)-1]}, "at the end")
				slices.Sort(want)
				slices.Sort(got)
				same(t, want, got, "nothing twice")
				require.Equal(t, checkpoint.Oddities{Aside: int64(failures)}, p.oddities)
				require.False(t, p.position.LastFull.IsZero(), "nothing is missing")
			})
		}
	}
}

func TestAPullWithParentsAsideGoesOnFromEveryPosition(t *testing.T) {
	sim, c := newTree(t)
	svc := service(t, "app_users")
	bad := []string{sim.ID("apps", 0), sim.ID("apps", 4), sim.ID("apps", 8)}
	sim.SetFaults(ofParents(oktasim.Refuse(403, "E0000006"), bad...))
	org, _ := newOrg(t, sim)
	whole := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
	_, others := split(sim, "app_users", bad...)
	same(t, others, whole.json())
	shipped := 0
	for i, pos := range whole.positions[:len(whole.positions)-1] {
		shipped += whole.sizes[i]
		other, _ := newOrg(t, sim)
		rest := pull(t, other.Reader(svc, okta.Begin{}, c.Now), pos)
		same(t, others[shipped:], rest.json(), "after page ", i)
		require.EqualValues(t, 3, rest.oddities.Missing)
	}
}

func TestFiveParentsInARowAreTheFaultOfTheServiceAndNoneIsSkipped(t *testing.T) {
	for what, test := range map[string]struct {
		fault oktasim.Fault
		class okta.Class
	}{
		"403":         {oktasim.Refuse(403, "E0000006"), okta.Person},
		"403 in HTML": {oktasim.Page(403), okta.Passing},
		"423":         {oktasim.Refuse(423, "E0000239"), okta.Passing},
	} {
		for first := range 5 {
			t.Run(fmt.Sprint(what, " from parent ", first), func(t *testing.T) {
				sim, c := newTree(t)
				svc := service(t, "app_users")
				var bad []string
				for i := first; i < 9; i++ {
					bad = append(bad, sim.ID("apps", i))
				}
				sim.SetFaults(ofParents(test.fault, bad...))
				org, _ := newOrg(t, sim)
				r := org.Reader(svc, okta.Begin{}, c.Now)
				var p pulled
				var e *okta.Error
				for range 3 { // it never gets further
					for {
						page, err := r.Next(t.Context(), p.position)
						p.add(t, page)
						if err != nil {
							require.ErrorAs(t, err, &e)
							break
						}
					}
					require.Equal(t, test.class, e.Class)
					require.ErrorContains(t, e, "5 of apps in a row have failed, and begin again with the first of them")
					require.Zero(t, p.oddities, "no parent is to blame")
				}
				sim.SetFaults(nil)
				rest := pull(t, r, p.position)
				same(t, everything(sim.Org, "app_users"), append(p.json(), rest.json()...), "nothing is skipped, nothing twice")
			})
		}
	}
}

func TestIfEveryParentFailsThatIsTheFaultOfTheService(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) { c.Counts = map[string]int{"users": 40, "apps": 2, "app_users": 5} })
	sim.SetFaults(ofParents(oktasim.Refuse(403, "E0000006"), sim.ID("apps", 0), sim.ID("apps", 1)))
	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "app_users"), okta.Begin{}, c.Now)
	var p pulled
	for {
		page, err := r.Next(t.Context(), p.position)
		p.add(t, page)
		if err != nil {
			var e *okta.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, okta.Person, e.Class)
			require.ErrorContains(t, e, "lacks the permission okta.apps.read")
			break
		}
		require.False(t, page.CaughtUp)
	}
	sim.SetFaults(nil)
	same(t, everything(sim, "app_users"), pull(t, r, p.position).json())
}

func TestAPositionKeeps64ParentsAsideAndTheOthersAreMissing(t *testing.T) {
	var apps []string
	for i := range 150 {
		apps = append(apps, fmt.Sprintf(`{"id":"0oa%03d"}`, i))
	}
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var i int
		if n, _ := fmt.Sscanf(r.URL.Path, "/api/v1/apps/0oa%03d/users", &i); n == 1 {
			if i%2 == 0 {
				w.WriteHeader(http.StatusLocked)
				return
			}
			fmt.Fprintf(w, `[{"id":"00u%d"}]`, i)
			return
		}
		elements(apps).ServeHTTP(w, r)
	}))
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, func() time.Time { return epoch }), checkpoint.Position{})
	require.Len(t, p.objects, 75)
	require.Equal(t, checkpoint.Oddities{Aside: 75, Missing: 75, Incomplete: 1}, p.oddities)
	most := 0
	for _, pos := range p.positions {
		most = max(most, len(pos.Aside))
	}
	require.Equal(t, 64, most)
}

func TestAParentThatIsGoneIsCountedAndTheOthersAreListed(t *testing.T) {
	for _, name := range underParents {
		sim, c := newTree(t)
		svc := service(t, name)
		gone := sim.ID(parentOf(svc), 3)
		sim.SetFaults(ofParents(oktasim.Refuse(404, "E0000007"), gone))
		org, _ := newOrg(t, sim)
		p := pull(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{})
		_, others := split(sim, name, gone)
		same(t, others, p.json())
		require.Equal(t, checkpoint.Oddities{Gone: 1}, p.oddities)
		require.Empty(t, p.warnings)
	}
}

func parentsFrom(t *testing.T, bad func(w http.ResponseWriter, n int)) *okta.Org {
	n := 0
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/apps":
			fmt.Fprint(w, `[{"id":"a"},{"id":"b"},{"id":"c"}]`)
		case "/api/v1/apps/b/users":
			n++
			bad(w, n)
		default:
			fmt.Fprintf(w, `[{"id":%q}]`, r.URL.Path)
		}
	}))
	return org
}

func TestAParentWhoseAnswersAreNoListStopsNoOther(t *testing.T) {
	for name, bad := range map[string]func(w http.ResponseWriter, n int){
		"HTML":                    func(w http.ResponseWriter, _ int) { fmt.Fprint(w, "<html>") },
		"an object":               func(w http.ResponseWriter, _ int) { fmt.Fprint(w, "{}") },
		"cut at different places": func(w http.ResponseWriter, n int) { fmt.Fprint(w, `[{"id":"x`+strings.Repeat("y", n)) },
		"no body":                 func(w http.ResponseWriter, n int) {},
		"204":                     func(w http.ResponseWriter, n int) { w.WriteHeader(204) },
		"408":                     func(w http.ResponseWriter, n int) { w.WriteHeader(408) },
	} {
		t.Run(name, func(t *testing.T) {
			r := parentsFrom(t, bad).Reader(service(t, "app_users"), okta.Begin{}, func() time.Time { return epoch })
			var p pulled
			for range 100 {
				page, err := r.Next(t.Context(), p.position)
				if page != nil {
					p.add(t, page)
				}
				if err == nil && page.CaughtUp {
					break
				}
			}
			require.Len(t, p.objects, 2)
			require.EqualValues(t, 1, p.oddities.Missing)
		})
	}
}

func TestAParentPutAsideWithALongCursorCountsWhatItRepeats(t *testing.T) {
	long := "/api/v1/apps/b/users?after=" + strings.Repeat("x", 2000)
	n := 0
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/apps":
			fmt.Fprint(w, `[{"id":"a"},{"id":"b"},{"id":"c"}]`)
		case r.URL.Query().Has("after"):
			if n++; n == 1 {
				w.WriteHeader(423)
				return
			}
			fmt.Fprint(w, `[{"id":"second"}]`)
		case r.URL.Path == "/api/v1/apps/b/users":
			w.Header().Set("Link", "<http://acme.test"+long+`>; rel="next"`)
			fmt.Fprint(w, `[{"id":"first"}]`)
		default:
			fmt.Fprint(w, `[]`)
		}
	}))
	p := pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, func() time.Time { return epoch }), checkpoint.Position{})
	same(t, []string{`{"id":"first"}`, `{"id":"first"}`, `{"id":"second"}`}, p.json())
	require.EqualValues(t, 1, p.oddities.Repeated)
}
