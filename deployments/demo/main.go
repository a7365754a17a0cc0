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
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, now := untilSignals()
	s := settings{org: bigOrg, ports: wellKnownPorts}
	called := false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Collect a simulated Okta org into a Devo stand-in, on this machine alone",
		Long: `Collects a simulated Okta org into a Devo stand-in, on this machine alone.

Ctrl-C stops it, and the next run goes on where it stopped; without its directory one begins anew.

While it runs, a second terminal has its settings by ". .demo/settings": then bin/starter and bin/temporal work
with it. What it says is also in .demo/logs/demo.log, since "demo | tee file" has no tee any more after Ctrl-C.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			called = true
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding the programs beside this one: %w", err)
			}
			s.bin = filepath.Dir(self)
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			return run(ctx, now, s, newScreen(os.Stdout, os.Stderr, stop))
		},
	}
	cmd.Flags().StringVar(&s.path, "dir", ".demo", "directory that keeps everything between runs")
	cmd.Flags().DurationVar(&s.duration, "duration", 0, "stop by itself after this long (default until Ctrl-C)")
	err := cmd.Execute()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "demo:", err)
	if !called {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// untilSignals returns two contexts: the first signal ends the first one, and the second one both.
func untilSignals() (ctx, now context.Context) {
	now, kill := context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(now)
	// A write that nobody reads is an error then, and not the end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		stop()
		<-signals
		kill()
	}()
	return ctx, now
}

// settings are what a run is to do.
type settings struct {
	// path is that of the directory which keeps everything.
	path string
	// duration is how long it collects; 0: until it is told to stop.
	duration time.Duration
	// bin is the directory of the programs.
	bin   string
	ports ports
	org   org
}
