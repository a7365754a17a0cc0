package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

// What a running workflow tells about itself: the answer to the status query, and the search attributes.

var (
	attributeTenant  = temporal.NewSearchAttributeKeyKeyword(AttributeTenant)
	attributeService = temporal.NewSearchAttributeKeyKeyword(AttributeService)
	attributeState   = temporal.NewSearchAttributeKeyKeyword(AttributeState)
)

func (c *collector) answerQueries(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return c.status(), nil },
		workflow.QueryHandlerOptions{Description: "state, checkpoint, next wake-up and its reason, totals, lag and last problem"})
	if err != nil {
		return fmt.Errorf("setting the query handler: %w", err)
	}
	return nil
}

// status answers the query. A query may run long after the last workflow task, so the answer has no relative times.
func (c *collector) status() Status {
	s := Status{
		Tenant: c.tenant, Service: c.service, State: c.collectorState(), Reason: c.reason(),
		Checkpoint: c.state.Checkpoint, CaughtUp: c.state.CaughtUp, Recent: c.recent,
		Slices: c.state.Slices, Failures: c.state.Failures, Problems: c.state.Problems,
		LastProblem: c.state.LastProblem, LastWarning: c.state.LastWarning,
	}
	if !c.state.WakeAt.IsZero() && !c.state.Paused {
		at := c.state.WakeAt
		s.WakeAt = &at
	}
	if c.backfill != nil {
		s.Backfill = c.backfillStatus()
		return s
	}
	if !c.state.CaughtUp {
		s.BehindSince = c.state.CaughtUpAt
		if newest := c.state.Checkpoint.Position.Newest; newest.After(s.BehindSince) {
			s.BehindSince = newest
		}
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
		return StateRunning // also after a pause: the slice still delivers its last batch
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

const (
	maxRecent   = 8
	recentEvery = time.Minute
)

// sample records the present totals in recent, at most once a minute.
func (c *collector) sample(ctx workflow.Context) {
	now := workflow.Now(ctx).UTC()
	if n := len(c.recent); n > 0 && now.Sub(c.recent[n-1].At) < recentEvery {
		return
	}
	totals := c.state.Checkpoint.Totals
	c.recent = append(c.recent, Sample{At: now, Events: totals.Events, Bytes: totals.Bytes})
	c.recent = c.recent[max(0, len(c.recent)-maxRecent):]
}

// updateWebUI brings the details in the Web UI and the search attributes up to date.
func (c *collector) updateWebUI(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, c.details(ctx))
	state := AttributeCollecting
	switch {
	case c.state.Paused:
		state = AttributePaused
	case c.state.Blocked:
		state = AttributeBlocked
	}
	if state == c.attribute {
		return nil
	}
	// An upsert is a billable action. The starter, or the run before, may have set the same values.
	known := c.attribute == "" && attributesHave(ctx, c.tenant, c.service, state)
	if c.attribute = state; known {
		return nil
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx,
		attributeTenant.ValueSet(c.tenant), attributeService.ValueSet(c.service), attributeState.ValueSet(state)); err != nil {
		return fmt.Errorf("upserting search attributes: %w", err)
	}
	return nil
}

// attributesHave reports whether the run was started with these search attributes.
func attributesHave(ctx workflow.Context, tenant, service, state string) bool {
	have := workflow.GetTypedSearchAttributes(ctx)
	t, _ := have.GetKeyword(attributeTenant)
	s, _ := have.GetKeyword(attributeService)
	st, _ := have.GetKeyword(attributeState)
	return t == tenant && s == service && st == state
}
