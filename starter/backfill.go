package starter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// updateTimeout is how long a collector may take to start a backfill. A worker must run for that.
const updateTimeout = 30 * time.Second

func newBackfill(connect connector) *cobra.Command {
	var since, until string
	var following bool
	var r checkpoint.Range
	cmd := &cobra.Command{
		Use:   "backfill okta/<tenant>/<service>",
		Short: "Fetch a range of logs, or all of another service, once more beside the live collection",
		Long: `Fetches once more what was collected before, or should have been: the log events published at or
after --since and before --until, or everything of another service, without times. The live
collection must be running, and so must a worker. It goes on, and goes first.

Prints the workflow id of the backfill. pause, resume, stop and status accept that id. With it
--follow starts nothing: it follows the backfill, or says how it has ended. Exit code 1 if the
backfill failed or was stopped, 130 if following it was interrupted.`,
		Example: `  starter backfill okta/acme/logs --since 7d --follow
  starter backfill okta/acme/logs --since 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z
  starter backfill okta/acme/users`,
		Args: cobra.MatchAll(cobra.ExactArgs(1), checkIDs(true), func(_ *cobra.Command, args []string) (err error) {
			tenant, service, _ := workflows.ParseWorkflowID(args[0])
			if err := checkService(service); err != nil {
				return err
			}
			switch bounds, given := workflows.RangeOf(args[0]); {
			case given && since+until != "":
				return errors.New("the times are in the backfill's id: leave --since and --until away")
			case given && !following:
				return usagef("%s is the id of a backfill: follow it with --follow, or start one with: %s",
					args[0], backfillCommand(workflows.WorkflowID(tenant, service), bounds))
			case !given && workflows.HasRange(service) && since == "":
				return errors.New("--since is missing: a time such as 2026-11-01T00:00:00Z or how long ago, such as 7d")
			}
			r, err = parseRange(service, since, until, time.Now())
			return err
		}),
		RunE: connect.run(func(cmd *cobra.Command, c *status.Reader, args []string) error {
			ctx, out, id := cmd.Context(), cmd.OutOrStdout(), args[0]
			if isBackfill(id) {
				collector, err := c.Ended(ctx, id)
				if err != nil {
					return err
				}
				if collector.HasEnded() {
					return outcome(out, collector)
				}
			} else {
				tenant, service, _ := workflows.ParseWorkflowID(id)
				id = workflows.BackfillID(tenant, service, r)
				err := startBackfill(ctx, c, args[0], r)
				switch {
				case err == nil:
					fmt.Fprintln(out, id)
				case following && isRunning(ctx, c, id):
					fmt.Fprintln(out, id, "runs already")
				case errors.As(err, new(*serviceerror.NotFound)):
					return notCollected(cmd, args[0], id, r)
				default:
					return err
				}
			}
			if !following {
				return nil
			}
			return follow(ctx, out, id, c.Collector)
		}),
	}
	cmd.Flags().StringVar(&since, "since", "", "begin of the range, by publication: an RFC 3339 time, or how long ago (7d)")
	cmd.Flags().StringVar(&until, "until", "", "end of the range, not included; default now")
	cmd.Flags().BoolVarP(&following, "follow", "f", false, "show the progress until it ends; Ctrl-C ends that, not the backfill")
	return cmd
}

// parseRange reads the times. The collector checks the range.
func parseRange(service, since, until string, now time.Time) (r checkpoint.Range, err error) {
	if until == "" && workflows.HasRange(service) {
		until = "0s"
	}
	if r.Since, err = parseTime("--since", since, now); err == nil {
		r.Until, err = parseTime("--until", until, now)
	}
	return r, err
}

// startBackfill asks a collector to start a backfill.
func startBackfill(ctx context.Context, c *status.Reader, collector string, r checkpoint.Range) error {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: collector, UpdateName: workflows.UpdateBackfill, Args: []any{r}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil) // the answer is the id, which is known
	}
	var refusal *temporal.ApplicationError
	switch {
	case errors.As(err, &refusal):
		return errors.New(refusal.Message())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s does not answer: is a worker running, on its task queue? "+
			"It may still begin the backfill when one is; it is safe to try again", collector)
	case err != nil:
		return fmt.Errorf("asking %s for a backfill: %w", collector, err)
	}
	return nil
}

// isRunning reports whether a workflow of the id runs; false if Temporal does not answer.
func isRunning(ctx context.Context, c *status.Reader, id string) bool {
	collector, err := c.Ended(ctx, id)
	return err == nil && !collector.HasEnded()
}

// notCollected is the error of a service whose collector does not run. It has the command that backfills without one.
func notCollected(cmd *cobra.Command, collector, id string, r checkpoint.Range) error {
	plan, err := loadPlan(cmd)
	if err != nil {
		return err
	}
	tenant, service, _ := workflows.ParseWorkflowID(collector)
	if err := workflows.CheckRange(service, r, time.Now()); err != nil {
		return err
	}
	input, _ := json.Marshal(workflows.BackfillInput{Tenant: tenant, Service: service, Range: r}) // it always can be
	return fmt.Errorf(`%s is not running: start it with 'starter start %s', or backfill without it:
  temporal workflow start --type %s --task-queue %s --workflow-id %s --input '%s'`,
		collector, collector, workflows.BackfillName, plan.TaskQueue, id, input)
}
