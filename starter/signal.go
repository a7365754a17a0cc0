package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"okta-collector/workflows"
)

func newPause(connect connector) *cobra.Command {
	return newSignal(connect, workflows.SignalPause, "Stop collecting within one page; the position is kept", checkSelection)
}

func newResume(connect connector) *cobra.Command {
	return newSignal(connect, workflows.SignalResume, "Go on after pause, and try again at once when blocked", checkSelection)
}

func newPoll(connect connector) *cobra.Command {
	return newSignal(connect, workflows.SignalPoll, "Do not wait for the next poll", checkCollectors)
}

// newSignal is a command that sends a signal. Temporal keeps it until a worker is there.
func newSignal(connect connector, signal, short string, args cobra.PositionalArgs) *cobra.Command {
	return &cobra.Command{
		Use:   signal + " [okta/<tenant>/<service>...]",
		Short: short,
		Args:  args,
		RunE: onCollectors(connect, func(ctx context.Context, cmd *cobra.Command, c *temporal, ids []string) error {
			if len(ids) == 0 {
				return errors.New(nothing(cmd, "is running"))
			}
			lines := newLines(cmd.OutOrStdout(), ids)
			var failed failures
			for _, id := range ids {
				err := c.SignalWorkflow(ctx, id, "", signal, nil)
				if errors.As(err, new(*serviceerror.NotFound)) {
					err = c.notRunning(ctx, id)
				}
				if err != nil {
					failed.add(lines, id, err.Error())
					continue
				}
				lines.print(id, signal+" sent")
			}
			return failed.err(len(ids))
		}),
	}
}

// notRunning is the error of what acts on an id that does not run: how it has ended, and what goes on with it.
func (c *temporal) notRunning(ctx context.Context, id string) error {
	r, over, err := c.ifEnded(ctx, id)
	switch {
	case err != nil:
		return err
	case !over:
		return errors.New("it was started at this moment; try again")
	}
	return errors.New("not running; " + r.endingAndRemedy())
}

// failures counts the collectors for which a command failed.
type failures int

func (f *failures) add(l lines, id, problem string) {
	*f++
	l.print(id, "FAILED: "+problem)
}

func (f failures) err(all int) error {
	if f == 0 {
		return nil
	}
	return fmt.Errorf("failed for %d of %d", f, all)
}
