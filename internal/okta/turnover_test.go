package okta_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

func TestEveryDeletionOfAnOrgIsReadFromItsLogOnce(t *testing.T) {
	sim, c := newSim(t, func(cfg *oktasim.Config) {
		cfg.Counts = map[string]int{"logs": 50}
		for _, service := range []string{"users", "groups", "apps", "devices", "policies", "api_tokens", "idps", "zones"} {
			cfg.Counts[service] = 100
		}
		for _, service := range []string{"group_members", "app_users", "app_groups", "policy_rules"} {
			cfg.Counts[service] = 6
		}
		cfg.LiveEvery, cfg.TurnEvery = time.Second, 3
	})
	c.Advance(20 * time.Minute)
	want := map[string]string{}
	for _, d := range sim.Deletions() {
		want[d.Event] = d.Service + " " + sim.ID(d.Service, d.Number) + " " + sim.ParentID(d.Service, d.Number)
	}
	require.Greater(t, len(want), 100)

	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "logs"), okta.Begin{}, c.Now)
	got := map[string]string{}
	for pos := (checkpoint.Position{}); ; {
		page, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		for _, d := range page.Deleted(0, len(page.Objects)) {
			require.Empty(t, got[d.Event])
			var parents []string
			for _, p := range d.Parents {
				parents = append(parents, p.ID)
			}
			got[d.Event] = d.Service + " " + d.ID + " " + strings.Join(parents, "/")
		}
		caughtUp := page.CaughtUp
		pos = durable(t, page.Position)
		if page.Release(); caughtUp {
			break
		}
	}
	require.Equal(t, want, got)
}
