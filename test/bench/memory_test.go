package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// most is what a worker may take of its container, in bytes, whatever the number of orgs.
const most = 200_000_000

func TestTwentyOrgsStartInASmallContainer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	require.NoError(t, onStage(t.Context(), t.Output(), func(ctx context.Context, s *stage) error {
		for name, ship := range map[string]struct {
			eventBytes int
			https      bool
		}{
			"pages of 3 MB by HTTPS":   {eventBytes: 2800, https: true},
			"pages of 28 MB by syslog": {eventBytes: 28_000},
		} {
			t.Run(name, func(t *testing.T) {
				m, err := s.startOrgs(ctx, t.Output(), 20, ship.eventBytes, ship.https)
				require.NoError(t, err)
				require.Less(t, m.Usage.Peak, uint64(most))
			})
		}
		return nil
	}))
}
