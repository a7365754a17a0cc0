package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"okta-collector/internal/status"
)

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
			return each(cmd, ids, 1, func(ctx context.Context, id string) (string, error) {
				err := c.SignalWorkflow(ctx, id, "", signal, nil)
				if errors.As(err, new(*serviceerror.NotFound)) {
					err = notRunning(ctx, c, id)
				}
				return signal + " sent", err
			})
		}),
	}
}

// notRunning is the error of an id that does not run: how it has ended, and what goes on with it.
func notRunning(ctx context.Context, c *status.Reader, id string) error {
	collector, err := c.Ended(ctx, id)
	switch {
	case err != nil:
		return err
	case !collector.HasEnded():
		return errors.New("it was started at this moment; try again")
	}
	return errors.New("not running; " + endingAndRemedy(collector))
}
