// Command bench compares the collector with what somebody would write who wants no more than the events, and holds it
// against its targets. It prints a row for each target, and its exit code is 1 if too many of them are missed: see judge.
//
// Everything is a process of its own, and the real thing but for Okta and Devo: the worker as make build builds it,
// Temporal's dev server on a SQLite file, the starter; and a simulated org without rate limits. What stands for Devo, and
// the wires that stand for a distance, are in this process. The collector and what it is compared with are measured in
// turns, since a machine is not equally fast at all times. All ratios are medians of those of each round.
//
// The time of a loop is from its first step until it has synced or sent everything. The collector's is Temporal's own
// record: from the start of the workflow until the slice that found the end of the log has returned its checkpoint. So
// neither has the launch of a program in it, and the collector's has everything else: workflow tasks, scheduling, and the
// durable checkpoints. CPU seconds are those of the process over the same span.
//
// Each file is compared with the org byte for byte, and so is each event that Devo got. The command needs Linux, whose
// /proc it reads.
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
	"slices"
	"strings"
	"syscall"
	"time"

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
	// only are the names of the parts.
	only []string
	// events is the backlog of most parts, largeEvents that of the large ones, and eventBytes their mean compact size.
	events, largeEvents, eventBytes int
	// rounds is how often each is measured in most parts.
	rounds int
	// live is how long live events are measured.
	live time.Duration
}

func (p plan) check() error {
	var errs []error
	for name, events := range map[string]int{"events": p.events, "large-events": p.largeEvents} {
		if events < 1000 || events > 10_000_000 {
			errs = append(errs, fmt.Errorf("--%s is %d; want 1,000 to 10,000,000", name, events))
		}
	}
	if p.rounds < 1 || p.rounds > 100 {
		errs = append(errs, fmt.Errorf("--rounds is %d; want 1 to 100", p.rounds))
	}
	if p.eventBytes < 2000 || p.eventBytes > 100_000 {
		errs = append(errs, fmt.Errorf("--event-bytes is %d; want 2,000 to 100,000", p.eventBytes))
	}
	if p.live < poll || p.live > time.Hour {
		errs = append(errs, fmt.Errorf("--live is %v; want %v to 1h", p.live, poll))
	}
	for _, name := range p.only {
		if !slices.Contains(partNames(), name) {
			errs = append(errs, fmt.Errorf("--only has %q; want some of %s", name, strings.Join(partNames(), ",")))
		}
	}
	return errors.Join(errs...)
}

func command() *cobra.Command {
	var p plan
	cmd := &cobra.Command{
		Use:           "bench",
		Short:         "Compare the collector with loops that do less, and hold it against its targets",
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
	cmd.Flags().StringSliceVar(&p.only, "only", partNames(), "what is measured")
	cmd.Flags().IntVar(&p.events, "events", 100_000, "log events in the backlog")
	cmd.Flags().IntVar(&p.largeEvents, "large-events", 1_000_000, "the same for the parts large-files and large-tls-150")
	cmd.Flags().IntVar(&p.eventBytes, "event-bytes", 2800, "mean compact size of an event")
	cmd.Flags().IntVar(&p.rounds, "rounds", 5, "how often each is measured")
	cmd.Flags().DurationVar(&p.live, "live", 5*time.Minute, "how long live events are measured")
	cmd.AddCommand(loopCommand(), carefulLoopCommand(), senderCommand(), memoryCommand(), actionsCommand())
	return cmd
}
