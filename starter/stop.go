package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// stopPatience is how long somebody waits without a word. With a worker a stop takes a second, and a few more
// while Devo is slow to confirm.
const stopPatience = 5 * time.Second

func newStop(connect connector) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [okta/<tenant>/<service>...]",
		Short: "End collecting and wait until it has ended; start goes on from the position",
		Long: `Ends the collection of the ids given, of --tenant or of all, and waits until it has ended;
start goes on from the position. Backfills go on, unless their ids are given. For one that is
stopped before it was done it prints the command that fetches the rest.`,
		Args: checkSelection,
		RunE: onCollectors(connect, func(ctx context.Context, cmd *cobra.Command, c *temporal, ids []string) error {
			if len(ids) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "starter:", nothing(cmd, "is running"))
				return nil
			}
			return stop(ctx, c, cmd, ids)
		}),
	}
}

// stop cancels all and waits for each. A collector ends within a page, if a worker runs.
func stop(ctx context.Context, c *temporal, cmd *cobra.Command, ids []string) error {
	lines := newLines(cmd.OutOrStdout(), ids)
	var mu sync.Mutex
	var failed failures
	waiting := make(map[string]bool)
	var all sync.WaitGroup
	for _, id := range ids {
		switch err := c.CancelWorkflow(ctx, id, ""); {
		case errors.As(err, new(*serviceerror.NotFound)):
			lines.print(id, "not running")
			continue
		case err != nil:
			mu.Lock()
			failed.add(lines, id, err.Error())
			mu.Unlock()
			continue
		}
		mu.Lock()
		waiting[id] = true
		mu.Unlock()
		all.Go(func() {
			state, err := endState(ctx, c.GetWorkflow(ctx, id, ""))
			mu.Lock()
			defer mu.Unlock()
			delete(waiting, id)
			if err != nil {
				failed.add(lines, id, stopProblem(ctx, err))
				return
			}
			lines.print(id, fmt.Sprintf("stopped after %s events", humanize.Comma(state.Checkpoint.Totals.Events))+andTheRest(id, state.Checkpoint))
		})
	}
	patience := time.AfterFunc(stopPatience, func() {
		mu.Lock()
		defer mu.Unlock()
		if len(waiting) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "starter: still waiting for %d; is a worker running? Ctrl-C ends the waiting, and they stop when one does\n", len(waiting))
		}
	})
	defer patience.Stop()
	all.Wait()
	return failed.err(len(ids))
}

// andTheRest says how to fetch what a backfill that was stopped has not; empty where nothing is left,
// or start goes on from the position.
func andTheRest(id string, c checkpoint.Checkpoint) string {
	r, backfill := workflows.RangeOf(id)
	if !backfill || c.Totals.Pulls > 0 {
		return ""
	}
	tenant, service, _ := workflows.ParseWorkflowID(id)
	command := "starter backfill " + workflows.WorkflowID(tenant, service)
	if r == (checkpoint.Range{}) {
		return "; fetch all again with: " + command
	}
	// Other events may have been published in the same millisecond as the last one, so that comes again.
	for _, reached := range []time.Time{c.Position.Covered, c.Position.Newest} {
		if reached.After(r.Since) {
			r.Since = reached
		}
	}
	return fmt.Sprintf("; fetch the rest with: %s --since %s --until %s", command, r.Since.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
}

func stopProblem(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "not waited for; it stops as soon as a worker runs"
	}
	return "ended without its position: " + err.Error()
}
