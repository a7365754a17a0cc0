// Command demo shows the collector at work on one machine, without an account anywhere: an
// embedded Temporal with its Web UI, a simulated Okta org, a stand-in for Devo, a real worker, and
// the seven services from the one into the other over TLS.
//
// Everything that it starts are the programs in the directory where it is itself, so that what is seen is
// what runs in production but for the two stand-ins. All that it keeps is in one
// directory: the next run goes on where this one stopped.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	launcher := newLauncher()
	ctx := untilSignal(launcher.kill)
	called := false
	cmd := command(func(s settings) error {
		called = true
		return run(ctx, s, launcher, newScreen(os.Stdout))
	})
	err := cmd.Execute()
	launcher.kill() // whatever happened, nothing is left behind
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "demo:", err)
	if !called || errors.As(err, new(usageError)) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// untilSignal ends with the first signal; the second one ends the program at once.
func untilSignal(kill func()) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		<-signals
		kill()
		fmt.Fprintln(os.Stderr, "\ndemo: ended at once; the next run goes on from the last checkpoints")
		os.Exit(exitInterrupted)
	}()
	return ctx
}

func command(run func(settings) error) *cobra.Command {
	s := settings{org: bigOrg, ports: wellKnownPorts}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Collect a simulated Okta org into a Devo stand-in, on this machine alone",
		Long: `Collects a simulated Okta org into a Devo stand-in, on this machine alone.

Ctrl-C stops it, and the next run goes on where it stopped.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			if s.duration < 0 {
				return usageError{fmt.Errorf("--duration is %v; want 0, for until Ctrl-C, or more", s.duration)}
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding the programs beside this one: %w", err)
			}
			s.bin = filepath.Dir(self)
			return run(s)
		},
	}
	cmd.Flags().StringVar(&s.path, "dir", ".demo", "directory that keeps everything between runs")
	cmd.Flags().BoolVar(&s.reset, "reset", false, "empty the directory first and begin anew")
	cmd.Flags().DurationVar(&s.duration, "duration", 0, "stop by itself after this long (default until Ctrl-C)")
	return cmd
}

// usageError is the error of one who called the demo wrongly.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
