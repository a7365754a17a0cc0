package workflows

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

// What follows a slice: the next one at once, a wait, or the end.

const (
	// The backoff after a passing problem doubles from firstBackoff to longestBackoff.
	firstBackoff   = time.Second
	longestBackoff = time.Minute
	// A blocked service tries again by itself after blockedRetry. The pause doubles up to longestBlockedRetry. It
	// begins small because exchanging a token file takes a person about a minute.
	blockedRetry        = time.Minute
	longestBlockedRetry = 15 * time.Minute
	// maxRestarts is how many pulls in a row may start again after a refused cursor before a person is asked. Each
	// restart ships the same objects again.
	maxRestarts = 5
	// maxText limits each text of a problem or a warning in the state, and maxName each name, in bytes.
	maxText = 1000
	maxName = 200
)

// onResult takes over the result of a slice that did not fail, and decides what follows.
func (c *collector) onResult(ctx workflow.Context, r SliceResult) {
	moved := c.advance(ctx, r.Checkpoint)
	c.warn(ctx, r.Warning)
	c.state.CaughtUp = r.End == EndCaughtUp
	if moved || c.state.CaughtUp { // a slice that had no budget for a request proves nothing
		c.state.Failures, c.state.Blocked = 0, false
	}
	if c.state.CaughtUp {
		c.state.CaughtUpAt = workflow.Now(ctx).UTC()
	}
	// A poll that was requested during the slice begins at once. A backfill has no next poll.
	if reason := r.End.Wait(); reason != "" && (reason != WaitPoll || !c.polled && c.backfill == nil) {
		c.wakeAfter(ctx, r.Wait, reason)
	}
	c.polled = false
}

// advance takes over a slice's checkpoint and reports whether anything moved.
func (c *collector) advance(ctx workflow.Context, next checkpoint.Checkpoint) (moved bool) {
	moved = next.Moved(c.state.Checkpoint)
	if next.Totals.Pulls != c.state.Checkpoint.Totals.Pulls {
		c.state.Restarts = 0
	}
	c.state.Checkpoint = next
	c.sample(ctx)
	return moved
}

// onFailure takes over what a failed slice left behind, and decides what follows. Its error ends the workflow.
func (c *collector) onFailure(ctx workflow.Context, err error) error {
	f, logged := c.readFailure(err)
	pulls := c.state.Checkpoint.Totals.Pulls
	if c.advance(ctx, f.Checkpoint) {
		c.state.Failures, c.state.Blocked = 0, false
	}
	c.warn(ctx, f.Warning)
	if ctx.Err() != nil || temporal.IsCanceledError(err) {
		// The slice was cancelled before a worker took it, or after its worker was lost.
		return nil
	}
	c.problem(ctx, f.Problem)
	if !logged {
		c.log.Warn("problem", "tenant", c.tenant, "service", c.service, "class", f.Problem.Class, "message", f.Problem.Message)
	}
	c.state.CaughtUp = false
	switch f.Problem.Class {
	case ClassUnknownService:
		if !c.state.Checkpoint.HasCollected() {
			return temporal.NewNonRetryableApplicationError(f.Problem.String(), errorUnknownService, nil)
		}
		// Another worker may know the service: during an upgrade old and new workers run at the same time.
		c.block(ctx, blockedRetry)
	case ClassUnknownTenant:
		c.block(ctx, blockedRetry)
	case ClassPerson:
		if !c.state.Blocked {
			c.state.Failures = 0 // earlier passing failures do not lengthen the first pause
		}
		c.block(ctx, min(blockedRetry<<min(c.state.Failures, 4), longestBlockedRetry))
	case ClassCursorRefused:
		c.state.Checkpoint.Position = c.state.Checkpoint.Position.BetweenPulls()
		if c.state.Restarts++; c.state.Restarts > maxRestarts {
			c.block(ctx, longestBlockedRetry)
		} else {
			c.backOff(ctx, c.state.Restarts-1)
		}
	default:
		due := c.state.Checkpoint.Due
		if c.state.Checkpoint.Totals.Pulls > pulls && due.After(workflow.Now(ctx)) {
			// The slice failed after the last page of its pull. The next pull is not due yet.
			c.state.CaughtUp, c.state.CaughtUpAt = true, workflow.Now(ctx).UTC()
			c.wakeAfter(ctx, due.Sub(workflow.Now(ctx)), WaitPoll)
			return nil
		}
		c.backOff(ctx, c.state.Failures)
	}
	return nil
}

// block waits for a person, and tries again by itself after the pause.
func (c *collector) block(ctx workflow.Context, retry time.Duration) {
	c.state.Blocked = true
	c.state.Failures++
	c.wakeAfter(ctx, retry, WaitBlocked)
}

// backOff waits, twice as long after each failure.
func (c *collector) backOff(ctx workflow.Context, failures int) {
	c.state.Blocked = false
	c.state.Failures++
	c.wakeAfter(ctx, min(firstBackoff<<min(failures, 6), longestBackoff), WaitBackoff)
}

func (c *collector) problem(ctx workflow.Context, p Problem) {
	c.state.Problems++
	p.At = workflow.Now(ctx).UTC()
	p.Message, p.Remedy = cut(p.Message, maxText), cut(p.Remedy, maxText)
	p.Endpoint, p.RequestID = cut(p.Endpoint, maxName), cut(p.RequestID, maxName)
	c.state.LastProblem = &p
}

func (c *collector) warn(ctx workflow.Context, message string) {
	if message != "" {
		c.state.LastWarning = &Warning{At: workflow.Now(ctx).UTC(), Message: cut(message, maxText)}
	}
}

// readFailure reads what a failed slice left behind. Without a checkpoint of its own, the next slice begins where this
// one did. logged reports whether the worker has logged the problem.
func (c *collector) readFailure(err error) (f Failure, logged bool) {
	f = Failure{Checkpoint: c.state.Checkpoint, Problem: Problem{Class: ClassPassing, Message: err.Error()}}
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &application):
		var details Failure
		if application.Details(&details) == nil && details.Problem.Class != "" {
			return details, true
		}
		// A panic, or the worker does not have the activity.
		f.Problem.Message = application.Error()
	case errors.As(err, &timeout):
		f.Problem.Message = "the worker was lost while it ran a slice; another one goes on from its last checkpoint"
		if timeout.TimeoutType() == enums.TIMEOUT_TYPE_START_TO_CLOSE {
			f.Problem.Message = "the slice did not end in time; the next one goes on from its last checkpoint"
		}
		var last checkpoint.Checkpoint
		if timeout.HasLastHeartbeatDetails() && timeout.LastHeartbeatDetails(&last) == nil {
			f.Checkpoint = last
		}
	}
	return f, false
}
