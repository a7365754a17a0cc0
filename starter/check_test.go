package starter

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
)

// checked calls check against an org that answers like this, and a directory as the sink.
func checked(t *testing.T, answer http.HandlerFunc, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return checkedWith(t, map[string]string{"OKTA_API_TOKEN": "00secret"}, answer, args...)
}

// checkedWith is checked, with these credentials.
func checkedWith(t *testing.T, credentials map[string]string, answer http.HandlerFunc, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	temporal := newTemporal(t)
	org := httptest.NewServer(answer)
	t.Cleanup(org.Close)
	t.Setenv("OKTA_URL", org.URL)
	for name, value := range credentials {
		t.Setenv(name, value)
	}
	t.Setenv("DEVO_URL", "file://"+t.TempDir())
	return temporal.call(append([]string{"check"}, args...)...)
}

func TestCheckSaysOkForEveryServiceAndTheSink(t *testing.T) {
	code, stdout, stderr := checked(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) })

	require.Zero(t, code, stdout+stderr)
	require.Regexp(t, `default\s+okta logs\s+ok`, stdout)
	require.Regexp(t, `default\s+okta users\s+ok`, stdout)
	require.Regexp(t, `default\s+devo file://\S+\s+ok`, stdout)
}

func TestCheckNamesTheMissingPermissionAndGoesOn(t *testing.T) {
	code, stdout, stderr := checked(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/logs" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"errorCode":"E0000006","errorSummary":"You do not have permission"}`))
			return
		}
		_, _ = w.Write([]byte("[]"))
	})

	require.Equal(t, 1, code)
	require.Regexp(t, `okta logs\s+FAILED`, stdout)
	require.Contains(t, stdout, "okta.logs.read")
	require.Regexp(t, `okta users\s+ok`, stdout)
	require.Contains(t, stderr, "1 of 8 checks failed")
	require.NotContains(t, stdout+stderr, "00secret")
}

func TestCheckSaysOnceWhatAllServicesAreRefusedFor(t *testing.T) {
	code, stdout, _ := checked(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`))
	})

	require.Equal(t, 1, code)
	require.Regexp(t, `okta users\s+FAILED, see below`, stdout)
	require.Contains(t, stdout, "\n\ndefault okta logs, users:\n  asking Okta: 401 Unauthorized E0000011 (Invalid token provided); the API token is invalid")
	require.Equal(t, 1, strings.Count(stdout, "E0000011"))
}

func TestCheckOfATenantThatIsNotConfiguredExitsWith2(t *testing.T) {
	code, _, stderr := checked(t, http.NotFound, "--tenant", "nobody")

	require.Equal(t, 2, code)
	require.Contains(t, stderr, `"nobody" is not in COLLECTOR_TENANTS`)
}

func TestCheckForScriptsIsJSON(t *testing.T) {
	code, stdout, _ := checked(t, http.NotFound, "-o", "json")

	require.Equal(t, 1, code)
	var results []result
	require.NoError(t, json.Unmarshal([]byte(stdout), &results), stdout)
	require.Len(t, results, 8, "one is about OKTA_URL, which is http here")
	require.Equal(t, "okta logs", results[4].Check)
	require.False(t, results[4].OK)
	require.Contains(t, results[4].Error, "404")
	require.True(t, results[6].OK, "the directory")
	require.Empty(t, results[6].Error)
}

func TestCheckSaysWhatItUsesOfEachLimit(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Rate-Limit-Limit", "300")
		w.Header().Set("X-Rate-Limit-Remaining", "299")
		_, _ = w.Write([]byte(`[{"id":"00u1"}]`))
	}
	_, stdout, _ := checked(t, answer)
	require.Regexp(t, `okta users\s+ok\s+/api/v1/users: 150 of 300 requests a minute\n`, stdout)

	_, stdout, _ = checked(t, answer, "-o", "json")
	var results []result
	require.NoError(t, json.Unmarshal([]byte(stdout), &results), stdout)
	require.Equal(t, []okta.EndpointLimit{{Path: "/api/v1/users", Limit: 300, PerMinute: 150}}, results[5].Limits)

	apps := []okta.EndpointLimit{{Path: "/api/v1/apps", Limit: 50, PerMinute: 25}, {Path: "/api/v1/apps/{id}/users", Limit: 50, PerMinute: 25}}
	shown := renderChecks([]result{{Tenant: "acme", Check: "okta app_users", OK: true, Limits: apps}}, 100)
	require.Regexp(t, `ok\s+/api/v1/apps: 25 of 50 requests a minute\n\s+/api/v1/apps/{id}/users: 25 of 50 requests a minute$`, shown)
}

func TestCheckWarnsOfAnEmptyList(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }
	code, stdout, _ := checked(t, answer)

	require.Zero(t, code)
	require.Regexp(t, `okta users\s+ok, but see below\s+/api/v1/users: 10 requests a minute; no limit shown`, stdout)
	require.Contains(t, oneLine(stdout), "default okta users, warning: the list is empty.")
	require.Contains(t, stdout, "admin role")
	require.Regexp(t, `okta logs\s+ok `, stdout, "nothing happened lately")

	_, stdout, _ = checked(t, answer, "-o", "json")
	require.Contains(t, stdout, `"empty": true`)
}

func TestWhatTheOrgHasNotGotIsNoFailureOfACheck(t *testing.T) {
	r := result{Tenant: "acme", Check: "okta idps", OK: true}
	r.failed(&okta.Error{Class: okta.NotInOrg, Status: 405, Path: "/api/v1/idps", Advice: "leave it out"})

	require.True(t, r.OK)
	require.True(t, r.NotInOrg)
	require.Empty(t, r.Error)
	shown := renderChecks([]result{r}, 100)
	require.Regexp(t, `okta idps\s+not in this org, see below`, shown)
	require.Contains(t, shown, "acme okta idps:\n  asking Okta for /api/v1/idps: 405 Method Not Allowed; leave it out")
}

func TestCheckNamesAnotherTemporalsDirectoryAndClaimsNone(t *testing.T) {
	temporal := newTemporal(t)
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }))
	t.Cleanup(org.Close)
	dir := t.TempDir()
	t.Setenv("OKTA_URL", org.URL)
	t.Setenv("OKTA_API_TOKEN", "00secret")
	t.Setenv("DEVO_URL", "file://"+dir)
	owner := filepath.Join(dir, ".okta-collector-owner-default")

	code, stdout, stderr := temporal.call("check", "--send")
	require.Zero(t, code, stdout+stderr)
	require.NoFileExists(t, owner)

	require.NoError(t, os.WriteFile(owner, []byte("Temporal namespace default, id of another one\n"), 0o600))
	code, stdout, _ = temporal.call("check", "--send")
	require.Equal(t, 1, code)
	require.Contains(t, strings.Join(strings.Fields(stdout), " "), "Temporal namespace default, id of another one")
	require.NotContains(t, stdout, "one large record", "nothing is written")
}

func TestCheckNamesSettingsThatAreRisks(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "203.0.113.7:7233")
	code, stdout, _ := checked(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) })

	require.Zero(t, code, "they are allowed")
	require.Regexp(t, `default +setting OKTA_URL +ok, but see below`, stdout)
	require.Regexp(t, ` +setting TEMPORAL_ADDRESS +ok, but see below`, stdout)
	require.Contains(t, stdout, "setting TEMPORAL_ADDRESS, warning:\n  TEMPORAL_ADDRESS sends to 203.0.113.7:7233 in the clear")
}
