package okta_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
)

// surveyed is an org that answers each path with so many objects, in pages of 200, and counts the requests.
type surveyed struct {
	objects map[string]int
	kinds   []string // the types of objects, in turn
	status  map[string]int
	limit   int // requests a minute; 0: no headers
	asked   map[string]int
}

func (l *surveyed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.asked == nil {
		l.asked = map[string]int{}
	}
	path := r.URL.Path
	if policies := r.URL.Query().Get("type"); policies != "" {
		path += "?" + policies
	}
	l.asked[path]++
	if l.limit > 0 {
		w.Header().Set("X-Rate-Limit-Limit", strconv.Itoa(l.limit))
		w.Header().Set("X-Rate-Limit-Remaining", strconv.Itoa(max(0, l.limit-l.asked[path])))
		w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
	}
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if status := l.status[path]; status != 0 {
		w.WriteHeader(status)
		fmt.Fprint(w, `{"errorCode":"E0000002","errorSummary":"Missing Required Feature Flag"}`)
		return
	}
	const size = 200
	from, _ := strconv.Atoi(r.URL.Query().Get("after"))
	to := min(l.objects[path], from+size)
	if to < l.objects[path] {
		query := r.URL.Query()
		query.Set("after", strconv.Itoa(to))
		w.Header().Set("Link", fmt.Sprintf(`<https://acme.okta.com%s?%s>; rel="next"`, r.URL.Path, query.Encode()))
	}
	var all []string
	for i := from; i < to; i++ {
		kind := "any"
		if l.kinds != nil {
			kind = l.kinds[i%len(l.kinds)]
		}
		all = append(all, fmt.Sprintf(`{"id":"id%d","type":%q}`, i, kind))
	}
	fmt.Fprint(w, "["+strings.Join(all, ",")+"]")
}

func (l *surveyed) requests() (n int) {
	for _, asked := range l.asked {
		n += asked
	}
	return n
}

func TestAFullPullIsEstimatedFromAFewRequests(t *testing.T) {
	for _, test := range []struct {
		name, service string
		org           surveyed
		want          okta.Estimate
		asked         int
	}{
		{
			name: "a list of one page", service: "zones", org: surveyed{objects: map[string]int{"/api/v1/zones": 7}},
			want: okta.Estimate{Objects: 7, Requests: 1}, asked: 1,
		},
		{
			name: "an empty list", service: "zones",
			want: okta.Estimate{Requests: 1}, asked: 1,
		},
		{
			name: "a list of three pages", service: "users", org: surveyed{objects: map[string]int{"/api/v1/users": 450}},
			want: okta.Estimate{Objects: 450, Requests: 3}, asked: 3,
		},
		{
			name: "more than five pages", service: "users", org: surveyed{objects: map[string]int{"/api/v1/users": 10_000}},
			want: okta.Estimate{Objects: 1000, Requests: 6, AtLeast: true}, asked: 5,
		},
		{
			name: "below two objects", service: "group_owners",
			org:  surveyed{objects: map[string]int{"/api/v1/groups": 2, "/api/v1/groups/id0/owners": 1, "/api/v1/groups/id1/owners": 2}},
			want: okta.Estimate{Objects: 3, Requests: 3}, asked: 3,
		},
		{
			name: "below many, of which three stand for all", service: "group_owners",
			org:  surveyed{objects: map[string]int{"/api/v1/groups": 300, "/api/v1/groups/id0/owners": 1, "/api/v1/groups/id2/owners": 2}},
			want: okta.Estimate{Objects: 300, Requests: 302, Sampled: true}, asked: 5,
		},
		{
			name: "below nothing", service: "group_owners",
			want: okta.Estimate{Requests: 1}, asked: 1,
		},
		{
			name: "two levels down, below what is selected", service: "group_role_apps",
			org: surveyed{objects: map[string]int{"/api/v1/groups": 3, "/api/v1/groups/id0/roles": 2, "/api/v1/groups/id1/roles": 1,
				"/api/v1/groups/id0/roles/id1/targets/catalog/apps": 4}, kinds: []string{"ORG_ADMIN", "APP_ADMIN"}},
			want: okta.Estimate{Objects: 4, Requests: 5}, asked: 5,
		},
		{
			name: "constants, some of which are off", service: "policies",
			org:  surveyed{objects: map[string]int{"/api/v1/policies?PASSWORD": 5}, status: map[string]int{"/api/v1/policies?ENTITY_RISK": 400}},
			want: okta.Estimate{Objects: 5, Requests: 12}, asked: 12,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			org, _ := newOrg(t, &test.org)
			survey := org.Survey()
			defer survey.Close()
			got, err := survey.Estimate(t.Context(), test.service)
			require.NoError(t, err)
			got.Limit = okta.EndpointLimit{}
			require.Equal(t, test.want, got)
			require.Equal(t, test.asked, test.org.requests(), "%v", test.org.asked)
		})
	}
}

func TestASurveyAsksForAListOnceHoweverManyAreBelowIt(t *testing.T) {
	l := &surveyed{objects: map[string]int{"/api/v1/groups": 300}}
	org, _ := newOrg(t, l)
	survey := org.Survey()
	defer survey.Close()
	for _, service := range []string{"groups", "group_owners", "group_roles", "group_members"} {
		_, err := survey.Check(t.Context(), service)
		require.NoError(t, err)
	}
	require.Equal(t, 1, l.asked["/api/v1/groups"])
	for _, service := range []string{"groups", "group_owners", "group_roles", "group_members"} {
		_, err := survey.Estimate(t.Context(), service)
		require.NoError(t, err)
	}
	require.Equal(t, 1+2, l.asked["/api/v1/groups"], "two pages")
}

func TestAnEstimateSaysWhatTheOrgHasNotGot(t *testing.T) {
	off := map[string]int{"/api/v1/behaviors": 400, "/api/v1/authorizationServers": 400}
	org, _ := newOrg(t, &surveyed{status: off})
	survey := org.Survey()
	defer survey.Close()
	for _, service := range []string{"behaviors", "auth_servers", "auth_server_scopes"} {
		_, err := survey.Estimate(t.Context(), service)
		var e *okta.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, okta.NotInOrg, e.Class)
		require.Contains(t, e.Advice, service)
	}
	_, err := survey.Estimate(t.Context(), "nosuch")
	require.ErrorContains(t, err, `no service is named "nosuch"`)
}

func TestAnEstimateWaitsForTheRateLimitAndSaysSo(t *testing.T) {
	l := &surveyed{objects: map[string]int{"/api/v1/zones": 900}, limit: 4} // of which the share is 2
	org, _ := newOrg(t, l)                                                  // outside: the SDK's cache never ends
	synctest.Test(t, func(t *testing.T) {
		survey := org.Survey()
		defer survey.Close()
		waits := 0
		survey.Waiting = func(path string, wait time.Duration) {
			require.Equal(t, "/api/v1/zones", path)
			require.Positive(t, wait)
			waits++
		}
		got, err := survey.Estimate(t.Context(), "zones")
		require.NoError(t, err)
		require.Equal(t, 900, got.Objects)
		require.Equal(t, 4, got.Limit.Limit)
		require.NotZero(t, waits)
	})
}
