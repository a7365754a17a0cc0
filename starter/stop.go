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

	"okta-collector/workflows"
)

// stopPatience is how long somebody waits without a word. With a worker a stop takes a second, and a few more
// while Devo is slow to confirm.
const stopPatience = 5 * time.Second

func newStop(connect connector) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [okta/<tenant>/<service>...]",
		Short: "End collecting and wait until it has ended; start goes on from the position",
		Args:  checkSelection,
		RunE: onCollectors(connect, running, func(ctx context.Context, cmd *cobra.Command, c *temporal, ids []string) error {
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
			var state workflows.State
			err := c.GetWorkflow(ctx, id, "").Get(ctx, &state)
			mu.Lock()
			defer mu.Unlock()
			delete(waiting, id)
			if err != nil {
				failed.add(lines, id, stopProblem(ctx, err))
				return
			}
			lines.print(id, fmt.Sprintf("stopped after %s events", humanize.Comma(state.Checkpoint.Totals.Events)))
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

func stopProblem(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "not waited for; it stops as soon as a worker runs"
	}
	return "ended without its position: " + err.Error()
}
