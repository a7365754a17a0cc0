package okta_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

func TestCheckAsksOneCheapRequestForEachService(t *testing.T) {
	for _, svc := range okta.Services() {
		sim, _ := newSim(t, nil)
		org, w := newOrg(t, sim)
		require.NoError(t, org.Check(t.Context(), svc.Name), svc.Name)
		if len(svc.Under) == 0 {
			require.Len(t, w.asked, 1)
		} else {
			require.Len(t, w.asked, 2)
			require.True(t, strings.HasPrefix(w.asked[1], strings.Replace(svc.Path, "{id}", sim.ID(parentOf(svc), 0), 1)+"?"), w.asked[1])
		}
		require.Equal(t, svc.MinLimit, w.limits()[len(w.asked)-1])
	}
}

func TestCheckSaysWhichPermissionIsMissing(t *testing.T) {
	for _, svc := range okta.Services() {
		sim, _ := newSim(t, nil)
		org, _ := newOrg(t, sim)
		sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
			if len(svc.Under) > 0 && r.URL.Path == parentPath(svc) {
				return nil
			}
			return oktasim.Refuse(403, "E0000006")
		})
		err := org.Check(t.Context(), svc.Name)
		require.ErrorContains(t, err, "lacks the permission "+svc.Scopes[0])

		sim.SetFaults(func(*http.Request, int) oktasim.Fault { return oktasim.Refuse(401, "E0000015") })
		require.ErrorContains(t, org.Check(t.Context(), svc.Name), "not enabled in this org")

		sim.SetToken("another")
		var e *okta.Error
		require.ErrorAs(t, org.Check(t.Context(), svc.Name), &e)
		require.Equal(t, okta.Person, e.Class)
		require.NotContains(t, e.Error(), token)
	}
}

func TestCheckOfAnUnknownService(t *testing.T) {
	sim, _ := newSim(t, nil)
	org, w := newOrg(t, sim)
	require.ErrorContains(t, org.Check(t.Context(), "devices"), `no service is named "devices"`)
	require.Empty(t, w.asked)
}

func TestCheckUnderParentsThatAreNotThere(t *testing.T) {
	sim, _ := newSim(t, func(c *oktasim.Config) { c.Counts = nil })
	org, _ := newOrg(t, sim)
	require.NoError(t, org.Check(t.Context(), "app_users"))

	sim, _ = newSim(t, nil)
	org, _ = newOrg(t, sim)
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if strings.HasSuffix(r.URL.Path, "/users") {
			return oktasim.Refuse(404, "E0000007") // deleted since it was listed
		}
		return nil
	})
	require.NoError(t, org.Check(t.Context(), "app_users"))
}
