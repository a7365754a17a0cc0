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
	// A blocked service tries again by itself after blockedRetry. The pause doubles up to longestBlockedRetry. The
	// first one is short because a person replaces a token file in about a minute.
	blockedRetry        = time.Minute
	longestBlockedRetry = 15 * time.Minute
	// NotInOrgRetry is when a collection that the org does not have is looked for again.
	NotInOrgRetry = 24 * time.Hour
	// maxRestarts limits the consecutive restarts of a pull after a refused cursor. One more blocks the service, because
	// each restart ships the same objects again.
	maxRestarts = 5
)

// onResult stores the result of a slice that did not fail, and decides what follows.
func (c *collector) onResult(ctx workflow.Context, r SliceResult) {
	c.advance(ctx, r.Checkpoint)
	c.warn(ctx, reported(r.Warning, r.Warnings)...)
	c.state.CaughtUp = false
	if r.End == EndCaughtUp {
		c.caughtUp(ctx)
	}
	// A poll that was requested during the slice begins at once. A backfill waits only if its pull was incomplete.
	if reason := r.End.Wait(); reason != "" && !c.done() && (reason != WaitPoll || !c.polled) {
		c.wakeAfter(ctx, r.Wait, reason)
	}
	c.polled = false
}

// advance stores a slice's checkpoint. Progress ends a series of failures or restarts.
func (c *collector) advance(ctx workflow.Context, next checkpoint.Checkpoint) {
	next, dropped := received(next, workflow.Now(ctx))
	c.warnOfDropped(ctx, "the checkpoint of a slice", dropped)
	if next.Moved(c.state.Checkpoint) { // a slice that had no budget for a request proves nothing
		c.state.Failures, c.state.Blocked = 0, false
	}
	if next.Totals.Pulls != c.state.Checkpoint.Totals.Pulls {
		c.state.Restarts = 0
	}
	if known := c.state.Checkpoint.Proven; known.ProofReset.After(next.ProofReset) {
		next.Proven = known // it was reset while the slice ran
	}
	c.state.Checkpoint = next
	c.sample(ctx)
}

// caughtUp records that a slice has found the end.
func (c *collector) caughtUp(ctx workflow.Context) {
	c.state.CaughtUp, c.state.CaughtUpAt = true, workflow.Now(ctx).UTC()
	c.state.Failures, c.state.Blocked = 0, false
}

// onFailure stores the checkpoint and the problem of a failed slice, and decides what follows. Its error ends the workflow.
func (c *collector) onFailure(ctx workflow.Context, err error) error {
	f, logged := c.readFailure(err)
	before := c.state.Checkpoint.Due
	c.advance(ctx, f.Checkpoint)
	c.warn(ctx, reported(f.Warning, f.Warnings)...)
	if ctx.Err() != nil || temporal.IsCanceledError(err) {
		// The slice was cancelled before a worker took it, or after its worker was lost.
		return nil
	}
	now := workflow.Now(ctx).UTC()
	p := f.Problem.Bounded()
	p.At = now
	c.state.LastProblem = &p
	c.state.Problems++
	if !logged {
		workflow.GetLogger(ctx).Warn("problem", "tenant", c.tenant, "service", c.service, "class", p.Class, "message", p.Message)
	}
	c.state.CaughtUp = false
	switch p.Class {
	case ClassUnknownTenant, ClassUnknownService:
		if p.Class == ClassUnknownService && !c.state.Checkpoint.HasCollected() {
			return temporal.NewNonRetryableApplicationError(p.String(), "UnknownService", nil)
		}
		// Another worker may know it: during an upgrade old and new workers run at the same time.
		c.retryAfter(ctx, blockedRetry, WaitBlocked)
	case ClassPerson:
		if !c.state.Blocked {
			c.state.Failures = 0 // earlier passing failures do not lengthen the first pause
		}
		c.retryAfter(ctx, doubled(blockedRetry, longestBlockedRetry, c.state.Failures), WaitBlocked)
	case ClassNotInOrg:
		c.state.Failures, c.state.Blocked = 0, false
		c.wakeAfter(ctx, NotInOrgRetry, WaitNotInOrg)
	case ClassCursorRefused:
		c.state.Checkpoint.Totals.Repeated += c.state.Checkpoint.Position.Repeats()
		c.state.Checkpoint.Position = c.state.Checkpoint.Position.BetweenPulls()
		if c.state.Restarts++; c.state.Restarts > maxRestarts {
			c.retryAfter(ctx, longestBlockedRetry, WaitBlocked)
		} else {
			c.retryAfter(ctx, doubled(firstBackoff, longestBackoff, c.state.Restarts-1), WaitBackoff)
		}
	default:
		if due := c.state.Checkpoint.Due; !due.Equal(before) && due.After(now) {
			// The slice failed after the last page of its pull. The next pull is not due yet.
			c.caughtUp(ctx)
			c.wakeAfter(ctx, due.Sub(now), WaitPoll)
			return nil
		}
		c.retryAfter(ctx, doubled(firstBackoff, longestBackoff, c.state.Failures), WaitBackoff)
	}
	return nil
}

// retryAfter waits after a failure. WaitBlocked waits for a person, and tries again by itself after the pause.
func (c *collector) retryAfter(ctx workflow.Context, pause time.Duration, reason WaitReason) {
	c.state.Blocked = reason == WaitBlocked
	c.state.Failures++
	c.wakeAfter(ctx, pause, reason)
}

// doubled returns the first pause after it was doubled so many times, at most longest.
func doubled(first, longest time.Duration, times int) time.Duration {
	return min(first<<min(times, 6), longest)
}

func (c *collector) warn(ctx workflow.Context, warnings ...Warning) {
	for _, w := range warnings {
		w.At = workflow.Now(ctx).UTC()
		c.state.Warnings = c.state.Warnings.With(w)
		c.state.LastWarning = new(c.state.Warnings[len(c.state.Warnings)-1])
	}
}

// readFailure returns the checkpoint and the problem of a failed slice. If the slice saved no checkpoint, the next one
// begins where this one did. logged reports whether the worker has logged the problem.
func (c *collector) readFailure(err error) (f Failure, logged bool) {
	f = Failure{Checkpoint: c.state.Checkpoint.Lost(), Problem: Problem{Class: ClassPassing, Message: err.Error()}}
	if application, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		var details Failure
		if application.Details(&details) == nil && details.Problem.Class != "" {
			return details, true
		}
		f.Problem.Message = application.Error() // a panic, or the worker does not have the activity
	}
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		f.Problem.Message = "the worker was lost while it ran a slice; another one goes on from its last checkpoint"
		if timeout.TimeoutType() == enums.TIMEOUT_TYPE_START_TO_CLOSE {
			f.Problem.Message = "the slice did not end in time; the next one goes on from its last checkpoint"
		}
		var last checkpoint.Checkpoint
		if timeout.HasLastHeartbeatDetails() && timeout.LastHeartbeatDetails(&last) == nil {
			f.Checkpoint = last.Lost()
		}
	}
	return f, false
}
