// Package starter is the program that starts, watches and controls the collector's workflows.
//
// It talks to Temporal, which the TEMPORAL_* variables and profiles name. Only start, check and services read the
// collector's own settings. It exits with 0 if all is well, with 1 after a failure or if a service needs attention, with
// 2 if it was called wrongly, and with 130 if it was interrupted.
package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/buildinfo"
	"okta-collector/internal/printable"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells do
)

// Main runs the program with the process's arguments, and ends the process. The help and the errors have the name by which
// the program was called: starter, or okta-collector if it is installed.
func Main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := newRoot(connect)
	root.Use = filepath.Base(os.Args[0])
	os.Exit(execute(ctx, root))
}

// execute runs the command, and returns its exit code.
func execute(ctx context.Context, root *cobra.Command) int {
	// Texts come from Okta, Devo, certificates and anybody who can write to the namespace.
	root.SetOut(printable.Writer{To: root.OutOrStdout()})
	root.SetErr(printable.Writer{To: root.ErrOrStderr()})
	called := false
	root.PersistentPreRun = func(*cobra.Command, []string) { called = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	message, exit := err.Error(), exitError{code: exitFailed}
	if !errors.As(err, &exit) && !called {
		// Cobra refused the arguments, perhaps in several lines.
		message, exit.code = oneLine(message)+"; see "+root.Name()+" --help", exitUsage
	}
	fmt.Fprintln(root.ErrOrStderr(), root.Name()+": "+message)
	return exit.code
}

// exitError is an error with an exit code of its own: a wrong call or wrong settings, or an interruption.
type exitError struct {
	error
	code int
}

func usage(err error) error { return exitError{err, exitUsage} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

func newRoot(connect connector) *cobra.Command {
	root := &cobra.Command{
		Use:   "starter",
		Short: "Starts, watches and controls the collection of Okta orgs",
		Long: `Starts, watches and controls the collection of Okta orgs. Commands act on the workflow ids given, such
as okta/default/users, on those of --tenant, or on all; start acts on those in the settings. pause,
resume, stop and status also accept the ids of backfills, which status shows. Commands that change
something print a line for each id: the result, or FAILED: and the reason. The TEMPORAL_* variables
name Temporal; start, check and services read the same settings as the worker. docs/operating.md has more.`,
		Version:       buildinfo.Details(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("tenant", "", "act on this tenant only")
	root.AddCommand(
		newStart(connect), newStatus(connect),
		newSignal(connect, workflows.SignalPause, "Stop collecting within one page; the position is kept", checkIDs(true), noInput),
		newResume(connect),
		newSignal(connect, workflows.SignalPoll, "Do not wait for the next poll", checkIDs(false), noInput),
		newBackfill(connect), newStop(connect), newCheck(connect), newServices(), newSetup(connect),
	)
	return root
}

func tenantFlag(cmd *cobra.Command) string { return cmd.Flag("tenant").Value.String() }

// dialTimeout bounds the wait for Temporal. It is short because a person waits at a terminal.
const dialTimeout = 10 * time.Second

// connector connects to Temporal. It does not look at the namespace.
type connector func(ctx context.Context) (*status.Reader, error)

// connect is the connector for TEMPORAL_* and its profiles.
func connect(ctx context.Context) (*status.Reader, error) {
	options, err := temporalclient.Options()
	if err != nil {
		return nil, usage(err)
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // errors are returned
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := temporalclient.Dial(ctx, options)
	if err != nil {
		return nil, err
	}
	return &status.Reader{Client: c, Namespace: options.Namespace, Data: options.DataConverter}, nil
}

// run returns a command's function that connects to Temporal, checks that the namespace exists, calls run and disconnects.
func (connect connector) run(run func(*cobra.Command, *status.Reader, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := connect(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		if c.Retention, err = temporalclient.Retention(cmd.Context(), c.WorkflowService(), c.Namespace); err != nil {
			return err
		}
		return run(cmd, c, args)
	}
}
