package starter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/status"
)

// servicesSay calls `starter services`, which needs no Temporal.
func servicesSay(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	root := newRoot(func(context.Context) (*status.Reader, error) { return nil, errors.New("Temporal was asked") })
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(append([]string{"services"}, args...))
	code = execute(t.Context(), root)
	return code, out.String(), errs.String()
}

func TestServicesListsTheWholeCatalogWithoutAnySetting(t *testing.T) {
	code, stdout, stderr := servicesSay(t)
	require.Zero(t, code, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 1+len(okta.Services()))
	for i, c := range okta.Services() {
		require.Regexp(t, `^`+c.Name+` .* `+c.Table+` .*`+c.Scopes[0], lines[i+1])
	}
}

func TestServicesSaysHowEachIsAskedForHowOftenAndWhatItCosts(t *testing.T) {
	code, stdout, _ := servicesSay(t)
	require.Zero(t, code)
	for _, want := range []string{
		`logs +default +polls +10s +1 for each 1000 `,
		`users +default +a list; changes +15m, all 1d +1 for each 200 `,
		`zones +default +a list +15m +1 for each 200 `,
		`app_users +all +for each of apps +1d +1 for each `,
		`group_members +all +for each of groups; changes +15m, all 1d +1 for each `,
		`user_role_apps +identity +for each of role_assignees, user_roles of some kinds +1d +1 for each `,
		`policies +identity +for each of \d+ kinds +\S+ +\d+ `,
		`brands +all +a list +1h +1 for each 200 `,
		`user_factors +by name +for each of users +1d +1 for each `,
	} {
		require.Regexp(t, `(?m)^`+want, stdout)
	}
}

func TestServicesFollowsTheSettings(t *testing.T) {
	t.Setenv("OKTA_POLL_RESOURCES", "30m")
	t.Setenv("OKTA_POLL", "brands=6h,app_users=7d")
	_, stdout, _ := servicesSay(t, "zones", "brands", "app_users", "users")
	for _, want := range []string{`zones .* 30m `, `brands .* 6h `, `app_users .* 1w `, `users .* 30m, all 1d `} {
		require.Regexp(t, want, stdout)
	}

	t.Setenv("OKTA_POLL", "brand=6h")
	code, _, stderr := servicesSay(t)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "did you mean brands")
}

func TestServicesListsThoseOfAGroup(t *testing.T) {
	_, stdout, _ := servicesSay(t, "identity", "zones", "-o", "json")
	var rows []serviceRow
	require.NoError(t, json.Unmarshal([]byte(stdout), &rows))
	require.Len(t, rows, 1+len(okta.Services().Choose("identity")))
	require.Equal(t, serviceRow{
		Service: "zones", Table: "auth.okta.zones", Scopes: []string{"okta.networkZones.read"}, Groups: []string{"default", "all"}, Path: "/api/v1/zones",
		Asked: "a list", Requests: "1 for each 200", EverySeconds: 900, FullSeconds: 900,
	}, rows[0])

	code, _, stderr := servicesSay(t, "identities")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `"identities" is neither a service nor a group; did you mean identity?`)
}

func TestServicesFitTheTerminal(t *testing.T) {
	rows := []serviceRow{newServiceRow(okta.Services()[0], okta.Config{PollLogs: time.Second})}
	require.Contains(t, renderServices(rows, 200), "okta.logs.read")
	require.NotContains(t, renderServices(rows, 75), "okta.logs.read")
	require.Contains(t, renderServices(rows, 75), "auth.okta.system")
	require.NotContains(t, renderServices(rows, 55), "auth.okta.system")
}

func TestScopesAreThoseOfTheSettingsWithWhatIsAskedForAbove(t *testing.T) {
	_, stdout, _ := servicesSay(t, "--scopes")
	require.Equal(t, "okta.apps.read\nokta.clients.read\nokta.groups.read\nokta.idps.read\nokta.logs.read\nokta.networkZones.read\nokta.users.read\n", stdout)

	t.Setenv("OKTA_SERVICES", "group_roles")
	_, stdout, _ = servicesSay(t, "--scopes")
	require.Equal(t, "okta.groups.read\nokta.roles.read\n", stdout, "the roles are listed below the groups")

	_, stdout, _ = servicesSay(t, "--scopes", "zones", "-o", "json")
	require.JSONEq(t, `["okta.networkZones.read"]`, stdout)
}

