package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

func TestOnlyTheSinkOfTheSystemLogIsToldWhereTheTimeIs(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ name, service, want string }{
		{"events", "logs", "published"},
		{"objects", "users", ""},
	} {
		for kind, backfill := range map[string]*checkpoint.Range{"live": nil, "backfill": {Since: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				b := newBench(t, 1)
				if c.service == "logs" {
					b.okta = logsOf(false)
				} else if backfill != nil {
					backfill = &checkpoint.Range{}
				}
				_, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: c.service, Backfill: backfill})
				require.NoError(t, err)
				require.NotEmpty(t, b.confirmed)
				require.Equal(t, c.want, b.target.Time)
			})
		}
	}
}
