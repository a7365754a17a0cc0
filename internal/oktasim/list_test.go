package oktasim_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// endpoints of the listings that have no parent, with their largest page.
var endpoints = []struct {
	service, path            string
	standard, smallest, most int
}{
	{"users", "/api/v1/users", 200, 1, 200},
	{"groups", "/api/v1/groups", 10000, 1, 10000},
	{"apps", "/api/v1/apps", 20, 1, 200},
	{"clients", "/oauth2/v1/clients", 20, 1, 200},
	{"idps", "/api/v1/idps", 20, 1, 200},
	{"zones", "/api/v1/zones", 20, 1, 200},
}

func TestListingsServeEveryObjectOnceAndEnd(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(430) })
	for _, e := range endpoints {
		for _, limit := range []int{0, e.smallest, 19, 43, e.most} {
			target := e.path
			if limit > 0 {
				target += "?limit=" + strconv.Itoa(limit)
			}
			all, sizes := listed(t, org, target)
			var want []string
			for _, object := range org.All(e.service) {
				if !strings.Contains(string(object), `"DEPROVISIONED"`) {
					want = append(want, string(object))
				}
			}
			require.Len(t, all, len(want), e.service)
			for i, object := range all {
				require.Equal(t, want[i], string(object))
			}
			if limit == 0 {
				limit = e.standard
			}
			require.Len(t, sizes, (len(want)+limit-1)/limit, "%s: a full last page has no next", e.service)
		}
	}
}

func TestWhatIsListedUnderParents(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts["app_groups"] = 25 })
	for service, of := range map[string]struct{ parent, path string }{
		"app_users": {"apps", "/api/v1/apps/{id}/users"}, "app_groups": {"apps", "/api/v1/apps/{id}/groups"},
		"group_members": {"groups", "/api/v1/groups/{id}/users"},
	} {
		total, without := 0, 0
		for p := range org.Count(of.parent) {
			id := org.ID(of.parent, p)
			limit := 3
			if service == "app_groups" {
				limit = 20
			}
			all, sizes := listed(t, org, strings.Replace(of.path, "{id}", id, 1)+"?limit="+strconv.Itoa(limit))
			for _, object := range all {
				require.Equal(t, id, org.ParentID(service, total))
				require.Equal(t, string(org.Object(service, total)), string(object))
				total++
			}
			if len(all) == 0 {
				without++
				require.Equal(t, []int{0}, sizes)
			}
		}
		require.Equal(t, org.Count(service), total)
		require.Equal(t, org.Count(of.parent)/8, without, "one parent in eight has none")
	}
}

func TestNobodyIsTwiceUnderAParentHoweverManyAreAskedFor(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) {
		c.Counts = map[string]int{"users": 50, "groups": 4, "apps": 3, "app_users": 1000, "app_groups": 1000, "group_members": 1000}
	})
	require.Equal(t, 3*48, org.Count("app_users"), "the deprovisioned are in no app")
	require.Equal(t, 3*4, org.Count("app_groups"))
	require.Equal(t, 4*48, org.Count("group_members"))
}

func TestPlainUsersLeaveTheDeprovisionedOutAndAFilterIncludesThem(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(500) })
	plain, _ := listed(t, org, "/api/v1/users")
	filtered, _ := listed(t, org, "/api/v1/users?limit=200&filter="+url.QueryEscape(`lastUpdated gt "1970-01-01T00:00:00.000Z"`))
	gone, _ := listed(t, org, "/api/v1/users?filter="+url.QueryEscape(`status eq "DEPROVISIONED"`))
	require.Len(t, filtered, 500)
	require.Len(t, gone, 20)
	require.Len(t, plain, 480)
}

