package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
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

// report is what is known of one collector.
type report struct {
	ID string `json:"id"`
	// Status is the workflow's own, as far as it answered, with the checkpoint of a running slice.
	workflows.Status
	// Unanswered says why the workflow was not able to answer. Its position, and its state as far as that
	// can be told, are then from Temporal alone; counts of slices and problems are not known.
	Unanswered string `json:"unanswered,omitempty"`
}

// manyFailures is how many slices in a row may fail before somebody should look: with the growing
// pauses between them about a minute has gone by.
const manyFailures = 6

// healthy says whether nobody has to do anything.
func (r report) healthy() bool {
	switch r.State {
	case workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, stateStopped:
		return r.Unanswered == "" && r.Failures < manyFailures
	}
	return false
}

func newStatus(connect connector) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status [okta/<tenant>/<service>...]",
		Short: "Show where each collector is; exit code 1 if one needs attention",
		Args: func(cmd *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output is %q; want table or json", output)
			}
			return checkSelection(cmd, args)
		},
		RunE: onCollectors(connect, everStarted, func(ctx context.Context, cmd *cobra.Command, c *temporal, ids []string) error {
			reports, err := c.reports(ctx, ids)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				if err := encoder.Encode(reports); err != nil {
					return fmt.Errorf("writing the status: %w", err)
				}
			} else if len(ids) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "starter:", nothing(cmd, "was ever started"))
			} else {
				fmt.Fprintln(cmd.OutOrStdout(), renderReports(reports, time.Now()))
			}
			return attention(reports)
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// attention is an error that names those who need somebody.
func attention(reports []report) error {
	var ids []string
	for _, r := range reports {
		if !r.healthy() {
			ids = append(ids, r.ID)
		}
	}
	if ids == nil {
		return nil
	}
	return errors.New("needs attention: " + strings.Join(ids, ", "))
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
	r := report{ID: id}
	r.Tenant, r.Service, _ = workflows.ParseWorkflowID(id) // ids were checked
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	if errors.As(err, new(*serviceerror.NotFound)) {
		r.State, r.Reason = stateMissing, "never started, or stopped for longer than the namespace keeps closed workflows; start it with: starter start "+id
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("asking Temporal about %s: %w", id, err)
	}
	execution := d.GetWorkflowExecutionInfo()
	run := execution.GetExecution().GetRunId()
	if status := execution.GetStatus(); status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return c.closed(ctx, r, run, status), nil
	}

	answer, err := c.query(ctx, id, run)
	if err == nil {
		r.Status = answer
		if newest, ok := c.heartbeat(d); ok {
			r.Checkpoint = newest
		}
		return r, nil
	}
	r.Unanswered = err.Error()
	return r, c.unanswered(ctx, &r, d)
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
	case sliceBegun(d):
		r.State = workflows.StateRunning
	case history.wakeAt.IsZero() && (d.GetPendingWorkflowTask() != nil || len(d.GetPendingActivities()) > 0):
		r.Reason = "work is due"
	}
	r.State = cmp.Or(r.State, stateUnknown)
	r.BehindSince = r.Checkpoint.Position.Newest
	return nil
}

// closed adds what a run left behind when it ended.
func (c *temporal) closed(ctx context.Context, r report, run string, status enums.WorkflowExecutionStatus) report {
	r.State = stateStopped
	if status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		r.State = workflows.CollectorState(statusWord(status))
		r.Reason = "ended without being stopped; go on with: starter start " + r.ID
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
	r.Checkpoint, r.CaughtUp = state.Checkpoint, state.CaughtUp
	r.Slices, r.Problems, r.LastProblem = state.Slices, state.Problems, state.LastProblem
	return r
}

// finalState is the state in which a closed run ended: its result or, where it has none because it
// did not end by itself, the position in its history.
func (c *temporal) finalState(ctx context.Context, id, run string, status enums.WorkflowExecutionStatus) (workflows.State, error) {
	var state workflows.State
	if status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		err := c.GetWorkflow(ctx, id, run).Get(ctx, &state)
		return state, err
	}
	history, err := c.record(ctx, id, run)
	state.Checkpoint = history.checkpoint
	return state, err
}

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
		return status, errors.New("no worker answers")
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

// sliceBegun says whether a worker has begun a slice that has not ended. Within the heartbeat timeout
// Temporal does not know either whether that worker still lives.
func sliceBegun(d *workflowservice.DescribeWorkflowExecutionResponse) bool {
	return slices.ContainsFunc(d.GetPendingActivities(), func(a *workflow.PendingActivityInfo) bool {
		return a.GetState() != enums.PENDING_ACTIVITY_STATE_SCHEDULED
	})
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
