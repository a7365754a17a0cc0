package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"
)

// Heartbeats is the part of Temporal's client that a lease needs.
type Heartbeats = heartbeats

// Punctuality knows when slices usually begin.
type Punctuality struct{ punctuality }

// Late says whether a slice that begins after so long may have been given to another worker since.
func (p *Punctuality) Late(after time.Duration) bool { return p.late(after) }

// Note notes that a slice that began after so long was this worker's.
func (p *Punctuality) Note(after time.Duration) { p.note(after) }

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
