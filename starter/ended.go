package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/config"
	"okta-collector/workflows"
)

// ended says whether there is nothing more to wait for.
func ended(r report) bool {
	switch r.State {
	case workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, workflows.StateBlocked, stateUnknown:
		return false
	}
	return true
}

// endedUnasked says whether it is not there, and nobody has told it to end.
func endedUnasked(r report) bool {
	return ended(r) && r.State != workflows.StateDone && r.State != stateStopped
}

// ending says how a collector or a backfill has ended.
func (r report) ending() string {
	shipped := fmt.Sprintf("%s events, %s", humanize.Comma(r.Checkpoint.Totals.Events), humanize.Bytes(uint64(r.Checkpoint.Totals.Bytes)))
	switch {
	case r.State == stateMissing:
		return r.Reason
	case r.Unanswered != "":
		return fmt.Sprintf("%s, and its position cannot be read: %s", r.State, r.Unanswered)
	case endedUnasked(r):
		return fmt.Sprintf("%s: %s", r.State, r.Reason)
	case r.State == workflows.StateDone:
		return "done: " + shipped
	case r.share() != "":
		return fmt.Sprintf("stopped at %s, after %s", r.share(), shipped)
	}
	return "stopped after " + shipped
}

// endingAndRemedy says what to do about it too.
func (r report) endingAndRemedy() string {
	if r.Remedy == nil {
		return r.ending()
	}
	return r.ending() + "; " + r.Remedy.String()
}

// remedy is a command that goes on with what has ended.
type remedy struct {
	// What the command is for, such as "start it with".
	What    string `json:"what"`
	Command string `json:"command"`
}

func (m remedy) String() string { return m.What + ": " + m.Command }

// remedyFor is what goes on with one that has ended; nil where nothing is left to do, or nothing can be done.
func remedyFor(r report) *remedy {
	tenant, service, _ := workflows.ParseWorkflowID(r.ID)
	collector := workflows.WorkflowID(tenant, service)
	bounds, backfill := workflows.RangeOf(r.ID)
	switch {
	case !ended(r), r.State == workflows.StateDone, checkService(service) != nil:
		return nil
	case !backfill:
		return &remedy{"start it with", "starter start " + collector}
	case r.State == stateMissing || r.Checkpoint.IsZero():
		return &remedy{"start it with", backfillCommand(collector, bounds)}
	case bounds == (checkpoint.Range{}):
		return &remedy{"fetch all again with", backfillCommand(collector, bounds)}
	}
	bounds.Since = r.Checkpoint.Position.Reached(bounds.Since)
	return &remedy{"fetch the rest with", backfillCommand(collector, bounds)}
}

// backfillCommand starts the backfill of a range, or of all where there is none.
func backfillCommand(collector string, r checkpoint.Range) string {
	command := "starter backfill " + collector
	if r == (checkpoint.Range{}) {
		return command
	}
	return fmt.Sprintf("%s --since %s --until %s", command, r.Since.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
}

// isMistake says whether nobody misses what has ended: it has never collected anything, and is none of the catalog's
// services, or none that the plan has of a tenant that is in the plan. All others somebody may want.
func isMistake(r report, plan config.Plan) bool {
	if !r.neverCollected {
		return false
	}
	planned := slices.ContainsFunc(plan.Targets, func(t config.Target) bool { return t.Tenant == r.Tenant })
	return checkService(r.Service) != nil || plan.Given && planned && !slices.Contains(plan.Targets, config.Target{Tenant: r.Tenant, Service: r.Service})
}
