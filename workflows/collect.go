// Package workflows decides when a slice runs, what follows it, and when to wait. It holds the position of each service,
// and the messages that people control it with.
//
// Its code is deterministic and reads no settings: a slice's result says when to go on and why. A change must still
// replay the histories in testdata.
package workflows

import (
	"cmp"
	"fmt"
	"time"

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
	// maxHandBacks bounds how many slices in a row may be handed back. Temporal gives each one to any worker that is free,
	// so that a second worker almost certainly gets one of them. Then the slice begins wherever it is.
	maxHandBacks = 8
)

// Collect collects one service of one tenant, for years. Its workflow id must be okta/<tenant>/<service>: Temporal runs at
// most one workflow of an id, so that no service is collected twice.
//
// It runs slices, one after another, and continues as new when Temporal suggests it. When it is cancelled, its result is
// its state, which it also hands over to its [Tenant]. A later run goes on from that.
func Collect(ctx workflow.Context, in CollectInput) (*State, error) {
	state := *cmp.Or(in.State, &State{})
	state.Since = cmp.Or(in.Since, state.Since)
	c, err := newCollector(ctx, WorkflowID(in.Tenant, in.Service), in.Tenant, in.Service, state)
	if err != nil {
		return nil, err
	}
	if in.State == nil && in.Delay > 0 {
		c.wakeAfter(ctx, in.Delay, WaitTurn)
	}
	c.signals.on(ctx, SignalPoll, "do not wait for the next poll", ignoringInput(c.onPoll))
	c.signals.on(ctx, SignalBackfill, describeBackfill(in.Service), func(receive func(any) bool) { c.onBackfill(ctx, receive) })
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

// collector is a running Collect or Backfill.
type collector struct {
	tenant, service string
	backfill        *checkpoint.Range // nil for live collection

	state State
	// recent is as in [Status]. It is not in the state: a run that continues as new begins without it.
	recent  []Sample
	signals *signals
	running bool // while a slice runs
	// handBacks is how many times in a row the next slice may be handed back.
	handBacks int
	polled    bool // the signal poll has arrived while a slice runs
	// shares: the run understands [SignalShare]. shared are the homes on which the service is not alone any more, and has not
	// told the tenant's workflow yet that it claims.
	shares bool
	shared []ShareInput
	// starting counts the backfills that were requested by signals and have not started yet.
	starting int
	// registered reports whether the namespace has the search attributes; only the worker knows. memo is the state in the
	// run's memo.
	registered func() bool
	memo       string
}

// newCollector checks the input and the workflow id, and registers the query and the signals pause and resume.
func newCollector(ctx workflow.Context, id, tenant, service string, state State) (*collector, error) {
	info := workflow.GetInfo(ctx)
	ofTenant, ofService, err := ParseWorkflowID(id)
	switch given := info.WorkflowExecution.ID; {
	case tenant == "" || service == "":
		return nil, invalid(`the input names no tenant or no service: want {"tenant":"default","service":"logs"}`)
	case err != nil, ofTenant != tenant, ofService != service, len(tenant) > MaxName, len(service) > MaxName:
		return nil, invalid(fmt.Sprintf("the input names the tenant %s and the service %s: want names of at most %d bytes without a slash",
			Quoted(tenant), Quoted(service), MaxName))
	case given != id:
		return nil, invalid(fmt.Sprintf("the workflow id is %s and must be %s: it is the lock, so that nothing is collected twice at once",
			Quoted(given), Quoted(id)))
	}
	state, dropped := state.checked(workflow.Now(ctx))
	shares := workflow.GetVersion(ctx, changeShares, workflow.DefaultVersion, 1) != workflow.DefaultVersion
	if !shares || !goesOn(ctx) {
		state.Checkpoint.Alone = nil
	}
	c := &collector{tenant: tenant, service: service, state: state, handBacks: maxHandBacks, shares: shares, memo: memoState(ctx)}
	c.registered = ctx.Value(attributesKey{}).(func() bool)
	if c.state.Began.IsZero() {
		// The workflow started then, although its first worker may come later.
		c.state.Began = info.WorkflowStartTime.UTC()
	}
	c.warnOfDropped(ctx, "the state that the run began with", dropped)
	c.sample(ctx)
	c.signals = signalsOf(ctx, func(name string) {
		c.warn(ctx, unknownSignal(name, c.signals.names))
	})
	c.signals.on(ctx, SignalPause, "stop within one page; the position is kept", ignoringInput(c.onPause))
	c.signals.on(ctx, SignalResume, `go on after pause; try again at once when blocked; {"resetProof":true} also accepts a weaker proof of delivery`,
		func(receive func(any) bool) { c.onResume(ctx, receive) })
	if c.shares {
		c.signals.between(ctx, SignalShare, "claim the requests to Okta; the tenant's workflow sends it", c.onShare)
	}
	err = workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return c.status(), nil },
		workflow.QueryHandlerOptions{Description: "state, checkpoint, next wake-up and its reason, totals, lag and last problem"})
	if err != nil {
		return nil, fmt.Errorf("setting the query handler: %w", err)
	}
	return c, nil
}

// invalid is the error of an input that can never work. It ends the workflow.
func invalid(message string) error {
	return temporal.NewNonRetryableApplicationError(message, "InvalidInput", nil)
}