func TestFiltersAreApplied(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = counts(200) })
	members := func(service, filter string) []string {
		all, _ := listed(t, org, "/api/v1/"+service+"?limit=7&filter="+url.QueryEscape(filter))
		var ids []string
		for _, object := range all {
			ids = append(ids, identity(t, service, object))
		}
		return ids
	}
	half := epoch.Add(-200 * 24 * time.Hour).Format("2006-01-02T15:04:05.000Z")
	newer := members("users", `lastUpdated gt "`+half+`"`)
	older := members("users", `lastUpdated le "`+half+`"`)
	require.NotEmpty(t, newer)
	require.NotEmpty(t, older)
	require.Len(t, append(newer, older...), 200)
	require.Empty(t, members("users", `lastUpdated gt "`+half+`" and lastUpdated lt "`+half+`"`))
	require.Equal(t, []string{org.ID("users", 3)}, members("users", `id eq "`+org.ID("users", 3)+`"`))

	require.Equal(t, []string{org.ID("groups", 0)}, members("groups", `type EQ "BUILT_IN"`))
	either := members("groups", `lastUpdated gt "`+half+`" or lastMembershipUpdated gt "`+half+`"`)
	both := members("groups", `lastUpdated gt "`+half+`" and lastMembershipUpdated gt "`+half+`"`)
	require.Greater(t, len(either), len(both))
	require.Equal(t, len(both), len(members("groups", `(lastUpdated gt "`+half+`") and (type eq "nothing" or (lastMembershipUpdated gt "`+half+`"))`)))
	// and binds more strongly than or.
	require.Len(t, members("groups", `type eq "BUILT_IN" or type eq "BUILT_IN" and type eq "APP_GROUP"`), 1)
}

func TestTheNextLinkKeepsTheFilter(t *testing.T) {
	org, _ := newOrg(t, nil)
	w := get(t, org, "http://acme.test/api/v1/users?limit=5&filter="+url.QueryEscape(`status eq "ACTIVE"`))
	require.Regexp(t, `^http://acme\.test/api/v1/users\?after=00u\w{17}&limit=5&filter=status\+eq\+%22ACTIVE%22$`, related(w, "next"))
}

func TestChangesComeAsTimePasses(t *testing.T) {
	org, c := newOrg(t, func(c *oktasim.Config) { c.ChangeEvery = time.Minute })
	changed := func(service, filter string) int {
		all, _ := listed(t, org, "/api/v1/"+service+"?limit=20&filter="+url.QueryEscape(strings.ReplaceAll(filter, "T", epoch.Format(time.RFC3339))))
		return len(all)
	}
	require.Zero(t, changed("users", `lastUpdated gt "T"`))
	before := string(org.Object("users", 4))
	c.Advance(10 * time.Minute)
	require.Equal(t, 10, changed("users", `lastUpdated gt "T"`))
	require.Equal(t, 10, changed("groups", `lastUpdated gt "T" or lastMembershipUpdated gt "T"`))
	require.Less(t, changed("groups", `lastUpdated gt "T"`), 10)
	require.Positive(t, changed("groups", `lastUpdated gt "T"`))
	require.NotEqual(t, before, string(org.Object("users", 4)))
	c.Advance(2 * time.Hour)
	require.Equal(t, 60, changed("users", `lastUpdated gt "T"`))

	forms := org.Revisions("users", 4)
	require.Len(t, forms, 4, "changed by the changes 5, 65 and 125")
	require.Equal(t, before, string(forms[0]))
	require.Equal(t, string(org.Object("users", 4)), string(forms[3]))
	require.Equal(t, [][]byte{org.Object("apps", 4)}, org.Revisions("apps", 4))
}

