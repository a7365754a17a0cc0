package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

const (
	// MaxName limits the names of a tenant and a service, in bytes. The settings' names are shorter.
	MaxName = 100
	// longestWait is the longest wait that a slice asks for: the longest OKTA_FULL_SYNC, and a day.
	longestWait = 31 * 24 * time.Hour
)

// received returns a slice's checkpoint without what cannot be, and names what was dropped. The ends of its windows are by
// Temporal's clock. A slice reaches its worker within the heartbeat timeout; if it does not, another worker gets it.
func received(c checkpoint.Checkpoint, now time.Time) (checkpoint.Checkpoint, checkpoint.Dropped) {
	c, d := c.Checked()
	return c.Received(now, heartbeatTimeout), d
}

// checked returns the state without what cannot be, and names what was dropped. Whoever may write to the namespace may
// have written it.
func (s State) checked(now time.Time) (State, checkpoint.Dropped) {
	var d checkpoint.Dropped
	s.Checkpoint, d = received(s.Checkpoint, now)
	checkpoint.Count(&d, "failures", &s.Failures)
	checkpoint.Count(&d, "restarts", &s.Restarts)
	checkpoint.Count(&d, "problems", &s.Problems)
	checkpoint.Count(&d, "slices", &s.Slices)
	checkpoint.Time(&d, "caughtUpAt", &s.CaughtUpAt)
	checkpoint.Time(&d, "began", &s.Began)
	s.Since = checkedSince(&d, s.Since)
	if !s.WakeReason.canBe() || s.WakeAt.After(now.Add(longestWait)) || !s.WakeAt.IsZero() && s.WakeAt.Year() < 1970 {
		s.WakeAt, s.WakeReason, d = time.Time{}, "", append(d, "wakeAt")
	}
	if p := s.LastProblem; p != nil {
		bounded := p.Bounded()
		checkpoint.Time(&d, "lastProblem", &bounded.At)
		if s.LastProblem = &bounded; !slices.Contains(classes, p.Class) {
			s.LastProblem, d = nil, append(d, "lastProblem")
		}
	}
	if s.LastWarning != nil {
		s.LastWarning = new(s.LastWarning.checked(&d))
	}
	s.Warnings = s.Warnings.checked(&d)
	return s, d
}

func (all Warnings) checked(d *checkpoint.Dropped) Warnings {
	all = slices.Clone(all[max(0, len(all)-maxWarnings):])
	for i, w := range all {
		all[i] = w.checked(d)
	}
	return all
}

func (w Warning) checked(d *checkpoint.Dropped) Warning {
	checkpoint.Time(d, "warnings", &w.At)
	checkpoint.Count(d, "warnings", &w.Count)
	return w.bounded()
}

// checkedSince returns where the System Log begins, or nil if that is no time or cannot be.
func checkedSince(d *checkpoint.Dropped, since *time.Time) *time.Time {
	if since == nil {
		return nil
	}
	at := *since
	checkpoint.Time(d, "since", &at)
	if at.IsZero() {
		return nil
	}
	return &at
}

// canBe reports whether a reason can be in a state.
func (r WaitReason) canBe() bool {
	return slices.Contains([]WaitReason{"", WaitPoll, WaitRateLimit, WaitYield, WaitBackoff, WaitBlocked, WaitNotInOrg, WaitTurn}, r)
}

// Checked returns the input of a slice without what cannot be, and names what was dropped.
func (in SliceInput) Checked() (SliceInput, checkpoint.Dropped) {
	var d checkpoint.Dropped
	in.Checkpoint, d = in.Checkpoint.Checked()
	checkpoint.Time(&d, "began", &in.Began)
	in.Since = checkedSince(&d, in.Since)
	return in, d
}

// Owner returns the type and the id of the only workflow that may run this slice.
func (in SliceInput) Owner() (workflowType, id string) {
	if in.Backfill != nil {
		return BackfillName, BackfillID(in.Tenant, in.Service, *in.Backfill)
	}
	return CollectName, WorkflowID(in.Tenant, in.Service)
}

// DroppedWarning is the warning about what a check has dropped from a state. where says where the state came from.
func DroppedWarning(where string, dropped checkpoint.Dropped) Warning {
	return Warning{Kind: warnState, Message: fmt.Sprintf("%s had values that cannot be, which were dropped: %s; "+
		"the collector does not write such values: see who may write to Temporal's namespace", where, strings.Join(slices.Compact(dropped), ", "))}
}

// warnOfDropped warns of what a check has dropped.
func (c *collector) warnOfDropped(ctx workflow.Context, where string, dropped checkpoint.Dropped) {
	if dropped != nil {
		c.warn(ctx, DroppedWarning(where, dropped))
	}
}
