package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

// What a running workflow answers to the status query.

// status answers the query. A query may run long after the last workflow task, so the answer has no relative times.
func (c *collector) status() Status {
	s := Status{
		Tenant: c.tenant, Service: c.service, State: c.collectorState(), Reason: c.reason(),
		Checkpoint: c.state.Checkpoint, CaughtUp: c.state.CaughtUp, Recent: c.recent,
		Slices: c.state.Slices, Failures: c.state.Failures, Problems: c.state.Problems,
		LastProblem: c.state.LastProblem, LastWarning: c.state.LastWarning, Warnings: c.state.Warnings,
	}
	if !c.state.WakeAt.IsZero() && !c.state.Paused {
		s.WakeAt = new(c.state.WakeAt)
	}
	if c.backfill != nil {
		s.Backfill = c.backfillStatus()
	} else if !c.state.CaughtUp {
		s.BehindSince = c.state.Checkpoint.Position.Reached(c.state.CaughtUpAt)
	}
	return s
}

func (c *collector) backfillStatus() *BackfillStatus {
	s := &BackfillStatus{Range: *c.backfill, Began: c.state.Began}
	if *c.backfill != (checkpoint.Range{}) {
		s.Progress = new(Progress(*c.backfill, c.state.Checkpoint))
	}
	return s
}

func (c *collector) collectorState() CollectorState {
	switch {
	case c.done():
		return StateDone
	case c.running:
		return StateRunning // also after a pause: the slice still delivers the batch under way
	case c.state.Paused:
		return StatePaused
	case c.state.Blocked:
		return StateBlocked
	case c.state.WakeAt.IsZero():
		return StateRunning
	default:
		return StateWaiting
	}
}

// reason says why nothing is fetched; empty while a slice runs.
func (c *collector) reason() WaitReason {
	switch {
	case c.state.Paused:
		return WaitPaused
	case c.running:
		return ""
	case c.state.Blocked && !c.state.WakeAt.IsZero():
		return WaitBlocked // also while it waits for a rate limit before it tries again
	}
	return c.state.WakeReason
}

const maxRecent = 8

// sample records the present totals in recent, at most once a minute.
func (c *collector) sample(ctx workflow.Context) {
	now := workflow.Now(ctx).UTC()
	if n := len(c.recent); n > 0 && now.Sub(c.recent[n-1].At) < time.Minute {
		return
	}
	totals := c.state.Checkpoint.Totals
	c.recent = append(c.recent, Sample{At: now, Events: totals.Events, Bytes: totals.Bytes})
	c.recent = c.recent[max(0, len(c.recent)-maxRecent):]
}
