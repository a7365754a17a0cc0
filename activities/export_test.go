package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"
)

// Heartbeats is the part of Temporal's client that a lease needs.
type Heartbeats = heartbeats

// SendHeartbeatsTo replaces Temporal's client and the workflow's heartbeat timeout.
func (c *Collector) SendHeartbeatsTo(h Heartbeats, timeout time.Duration) {
	c.lease = func(ctx context.Context, info activity.Info, log *zap.Logger) *lease {
		info.HeartbeatTimeout = timeout
		return newLease(ctx, h, info, log)
	}
}
