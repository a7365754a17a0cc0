package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// TestThirtyServicesKeepToTheShareOfEachWindow runs two workers. The services of some of the org's windows want more than
// they get: what is listed for each app, group, and administrator. Others have a window of their own.
func TestThirtyServicesKeepToTheShareOfEachWindow(t *testing.T) {
	t.Parallel()
	undisturbed(t, keepToTheShares)
}

// keepToTheShares lets thirty services collect, and compares the windows with the shares. What a lost slice may have used
// counts as used, so a share is used where no slice is lost.
func keepToTheShares(t *testing.T) (lost int) {
	counts := wholeOrg()
	counts["groups"], counts["apps"] = 400, 200
	s := newStack(t, oktasim.Config{Seed: 81, Counts: counts, Limits: map[string]int{
		"/api/v1/apps": 20, "/api/v1/groups": 24, "/api/v1/users": 16, "/api/v1/iam/resource-sets": 8, "/api/v1/policies": 12,
	}})
	services := append([]string{
		"logs", "users", "groups", "apps", "app_users", "app_groups", "app_grants", "app_keys", "app_tokens", "group_members", "idps", "idp_users",
	}, names(okta.Services().Choose(okta.GroupIdentity))...)
	require.GreaterOrEqual(t, len(services), 30)
	s.setOkta("SERVICES", strings.Join(services, ","))
	s.startWorker()
	second := maps.Clone(s.env)
	second["COLLECTOR_LISTEN"] = freeAddress(t)
	other := s.launch(second)
	t.Cleanup(func() { other.kill() })
	out, code := s.starter("start")
	require.Zero(t, code, out)

	// Each of these windows has more to be asked than fits into all that is waited for.
	busy := []string{"/api/v1/apps", "/api/v1/groups"}
	for n := 1; n <= 4; n++ {
		s.eventually(fmt.Sprintf("window %d of each begins", n), func() bool {
			return !slices.ContainsFunc(busy, func(bucket string) bool { return len(s.windows(bucket)) < n })
		})
	}
	var shown []string
	for _, w := range s.org.Windows() {
		shown = append(shown, fmt.Sprintf("%s from %s: %d of %d, %d refused", w.Bucket, w.Start.Format(time.TimeOnly), w.Admitted, w.Limit, w.Refused))
		require.Zero(t, w.Refused, "429 from %s", w.Bucket)
		require.LessOrEqual(t, w.Admitted, w.Limit/2, "%s: more than the share", w.Bucket)
	}
	t.Log(strings.Join(shown, "\n"))
	if lost := s.lostOf(services...); lost > 0 {
		return lost
	}
	for _, bucket := range busy {
		whole := s.windows(bucket)
		for _, w := range whole[1 : len(whole)-1] { // in the first one the services join, and the last one is not over
			require.GreaterOrEqual(t, w.Admitted, w.Limit/2-1, "%s: the share is used", bucket)
		}
	}
	return 0
}

// windows are those of an endpoint that have begun.
func (s *stack) windows(bucket string) (all []oktasim.Window) {
	for _, w := range s.org.Windows() {
		if w.Bucket == bucket {
			all = append(all, w)
		}
	}
	return all
}

func names(of okta.Catalog) (names []string) {
	for _, c := range of {
		names = append(names, c.Name)
	}
	return names
}
