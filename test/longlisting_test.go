package test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// TestALongListingBelowOneAppUsesTheShare lists two apps with 40 pages of users each, on a window that is shared. How many
// requests that takes is not known before: each window is used up all the same.
func TestALongListingBelowOneAppUsesTheShare(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{
		Seed: 71, Counts: map[string]int{"apps": 2, "users": 30_000, "app_users": 20_000},
		Limits: map[string]int{"/api/v1/apps": windowLimit},
	})
	s.startWorker()
	s.start("apps")
	s.caughtUp("apps")
	s.start("app_users")
	windows := func() (all []oktasim.Window) {
		for _, w := range s.org.Windows() {
			if w.Bucket == "/api/v1/apps" {
				all = append(all, w)
			}
		}
		return all
	}
	s.eventually("app_users has joined, and two windows more have begun", func() bool { return len(windows()) >= 4 })
	for _, w := range windows()[2:3] {
		require.GreaterOrEqual(t, w.Admitted, windowShare-1, "%d requests in the window of %s", w.Admitted, w.Start.Format(time.TimeOnly))
		require.LessOrEqual(t, w.Admitted, windowShare)
	}
}
