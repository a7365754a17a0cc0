package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"okta-collector/internal/config"
	"okta-collector/internal/control"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

func newResume(connect connector) *cobra.Command {
	resume := newSignal(connect, workflows.SignalResume, "Go on after pause, and try again at once when blocked", checkIDs(true), func(cmd *cobra.Command) any {
		if reset, _ := cmd.Flags().GetBool("reset-proof"); reset {
			return workflows.ResumeInput{ResetProof: true}
		}
		return nil
	})
	resume.Flags().Bool("reset-proof", false, "forget how well Devo's server has proven that it reads events, and accept less; "+
		"for a server that has changed")
	return resume
}

// noInput is for signals without an input.
func noInput(*cobra.Command) any { return nil }

// newSignal returns a command that sends a signal. Temporal keeps the signal until a worker runs.
func newSignal(connect connector, signal, short string, args cobra.PositionalArgs, input func(*cobra.Command) any) *cobra.Command {
	return &cobra.Command{
		Use:   signal + " [okta/<tenant>/<service>...]",
		Short: short,
		Args:  args,
		RunE: connect.runOn(func(cmd *cobra.Command, c *status.Reader, ids []string) error {
			if len(ids) == 0 {
				return errors.New(nothingFound(cmd, "is running"))
			}
			return each(cmd, ids, 1, func(ctx context.Context, id string) (string, error) {
				err := c.SignalWorkflow(ctx, id, "", signal, input(cmd))
				if errors.As(err, new(*serviceerror.NotFound)) {
					if collector, readErr := c.Ended(ctx, id); readErr == nil && collector.HasEnded() {
						err = errors.New("not running; " + endingAndRemedy(collector))
					}
				}
				return signal + " sent", err
			})
		}),
	}
}

// newControl acts with the settings that are there. What they do not say matters only for a tenant's workflow that does
// not run, and whose services have no run.
func newControl(c *status.Reader) control.Control {
	plan, _, _ := config.LoadPlan()
	return control.Control{Reader: c, TaskQueue: cmp.Or(plan.TaskQueue, workflows.TaskQueue)}
}

// stopPatience is how long a stop waits before it says what it waits for. With a worker a stop takes a second, and a
// few more if Devo is slow to confirm.
const stopPatience = 5 * time.Second

func newStop(connect connector) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [okta/<tenant>/<service>...]",
		Short: "End collecting and wait until it has ended; start goes on from the position",
		Long: `Ends the collection of the ids given, of --tenant or of all, and waits until it has ended. A worker
must run for that. The position of a stopped service is kept until 'starter start --fresh'. Backfills
go on, unless their ids are given. For a backfill that is stopped before it is done, it prints the
command that fetches the rest. Exit code 1 if there is no workflow of an id, 130 if the waiting was
interrupted.`,
		Args: checkIDs(true),
		RunE: connect.runOn(func(cmd *cobra.Command, c *status.Reader, ids []string) error {
			if len(ids) == 0 {
				all, err := c.Known(cmd.Context(), tenantFlag(cmd))
				if err == nil && len(all) == 0 {
					err = errors.New(nothingFound(cmd, "was ever started"))
				} else if err == nil {
					fmt.Fprintln(cmd.ErrOrStderr(), "starter:", nothingFound(cmd, "is running"))
				}
				return err
			}
			s := stopping{Control: newControl(c)}
			patience := time.AfterFunc(stopPatience, func() { fmt.Fprint(cmd.ErrOrStderr(), s.hint()) })
			defer patience.Stop()
			err := each(cmd, ids, -1, s.one)
			if err != nil && cmd.Context().Err() != nil {
				return exitError{err, exitInterrupted}
			}
			return err
		}),
	}
}

type stopping struct {
	control.Control
	waiting sync.Map // the ids that were cancelled and have not ended
}

// one stops a collector or a backfill, waits, and says how it has ended.
func (s *stopping) one(ctx context.Context, id string) (done string, err error) {
	collector, err := s.Ended(ctx, id)
	switch {
	case err != nil:
		return "", err
	case collector.State == status.Missing && collector.Decision == nil:
		return "", errors.New(ending(collector))
	case collector.ForeignType != "":
		return "", errors.New(row{Collector: collector}.stranger() + " " + endingOf(id))
	case collector.HasEnded():
		return "not running; " + join(ending(collector), kept(collector), remedyFor(collector).String()), s.remember(ctx, collector)
	}
	// Not found: the workflow has ended at this moment.
	if err := s.CancelWorkflow(ctx, id, ""); err != nil && !errors.As(err, new(*serviceerror.NotFound)) {
		return "", err
	}
	s.waiting.Store(id, true)
	defer s.waiting.Delete(id)
	waitErr := s.GetWorkflow(ctx, id, "").Get(ctx, nil)
	if ctx.Err() != nil {
		return "", errors.New("not waited for; it stops as soon as a worker runs")
	}
	collector, err = s.Ended(ctx, id)
	switch {
	case err != nil:
		return "", err
	case !collector.HasEnded():
		return "", fmt.Errorf("it was told to stop, and waiting for that failed: %w", waitErr)
	case collector.EndedUnasked() || collector.Unanswered != "":
		return "", errors.New(endingAndRemedy(collector))
	case isBackfill(id):
		return endingAndRemedy(collector), nil
	}
	return join(ending(collector), kept(collector)), s.remember(ctx, collector)
}

// remember tells the tenant's workflow that a collector was stopped, and where, unless it knows. One that ended unasked is
// then stopped too.
func (s *stopping) remember(ctx context.Context, c status.Collector) error {
	err := s.HandOver(ctx, c)
	if err == nil && c.State != status.Stopped && !isBackfill(c.ID) {
		err = s.Decide(ctx, c, workflows.Decision{Decision: workflows.Stopped, Run: c.Run})
	}
	if err != nil {
		return fmt.Errorf("it has ended, but its tenant's workflow does not know that; stop it again, which only tells it: %w", err)
	}
	return nil
}

// kept says that the position of a stopped collector lasts; empty for a backfill, and if there is none.
func kept(c status.Collector) string {
	if c.State != status.Stopped || isBackfill(c.ID) {
		return ""
	}
	return "its position is kept"
}

// hint says what to do about a stop that takes too long; empty if nothing is waited for.
func (s *stopping) hint() string {
	var commands []string
	s.waiting.Range(func(id, _ any) bool {
		commands = append(commands, fmt.Sprintf("  %s\n", endingOf(id.(string))))
		return true
	})
	if commands == nil {
		return ""
	}
	slices.Sort(commands)
	return fmt.Sprintf("starter: still waiting for %d; is a worker running? 'starter status' says. Ctrl-C ends the waiting, and they stop when one does.\n"+
		"starter: To end one without a worker, after which 'starter start' goes on from its last checkpoint:\n", len(commands)) + strings.Join(commands, "")
}
