package control

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/okta"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

// How says how to start a service.
type How struct {
	// Fresh: forget the position and begin anew.
	Fresh bool
	// Since is where logs begin if they begin anew; zero is the default of the settings.
	Since time.Time
	// New: start only what was never started.
	New bool
}

// Started is what [Control.Start] found and did.
type Started struct {
	// Last is the collector before the start.
	Last status.Collector
	// Left: nothing was started, because it runs already or, with [How.New], was started before.
	Left bool
	// In is the input of the new run.
	In workflows.CollectInput
}

// Collected reports whether the new run goes on from a position.
func (s Started) Collected() bool { return s.In.State != nil && s.In.State.Checkpoint.HasCollected() }

// UnreadableError: a service was not started, because its position cannot be read.
type UnreadableError struct{ Why string }

// Error implements error.
func (e *UnreadableError) Error() string { return "its position cannot be read: " + e.Why }

// Start starts a service from where it has ended, unless it runs, and tells the tenant's workflow. It is safe to repeat. Its
// error is an [UnreadableError], a [status.ForeignError], or about Temporal.
func (c *Control) Start(ctx context.Context, id string, how How) (s Started, err error) {
	s.Last, err = c.Ended(ctx, id)
	s.In = workflows.CollectInput{Tenant: s.Last.Tenant, Service: s.Last.Service}
	switch {
	case err != nil:
		return s, err
	case s.Last.ForeignType != "":
		return s, &status.ForeignError{ID: id, Type: s.Last.ForeignType}
	case !s.Last.HasEnded():
		s.Left = true
		return s, untold(c.remember(ctx, s.Last))
	case how.New && (s.Last.State != status.Missing || s.Last.Decision != nil):
		s.Left = true
		return s, nil
	case how.Fresh:
		if err := c.forget(ctx, s.Last); err != nil {
			return s, err
		}
	case s.Last.Unanswered != "":
		return s, &UnreadableError{Why: s.Last.Unanswered}
	default:
		s.In.State = s.Last.Last
		if s.Last.State == status.Stopped {
			// Somebody else may hand over the stopped run too. If that arrived after the new run has begun, it would take the service
			// out of the ledger. This handover is a nanosecond newer, so the tenant's workflow ignores the other one. If it fails,
			// the call of tell below most likely fails too, and returns the error.
			_ = c.handOver(ctx, s.Last, s.Last.Ended.Add(time.Nanosecond))
		}
	}
	takesTurn := s.In.State == nil && takesTurn(s.In.Service)
	if takesTurn {
		s.In.Delay = time.Duration(c.turns[s.In.Tenant]) * firstPullsApart
	}
	if !how.Since.IsZero() && workflows.HasRange(s.In.Service) && !s.Collected() {
		s.In.Since = &how.Since
	}
	decided := now(s.Last) // before the run begins, or a stop of it might look older
	run, err := c.execute(ctx, id, s.In, how.New)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		s.Left = true // another start was faster
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if takesTurn {
		if c.turns == nil {
			c.turns = map[string]int{}
		}
		c.turns[s.In.Tenant]++
	}
	s.Last.TaskQueue = c.TaskQueue
	return s, untold(c.tell(ctx, s.Last, workflows.Decision{
		Service: s.Last.Service, Decision: workflows.Started, At: decided, Run: run, State: s.In.State,
	}))
}

// firstPullsApart is the time between the first pulls of two services that are started one after the other.
const firstPullsApart = 2 * time.Second

// takesTurn reports whether the first pull of a service waits for those that were started before it. Services that are
// collected by default do not wait, the System Log among them. There may be dozens of others, and if they all began at once
// they would fill the worker.
func takesTurn(service string) bool {
	collection, _ := okta.Lookup(service)
	return !collection.In(okta.GroupDefault)
}

// untold wraps the error of a service that runs, and of which the tenant's workflow was not told.
func untold(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("it runs, but its tenant's workflow does not know that; start it again, which only tells it: %w", err)
}

// remember tells the tenant's workflow of a service that runs, if it does not know of this run and that it was started. It
// was decided when the run began: the service may be about to stop.
func (c *Control) remember(ctx context.Context, running status.Collector) error {
	known, err := c.Decisions(ctx, running.Tenant)
	if err != nil {
		return err
	}
	if d := known.Of(running.Service); d != nil && (d.Decision == workflows.Started || !d.At.Before(running.RunBegan)) {
		return nil
	}
	return c.tell(ctx, running, workflows.Decision{Service: running.Service, Decision: workflows.Started, At: running.RunBegan, Run: running.Run})
}

// forget tells the tenant's workflow to forget the position, if it may know one.
func (c *Control) forget(ctx context.Context, ended status.Collector) error {
	if ended.Decision == nil && ended.State == status.Missing {
		return nil
	}
	return c.Decide(ctx, ended, workflows.Decision{Decision: workflows.Forgotten})
}

// execute starts the workflow, and returns the id of its run. It sets the search attributes that the workflow would set
// itself, which saves an action. onlyNew: it fails if Temporal knows an earlier run.
func (c *Control) execute(ctx context.Context, id string, in workflows.CollectInput, onlyNew bool) (string, error) {
	options := client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                c.TaskQueue,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("%s of %s into Devo", in.Service, in.Tenant),
	}
	if onlyNew {
		options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	}
	if c.Attributes {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeTenant).ValueSet(in.Tenant),
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeService).ValueSet(in.Service),
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeState).ValueSet(workflows.AttributeCollecting),
		)
	}
	run, err := c.ExecuteWorkflow(ctx, options, workflows.CollectName, in)
	if c.withoutAttributes(err) {
		return c.execute(ctx, id, in, onlyNew)
	}
	if err != nil {
		return "", temporalclient.Explain(fmt.Errorf("starting: %w", err))
	}
	return run.GetRunID(), nil
}
