package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
)

// slow is a worker that takes its time to stop.
type slow struct {
	worker.Worker
	takes time.Duration
}

func (s slow) Stop() { time.Sleep(s.takes) }

func TestAStopIsOverBeforeASigkillWouldCome(t *testing.T) {
	for _, test := range []struct {
		takes, want time.Duration
		failed      bool
	}{
		{takes: 0, want: 0},
		{takes: sliceStopTimeout, want: sliceStopTimeout},
		{takes: time.Minute, want: stopTimeout, failed: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			err := stopWithin(stopTimeout, slow{takes: test.takes})
			require.Equal(t, test.want, time.Since(started))
			require.Less(t, time.Since(started), 10*time.Second)
			require.Equal(t, test.failed, err != nil)
			time.Sleep(test.takes) // no goroutine may outlive the bubble
		})
	}
}
