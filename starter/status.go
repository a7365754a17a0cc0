package main

import (
	"cmp"
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
	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

func newStatus(connect connector) *cobra.Command {
	var output string
	var watched bool
	var width int
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
  reason, wakeAt   why it waits, and until when: poll (it has caught up), rate limited, yielding
                   (to live collection), backoff (after a failure), blocked, paused, work is due
  caughtUp         the last slice found the end; behindSince: else the time up to which all is
                   shipped, where that is known
  ended            when it ended; failure: the error of one that failed
  remedy           of one that has ended: what (such as "start it with") and command
  mistake          true for what was mistyped, as said above
  checkpoint       the position. In it: totals (pages, events, bytes, pulls), position.newest
                   (the newest event shipped), due (when the next pull is), windows (of Okta's
                   rate limits, first its own: name, limit, used, ends)
  lately           what was shipped in the last minutes: events, bytes, and in how many seconds;
                   recent has the earlier totals that it comes from
  rate             eventsPerSecond and bytesPerSecond, measured over so many seconds
  lagSeconds       0 when caught up
  slices           how many slices have ended
  slice            the activity under way: state, began, heartbeat
  failures         how many slices have failed in a row; problems: how many ever
  lastProblem      at, class, message (what happened), endpoint and requestID (of Okta), and remedy
                   (what to do; none: nothing); lastWarning: at and message
  backfill         of a backfill: since, until, began, progress (0 to 1)
  estimatedEnd     of a backfill under way
  unanswered       why the workflow did not answer, so that some of this is not known; noWorker:
                   true if that is because no worker is there`,
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
			// Settings say what is wanted. Without settings, or with wrong ones, everything is.
			plan, _, _ := config.LoadPlan()
			look := func(ctx context.Context) ([]row, error) { return look(ctx, c, args, tenantFlag(cmd), plan) }
			if watched {
				return watch(cmd, look, width)
			}
			rows, err := look(cmd.Context())
			if err != nil {
				return err
			}
			if output == outputTable && len(rows) > 0 {
				fmt.Fprintln(cmd.OutOrStdout(), render(rows, time.Now(), cmp.Or(width, terminal.Width(cmd.OutOrStdout()))))
			} else if output == outputJSON {
				err = printJSON(cmd.OutOrStdout(), rows)
			}
			return cmp.Or(err, attention(rows, nothing(cmd, "was ever started")))
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().BoolVarP(&watched, "watch", "w", false, "go on until Ctrl-C: drawn anew every 2 s on a terminal, printed every 10 s elsewhere")
	cmd.Flags().IntVar(&width, "width", 0, "of the table, in characters; default the terminal's, without one as wide as it gets")
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

// row is a collector or backfill as the status shows it.
type row struct {
	status.Collector
	// Healthy reports whether nobody has to do anything.
	Healthy bool `json:"healthy"`
	// Remedy is the command that goes on with one that has ended; nil if there is none.
	Remedy *remedy `json:"remedy,omitempty"`
	// Mistake reports whether it was started by mistake: it has never collected anything, and is no service of the
	// catalog, or none that the settings have for a tenant of theirs.
	Mistake bool `json:"mistake,omitempty"`
}

// manyFailures is how many consecutive slices may fail before somebody should look. With the pauses between them they
// take about a minute.
const manyFailures = 6

func newRow(c status.Collector, plan config.Plan) row {
	r := row{Collector: c, Remedy: remedyFor(c)}
	if c.NeverCollected {
		planned := slices.ContainsFunc(plan.Targets, func(t config.Target) bool { return t.Tenant == c.Tenant })
		r.Mistake = checkService(c.Service) != nil ||
			plan.Given && planned && !slices.Contains(plan.Targets, config.Target{Tenant: c.Tenant, Service: c.Service})
	}
	switch c.State {
	case workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, workflows.StateDone, status.Stopped:
		r.Healthy = c.Unanswered == "" && c.Failures < manyFailures
	default:
		r.Healthy = r.Mistake
	}
	return r
}

// look reads the ids or, without any, all collectors of the tenant or of all, but for mistakes that are old.
func look(ctx context.Context, c *status.Reader, ids []string, tenant string, plan config.Plan) ([]row, error) {
	given := len(ids) > 0
	if !given {
		var err error
		if ids, err = c.IDs(ctx, status.EverStarted, tenant); err != nil {
			return nil, err
		}
	}
	collectors, err := c.Collectors(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows := []row{}
	for _, collector := range collectors {
		r := newRow(collector, plan)
		if given || !r.Mistake || r.Ended == nil || time.Since(*r.Ended) < warningAge {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// attention is an error that names the collectors that need somebody, or says that there are none at all.
func attention(rows []row, nothing string) error {
	if len(rows) == 0 {
		return errors.New(nothing)
	}
	var ids []string
	for _, r := range rows {
		if !r.Healthy {
			ids = append(ids, r.ID)
		}
	}
	if ids == nil {
		return nil
	}
	return errors.New("needs attention: " + strings.Join(ids, ", "))
}