func TestServicesOfATenantThatIsNotConfiguredExitsWith2(t *testing.T) {
	code, _, stderr := servicesSay(t, "--tenant", "nobody")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `"nobody" is not in COLLECTOR_TENANTS`)
}

// estimateOf calls `starter services --estimate` for an org that answers like this.
func estimateOf(t *testing.T, answer http.HandlerFunc, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	org := httptest.NewServer(answer)
	t.Cleanup(org.Close)
	t.Setenv("OKTA_URL", org.URL)
	t.Setenv("OKTA_API_TOKEN", "00secret")
	t.Setenv("DEVO_URL", "file://"+t.TempDir())
	return servicesSay(t, append([]string{"--estimate"}, args...)...)
}

// threeOfEach answers each list with three objects, and shows a limit of 100 requests a minute.
func threeOfEach(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Rate-Limit-Limit", "100")
	w.Header().Set("X-Rate-Limit-Remaining", "99")
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/v1/behaviors"):
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errorCode":"E0000015","errorSummary":"not enabled"}`))
	case strings.HasPrefix(r.URL.Path, "/api/v1/zones"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errorCode":"E0000006","errorSummary":"no permission"}`))
	default:
		_, _ = w.Write([]byte(`[{"id":"id1"},{"id":"id2"},{"id":"id3"}]`))
	}
}

func TestAnEstimateSaysWhatServicesWouldCostTheOrg(t *testing.T) {
	code, stdout, stderr := estimateOf(t, threeOfEach, "logs", "users", "apps", "app_users", "behaviors", "-o", "json")
	require.Zero(t, code, stderr)
	var got []estimated
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Equal(t, []estimated{
		{Tenant: "default", Service: "logs", RequestsADay: 1440, ActionsADay: 2880},
		// 96 pulls a day, of which one is full.
		{Tenant: "default", Service: "users", Objects: 3, Requests: 1, Minutes: 0.02, RequestsADay: 96, ActionsADay: 95*2 + 3},
		{Tenant: "default", Service: "apps", Objects: 3, Requests: 1, Minutes: 0.02, RequestsADay: 96, ActionsADay: 96 * 3},
		// The apps, and a list below each.
		{Tenant: "default", Service: "app_users", Objects: 9, Requests: 4, Minutes: 0.08, RequestsADay: 4, ActionsADay: 6},
		{Tenant: "default", Service: "behaviors", RequestsADay: 1, ActionsADay: 2, NotInOrg: true},
	}, got)
}

func TestAnEstimateIsOfTheServicesInTheSettingsAndSaysWhatItAssumes(t *testing.T) {
	t.Setenv("OKTA_SERVICES", "logs,apps,app_users,behaviors,zones")
	code, stdout, stderr := estimateOf(t, threeOfEach)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "1 of 5 services cannot be estimated")
	require.Regexp(t, `default +logs +- +- +- +1,440 +2,880 +polls\n`, stdout)
	require.Regexp(t, `default +apps +3 +1 +<1 +96 +288\n`, stdout)
	require.Regexp(t, `default +behaviors +- +- +- +1 +2 +not in this org\n`, stdout)
	require.Regexp(t, `default +zones +- +- +- +- +- +see below\n`, stdout)
	require.Regexp(t, `\n +all +1,541 +3,176\n`, stdout)
	require.Contains(t, oneLine(stdout), "Actions are those that Temporal Cloud bills")
	require.Contains(t, stdout, "okta.networkZones.read")
	require.NotContains(t, stdout+stderr, "00secret")
}

func TestAnEstimateMarksWhatItDoesNotKnowExactly(t *testing.T) {
	require.Equal(t, "1,000+", estimated{AtLeast: true}.mark(1000))
	require.Equal(t, "~300", estimated{Sampled: true}.mark(300))
	require.Equal(t, "~1,200+", estimated{AtLeast: true, Sampled: true}.mark(1200))
}

func TestAnEstimateNeedsTheSettingsOfAnOrg(t *testing.T) {
	code, _, stderr := servicesSay(t, "--estimate")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "OKTA_URL is missing")
}
