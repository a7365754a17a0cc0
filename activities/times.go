package activities

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"okta-collector/workflows"
)

// Kinds of warnings about the worker. The others are in packages okta and devo.
const (
	warnUnreached = "peer not reached"
	warnWaited    = "slice waited"
	warnClock     = "clock"
	warnMemory    = "memory"
)

const (
	// longWait is how long a slice may wait in the task queue until somebody should know. A worker that is free takes it
	// in milliseconds.
	longWait = 10 * time.Second
	// clockSkew is how far the worker's clock may differ from Temporal's until somebody should know.
	clockSkew = time.Minute
)

// oddTimes warns of a slice that no worker took for long, and of a clock that is far off. The slice must be this worker's,
// as its heartbeat has shown: then it began at most the heartbeat timeout after Temporal gave it away.
func oddTimes(info activity.Info, began time.Time) (odd []workflows.Warning) {
	if waited := info.StartedTime.Sub(info.ScheduledTime); waited > longWait {
		odd = append(odd, workflows.Warning{Kind: warnWaited, Message: fmt.Sprintf("the slice waited %s for a worker: no worker was there, "+
			"or all were busy; if that goes on, start another worker, or give the workers more CPU", waited.Round(time.Second))})
	}
	if ahead := began.Sub(info.StartedTime); ahead.Abs() > clockSkew {
		differs := "ahead of"
		if ahead < 0 {
			differs = "behind"
		}
		odd = append(odd, workflows.Warning{Kind: warnClock, Message: fmt.Sprintf("the worker's clock is %s %s Temporal's: set the wrong one "+
			"right (timedatectl, NTP). Records in Devo have the worker's time, and certificates are verified by it",
			ahead.Abs().Round(time.Second), differs)})
	}
	return odd
}
