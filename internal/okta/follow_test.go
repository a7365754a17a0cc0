package okta_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// astray are cursors that are not of the listing of users, which asks with a filter.
var astray = map[string]string{
	"a search":                  `/api/v1/users?search=profile.email+eq+%22a%22`,
	"another filter":            `/api/v1/users?filter=status+eq+%22ACTIVE%22&limit=200`,
	"a query":                   `/api/v1/users?after=1&q=alice`,
	"a query in capitals":       `/api/v1/users?Q=alice`,
	"an escaped name":           `/api/v1/users?%73earch=x`,
	"a name with an index":      `/api/v1/users?filter[0]=x`,
	"behind a semicolon":        `/api/v1/users?after=1;search=x`,
	"what is expanded":          `/api/v1/users?expand=classification`,
	"an order":                  `/api/v1/users?sortBy=profile.email&sortOrder=asc`,
	"a time":                    `/api/v1/users?since=2026-01-01T00:00:00Z`,
	"a type":                    `/api/v1/users?type=x`,
	"the first filter, twice":   `/api/v1/users?filter=lastUpdated+gt+%221970-01-01T00%3A00%3A00.000Z%22&filter=lastUpdated+gt+%221970-01-01T00%3A00%3A00.000Z%22`,
	"logging out":               `/oauth2/v1/logout`,
	"one object":                `/api/v1/users/me`,
	"another listing":           `/api/v1/groups?limit=200`,
	"dots":                      `/api/v1/groups/../users`,
	"escaped dots":              `/api/v1/groups/%2e%2e/users`,
	"an escaped slash":          `/api/v1%2Fusers`,
	"a backslash":               `/api/v1\users`,
	"a doubled slash":           `/api/v1//users`,
	"a slash at the end":        `/api/v1/users/`,
	"an escape of an escape":    `/api/v1/%2575sers`,
	"parameters of a path":      `/api/v1/users;search=x`,
	"another case":              `/api/v1/Users`,
	"a fragment":                `/api/v1/users#x`,
	"an address":                `https://evil.example/api/v1/users`,
	"an address without scheme": `//evil.example/api/v1/users`,
	"a user before an address":  `@evil.example/api/v1/users`,
}

func TestACursorOfAPositionIsFollowedOnlyInItsOwnListing(t *testing.T) {
	for name, cursor := range astray {
		t.Run(name, func(t *testing.T) {
			org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") }))
			e := refused(t, org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{Cursor: cursor})
			require.Equal(t, okta.CursorRefused, e.Class)
			require.NotContains(t, e.Error(), "alice", "the cursor is not repeated")
			require.Empty(t, w.asked)
		})
	}
}

func TestANextLinkIsFollowedOnlyInItsOwnListing(t *testing.T) {
	for name, cursor := range astray {
		t.Run(name, func(t *testing.T) {
			if name == "a fragment" || name == "an address" || name == "an address without scheme" {
				t.Skip("a link may have these: the path is that of the listing")
			}
			org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "<"+cursor+`>; rel="next"`)
				fmt.Fprint(w, `[{"id":"00u1"}]`)
			}))
			p := pull(t, org.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{})
			require.Equal(t, `["{\"id\":\"00u1\"}"]`, fmt.Sprintf("%q", p.json()))
			require.Equal(t, []okta.WarningKind{okta.WarnNext, okta.WarnIncomplete}, p.kinds)
			require.Len(t, w.asked, 2, "the page once more, and nothing else")
			require.Equal(t, w.asked[0], w.asked[1])
		})
	}
}

func TestACursorOfAParentIsFollowedOnlyInItsOwnListing(t *testing.T) {
	for _, cursor := range []string{"/api/v1/apps?q=payroll", "/api/v1/users", "/api/v1/apps/0oa1"} {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") }))
		pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, time.Now), checkpoint.Position{Levels: []checkpoint.Level{{Cursor: cursor}}})
		require.Equal(t, []string{"/api/v1/apps?limit=200"}, w.asked, "the listing begins again")
	}
	// The cursor of a listing under a parent names that parent.
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") }))
	pull(t, org.Reader(service(t, "app_users"), okta.Begin{}, time.Now), checkpoint.Position{
		Levels: []checkpoint.Level{{ID: "0oa1", Only: true}}, Cursor: "/api/v1/apps/0oa2/users?after=1",
	})
	require.Equal(t, []string{"/api/v1/apps/0oa1/users?limit=500"}, w.requests("/api/v1/apps/"))
}

func TestACursorOfTheLogHasTheTimeOfAnyPollAndNoOtherChoice(t *testing.T) {
	for cursor, follows := range map[string]bool{
		"/api/v1/logs?since=2021-01-01T00%3A00%3A00.000Z&limit=1000&sortOrder=ASCENDING&after=1658862453660_1": true,
		"/api/v1/logs?after=1658862453660_1&limit=1000":                                                        true,
		"/api/v1/logs?since=yesterday&after=1658862453660_1":                                                   false,
		"/api/v1/logs?since=2021-01-01T00:00:00Z&since=2021-01-01T00:00:00Z":                                   false,
		"/api/v1/logs?since=2021-01-01T00:00:00Z&until=2021-01-02T00:00:00Z":                                   false,
		"/api/v1/logs?since=2021-01-01T00:00:00Z&sortOrder=DESCENDING":                                         false,
		"/api/v1/logs?after=1&filter=eventType+eq+%22user.session.start%22":                                    false,
		"/api/v1/logs?after=1&q=alice":                                                                         false,
	} {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") }))
		_, err := org.Reader(service(t, "logs"), okta.Begin{}, time.Now).Next(t.Context(), checkpoint.Position{Cursor: cursor})
		require.Equal(t, follows, err == nil, "%s: %v", cursor, err)
		require.Equal(t, follows, len(w.asked) == 1, cursor)
	}
}

func TestACursorOfABackfillHasItsOwnRange(t *testing.T) {
	of := checkpoint.Range{Since: epoch.Add(-time.Hour), Until: epoch}
	for cursor, follows := range map[string]bool{
		"/api/v1/logs?since=2026-03-01T10:59:59.999Z&until=2026-03-01T12:00:00Z&after=1&limit=1000": true,
		"/api/v1/logs?since=2026-03-01T10:59:59.999Z&until=2026-03-02T12:00:00Z&after=1&limit=1000": false,
	} {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") }))
		_, err := org.Backfill(service(t, "logs"), of, atEpoch).Next(t.Context(), checkpoint.Position{Cursor: cursor})
		require.Equal(t, follows, err == nil, "%s: %v", cursor, err)
		require.Equal(t, follows, len(w.asked) == 1, cursor)
	}
}
