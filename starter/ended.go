package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// ending says how a collector or a backfill has ended.
func ending(c status.Collector) string {
	shipped := fmt.Sprintf("%s events, %s", humanize.Comma(c.Checkpoint.Totals.Events), humanize.Bytes(uint64(c.Checkpoint.Totals.Bytes)))
	switch {
	case c.State == status.Missing:
		return cause(c)
	case c.Unanswered != "":
		return fmt.Sprintf("%s, and its position cannot be read: %s", c.State, c.Unanswered)
	case c.EndedUnasked():
		return fmt.Sprintf("%s: %s", c.State, cause(c))
	case c.State == workflows.StateDone:
		return "done: " + shipped
	case share(c) != "":
		return fmt.Sprintf("stopped at %s, after %s", share(c), shipped)
	}
	return "stopped after " + shipped
}

// cause says why something is missing or has ended unasked; empty if neither.
func cause(c status.Collector) string {
	err := checkService(c.Service)
	switch {
	case !c.EndedUnasked():
		return ""
	case c.Failure != "":
		return c.Failure
	case c.State != status.Missing:
		return "ended without being stopped"
	case err != nil:
		return err.Error()
	}
	return "never started, or ended longer ago than the namespace keeps closed workflows"
}

// endingAndRemedy also says what to do about it.
func endingAndRemedy(c status.Collector) string { return join(ending(c), remedyFor(c).String()) }

// remedy is a command that goes on with what has ended; zero if nothing is left to do, or nothing can be done.
type remedy struct {
	// What the command is for, such as "start it with".
	What    string `json:"what"`
	Command string `json:"command"`
}

func (m remedy) String() string {
	if m == (remedy{}) {
		return ""
	}
	return m.What + ": " + m.Command
}

func remedyFor(c status.Collector) remedy {
	collector := workflows.WorkflowID(c.Tenant, c.Service)
	bounds, backfill := workflows.RangeOf(c.ID)
	switch {
	case !c.HasEnded(), c.State == workflows.StateDone, checkService(c.Service) != nil:
		return remedy{}
	case !backfill:
		return remedy{"start it with", "starter start " + collector}
	case c.State == status.Missing || c.Checkpoint.IsZero():
		return remedy{"start it with", backfillCommand(collector, bounds)}
	case bounds == (checkpoint.Range{}):
		return remedy{"fetch all again with", backfillCommand(collector, bounds)}
	}
	bounds.Since = c.Checkpoint.Position.Reached(bounds.Since)
	return remedy{"fetch the rest with", backfillCommand(collector, bounds)}
}

// backfillCommand starts the backfill of a range, or of all if there is none.
func backfillCommand(collector string, r checkpoint.Range) string {
	command := "starter backfill " + collector
	if r == (checkpoint.Range{}) {
		return command
	}
	return fmt.Sprintf("%s --since %s --until %s", command, r.Since.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
}
