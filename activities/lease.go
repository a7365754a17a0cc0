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

// Reasons why a slice ends that are no failure of it.
var (
	// errStop is why fetching ends: the worker stops, or the slice was cancelled.
	errStop = errors.New("the slice was asked to stop")
	// errLeaseLost means that another worker may have the slice by now.
	errLeaseLost = errors.New("a checkpoint was not acknowledged by Temporal in time, or the slice was given to another worker")
)

// stopGrace is how long a chunk under way may still be delivered after the slice was asked to
// stop. Together with the last checkpoint it fits in the worker's stop timeout of 8 s.
const stopGrace = 5 * time.Second

// heartbeats is the part of Temporal's client that a lease needs.
type heartbeats interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}

// lease is the right to collect, and the only sender of heartbeats. It lasts two thirds of the
// heartbeat timeout from the sending of the last one that Temporal acknowledged; Temporal gives
// the slice to nobody else before the whole timeout, counted from its own later receipt. Before
// the first one it is only presumed, and nothing is shipped. Fetching and shipping run under the
// lease's contexts, so two workers never collect one service at once.
//
// Heartbeats go through the client and not through activity.RecordHeartbeat, which throttles
// them and returns no error: this one answers when Temporal has the checkpoint on disk.
type lease struct {
	client  heartbeats
	token   []byte
	timeout time.Duration
	log     *zap.Logger

	// shipping ends when the lease does, and stopGrace after the slice was asked to stop;
	// fetching ends also at once when it is asked to stop.
	shipping, fetching context.Context
	lose, stop         context.CancelCauseFunc
	expiry             *time.Timer

	// mu makes one owner: checkpoints are sent one at a time, always the newest.
	mu     sync.Mutex
	newest *checkpoint.Checkpoint
	sent   time.Time    // of the last one that was acknowledged
	ends   atomic.Int64 // the lease's end by the clock on the wall, in nanoseconds since the epoch
	done   chan struct{}

	background sync.WaitGroup
}

func newLease(ctx context.Context, c heartbeats, info activity.Info, log *zap.Logger) *lease {
	l := &lease{client: c, token: info.TaskToken, timeout: info.HeartbeatTimeout, log: log, done: make(chan struct{})}
	// Newer servers let the SDK cancel the activity's context. That asks the slice to stop; it
	// must not tear the page that is under way.
	l.shipping, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.fetching, l.stop = context.WithCancelCause(l.shipping)
	l.expiry = time.AfterFunc(l.length(), func() { l.lose(errLeaseLost) })
	l.renew(time.Now())
	l.background.Go(l.beat)
	l.background.Go(func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
		case <-ctx.Done():
		case <-l.done:
			return
		}
		l.stop(errStop)
	})
	context.AfterFunc(l.fetching, func() {
		time.AfterFunc(stopGrace, func() { l.lose(errStop) })
	})
	return l
}

func (l *lease) length() time.Duration { return l.timeout * 2 / 3 }

// renew makes the lease last from the sending of an acknowledged heartbeat.
func (l *lease) renew(sent time.Time) {
	l.sent = sent
	l.ends.Store(sent.Add(l.length()).UnixNano())
	l.expiry.Reset(time.Until(sent.Add(l.length())))
}

// end gives the lease back. No heartbeat is sent afterwards.
func (l *lease) end() {
	close(l.done)
	l.background.Wait()
	l.expiry.Stop()
	l.lose(errStop)
}

// beat repeats the newest checkpoint while a slow request runs.
func (l *lease) beat() {
	every := time.NewTicker(l.timeout / 5)
	defer every.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-every.C:
			l.mu.Lock()
			if time.Since(l.sent) >= l.timeout/5 {
				_ = l.send() // what ends the slice has ended the contexts
			}
			l.mu.Unlock()
		}
	}
}

// check says whether the lease still holds by the clock on the wall: timers stand still while
// a machine is suspended.
func (l *lease) check() error {
	if time.Now().UnixNano() > l.ends.Load() {
		l.lose(errLeaseLost)
	}
	return context.Cause(l.shipping)
}

// save returns when Temporal has the checkpoint on disk, and has so said that the slice is still this worker's. nil
// asks only that, before there is a checkpoint. After an error the slice must not ship any more.
func (l *lease) save(c *checkpoint.Checkpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = c
	return l.send()
}

// send sends the newest checkpoint until it is acknowledged or the lease is lost.
func (l *lease) send() error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		sending := time.Now()
		// Not under the slice's contexts: the last checkpoint is saved after it was asked to stop.
		ctx, cancel := context.WithDeadline(context.WithoutCancel(l.shipping), l.sent.Add(l.length()))
		var details []any // without any, Temporal keeps those that it has
		if l.newest != nil {
			details = append(details, *l.newest)
		}
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
		case !passing(err), time.Now().Add(pause).After(l.sent.Add(l.length())):
			l.log.Warn("the slice ends here: a checkpoint was not acknowledged", zap.Error(err))
			l.lose(errLeaseLost)
			return errLeaseLost
		}
		time.Sleep(pause)
	}
}

// stopWanted says whether Temporal has taken the checkpoint and wants the slice to end.
func stopWanted(err error) bool {
	return errors.As(err, new(*temporal.CanceledError)) || errors.Is(err, activity.ErrActivityPaused) || errors.Is(err, activity.ErrActivityReset)
}

// passing says whether Temporal may acknowledge the same heartbeat later.
func passing(err error) bool {
	switch {
	case errors.As(err, new(*serviceerror.NotFound)),
		errors.As(err, new(*serviceerror.InvalidArgument)),
		errors.As(err, new(*serviceerror.PermissionDenied)),
		errors.As(err, new(*serviceerror.NamespaceNotFound)):
		return false
	}
	return true
}
