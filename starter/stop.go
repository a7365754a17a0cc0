package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
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
stopped before it was done it prints the command that fetches the rest.

It needs a worker, without which it waits until there is one. Exit code 1 if one was never there, 130
if the waiting was interrupted.`,
		Args: checkSelection,
		RunE: onCollectors(connect, func(ctx context.Context, cmd *cobra.Command, c *temporal, ids []string) error {
			if len(ids) > 0 {
				return stop(ctx, c, cmd, ids)
			}
			all, err := list(ctx, c, everStarted, tenantFlag(cmd))
			if err != nil {
				return err
			}
			if len(all) == 0 {
				return errors.New(nothing(cmd, "was ever started"))
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "starter:", nothing(cmd, "is running"))
			return nil
		}),
	}
}

// stop cancels all and waits for each. A collector ends within a page, if a worker runs.
func stop(ctx context.Context, c *temporal, cmd *cobra.Command, ids []string) error {
	s := stopping{c: c, lines: newLines(cmd.OutOrStdout(), ids), waiting: make(map[string]bool)}
	patience := time.AfterFunc(stopPatience, func() { fmt.Fprint(cmd.ErrOrStderr(), s.hint()) })
	defer patience.Stop()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() { s.one(ctx, id) })
	}
	all.Wait()
	err := s.failed.err(len(ids))
	if err != nil && ctx.Err() != nil {
		return interruptedError{err}
	}
	return err
}

// stopping is one call of stop.
type stopping struct {
	c     *temporal
	lines lines

	mu      sync.Mutex
	waiting map[string]bool // the ids that were told to end
	failed  failures
}

// one stops a collector or a backfill, waits, and says how it has ended.
func (s *stopping) one(ctx context.Context, id string) {
	said, err := s.end(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed.add(s.lines, id, err.Error())
		return
	}
	s.lines.print(id, said)
}

func (s *stopping) end(ctx context.Context, id string) (said string, err error) {
	r, over, err := s.c.ifEnded(ctx, id)
	switch {
	case err != nil:
		return "", err
	case r.State == stateMissing:
		return "", errors.New(r.ending())
	case over:
		return "not running; " + r.endingAndRemedy(), nil
	}
	// One that is not found has ended at this moment.
	if err := s.c.CancelWorkflow(ctx, id, ""); err != nil && !errors.As(err, new(*serviceerror.NotFound)) {
		return "", err
	}
	s.waits(id, true)
	defer s.waits(id, false)
	waitErr := s.c.GetWorkflow(ctx, id, "").Get(ctx, nil)
	if ctx.Err() != nil {
		return "", errors.New("not waited for; it stops as soon as a worker runs")
	}
	r, over, err = s.c.ifEnded(ctx, id)
	switch {
	case err != nil:
		return "", err
	case !over:
		return "", fmt.Errorf("it was told to stop, and waiting for that failed: %w", waitErr)
	case endedUnasked(r) || r.Unanswered != "":
		return "", errors.New(r.endingAndRemedy())
	case isBackfill(id):
		return r.endingAndRemedy(), nil
	}
	return r.ending(), nil
}

func (s *stopping) waits(id string, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if yes {
		s.waiting[id] = true
	} else {
		delete(s.waiting, id)
	}
}

// hint is for those who wait longer than they should; empty if nobody does.
func (s *stopping) hint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return ""
	}
	hint := fmt.Sprintf("starter: still waiting for %d; is a worker running? Ctrl-C ends the waiting, and they stop when one does.\n"+
		"starter: To end one without a worker, after which 'starter start' goes on from its last checkpoint:\n", len(s.waiting))
	for _, id := range slices.Sorted(maps.Keys(s.waiting)) {
		hint += "  temporal workflow terminate --workflow-id " + id + "\n"
	}
	return hint
}
