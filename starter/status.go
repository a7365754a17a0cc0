package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/config"
)

func newStatus(connect connector) *cobra.Command {
	var output string
	var watched bool
	cmd := &cobra.Command{
		Use:   "status [okta/<tenant>/<service>...]",
		Short: "Show where each collector is; exit code 1 if one needs attention",
		Long: `Shows the collectors and backfills of the ids given; without ids all collectors that were
ever started, of --tenant or of all, each with the backfills that it has running.

A run that has failed or was terminated needs attention, but where it never collected anything and
is of no service that there is, or of none in OKTA_SERVICES: somebody has mistyped a command. It is
shown for an hour.

EVENTS and BYTES are all that was ever shipped; LAST 5 MIN says so where it is not about five.
EVENTS/S is that of the slice under way, with --watch that of the last minute. LAG is 0s when caught
up, else the age of the last event shipped. BUDGET is the requests that the collector has sent in
Okta's present rate-limit window, of the limit of all. Below the table is what keeps one from
collecting, and for an hour each what it last warned of. A narrow terminal has fewer columns, and
the remarks below them too.

-o json prints an array of objects. What has no value is left out.
  id, tenant, service
  healthy          false when somebody has to do something, as the exit code says for all
  state            running, waiting, paused, blocked; done or stopped when ended as asked;
                   missing, unknown, or how it ended unasked, such as terminated
  reason, wakeAt   why it waits, and until when
  caughtUp         the last slice found the end; behindSince: else the time up to which all is
                   shipped, where that is known
  ended            when it ended
  remedy           of one that has ended: what (such as "start it with") and command
  mistake          true for what was mistyped, as said above
  checkpoint       the position. In it: totals (pages, events, bytes, pulls), position.newest
                   (the newest event shipped), due (when the next pull is), window (of Okta's
                   rate limit: bucket, limit, used, ends)
  lately           what was shipped in the last minutes: events, bytes, and in how many seconds;
                   recent has the earlier totals that it comes from
  rate             eventsPerSecond and bytesPerSecond, measured over so many seconds
  lagSeconds       0 when caught up
  slices           how many slices have ended
  slice            the activity under way: state, began, heartbeat
  failures         how many slices have failed in a row; problems: how many ever
  lastProblem, lastWarning
                   at, message and (of a problem) class
  backfill         of a backfill: since, until, began, progress (0 to 1)
  estimatedEnd     of a backfill under way
  unanswered       why the workflow did not answer, so that some of this is not known`,
		Example: `  starter status --tenant acme --watch
  starter status -o json | jq '.[] | select(.healthy | not) | .id'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if watched && output == outputJSON {
				return errors.New("--watch draws a table; give it or --output json, not both")
			}
			return checkSelection(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			// Settings say what somebody wants. Where there are none, or wrong ones, all is wanted.
			plan, _, _ := config.LoadPlan()
			look := func(ctx context.Context) ([]report, error) {
				return c.look(ctx, args, tenantFlag(cmd), plan)
			}
			if watched {
				return watch(cmd, look)
			}
			reports, err := look(cmd.Context())
			if err != nil {
				return err
			}
			if output == outputJSON {
				if err := printJSON(cmd.OutOrStdout(), reports); err != nil {
					return err
				}
			} else if len(reports) > 0 {
				width, _ := terminalSize(cmd.OutOrStdout())
				fmt.Fprintln(cmd.OutOrStdout(), renderReports(reports, time.Now(), width))
			}
			return attention(reports, nothing(cmd, "was ever started"))
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().BoolVarP(&watched, "watch", "w", false, "go on until Ctrl-C: drawn anew every 2 s on a terminal, printed every 10 s elsewhere")
	return cmd
}

// Values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", outputTable, "table or json")
}

func checkOutput(output string) error {
	if output != outputTable && output != outputJSON {
		return fmt.Errorf("--output is %q; want table or json", output)
	}
	return nil
}

func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// look reports on the ids or, where there are none, on all of the tenant or of all, without mistakes that are old.
func (c *temporal) look(ctx context.Context, ids []string, tenant string, plan config.Plan) ([]report, error) {
	given := len(ids) > 0
	if !given {
		var err error
		if ids, err = list(ctx, c, everStarted, tenant); err != nil {
			return nil, err
		}
	}
	reports, err := c.reports(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range reports {
		reports[i].Mistake = isMistake(reports[i], plan)
		reports[i].Healthy = reports[i].healthy()
	}
	return slices.DeleteFunc(reports, func(r report) bool {
		return !given && r.Mistake && r.Ended != nil && time.Since(*r.Ended) >= warningAge
	}), nil
}

// attention is an error that names those who need somebody, or says that there is nothing.
func attention(reports []report, nothing string) error {
	if len(reports) == 0 {
		return errors.New(nothing)
	}
	var ids []string
	for _, r := range reports {
		if !r.Healthy {
			ids = append(ids, r.ID)
		}
	}
	if ids == nil {
		return nil
	}
	return errors.New("needs attention: " + strings.Join(ids, ", "))
}
