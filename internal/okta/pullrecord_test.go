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

// recordOf is a record of a pull in words.
func recordOf(p okta.PullRecord) string {
	switch {
	case !p.Ends:
		return "begin"
	case p.Parent != nil:
		return fmt.Sprintf("end of %s=%s: %d %v", p.Parent.Name, p.Parent.ID, p.Objects, p.Complete)
	}
	return fmt.Sprintf("end: %d %v", p.Objects, p.Complete)
}

// recordsOf are the records of a batch, and a word for its objects if it has any.
func recordsOf(page *okta.Page, from, to int) (all []string) {
	before, after := page.PullRecords(from, to)
	for _, p := range before {
		all = append(all, recordOf(p))
	}
	if to > from {
		all = append(all, "objects")
	}
	for _, p := range after {
		all = append(all, recordOf(p))
	}
	return all
}

// recordsFrom goes on from a position until there is nothing more for now. It returns the records of the pull, with a word
// for objects in a row, and the position after it.
func recordsFrom(t testing.TB, r *okta.Reader, pos checkpoint.Position) (all []string, end checkpoint.Position) {
	t.Helper()
	for {
		page, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		for _, record := range recordsOf(page, 0, len(page.Objects)) {
			if len(all) == 0 || all[len(all)-1] != record {
				all = append(all, record)
			}
		}
		require.Equal(t, len(recordsOf(page, 0, len(page.Objects))) > 0, page.Ships())
		pos = durable(t, page.Position)
		page.Release()
		if page.CaughtUp {
			return all, pos
		}
	}
}

// treeOf is an org with these lists, by their paths.
func treeOf(t testing.TB, lists map[string]string) *okta.Org {
	t.Helper()
	return orgOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<http://acme.test%s>; rel="self"`, r.URL.RequestURI()))
		list, ok := lists[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusForbidden)
			list = `{"errorCode":"E0000006"}`
		}
		fmt.Fprint(w, list)
	}), asTheyAre)
}

func TestAFullPullBeginsAndEndsWithARecord(t *testing.T) {
	apps := `[{"id":"0oa1"},{"id":"0oa2"}]`
	for name, test := range map[string]struct {
		service string
		lists   map[string]string
		want    []string
	}{
		"a list":       {"users", map[string]string{"/api/v1/users": `[{"id":"a"},{"id":"b"}]`}, []string{"begin", "objects", "end: 2 true"}},
		"an empty one": {"users", map[string]string{"/api/v1/users": `[]`}, []string{"begin", "end: 0 true"}},
		"with an element that cannot be read": {
			"users", map[string]string{"/api/v1/users": `[{"id":"a"},7]`}, []string{"begin", "objects", "end: 2 false"}},
		"below others": {"app_users", map[string]string{
			"/api/v1/apps": apps, "/api/v1/apps/0oa1/users": `[{"id":"a"}]`, "/api/v1/apps/0oa2/users": `[]`,
		}, []string{"begin", "objects", "end: 1 true"}},
		"below none": {"app_users", map[string]string{"/api/v1/apps": `[]`}, []string{"begin", "end: 0 true"}},
		"below a parent without an id": {"app_users", map[string]string{
			"/api/v1/apps": `[{"id":"0oa1"},{"name":"x"}]`, "/api/v1/apps/0oa1/users": `[{"id":"a"}]`,
		}, []string{"begin", "objects", "end: 1 false"}},
		"below a parent that cannot be read": {"app_users", map[string]string{
			"/api/v1/apps": `[{"id":"0oa1"},7]`, "/api/v1/apps/0oa1/users": `[{"id":"a"}]`,
		}, []string{"begin", "objects", "end: 1 false"}},
		"below a parent that fails": {"app_users", map[string]string{"/api/v1/apps": apps, "/api/v1/apps/0oa2/users": `[{"id":"a"}]`},
			[]string{"begin", "objects", "end: 1 false"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := treeOf(t, test.lists).Reader(service(t, test.service), okta.Begin{}, atEpoch)
			defer r.Close()
			all, _ := recordsFrom(t, r, checkpoint.Position{})
			require.Equal(t, test.want, all)
			backfill := treeOf(t, test.lists).Backfill(service(t, test.service), checkpoint.Range{}, atEpoch)
			defer backfill.Close()
			all, _ = recordsFrom(t, backfill, checkpoint.Position{})
			require.Equal(t, test.want, all, "a backfill is a full pull")
		})
	}
}

