// Command bench measures how fast the collector works off a backlog of log events, and what
// that costs, beside the loop that somebody would write who wants no more than the events.
//
// Everything is a process of its own, and the real thing but for Okta and Devo: the worker as
// make build builds it, Temporal's dev server on a SQLite file, the starter; and a simulated
// org without rate limits. Loop and collector are measured in turns, since a machine is not equally fast at
// all times, and medians are reported.
//
// The loop's time is from its first request until its file is synced. The collector's is
// Temporal's own record: from the start of the workflow until the slice that found the end of
// the log has returned its checkpoint. So neither has the launch of a program in it, and the
// collector's has everything else: workflow tasks, scheduling, and for every page a sync and a
// durable checkpoint. CPU seconds are those of the process over the same span, give or take
// the start of the loop; memory is the peak of what it had resident then.
//
// Every file is compared with the org, byte for byte. The exit code is 1 if one of them
// differs, if the collector is slower than it has to be, or if its memory grows with the
// backlog. It needs Linux, whose /proc it reads.
//
// "bench memory" and "bench actions" measure what else an operator plans for: the worker's memory by the number of orgs,
// and the actions that Temporal Cloud bills.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan says what is measured.
type plan struct {
	events, eventBytes, rounds int
}

func (p plan) check() error {
	var errs []error
	if p.events < 1000 || p.events > 10_000_000 {
		errs = append(errs, fmt.Errorf("--events is %d; want 1,000 to 10,000,000", p.events))
	}
	if p.rounds < 1 || p.rounds > 100 {
		errs = append(errs, fmt.Errorf("--rounds is %d; want 1 to 100", p.rounds))
	}
	if p.eventBytes < 2000 || p.eventBytes > 100_000 {
		errs = append(errs, fmt.Errorf("--event-bytes is %d; want 2,000 to 100,000", p.eventBytes))
	}
	return errors.Join(errs...)
}

func command() *cobra.Command {
	var p plan
	cmd := &cobra.Command{
		Use:           "bench",
		Short:         "Measure the collector on a backlog, beside a minimal reading loop",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			return run(cmd.Context(), cmd.OutOrStdout(), p)
		},
	}
	cmd.Flags().IntVar(&p.events, "events", 100_000, "log events in the backlog")
	cmd.Flags().IntVar(&p.eventBytes, "event-bytes", 2800, "mean compact size of an event")
	cmd.Flags().IntVar(&p.rounds, "rounds", 7, "how often each is measured")
	cmd.AddCommand(loopCommand(), memoryCommand(), actionsCommand())
	return cmd
}
