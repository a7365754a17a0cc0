package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	temporalsdk "go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

const (
	// queryTimeout is how long a workflow may take to answer: it needs a worker.
	queryTimeout = 5 * time.Second
	// maxQueries is how many are asked at once.
	maxQueries = 16
)

// States of a collector that cannot or does not say one itself.
const (
	stateStopped workflows.CollectorState = "stopped"
	stateUnknown workflows.CollectorState = "unknown"
	stateMissing workflows.CollectorState = "missing"
)

// report is what is known of one collector or backfill. Its JSON is for scripts: the long help of status
// describes it.
type report struct {
	ID string `json:"id"`
	// Healthy says that nobody has to do anything.
	Healthy bool `json:"healthy"`
	// Status is the workflow's own, as far as it answered, with the checkpoint of a running slice.
	workflows.Status
	// Unanswered says why the workflow was not able to answer. Its position, and its state as far as that
	// can be told, are then from Temporal alone; counts of slices and problems are not known.
	Unanswered string `json:"unanswered,omitempty"`
	// LagSeconds is how far it is behind: 0 when caught up, nil where that is not known.
	LagSeconds *float64 `json:"lagSeconds,omitempty"`
	// EstimatedEnd is when a backfill that is under way will have ended.
	EstimatedEnd *time.Time `json:"estimatedEnd,omitempty"`
	// Ended is when the run ended; nil while it runs, or where there is none.
	Ended *time.Time `json:"ended,omitempty"`
	// Remedy is what goes on with one that has ended.
	Remedy *remedy `json:"remedy,omitempty"`
	// Mistake says that it ended unasked, has never collected anything, and that nobody misses it: somebody has
	// mistyped the command that started it.
	Mistake bool `json:"mistake,omitempty"`
	// neverCollected says that neither the run nor any before it had a position, as far as Temporal knows.
	neverCollected bool
	// Slice is the activity that is under way; nil between slices.
	Slice *slice `json:"slice,omitempty"`
	// Lately is what was shipped in the last minutes; nil where that is not known.
	Lately *shipped `json:"lately,omitempty"`
	// Rate is how fast it ships: in the running slice or, where it is watched, over the last minute. Nil
	// where neither is known.
	Rate *rate `json:"rate,omitempty"`
}

// States of a slice: it waits for a worker, or one has it.
const (
	sliceScheduled = "scheduled"
	sliceStarted   = "started"
)