func TestListQueriesThatOktaRefuses(t *testing.T) {
	org, _ := newOrg(t, nil)
	other, _ := newOrg(t, func(c *oktasim.Config) { c.Seed = 99 })
	app, group := org.ID("apps", 0), org.ID("groups", 0)
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"/api/v1/users?limit=201":                                                {400, "E0000001"},
		"/api/v1/users?limit=0":                                                  {400, "E0000001"},
		"/api/v1/users?limit=x":                                                  {400, "E0000037"},
		"/api/v1/users?limit=1&limit=1":                                          {400, "E0000037"},
		"/api/v1/groups?limit=10001":                                             {400, "E0000001"},
		"/api/v1/apps/" + app + "/groups?limit=19":                               {400, "E0000001"},
		"/api/v1/apps/" + app + "/users?limit=501":                               {400, "E0000001"},
		"/api/v1/groups/" + group + "/users?limit=1001":                          {400, "E0000001"},
		"/api/v1/users?after=x":                                                  {400, "E0000031"},
		"/api/v1/users?after=" + other.ID("users", 1):                            {400, "E0000031"},
		"/api/v1/users?after=" + group:                                           {400, "E0000031"},
		"/api/v1/apps/" + app + "/users?after=" + app:                            {400, "E0000031"},
		"/api/v1/users?search=status+eq+%22ACTIVE%22":                            {400, "E0000031"},
		"/api/v1/users?q=alice":                                                  {400, "E0000031"},
		"/api/v1/apps?filter=status+eq+%22ACTIVE%22":                             {400, "E0000031"},
		"/api/v1/groups/" + app + "/users":                                       {404, "E0000007"},
		"/api/v1/apps/" + other.ID("apps", 0) + "/users":                         {404, "E0000007"},
		"/api/v1/apps//users":                                                    {404, "E0000008"},
		"/api/v1/apps/a/b/users":                                                 {404, "E0000008"},
		"/api/v1/users/":                                                         {404, "E0000008"},
		"/api/v1/gadgets":                                                        {404, "E0000008"},
		"/":                                                                      {404, "E0000008"},
		"/api/v1/users?filter=":                                                  {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`x eq "y"`):                    {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`status eq y`):                 {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`status gt "A"`):               {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`status eq "A`):                {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`status eq "A" status eq "B"`): {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`(status eq "A"`):              {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`lastUpdated gt "yesterday"`):  {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`lastUpdated ne "2026-01-01T00:00:00Z"`):           {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(`lastMembershipUpdated gt "2026-01-01T00:00:00Z"`): {400, "E0000031"},
		"/api/v1/users?filter=" + url.QueryEscape(strings.Repeat("(", 1000)):                         {400, "E0000031"},
	} {
		w := get(t, org, target)
		require.Equal(t, want.status, w.Code, target)
		require.Equal(t, want.code, errorCode(t, w.Body.Bytes()), target)
	}
}

func TestOnlyGetIsSupported(t *testing.T) {
	org, _ := newOrg(t, nil)
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodDelete} {
		r := httptest.NewRequest(method, "/api/v1/users", nil)
		r.Header.Set("Authorization", "SSWS "+token)
		w := httptest.NewRecorder()
		org.ServeHTTP(w, r)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	}
}

// requireAnswer requires that any request at all gets a well-formed answer.
func requireAnswer(t testing.TB, org *oktasim.Org, r *http.Request) {
	t.Helper()
	r.Header.Set("Authorization", "SSWS "+token)
	w := httptest.NewRecorder()
	org.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		objects(t, w)
	} else {
		errorCode(t, w.Body.Bytes())
	}
}

func FuzzListQueriesNeverBreakTheOrg(f *testing.F) {
	f.Add("users", "status eq \"ACTIVE\" or (id eq \"x\" and lastUpdated gt \"2026-01-01T00:00:00Z\")", "00u")
	f.Add("groups", "((((", "")
	f.Add("apps/x/users", "", "\x00")
	org, _ := newOrg(f, nil)
	f.Fuzz(func(t *testing.T, path, filter, after string) {
		r, err := http.NewRequest(http.MethodGet, "http://acme.test/", nil)
		require.NoError(t, err)
		r.URL.Path = "/api/v1/" + path
		r.URL.RawQuery = url.Values{"filter": {filter}}.Encode()
		if after != "" {
			r.URL.RawQuery += "&after=" + url.QueryEscape(after)
		}
		requireAnswer(t, org, r)
	})
}
