package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
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

// stopGrace is how long a page under way may still be shipped after the slice was asked to
// stop. Together with closing the sink it fits in the worker's stop timeout of 8 s.
const stopGrace = 2 * time.Second

// heartbeats is the part of Temporal's client that a lease needs.
type heartbeats interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}

var _ heartbeats = client.Client(nil)

// lease is the right to collect, and the only sender of heartbeats. It lasts two thirds of the
// heartbeat timeout from the sending of the last one that Temporal acknowledged; Temporal gives
// the slice to nobody else before the whole timeout, counted from its own later receipt. Fetching
// and shipping run under the lease's contexts, so two workers never collect one service at once.
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
	sent   time.Time
	done   chan struct{}
	beater sync.WaitGroup
}

func newLease(ctx context.Context, c heartbeats, info activity.Info, log *zap.Logger) *lease {
	l := &lease{client: c, token: info.TaskToken, timeout: info.HeartbeatTimeout, log: log, sent: time.Now(), done: make(chan struct{})}
	l.shipping, l.lose = context.WithCancelCause(ctx)
	l.fetching, l.stop = context.WithCancelCause(l.shipping)
	l.expiry = time.AfterFunc(l.length(), func() { l.lose(errLeaseLost) })
	l.beater.Go(func() { l.beat(activity.GetWorkerStopChannel(ctx)) })
	return l
}

func (l *lease) length() time.Duration { return l.timeout * 2 / 3 }

// end gives the lease back. No heartbeat is sent afterwards.
func (l *lease) end() {
	close(l.done)
	l.beater.Wait()
	l.expiry.Stop()
	l.lose(errStop)
}

// beat repeats the newest checkpoint while a slow request runs, and watches for the worker's stop.
func (l *lease) beat(workerStops <-chan struct{}) {
	every := time.NewTicker(l.timeout / 5)
	defer every.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-workerStops:
			workerStops = nil
			l.askToStop()
		case <-every.C:
			l.mu.Lock()
			if time.Since(l.sent) >= l.timeout/5 {
				// Without a checkpoint the heartbeat keeps the details that Temporal has.
				_ = l.send() // what ends the slice has ended the contexts
			}
			l.mu.Unlock()
		}
	}
}

// askToStop ends fetching at once and shipping soon.
func (l *lease) askToStop() {
	l.stop(errStop)
	time.AfterFunc(stopGrace, func() { l.lose(errStop) })
}

// save returns when Temporal has the checkpoint on disk. After an error the slice must not ship
// any more.
func (l *lease) save(c checkpoint.Checkpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = &c
	return l.send()
}

// send sends the newest checkpoint until it is acknowledged or the lease is lost.
func (l *lease) send() error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		sending := time.Now()
		// Not under the slice's contexts: the last checkpoint is saved after it was asked to stop.
		ctx, cancel := context.WithDeadline(context.WithoutCancel(l.shipping), l.sent.Add(l.length()))
		var err error
		if l.newest == nil {
			err = l.client.RecordActivityHeartbeat(ctx, l.token)
		} else {
			err = l.client.RecordActivityHeartbeat(ctx, l.token, *l.newest)
		}
		cancel()
		var cancelled *temporal.CanceledError
		switch {
		case errors.As(err, &cancelled), errors.Is(err, activity.ErrActivityPaused), errors.Is(err, activity.ErrActivityReset):
			// Temporal has the checkpoint, and wants the slice to end.
			l.askToStop()
			fallthrough
		case err == nil:
			l.sent = sending
			l.expiry.Reset(time.Until(sending.Add(l.length())))
			return nil
		case !passing(err), time.Now().Add(pause).After(l.sent.Add(l.length())):
			l.log.Warn("the slice ends here: a checkpoint was not acknowledged", zap.Error(err))
			l.lose(errLeaseLost)
			return errLeaseLost
		}
		time.Sleep(pause)
	}
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
