package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"okta-collector/activities"
)

func TestASliceThatWaitedLongAndAClockThatIsFarOffAreNamed(t *testing.T) {
	scheduled := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) // by Temporal's clock
	for name, test := range map[string]struct {
		waited, ahead time.Duration
		want          []string
	}{
		"in order":                      {10 * time.Second, time.Minute, nil},
		"no worker took it for long":    {42 * time.Second, 0, []string{"waited 42s for a worker"}},
		"the worker's clock is ahead":   {0, time.Hour, []string{"1h0m0s ahead of Temporal's"}},
		"the worker's clock is behind":  {0, -time.Hour, []string{"1h0m0s behind Temporal's"}},
		"both, and they are told apart": {time.Minute, 2 * time.Minute, []string{"waited 1m0s", "2m0s ahead of"}},
	} {
		t.Run(name, func(t *testing.T) {
			started := scheduled.Add(test.waited)
			odd := activities.OddTimes(activity.Info{ScheduledTime: scheduled, StartedTime: started}, started.Add(test.ahead))
			require.Len(t, odd, len(test.want))
			for i, w := range odd {
				require.Contains(t, w.Message, test.want[i])
			}
		})
	}
}
