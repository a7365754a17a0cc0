// Command starter starts, watches and controls the collector's workflows.
//
// It talks to Temporal, which the TEMPORAL_* variables and profiles name. Only start and check need the collector's own
// settings. It exits with 0 if all is well, with 1 after a failure or if a service needs attention, with 2 if it was called
// wrongly, and with 130 if it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"okta-collector/internal/buildinfo"
	"okta-collector/workflows"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells do
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(execute(ctx, newRoot(connect)))
}

// execute runs the command, and returns its exit code.
func execute(ctx context.Context, root *cobra.Command) int {
	called := false
	root.PersistentPreRun = func(*cobra.Command, []string) { called = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	message, exit := err.Error(), exitError{code: exitFailed}
	if !errors.As(err, &exit) && !called {
		// Cobra refused the arguments, perhaps in several lines.
		message, exit.code = strings.Join(strings.Fields(message), " ")+"; see "+root.Name()+" --help", exitUsage
	}
	fmt.Fprintln(root.ErrOrStderr(), root.Name()+": "+message)
	return exit.code
}

// exitError is an error with an exit code of its own: a wrong call or wrong settings, or an interruption.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

func usage(err error) error { return exitError{err, exitUsage} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

func newRoot(connect connector) *cobra.Command {
	root := &cobra.Command{
		Use:   "starter",
		Short: "Starts, watches and controls the collection of Okta orgs",
		Long: `Starts, watches and controls the collection of Okta orgs.

Commands act on the workflow ids given, such as okta/default/users, on those of
--tenant, or on all; start on those of the settings. pause, resume, stop and status
know backfills too, by their ids, which status shows. Commands that act print a line
for each id: what came of it, or FAILED: and why. Temporal is found by TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE and the like; start and check read the same settings as the worker.`,
		Version:       buildinfo.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("tenant", "", "act on this tenant only")
	root.AddCommand(
		newStart(connect), newStatus(connect),
		newSignal(connect, workflows.SignalPause, "Stop collecting within one page; the position is kept", checkIDs(true)),
		newSignal(connect, workflows.SignalResume, "Go on after pause, and try again at once when blocked", checkIDs(true)),
		newSignal(connect, workflows.SignalPoll, "Do not wait for the next poll", checkIDs(false)),
		newBackfill(connect), newStop(connect), newCheck(),
	)
	return root
}

// tenantFlag is the value of --tenant.
func tenantFlag(cmd *cobra.Command) string {
	return cmd.Flag("tenant").Value.String()
}
