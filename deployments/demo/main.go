// Command demo shows the collector at work on one machine, without an account anywhere: an embedded Temporal with its Web
// UI, a simulated Okta org, a stand-in for Devo, a real worker, and some thirty services from the one into the other over TLS.
//
// It starts the programs in its own directory, so that everything but the two stand-ins is what runs in production. What
// it keeps is in one directory: the next run goes on where this one stopped.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = `Collects a simulated Okta org into a Devo stand-in, on this machine alone.

Ctrl-C stops it, and the next run goes on where it stopped; without its directory one begins anew.

While it runs, type ". .demo/settings" in a second terminal: then bin/starter and bin/temporal work with it.
Its output is also in .demo/logs/demo.log, because Ctrl-C ends the tee of "demo | tee file" too.

Flags:
`

// settings says what a run does.
type settings struct {
	// path is the directory that keeps everything between runs.
	path string
	// duration is how long it collects; 0: until it is told to stop.
	duration time.Duration
	// bin is the directory of the programs.
	bin   string
	ports ports
	// counts are the objects in the simulated org.
	counts string
}

func main() {
	s := settings{counts: bigOrg, ports: wellKnownPorts}
	flag.StringVar(&s.path, "dir", ".demo", "directory that keeps everything between runs")
	flag.DurationVar(&s.duration, "duration", 0, "stop by itself after this long (default until Ctrl-C)")
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage); flag.PrintDefaults() }
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: takes no arguments, but got %q; see demo --help\n", flag.Arg(0))
		os.Exit(2)
	}
	self, err := os.Executable()
	if err == nil {
		s.bin = filepath.Dir(self)
		ctx, force := untilSignals()
		ctx, stop := context.WithCancel(ctx)
		err = run(ctx, force, s, &screen{out: os.Stdout, log: io.Discard, lost: stop})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// untilSignals returns two contexts: the first signal ends the first one, and the second one both.
func untilSignals() (ctx, force context.Context) {
	force, kill := context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(force)
	// With this, a write that nobody reads returns an error and does not end the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		stop()
		<-signals
		kill()
	}()
	return ctx, force
}
