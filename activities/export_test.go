package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"okta-collector/internal/budget"
	"okta-collector/workflows"
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

// LetProbe makes a probe of each failing peer due.
func (c *Collector) LetProbe() {
	c.peers.mu.Lock()
	defer c.peers.mu.Unlock()
	for _, f := range c.peers.failed {
		f.probe = time.Time{}
	}
}

// ProbeOnce probes each failing peer that is due, once.
func (c *Collector) ProbeOnce(ctx context.Context) { c.probePeers(ctx) }

// SendHeartbeatsTo replaces Temporal's client and the workflow's heartbeat timeout, and cancels the
// activity's context as newer servers do.
func (c *Collector) SendHeartbeatsTo(h Heartbeats, timeout time.Duration, cancelled <-chan struct{}) {
	c.claims = func(context.Context, activity.Info, workflows.SliceInput) budget.Claim { return nil } // there is no tenant's workflow
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

// SetClaims replaces how slices claim requests.
func (c *Collector) SetClaims(claim budget.Claim) {
	c.claims = func(context.Context, activity.Info, workflows.SliceInput) budget.Claim { return claim }
}
