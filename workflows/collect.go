// Package workflows decides when a slice runs, what follows it, and when to wait. It holds the position of each service,
// and the messages that people control it with.
//
// Its code is deterministic and reads no settings: a slice's result says when to go on and why. A change must still
// replay the histories in testdata.
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
	// heartbeatTimeout is how long Temporal waits for a checkpoint before it takes the slice from its worker. The worker
	// stops by itself after two thirds of it.
	heartbeatTimeout = 10 * time.Second
	// sliceTimeout limits a slice. A slice ends by itself after about a minute.
	sliceTimeout = 10 * time.Minute
)

// Types of application errors.
const (
	// These two end a workflow: its input can never work.
	errorInvalidInput   = "InvalidInput"
	errorUnknownService = "UnknownService"
	// errorRunsAlready answers an update: there is nothing to start.
	errorRunsAlready = "RunsAlready"
)

// Collect collects one service of one tenant, for years. Its workflow id must be okta/<tenant>/<service>: Temporal runs at
// most one workflow of an id, so that no service is collected twice.
//
// It runs slices, one after another, and continues as new when Temporal suggests it. When it is cancelled, its result is
// its state. A later run goes on from that.
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

	// polled is set when the signal poll arrives while a slice runs.
	polled bool
	// running is set while a slice runs.
	running bool
	// attribute is the present value of the search attribute. It is only upserted when it changes.
	attribute string
	// starting counts the backfills that were requested and have not started yet.
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
		// The time is that of the start, not of the first worker, which may come later.
		c.state.Began = workflow.GetInfo(ctx).WorkflowStartTime.UTC()
	}
	c.sample(ctx)
	c.signals.on(ctx, SignalPause, "stop within one page; the position is kept", ignoringInput(c.onPause))
	c.signals.on(ctx, SignalResume, "go on after pause; try again at once when blocked", ignoringInput(func() { c.onResume(ctx) }))
	return c
}

// run runs slices and waits, until the workflow is cancelled, done or too long.
func (c *collector) run(ctx workflow.Context) (*State, error) {
	for {
		c.signals.handleAll()
		if err := c.updateWebUI(ctx); err != nil {
			return nil, err
		}
		over := ctx.Err() != nil || c.done()
		if (over || workflow.GetInfo(ctx).GetContinueAsNewSuggested()) && !c.idle(ctx) {
			// This run must not close before the backfills that it starts have started.
			c.settle(ctx)
			continue
		}
		switch {
		case over && c.backfill != nil && !c.done():
			return nil, temporal.NewCanceledError(c.state) // the backfill is not complete
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

// done reports whether a backfill is complete.
func (c *collector) done() bool { return c.backfill != nil && c.state.Checkpoint.Totals.Pulls > 0 }

// idle reports whether no backfill is being started.
func (c *collector) idle(ctx workflow.Context) bool {
	return c.starting == 0 && workflow.AllHandlersFinished(ctx)
}

// settle waits until no backfill is being started.
func (c *collector) settle(ctx workflow.Context) {
	ctx, release := workflow.NewDisconnectedContext(ctx)
	defer release()
	_ = workflow.Await(ctx, func() bool { return c.idle(ctx) }) // it fails only if it is cancelled, which it never is
}

func (c *collector) onPause() {
	c.state.Paused = true
	c.state.CaughtUp = false
}

func (c *collector) onResume(ctx workflow.Context) {
	c.state.Paused = false
	// A pause that ends before the next poll is due has delayed nothing.
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

// wakeAfter begins a wait. The state has its end as an absolute time, so that the wait survives a pause and continuing as
// new.
func (c *collector) wakeAfter(ctx workflow.Context, d time.Duration, reason WaitReason) {
	c.state.WakeAt, c.state.WakeReason = workflow.Now(ctx).Add(d).UTC(), reason
}

// wait waits for a message, the wake-up time, or a cancellation.
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
		// A cancelled slice delivers the batch under way and returns its checkpoint.
		WaitForCancellation: true,
		// Temporal never retries a slice: the workflow decides. A pause between Temporal's own retries would lose the
		// checkpoint.
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
	// A disconnected context reads the result also after a cancellation.
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

// continueAsNew makes the next run's input. All messages were handled just before, in the same workflow task.
func (c *collector) continueAsNew(ctx workflow.Context) error {
	if c.backfill != nil {
		return workflow.NewContinueAsNewError(ctx, BackfillName, BackfillInput{Tenant: c.tenant, Service: c.service, Range: *c.backfill, State: &c.state})
	}
	return workflow.NewContinueAsNewError(ctx, CollectName, CollectInput{Tenant: c.tenant, Service: c.service, State: &c.state})
}