// slice is what Temporal knows of an activity that is under way. It is never tried again: after a failure the
// workflow begins another one, and knows the problem.
type slice struct {
	// State is scheduled (it waits for a worker), started, or what somebody made of it, such as paused.
	State string `json:"state"`
	// Began is when a worker took it, and Heartbeat when it last recorded its checkpoint.
	Began     time.Time `json:"began,omitzero"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
}

// manyFailures is how many slices in a row may fail before somebody should look: with the growing
// pauses between them about a minute has gone by.
const manyFailures = 6

// healthy says whether nobody has to do anything.
func (r report) healthy() bool {
	switch r.State {
	case workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, workflows.StateDone, stateStopped:
		return r.Unanswered == "" && r.Failures < manyFailures
	}
	return r.Mistake
}

// reports asks for all of them at once.
func (c *temporal) reports(ctx context.Context, ids []string) ([]report, error) {
	reports := make([]report, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxQueries)
	for i, id := range ids {
		group.Go(func() (err error) {
			reports[i], err = c.report(ctx, id)
			return err
		})
	}
	return reports, group.Wait()
}

// report asks Temporal and the workflow. Temporal must answer; the workflow need not.
func (c *temporal) report(ctx context.Context, id string) (report, error) {
	r, err := c.ask(ctx, id)
	if err == nil {
		r.derive(time.Now())
	}
	return r, err
}

// derive adds what follows from the rest of the report.
func (r *report) derive(now time.Time) {
	r.Healthy, r.Remedy = r.healthy(), remedyFor(*r)
	if lag, ok := r.lag(now); ok {
		r.LagSeconds = new(lag.Seconds())
	}
	r.Lately = shippedLately(r.Recent, r.Checkpoint.Totals, now)
	bounds, backfill := workflows.RangeOf(r.ID)
	if !backfill {
		return
	}
	if r.Backfill == nil {
		r.Backfill = new(workflows.BackfillStatus)
	}
	r.Backfill.Range = bounds
	if bounds != (checkpoint.Range{}) {
		r.Backfill.Progress = new(workflows.Progress(bounds, r.Checkpoint))
	}
	switch r.State {
	case workflows.StateRunning, workflows.StateWaiting:
		at := now
		if r.WakeAt != nil && r.WakeAt.After(now) {
			at = *r.WakeAt // nothing happens before
		}
		if end := r.Backfill.End(at); !r.Backfill.Began.IsZero() && !end.IsZero() && r.Unanswered == "" {
			r.EstimatedEnd = &end
		}
	}
}

// lag is how far a collector is behind; false where it has nothing to be behind of.
func (r report) lag(now time.Time) (time.Duration, bool) {
	_, backfill := workflows.RangeOf(r.ID)
	switch {
	case backfill, r.State == stateStopped, !r.CaughtUp && r.BehindSince.IsZero():
		return 0, false
	case r.CaughtUp:
		return 0, true
	}
	return max(0, now.Sub(r.BehindSince)), true
}

func (c *temporal) ask(ctx context.Context, id string) (report, error) {
	r, d, err := c.describe(ctx, id)
	if err != nil || d == nil {
		return r, err
	}
	run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	r.Slice = pendingSlice(d)
	answer, err := c.query(ctx, id, run)
	if err == nil {
		r.Status = answer
		// It may answer after the slice has ended that Temporal was asked about.
		if newest, ok := c.heartbeat(d); ok && newest.Totals.Events >= answer.Checkpoint.Totals.Events {
			r.Rate = r.Slice.rate(answer.Checkpoint.Totals, newest.Totals)
			r.Checkpoint = newest
		}
		return r, nil
	}
	r.Unanswered = err.Error()
	return r, c.unanswered(ctx, &r, d)
}

// describe asks Temporal alone: its answer is nil where nothing runs, and the report then says all that is known.
func (c *temporal) describe(ctx context.Context, id string) (report, *workflowservice.DescribeWorkflowExecutionResponse, error) {
	r := report{ID: id}
	r.Tenant, r.Service, _ = workflows.ParseWorkflowID(id) // ids were checked
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	if errors.As(err, new(*serviceerror.NotFound)) {
		r.State, r.Reason = stateMissing, "never started, or ended longer ago than the namespace keeps closed workflows"
		if err := checkService(r.Service); err != nil {
			r.Reason = err.Error()
		}
		return r, nil, nil
	}
	if err != nil {
		return r, nil, fmt.Errorf("asking Temporal about %s: %w", id, err)
	}
	if d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return r, d, nil
	}
	return c.closed(ctx, r, d.GetWorkflowExecutionInfo()), nil, nil
}

// ifEnded is a report of what does not run; false if it does.
func (c *temporal) ifEnded(ctx context.Context, id string) (report, bool, error) {
	r, d, err := c.describe(ctx, id)
	if err != nil || d != nil {
		return r, false, err
	}
	r.derive(time.Now())
	return r, true, nil
}

// unanswered adds what Temporal alone knows of a run that does not answer.
func (c *temporal) unanswered(ctx context.Context, r *report, d *workflowservice.DescribeWorkflowExecutionResponse) error {
	history, err := c.record(ctx, r.ID, d.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	if err != nil {
		return err
	}
	r.Checkpoint, r.Reason, r.LastProblem = history.checkpoint, history.reason, history.problem
	if newest, ok := c.heartbeat(d); ok {
		r.Checkpoint = newest
	}
	r.State = c.stateAttribute(d)
	if !history.wakeAt.IsZero() {
		r.State, r.WakeAt = cmp.Or(r.State, workflows.StateWaiting), &history.wakeAt
	}
	switch {
	// Within the heartbeat timeout Temporal does not know either whether the slice's worker still lives.
	case r.Slice != nil && r.Slice.State != sliceScheduled:
		r.State = workflows.StateRunning
	case history.wakeAt.IsZero() && (d.GetPendingWorkflowTask() != nil || r.Slice != nil):
		r.Reason = "work is due"
	}
	r.State = cmp.Or(r.State, stateUnknown)
	r.BehindSince = r.Checkpoint.Position.Newest
	return nil
}

// closed adds what a run left behind when it ended.
func (c *temporal) closed(ctx context.Context, r report, execution *workflow.WorkflowExecutionInfo) report {
	run, status := execution.GetExecution().GetRunId(), execution.GetStatus()
	r.State = stateStopped
	if at := execution.GetCloseTime(); at != nil {
		r.Ended = new(at.AsTime())
	}
	_, backfill := workflows.RangeOf(r.ID)
	asTold := status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED || backfill && status == enums.WORKFLOW_EXECUTION_STATUS_CANCELED
	if !asTold {
		r.State = workflows.CollectorState(statusWord(status))
		r.Reason = "ended without being stopped"
		var failure *temporalsdk.ApplicationError
		if err := c.GetWorkflow(ctx, r.ID, run).Get(ctx, nil); errors.As(err, &failure) {
			r.Reason = failure.Message()
		}
	}
	state, err := c.finalState(ctx, r.ID, run, status)
	if err != nil {
		r.Unanswered = err.Error()
		return r
	}
	if !asTold && !backfill && state.Checkpoint.IsZero() {
		last, err := c.lastState(ctx, r.ID, execution)
		r.neverCollected = err == nil && !hasCollected(last)
	}
	r.Checkpoint, r.CaughtUp = state.Checkpoint, state.CaughtUp
	r.Slices, r.Problems, r.LastProblem, r.LastWarning = state.Slices, state.Problems, state.LastProblem, state.LastWarning
	if backfill {
		r.Backfill = &workflows.BackfillStatus{Began: state.Began}
		if state.Checkpoint.Totals.Pulls > 0 {
			r.State = workflows.StateDone
		}
	}
	return r
}

// finalState is the state in which a closed run ended: its result or, where it has none because it
// did not end by itself, the position in its history.
func (c *temporal) finalState(ctx context.Context, id, run string, status enums.WorkflowExecutionStatus) (workflows.State, error) {
	switch status {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return endState(ctx, c.GetWorkflow(ctx, id, run))
	}
	history, err := c.record(ctx, id, run)
	return workflows.State{Checkpoint: history.checkpoint}, err
}

// endState waits for the end of a run and returns its result: a backfill that was stopped has it in its error.
func endState(ctx context.Context, run client.WorkflowRun) (state workflows.State, err error) {
	err = run.Get(ctx, &state)
	var canceled *temporalsdk.CanceledError
	if errors.As(err, &canceled) && canceled.HasDetails() {
		err = canceled.Details(&state)
	}
	return state, err
}

// errNoWorker is why most workflows do not answer that do not.
var errNoWorker = errors.New("no worker answers")

// query asks a run for its status.
func (c *temporal) query(ctx context.Context, id, run string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var status workflows.Status
	value, err := c.QueryWorkflow(ctx, id, run, workflows.QueryStatus)
	if err == nil {
		err = value.Get(&status)
	}
	switch serviceerror.ToStatus(err).Code() {
	case codes.DeadlineExceeded, codes.FailedPrecondition: // the latter when none has asked for work for a while
		return status, errNoWorker
	}
	return status, err
}

// heartbeat is the checkpoint of the slice that is running, which is newer than any that the
// workflow knows.
func (c *temporal) heartbeat(d *workflowservice.DescribeWorkflowExecutionResponse) (newest checkpoint.Checkpoint, ok bool) {
	for _, activity := range d.GetPendingActivities() {
		details := activity.GetHeartbeatDetails()
		if activity.GetActivityType().GetName() != workflows.CollectSliceName || len(details.GetPayloads()) == 0 {
			continue
		}
		if err := c.data.FromPayloads(details, &newest); err == nil {
			return newest, true
		}
	}
	return checkpoint.Checkpoint{}, false
}

// pendingSlice is the slice that is under way, or waits for a worker; nil if there is none. A collector
// has no other activities.
func pendingSlice(d *workflowservice.DescribeWorkflowExecutionResponse) *slice {
	if len(d.GetPendingActivities()) == 0 {
		return nil
	}
	a := d.GetPendingActivities()[0]
	s := &slice{State: strings.ToLower(a.GetState().String())}
	if t := a.GetLastStartedTime(); t != nil {
		s.Began = t.AsTime()
	}
	if t := a.GetLastHeartbeatTime(); t != nil {
		s.Heartbeat = t.AsTime()
	}
	return s
}

// stateAttribute is the state that Temporal knows, for when the workflow does not answer:
// paused, blocked or "".
func (c *temporal) stateAttribute(d *workflowservice.DescribeWorkflowExecutionResponse) workflows.CollectorState {
	payload := d.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[workflows.AttributeState]
	var value string
	if payload == nil || c.data.FromPayload(payload, &value) != nil {
		return ""
	}
	switch state := workflows.CollectorState(value); state {
	case workflows.StatePaused, workflows.StateBlocked:
		return state
	}
	return ""
}
