package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"
)

// Heartbeats is the part of Temporal's client that a lease needs.
type Heartbeats = heartbeats

// StartDelay tracks the smallest delay of a slice's start.
type StartDelay struct{ startDelay }

// Late says whether a slice that begins after this delay may be another worker's by now.
func (d *StartDelay) Late(delay time.Duration) bool { return d.late(delay) }

// Observe records the delay of a slice that was this worker's.
func (d *StartDelay) Observe(delay time.Duration) { d.observe(delay) }

// OddTimes warns of a slice that waited, and of a clock that is far off.
var OddTimes = oddTimes

// LetProbe makes a probe of each lost way due.
func (c *Collector) LetProbe() {
	c.ways.mu.Lock()
	defer c.ways.mu.Unlock()
	for _, f := range c.ways.failed {
		f.probe = time.Time{}
	}
}

// SendHeartbeatsTo replaces Temporal's client and the workflow's heartbeat timeout, and cancels the
// activity's context as newer servers do.
func (c *Collector) SendHeartbeatsTo(h Heartbeats, timeout time.Duration, cancelled <-chan struct{}) {
	c.lease = func(ctx context.Context, info activity.Info, log *zap.Logger) *lease {
		info.HeartbeatTimeout = timeout
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-cancelled:
				cancel()
			case <-ctx.Done():
			}
		}()
		return newLease(ctx, h, info, log)
	}
}
