package okta_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// pathsOf matches the paths of a collection's listings.
func pathsOf(c okta.Collection) *regexp.Regexp {
	return regexp.MustCompile("^" + inBraces.ReplaceAllString(c.Path, "[^/]+") + "$")
}

func TestCheckAsksOneCheapRequestForEachService(t *testing.T) {
	for _, svc := range okta.Services() {
		sim, _ := newSim(t, func(c *oktasim.Config) { c.Counts = countsOf(svc) })
		org, w := newOrg(t, sim)
		checked, err := org.Check(t.Context(), svc.Name)
		require.NoError(t, err, svc.Name)
		require.False(t, checked.Empty, svc.Name)
		lists := 1
		for _, level := range svc.Under {
			if level.Of != "" {
				lists++
			}
		}
		require.LessOrEqual(t, len(w.asked), lists, svc.Name) // fewer if the first object has nothing below it
		if len(w.asked) < lists {
			continue
		}
		last, err := url.Parse(w.asked[lists-1])
		require.NoError(t, err)
		require.Regexp(t, pathsOf(svc), last.EscapedPath())
		limit := ""
		if svc.MinLimit > 0 {
			limit = strconv.Itoa(svc.MinLimit)
		}
		require.Equal(t, limit, last.Query().Get("limit"), svc.Name)
	}
}

func TestCheckSaysWhichPermissionIsMissing(t *testing.T) {
	for _, svc := range okta.Services() {
		sim, _ := newSim(t, func(c *oktasim.Config) { c.Counts = countsOf(svc) })
		org, _ := newOrg(t, sim)
		asked := false
		sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
			if !pathsOf(svc).MatchString(r.URL.EscapedPath()) {
				return nil
			}
			asked = true
			return oktasim.Refuse(403, "E0000006")
		})
		_, err := org.Check(t.Context(), svc.Name)
		if asked {
			require.ErrorContains(t, err, "lacks the permission "+svc.Scopes[0])
		} else {
			require.NoError(t, err, "the first object has nothing below it")
		}

		sim.SetFaults(func(*http.Request, int) oktasim.Fault { return oktasim.Refuse(401, "E0000015") })
		_, err = org.Check(t.Context(), svc.Name)
		require.ErrorContains(t, err, "not enabled in this org")

		sim.SetToken("another")
		var e *okta.Error
		_, err = org.Check(t.Context(), svc.Name)
		require.ErrorAs(t, err, &e)
		require.Equal(t, okta.Person, e.Class)
		require.NotContains(t, e.Error(), token)
	}
}

func TestCheckOfAnUnknownService(t *testing.T) {
	sim, _ := newSim(t, nil)
	org, w := newOrg(t, sim)
	_, err := org.Check(t.Context(), "nonsense")
	require.ErrorContains(t, err, `no service is named "nonsense"`)
	require.Empty(t, w.asked)
}

func TestCheckUnderAParentThatWasDeletedSinceItWasListed(t *testing.T) {
	sim, _ := newSim(t, nil)
	org, _ := newOrg(t, sim)
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if strings.HasSuffix(r.URL.Path, "/users") {
			return oktasim.Refuse(404, "E0000007")
		}
		return nil
	})
	checked, err := org.Check(t.Context(), "app_users")
	require.NoError(t, err)
	require.False(t, checked.Empty, "there are apps")
}

func TestCheckSaysThatAListIsEmpty(t *testing.T) {
	for service, empty := range map[string]bool{
		"users": true, "apps": true, "zones": true,
		"app_users": true,  // there is no app to list under
		"logs":      false, // nothing happened lately
	} {
		sim, _ := newSim(t, func(c *oktasim.Config) { c.Counts = nil })
		org, _ := newOrg(t, sim)
		checked, err := org.Check(t.Context(), service)
		require.NoError(t, err, service)
		require.Equal(t, empty, checked.Empty, service)
	}
}

func TestCheckSaysWhatEachEndpointsLimitIsAndWhatIsUsedOfIt(t *testing.T) {
	limits := map[string]int{"/api/v1/users": 300, "/api/v1/apps": 50}
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for path, limit := range limits {
			if strings.HasPrefix(r.URL.Path, path) {
				w.Header().Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
				w.Header().Set("X-Rate-Limit-Remaining", strconv.Itoa(limit-1))
			}
		}
		if r.URL.Path == "/oauth2/v1/clients" { // a proxy has dropped them
			w.Header().Del("X-Rate-Limit-Limit")
			w.Header().Del("X-Rate-Limit-Remaining")
		}
		_, _ = w.Write([]byte(`[{"id":"0oa1"}]`))
	})
	for service, want := range map[string][]okta.EndpointLimit{
		"users":     {{Path: "/api/v1/users", Limit: 300, PerMinute: 150}},
		"app_users": {{Path: "/api/v1/apps", Limit: 50, PerMinute: 25}, {Path: "/api/v1/apps/{id}/users", Limit: 50, PerMinute: 25}},
		"clients":   {{Path: "/oauth2/v1/clients", Limit: 0, PerMinute: 10}},
	} {
		org, _ := newOrg(t, answers)
		checked, err := org.Check(t.Context(), service)
		require.NoError(t, err, service)
		require.Equal(t, want, checked.Limits)
	}
}
