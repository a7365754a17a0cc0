package activities

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
)

var (
	// errStop ends fetching when the worker stops or the slice was cancelled. It is no failure.
	errStop = errors.New("the slice was asked to stop")
	// errLeaseLost ends a slice that another worker may have by now.
	errLeaseLost = errors.New("a checkpoint was not acknowledged by Temporal in time, or the slice was given to another worker")
)

// stopGrace is how long the batch under way may still take after the slice was asked to stop. Together with the last
// checkpoint it fits into the worker's stop timeout of 8 s.
const stopGrace = 5 * time.Second

// heartbeats is the part of Temporal's client that a lease needs.
type heartbeats interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}

// lease is the right to collect, and the only sender of heartbeats. It lasts for two thirds of the heartbeat timeout,
// counted from the sending of the last acknowledged heartbeat. Temporal waits the whole timeout after it received that
// heartbeat, and then gives the slice to another worker. Fetching and shipping run under the lease's contexts, so two
// workers never collect one service at once. Before the first acknowledgement the lease is only assumed, and nothing is
// shipped.
//
// Heartbeats go through the client: activity.RecordHeartbeat throttles them and returns no error. The client's answer
// says that Temporal has the checkpoint on disk.
type lease struct {
	client  heartbeats
	token   []byte
	timeout time.Duration // Temporal's heartbeat timeout
	length  time.Duration // of the lease
	log     *zap.Logger

	// shipping ends with the lease, and stopGrace after fetching. fetching also ends when the slice is asked to stop.
	shipping, fetching context.Context
	lose, stop         context.CancelCauseFunc
	expiry             *time.Timer

	mu         sync.Mutex             // held while a heartbeat is sent
	newest     *checkpoint.Checkpoint // nil before the first one
	sent       time.Time              // when the last acknowledged heartbeat was sent
	ends       atomic.Int64           // the lease's end by the wall clock, in nanoseconds since the epoch
	background sync.WaitGroup         // ends with shipping
}

func newLease(ctx context.Context, c heartbeats, info activity.Info, log *zap.Logger) *lease {
	l := &lease{client: c, token: info.TaskToken, timeout: info.HeartbeatTimeout, length: info.HeartbeatTimeout * 2 / 3, log: log}
	// On newer servers the SDK cancels the activity's context. This asks the slice to stop, and must not cut off the batch
	// under way.
	l.shipping, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.fetching, l.stop = context.WithCancelCause(l.shipping)
	context.AfterFunc(l.fetching, func() {
		time.AfterFunc(stopGrace, func() { l.lose(errStop) })
	})
	l.expiry = time.AfterFunc(l.length, func() { l.lose(errLeaseLost) })
	l.renew(time.Now())
	l.background.Go(l.beat)
	l.background.Go(func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
		case <-ctx.Done():
		case <-l.shipping.Done():
		}
		l.stop(errStop)
	})
	return l
}

// renew extends the lease after the heartbeat that was sent at this time was acknowledged.
func (l *lease) renew(sent time.Time) {
	ends := sent.Add(l.length)
	l.sent = sent
	l.ends.Store(ends.UnixNano())
	l.expiry.Reset(time.Until(ends))
}

// end gives the lease back. No heartbeat is sent afterwards.
func (l *lease) end() {
	l.lose(errStop)
	l.background.Wait()
	l.expiry.Stop()
}

// beat repeats the newest checkpoint while no other is sent, such as during a slow request.
func (l *lease) beat() {
	for {
		select {
		case <-l.shipping.Done():
			return
		case <-time.After(l.timeout / 5):
			l.mu.Lock()
			if time.Since(l.sent) >= l.timeout/5 {
				_ = l.send() // an error has ended the contexts
			}
			l.mu.Unlock()
		}
	}
}

// check returns an error if the lease is over by the wall clock. The timers of a suspended machine do not run.
func (l *lease) check() error {
	if time.Now().UnixNano() > l.ends.Load() {
		l.lose(errLeaseLost)
	}
	return context.Cause(l.shipping)
}

// save returns when Temporal has the checkpoint on disk. This also confirms that the slice is still this worker's. A nil
// checkpoint, before there is one, confirms only that. After an error the slice must not ship anything.
func (l *lease) save(c *checkpoint.Checkpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = c
	return l.send()
}

// send sends the newest checkpoint until it is acknowledged or the lease is lost.
func (l *lease) send() error {
	var details []any // if there are none, Temporal keeps those of the last heartbeat
	if l.newest != nil {
		details = append(details, *l.newest)
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		sending, ends := time.Now(), l.sent.Add(l.length)
		// Not under the slice's contexts: the last checkpoint is saved after the slice was asked to stop.
		ctx, cancel := context.WithDeadline(context.WithoutCancel(l.shipping), ends)
		err := l.client.RecordActivityHeartbeat(ctx, l.token, details...)
		cancel()
		if stopWanted(err) {
			l.stop(errStop)
			err = nil
		}
		switch {
		case err == nil:
			l.renew(sending)
			return nil
		case !retryable(err), time.Now().Add(pause).After(ends):
			l.log.Warn("the slice ends here: a checkpoint was not acknowledged", zap.Error(err))
			l.lose(errLeaseLost)
			return errLeaseLost
		}
		time.Sleep(pause)
	}
}

// stopWanted reports whether Temporal has the checkpoint and wants the slice to end.
func stopWanted(err error) bool {
	return errors.As(err, new(*temporal.CanceledError)) || errors.Is(err, activity.ErrActivityPaused) || errors.Is(err, activity.ErrActivityReset)
}

// retryable reports whether Temporal may acknowledge the same heartbeat later.
func retryable(err error) bool {
	return !errors.As(err, new(*serviceerror.NotFound)) && !errors.As(err, new(*serviceerror.InvalidArgument)) &&
		!errors.As(err, new(*serviceerror.PermissionDenied)) && !errors.As(err, new(*serviceerror.NamespaceNotFound))
}
