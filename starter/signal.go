package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"okta-collector/internal/status"
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
		RunE: onCollectors(connect, func(cmd *cobra.Command, c *status.Reader, ids []string) error {
			if len(ids) == 0 {
				return errors.New(nothing(cmd, "is running"))
			}
			results := newResults(cmd, ids)
			for _, id := range ids {
				err := c.SignalWorkflow(cmd.Context(), id, "", signal, nil)
				if errors.As(err, new(*serviceerror.NotFound)) {
					err = notRunning(cmd.Context(), c, id)
				}
				results.print(id, signal+" sent", err)
			}
			return results.err()
		}),
	}
}

// notRunning is the error of an id that does not run: how it has ended, and what goes on with it.
func notRunning(ctx context.Context, c *status.Reader, id string) error {
	collector, over, err := c.Ended(ctx, id)
	switch {
	case err != nil:
		return err
	case !over:
		return errors.New("it was started at this moment; try again")
	}
	return errors.New("not running; " + endingAndRemedy(collector))
}
