// Command chaos lets everything go wrong for a while, as it does over the years, and then counts: every
// event that the simulated org made, and every object of each of its full pulls, has to have arrived, byte
// for byte. What Okta sent unreadable has to have arrived as a record that says so, and a pull that lacks something must
// not count as complete.
//
// Two real workers collect from a simulated org into the stand-in of Devo, most services over syslog and some over HTTP,
// with a real Temporal server on a database file. A schedule, which follows from a seed alone, kills the three programs,
// breaks the roads between the workers and both sides (toxiproxy), and makes Okta and Devo misbehave. Faults overlap.
// Every few minutes all of them are lifted, and once the collector has caught up, what arrived is compared with what the
// org has: the first event that is lost ends the run.
//
// For every third seed Devo is far away: see distanceOf. After each interruption of a slice only so much may be sent again
// as --repeats says.
//
// The org's own record of its requests is compared with Temporal's record of who had which slice: no service may
// be read by two workers at once.
//
// The exit code is 1 if anything is lost, changed or malformed, or was read twice at once; what all programs
// logged is then kept. It needs Linux, which ends the programs with this one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// plan says what is to go wrong, and when.
type plan struct {
	seed uint64
	// length is the time in which faults begin; the pauses in which everything is compared are not in it.
	length time.Duration
	// every is the mean time between two faults.
	every time.Duration
	// judged is the time between two comparisons; there is always one at the end.
	judged time.Duration
	// distance is how far Devo is away, as a round trip time; 0: on this machine.
	distance time.Duration
	// repeats is how many bytes may be sent again after each interruption of a slice.
	repeats size
}

func (p plan) check() error {
	var errs []error
	if p.length < 10*time.Second || p.length > 24*time.Hour {
		errs = append(errs, fmt.Errorf("--for is %v; want 10s to 24h", p.length))
	}
	if p.every < 100*time.Millisecond || p.every > p.length {
		errs = append(errs, fmt.Errorf("--every is %v; want 100ms to %v", p.every, p.length))
	}
	if p.judged < 10*time.Second {
		errs = append(errs, fmt.Errorf("--judged is %v; want at least 10s", p.judged))
	}
	if p.distance < 0 || p.distance > 10*time.Second {
		errs = append(errs, fmt.Errorf("--distance is %v; want 0 to 10s", p.distance))
	}
	return errors.Join(errs...)
}

// command is how one repeats the run.
func (p plan) command() string {
	usual := steady
	usual.seed, usual.length, usual.distance = p.seed, p.length, distanceOf(p.seed)
	if p == usual && p.length%time.Minute == 0 {
		return fmt.Sprintf("make chaos MINUTES=%d SEED=%d", p.length/time.Minute, p.seed)
	}
	return fmt.Sprintf("go run -C test ./chaos --for %v --every %v --judged %v --seed %d --distance %v --repeats %q",
		p.length, p.every, p.judged, p.seed, p.distance, p.repeats)
}

// steady is what is done where nothing else is said.
var steady = plan{seed: 1, length: 20 * time.Minute, every: 4 * time.Second, judged: 3 * time.Minute, repeats: 16 << 20}

func command() *cobra.Command {
	p, dry := steady, false
	cmd := &cobra.Command{
		Use:           "chaos",
		Short:         "Let everything go wrong for a while, and see that nothing is lost",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("distance") {
				p.distance = distanceOf(p.seed)
			}
			if err := p.check(); err != nil {
				return err
			}
			if dry {
				return print(cmd.OutOrStdout(), p)
			}
			return run(cmd.Context(), newScreen(os.Stdout), p)
		},
	}
	cmd.Flags().Uint64Var(&p.seed, "seed", p.seed, "decides what goes wrong and when")
	cmd.Flags().DurationVar(&p.length, "for", p.length, "how long faults begin; comparing comes on top of it")
	cmd.Flags().DurationVar(&p.every, "every", p.every, "mean time between two faults")
	cmd.Flags().DurationVar(&p.judged, "judged", p.judged, "time between two comparisons of what arrived")
	cmd.Flags().DurationVar(&p.distance, "distance", 0, fmt.Sprintf("how far Devo is away, as a round trip time (default %v for every third seed, else 0s)", farAway))
	cmd.Flags().Var(&p.repeats, "repeats", "bytes that may be sent again after each interruption of a slice")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the schedule and do nothing")
	return cmd
}

// print shows the schedule of a plan.
func print(out io.Writer, p plan) error {
	for _, s := range schedule(p) {
		if _, err := fmt.Fprintln(out, s); err != nil {
			return err
		}
	}
	return nil
}
