// Package workflows decides: when a slice is run, what follows its end, and when to wait. It
// holds the position of each service and the messages by which people control it.
//
// Its code is deterministic and reads no settings: a slice's result says when to go on and
// why. Changes to it must replay the histories in testdata.
package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

const (
	// heartbeatTimeout is how long Temporal waits for a checkpoint before it takes the slice
	// from its worker. The worker stops by itself after two thirds of it.
	heartbeatTimeout = 10 * time.Second
	// sliceTimeout bounds a slice, which ends by itself after about a minute.
	sliceTimeout = 10 * time.Minute
)

// Errors that end a Collect. They are for inputs that can never work.
const (
	errorInvalidInput   = "InvalidInput"
	errorUnknownService = "UnknownService"
	// errorRunsAlready is an update's: there is nothing to start.
	errorRunsAlready = "RunsAlready"
)

// Collect collects one service of one tenant, for years. Its workflow id must be
// okta/<tenant>/<service>: the id is what keeps two of them from running at once.
//
// It runs slices, one after another, and continues as new when Temporal suggests it. When it
// is cancelled it closes with its state as the result, from which a later one goes on.
func Collect(ctx workflow.Context, in CollectInput) (*State, error) {
	if in.Tenant == "" || in.Service == "" {
		return nil, invalid(`the input names no tenant or no service: want {"tenant":"default","service":"logs"}`)
	}
	if err := checkID(ctx, WorkflowID(in.Tenant, in.Service), "it is the lock that keeps a service from being collected twice"); err != nil {
		return nil, err
	}
	c := newCollector(ctx, in.Tenant, in.Service, in.State)
	if in.Since != nil {
		c.state.Since = in.Since
	}
	if err := c.answerQueries(ctx); err != nil {
		return nil, err
	}
	c.signals.on(ctx, SignalPoll, "do not wait for the next poll", ignoringInput(c.onPoll))
	c.signals.on(ctx, SignalBackfill, describeBackfill(in.Service), c.onBackfill(ctx))
	if err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateBackfill, c.startBackfill, workflow.UpdateHandlerOptions{
		Description: describeBackfill(in.Service) + "; answers with the backfill's workflow id",
		Validator: func(ctx workflow.Context, r checkpoint.Range) error {
			return CheckRange(in.Service, r, workflow.Now(ctx))
		},
	}); err != nil {
		return nil, fmt.Errorf("setting the update handler: %w", err)
	}
	return c.run(ctx)
}

// invalid is the error of an input that can never work.
func invalid(message string) error {
	return temporal.NewNonRetryableApplicationError(message, errorInvalidInput, nil)
}

func checkID(ctx workflow.Context, want, why string) error {
	if id := workflow.GetInfo(ctx).WorkflowExecution.ID; id != want {
		return invalid(fmt.Sprintf("the workflow id is %q and must be %q: %s", id, want, why))
	}
	return nil
}

// collector is a running Collect or Backfill.
type collector struct {
	tenant, service string
	backfill        *checkpoint.Range // nil for live collection

	state State
	// recent is as in [Status]. It is not in the state: a run that continues as new begins without it.
	recent  []Sample
	log     log.Logger
	signals *signals

	// polled says that a poll was asked for while a slice ran.
	polled bool
	// running is set while a slice runs.
	running bool
	// attribute is the search attribute's value, so that it is only upserted when it changes.
	attribute string
	// starting counts the backfills that were asked for and have not begun yet.
	starting int
}

func newCollector(ctx workflow.Context, tenant, service string, state *State) *collector {
	c := &collector{tenant: tenant, service: service, log: workflow.GetLogger(ctx)}
	c.signals = newSignals(ctx, func(name string) {
		c.warn(ctx, fmt.Sprintf("the signal %q is not known and did nothing; there are %s", cut(name, 100), strings.Join(c.signals.names, ", ")))
	})
	if state != nil {
		c.state = *state
	}
	if c.state.Began.IsZero() {
		// Not the present, which is when a worker was first there.
		c.state.Began = workflow.GetInfo(ctx).WorkflowStartTime.UTC()
	}
	c.sample(ctx)
	c.signals.on(ctx, SignalPause, "stop within one page; the position is kept", ignoringInput(c.onPause))
	c.signals.on(ctx, SignalResume, "go on after pause; try again at once when blocked", ignoringInput(func() { c.onResume(ctx) }))
	return c
}