// run runs slices and waits, until the workflow is cancelled, the backfill is done, or the history is too long.
func (c *collector) run(ctx workflow.Context) (*State, error) {
	for handedOver := false; ; {
		c.signals.handleAll()
		c.release(ctx)
		if err := c.updateWebUI(ctx); err != nil {
			return nil, err
		}
		over := ctx.Err() != nil || c.done()
		long := workflow.GetInfo(ctx).GetContinueAsNewSuggested()
		switch {
		case (over || long) && !c.idle(ctx):
			c.settle(ctx)
		case over && !handedOver && c.backfill != nil:
			c.leave(ctx)
			handedOver = true
		case over && !handedOver:
			c.handOver(ctx)
			handedOver = true
		case over && c.backfill != nil && !c.done():
			return nil, temporal.NewCanceledError(c.state) // the backfill is not complete
		case over:
			return &c.state, nil
		case long:
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

// idle reports whether no backfill is being started. A run must not close before the backfills that it starts have
// started.
func (c *collector) idle(ctx workflow.Context) bool {
	return c.starting == 0 && workflow.AllHandlersFinished(ctx)
}

// settle waits until no backfill is being started.
func (c *collector) settle(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_ = workflow.Await(ctx, func() bool { return c.idle(ctx) }) // it fails only if ctx is cancelled, and this one never is
}

func (c *collector) onPause() {
	c.state.Paused = true
	c.state.CaughtUp = false
}

func (c *collector) onResume(ctx workflow.Context, receive func(any) bool) {
	var in ResumeInput
	receive(&in) // an input that is not understood resets nothing
	if in.ResetProof {
		known := &c.state.Checkpoint.Proven
		known.Proof, known.ProofReset = "", workflow.Now(ctx).UTC()
	}
	c.state.Paused = false
	// A pause that ends before the next poll is due has delayed nothing.
	c.state.CaughtUp = c.state.CaughtUp || c.state.WakeReason == WaitPoll && c.state.WakeAt.After(workflow.Now(ctx))
	switch c.state.WakeReason {
	case WaitBlocked, WaitBackoff, WaitNotInOrg:
		c.wake()
	}
}

func (c *collector) onPoll() {
	c.polled = c.polled || c.running
	switch c.state.WakeReason {
	case WaitPoll, WaitNotInOrg, WaitTurn:
		c.wake()
	}
}

// wake ends the wait.
func (c *collector) wake() {
	c.state.WakeAt, c.state.WakeReason = time.Time{}, ""
}

// wakeAfter begins a wait. WakeAt is an absolute time, so that the wait survives a pause and continuing as new.
func (c *collector) wakeAfter(ctx workflow.Context, d time.Duration, reason WaitReason) {
	c.state.WakeAt, c.state.WakeReason = workflow.Now(ctx).Add(min(d, longestWait)).UTC(), reason
}

// wait waits for a signal, the wake-up time, or a cancellation.
func (c *collector) wait(ctx workflow.Context) {
	if c.state.Paused {
		_ = workflow.Await(ctx, c.signals.pending) // without a timer: a pause has no end of its own
		return
	}
	left := c.state.WakeAt.Sub(workflow.Now(ctx))
	if left <= 0 {
		c.wake()
		return
	}
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timerCtx, left, workflow.TimerOptions{Summary: summary(c.waiting())})
	_ = workflow.Await(ctx, func() bool { return c.signals.pending() || timer.IsReady() })
	if ctx.Err() == nil && !c.signals.pending() {
		c.wake()
	}
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
		Priority:    c.priority(),
	}))
	defer cancel()
	c.running = true
	defer func() { c.running = false }()

	future := workflow.ExecuteActivity(sliceCtx, CollectSliceName, SliceInput{
		Tenant: c.tenant, Service: c.service, Since: c.state.Since, Began: c.state.Began, Backfill: c.backfill, Checkpoint: c.state.Checkpoint,
		HandBacks: c.handBacks, Shares: c.shares,
	})
	// Cancelling the workflow cancels the slice with it. The wait for its result goes on.
	waitCtx, _ := workflow.NewDisconnectedContext(ctx)
	for !future.IsReady() {
		_ = workflow.Await(waitCtx, func() bool { return future.IsReady() || c.signals.pending() })
		if c.signals.handleAll(); c.state.Paused || c.shared != nil {
			cancel()
		}
	}

	var result SliceResult
	err := future.Get(ctx, &result)
	c.state.Slices++
	switch {
	case result.End == EndHandedBack:
		c.handBacks--
	case err != nil && c.handBacks == 0:
		c.handBacks = 1 // no worker was well: eight activities for each attempt would cost much for nothing
	default:
		c.handBacks = maxHandBacks
	}
	if err != nil {
		return c.onFailure(ctx, err)
	}
	c.onResult(ctx, result)
	return nil
}

// Priorities of slices that wait for a worker: the smaller, the earlier. Services other than the System Log have Temporal's
// default, 3. Temporal's server ignores priorities if it does not know them.
const (
	priorityLogs     = 1
	priorityBackfill = 5
)

// priority says which slices a worker gets first when more are due than it runs at once.
func (c *collector) priority() temporal.Priority {
	switch {
	case c.backfill != nil:
		return temporal.Priority{PriorityKey: priorityBackfill}
	case HasRange(c.service):
		return temporal.Priority{PriorityKey: priorityLogs}
	}
	return temporal.Priority{}
}

// continueAsNew returns the error that starts the next run. run has handled all messages in the same workflow task.
func (c *collector) continueAsNew(ctx workflow.Context) error {
	if c.backfill != nil {
		return workflow.NewContinueAsNewError(ctx, BackfillName, BackfillInput{Tenant: c.tenant, Service: c.service, Range: *c.backfill, State: &c.state})
	}
	return workflow.NewContinueAsNewError(ctx, CollectName, CollectInput{Tenant: c.tenant, Service: c.service, State: &c.state})
}
