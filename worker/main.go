// Package worker is the program that runs the collector's workflows and activities until it is told to stop.
//
// Its settings are environment variables, which --help lists. Temporal's own TEMPORAL_* variables and profiles configure
// the connection to Temporal. It exits with 0 after SIGTERM or SIGINT, with 1 after a failure, and with 2 if an argument
// or a setting is wrong.
package worker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"okta-collector/internal/buildinfo"
	"okta-collector/internal/config"
	"okta-collector/internal/printable"
	"okta-collector/internal/temporalclient"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the program with the process's arguments, and ends the process.
func Main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command runs the program, and returns its exit code.
func command(args []string, stdout, logFile *os.File) int {
	stderr := printable.Writer{To: logFile}
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors and help are written below
	version := flags.Bool("version", false, "")
	check := flags.Bool("check-settings", false, "")
	health := flags.Bool("health", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return help(stdout)
	case err != nil:
		fmt.Fprintf(stderr, "worker: %v; see worker --help\n", err)
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "worker: takes no arguments, but got %q; its settings are environment variables, see worker --help\n", flags.Arg(0))
		return exitUsage
	case *version:
		fmt.Fprintln(stdout, "okta-collector worker", buildinfo.Details())
		return 0
	case *health:
		if err := askHealth(context.Background()); err != nil {
			fmt.Fprintln(stderr, "worker:", err)
			return exitFailed
		}
		return 0
	}

	cfg, warnings, err := config.Load()
	options, temporalErr := temporalclient.Options()
	if err := errors.Join(err, temporalErr); err != nil {
		for _, warning := range warnings {
			fmt.Fprintln(stderr, "worker: warning:", warning)
		}
		fmt.Fprintln(stderr, "worker:", err)
		return exitUsage
	}
	log := newLogger(cfg.LogLevel, cfg.LogFormat, logFile)
	for _, warning := range warnings {
		log.Warn(warning)
	}
	cfg.Risks = append(cfg.Risks, temporalclient.Risks()...)
	for _, r := range cfg.Risks {
		log.Warn("a setting is a risk: "+r.String(), zap.String("tenant", r.Tenant))
	}
	if *check {
		return 0
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, cfg, options, log); err != nil {
		log.Error(err.Error())
		return exitFailed
	}
	log.Info("stopped")
	return 0
}

func help(w io.Writer) int {
	fmt.Fprint(w, `Collects what Okta orgs report about themselves into Devo: runs the workflows and
activities of the task queue until SIGTERM or SIGINT.

  worker [--check-settings | --health | --version | --help]

--check-settings says what is wrong with the settings, and does nothing else. --health asks the worker
that runs at COLLECTOR_LISTEN whether it is healthy: exit code 0 if it is, 1 if not.

The settings are environment variables:

`)
	if err := config.Usage(w); err != nil {
		return exitFailed
	}
	fmt.Fprint(w, `
With several tenants each has its own, such as ACME_OKTA_URL; what it does not set for itself is
taken from the name without the prefix, except OKTA_URL and Okta's credentials.
Temporal: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY or TEMPORAL_API_KEY_FILE,
TEMPORAL_TLS_..., TEMPORAL_PROFILE.
`)
	return 0
}