func (c *collector) run(ctx workflow.Context) (*State, error) {
	for {
		c.signals.handleAll()
		if err := c.updateWebUI(ctx); err != nil {
			return nil, err
		}
		over := ctx.Err() != nil || c.done()
		if (over || workflow.GetInfo(ctx).GetContinueAsNewSuggested()) && !c.idle(ctx) {
			// A backfill begins only if this run is there until it has.
			c.settle(ctx)
			continue
		}
		switch {
		case over && c.backfill != nil && !c.done():
			return nil, temporal.NewCanceledError(c.state) // it is not what was asked for
		case over:
			return &c.state, nil
		case workflow.GetInfo(ctx).GetContinueAsNewSuggested():
			return nil, c.continueAsNew(ctx)
		case c.state.Paused || !c.state.WakeAt.IsZero():
			c.wait(ctx)
		default:
			if err := c.slice(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// done says whether a backfill has done what it was for.
func (c *collector) done() bool { return c.backfill != nil && c.state.Checkpoint.Totals.Pulls > 0 }

// idle says that nothing is being started.
func (c *collector) idle(ctx workflow.Context) bool {
	return c.starting == 0 && workflow.AllHandlersFinished(ctx)
}

// settle waits until nothing is being started.
func (c *collector) settle(ctx workflow.Context) {
	ctx, release := workflow.NewDisconnectedContext(ctx)
	defer release()
	_ = workflow.Await(ctx, func() bool { return c.idle(ctx) }) // it only fails when it is cancelled
}

func (c *collector) onPause() {
	c.state.Paused = true
	c.state.CaughtUp = false
}

func (c *collector) onResume(ctx workflow.Context) {
	c.state.Paused = false
	// A pause that ends before the next poll was due has held nothing up.
	c.state.CaughtUp = c.state.CaughtUp || c.state.WakeReason == WaitPoll && c.state.WakeAt.After(workflow.Now(ctx))
	switch c.state.WakeReason {
	case WaitBlocked, WaitBackoff:
		c.wake()
	}
}

func (c *collector) onPoll() {
	if c.running {
		c.polled = true
	}
	if c.state.WakeReason == WaitPoll {
		c.wake()
	}
}

// wake ends the wait.
func (c *collector) wake() {
	c.state.WakeAt, c.state.WakeReason = time.Time{}, ""
}

// wakeAfter begins a wait. The time is absolute and in the state, so that it survives a pause
// and continuing as new.
func (c *collector) wakeAfter(ctx workflow.Context, d time.Duration, reason WaitReason) {
	c.state.WakeAt, c.state.WakeReason = workflow.Now(ctx).Add(d).UTC(), reason
}

// wait waits for a message, the wake-up time, or the end. It is the only place that does.
func (c *collector) wait(ctx workflow.Context) {
	selector := workflow.NewSelector(ctx)
	c.signals.wakes(selector)
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})

	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	if !c.state.Paused {
		// A paused collector has no timer: it waits for a message however long that takes.
		left := c.state.WakeAt.Sub(workflow.Now(ctx))
		if left <= 0 {
			c.wake()
			return
		}
		timer := workflow.NewTimerWithOptions(timerCtx, left, workflow.TimerOptions{Summary: summary(c.waiting())})
		selector.AddFuture(timer, func(f workflow.Future) {
			if f.Get(ctx, nil) == nil {
				c.wake()
			}
		})
	}
	selector.Select(ctx)
}

// slice runs one slice and decides what follows. Its error ends the workflow.
func (c *collector) slice(ctx workflow.Context) error {
	sliceCtx, cancel := workflow.WithCancel(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: sliceTimeout,
		HeartbeatTimeout:    heartbeatTimeout,
		// A cancelled slice delivers the chunk under way and returns its checkpoint.
		WaitForCancellation: true,
		// The workflow alone decides what follows: between Temporal's own retries a pause
		// would lose the checkpoint.
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:     summary(c.collecting()),
	}))
	defer cancel()
	c.running = true
	defer func() { c.running = false }()

	future := workflow.ExecuteActivity(sliceCtx, CollectSliceName, SliceInput{
		Tenant: c.tenant, Service: c.service, Since: c.state.Since, Began: c.state.Began, Backfill: c.backfill, Checkpoint: c.state.Checkpoint,
	})
	selector := workflow.NewSelector(ctx)
	done := false
	selector.AddFuture(future, func(workflow.Future) { done = true })
	c.signals.wakes(selector)
	for !done {
		// Cancelling the workflow cancels the slice with it.
		selector.Select(ctx)
		if c.signals.handleAll(); c.state.Paused {
			cancel()
		}
	}

	var result SliceResult
	// The result is there; a disconnected context reads it after a cancellation too.
	readCtx, release := workflow.NewDisconnectedContext(ctx)
	defer release()
	err := future.Get(readCtx, &result)
	c.state.Slices++
	if err != nil {
		return c.onFailure(ctx, err)
	}
	c.onResult(ctx, result)
	return nil
}

// continueAsNew is the only place that builds the next run's input. Messages were handled just
// before, in the same workflow task.
func (c *collector) continueAsNew(ctx workflow.Context) error {
	if c.backfill != nil {
		return workflow.NewContinueAsNewError(ctx, BackfillName, BackfillInput{Tenant: c.tenant, Service: c.service, Range: *c.backfill, State: &c.state})
	}
	return workflow.NewContinueAsNewError(ctx, CollectName, CollectInput{Tenant: c.tenant, Service: c.service, State: &c.state})
}