func TestWhereverAPullGoesOnItBeginsAndEndsOnce(t *testing.T) {
	for _, name := range []string{"users", "zones", "app_users"} {
		t.Run(name, func(t *testing.T) {
			sim, c := newTree(t)
			org, _ := newOrg(t, sim)
			r := org.Reader(service(t, name), okta.Begin{}, c.Now)
			defer r.Close()
			var before []string
			for pos := (checkpoint.Position{}); ; {
				page, err := r.Next(t.Context(), pos)
				require.NoError(t, err)
				id := page.Before().Pull
				for n := range len(page.Objects) + 1 {
					if n == len(page.Objects) && page.CaughtUp {
						break
					}
					at := page.Before()
					if n > 0 {
						at = page.After(n)
					}
					shipped := recordsOf(page, 0, n)
					if n == 0 {
						shipped = nil
					}
					other, _ := newOrg(t, sim)
					reader := other.Reader(service(t, name), okta.Begin{}, c.Now)
					rest, _ := recordsFrom(t, reader, durable(t, at))
					reader.Close()
					text := strings.Join(append(append(before[:len(before):len(before)], shipped...), rest...), " ")
					require.Equal(t, 1, strings.Count(text, "begin"), text)
					require.Equal(t, 1, strings.Count(text, "end: "), text)
					require.Regexp(t, fmt.Sprintf(`^begin .*objects end: %d true$`, len(everything(sim.Org, name))), text)
				}
				before = append(before, recordsOf(page, 0, len(page.Objects))...)
				pos = page.Position
				if id != nil && pos.Pull != nil {
					require.Equal(t, id.ID, pos.Pull.ID)
				}
				page.Release()
				if page.CaughtUp {
					return
				}
			}
		})
	}
}

func TestAPullThatIsNotWholeEndsIncomplete(t *testing.T) {
	t.Run("cut off", func(t *testing.T) {
		sim, c := newSim(t, nil)
		sim.SetFaults(func(*http.Request, int) oktasim.Fault { return func(a *oktasim.Answer) { a.Header.Del("Link") } })
		org, _ := newOrg(t, sim)
		r := org.Reader(service(t, "users"), okta.Begin{}, c.Now)
		defer r.Close()
		all, pos := recordsFrom(t, r, checkpoint.Position{})
		require.Equal(t, []string{"begin", "objects", "end: 200 false"}, all)
		all, _ = recordsFrom(t, r, pos)
		require.Equal(t, []string{"begin", "objects", "end: 200 false"}, all, "the second one in a row counts, and is not complete")
	})
	t.Run("empty where there were objects", func(t *testing.T) {
		r := treeOf(t, map[string]string{"/api/v1/users": "[]"}).Reader(service(t, "users"), okta.Begin{}, atEpoch)
		defer r.Close()
		all, _ := recordsFrom(t, r, checkpoint.Position{FullObjects: 3})
		require.Equal(t, []string{"begin", "end: 0 false"}, all)
	})
	t.Run("an unreadable element long ago", func(t *testing.T) {
		var all []string
		for i := range 450 {
			all = append(all, fmt.Sprintf(`{"id":"x%d"}`, i))
		}
		all[3] = "7"
		r := orgOf(t, elements(all), asTheyAre).Reader(service(t, "users"), okta.Begin{}, atEpoch)
		defer r.Close()
		records, _ := recordsFrom(t, r, checkpoint.Position{})
		require.Equal(t, []string{"begin", "objects", "end: 450 false"}, records)
		page, err := r.Next(t.Context(), checkpoint.Position{})
		require.NoError(t, err)
		rest, _ := recordsFrom(t, r, durable(t, page.After(100)))
		require.Equal(t, []string{"objects", "end: 450 false"}, rest)
	})
}

func TestAPullThatEveryParentFailsDoesNotEnd(t *testing.T) {
	r := treeOf(t, map[string]string{"/api/v1/apps": `[{"id":"0oa1"}]`}).Reader(service(t, "app_users"), okta.Begin{}, atEpoch)
	defer r.Close()
	pos := checkpoint.Position{}
	for {
		page, err := r.Next(t.Context(), pos)
		require.NotNil(t, page)
		require.False(t, page.Ships())
		pos = page.Position
		if err != nil {
			return
		}
	}
}

func TestOnlyFullPullsBeginAndEnd(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	for name, pos := range map[string]checkpoint.Position{
		"users":  {LastFull: epoch, ChangedSince: epoch.Add(-time.Hour), FullObjects: 1},
		"groups": {LastFull: epoch, ChangedSince: epoch.Add(-time.Hour), FullObjects: 1},
		"logs":   {},
	} {
		r := org.Reader(service(t, name), okta.Begin{}, c.Now)
		all, _ := recordsFrom(t, r, pos)
		r.Close()
		require.Subset(t, []string{"objects"}, all, name)
	}
}

func TestTheListingOfAChangedGroupEndsWithARecordThatNamesIt(t *testing.T) {
	r := treeOf(t, map[string]string{
		"/api/v1/groups":            `[{"id":"00g1"},{"id":"00g2"},{"id":"00g3"},{"id":"00g4"}]`,
		"/api/v1/groups/00g1/users": `[{"id":"a"},{"id":"b"}]`,
		"/api/v1/groups/00g2/users": `[]`,
		"/api/v1/groups/00g4/users": `[{"id":"a"},7]`,
	}).Reader(service(t, "group_members"), okta.Begin{}, atEpoch)
	defer r.Close()
	changes := checkpoint.Position{LastFull: epoch, Pull: &checkpoint.Pull{Kind: checkpoint.PullChanges, Since: epoch.Add(-time.Hour)}}
	all, _ := recordsFrom(t, r, changes)
	require.Equal(t, []string{
		"objects", "end of @okta_group_id=00g1: 2 true",
		"end of @okta_group_id=00g2: 0 true",
		"objects", "end of @okta_group_id=00g4: 2 false",
	}, all, "of 00g3 nothing is known: its listing fails")
}
