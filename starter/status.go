package starter

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
	"okta-collector/internal/printable"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

func newStatus(connect connector) *cobra.Command {
	var watched, ofWindows bool
	var width int
	cmd := &cobra.Command{
		Use:   "status [okta/<tenant>[/<service>]...]",
		Short: "Show where each collector is; exit code 1 if one needs attention",
		Long: `Shows the collectors and backfills of the ids given, and all of a tenant where its id okta/<tenant> is
given; without ids all collectors that were ever started, of --tenant or of all, each with its running
backfills. --windows shows the tenants' rate-limit windows instead, and who uses them. Below the table are the problems that
keep them from collecting, and the warnings of the last hour with what was counted since the first
start; of ids that are given, all warnings. A narrow terminal has fewer columns, and the remarks below
the table. docs/operating.md, "At a glance", explains the columns, the states, and the fields of the
objects that -o json prints.`,
		Example: `  starter status --tenant acme --watch
  starter status -o json | jq '.[] | select(.healthy | not) | .id'`,
		Args: func(cmd *cobra.Command, args []string) error {
			ids, _ := split(args)
			if len(args) > 0 && tenantFlag(cmd) != "" {
				return errIDsAndTenant
			}
			return checkIDs(true)(cmd, ids)
		},
	}
	asJSON := outputFlag(cmd)
	cmd.Flags().BoolVar(&ofWindows, "windows", false, "show the rate-limit windows of the tenants; a worker has to answer")
	cmd.Flags().BoolVarP(&watched, "watch", "w", false, "go on until Ctrl-C: drawn anew every 2 s on a terminal, printed every 10 s elsewhere")
	cmd.Flags().IntVar(&width, "width", 0, "width of the table in characters; default the terminal's, or without one unlimited")
	cmd.RunE = connect.run(func(cmd *cobra.Command, c *status.Reader, args []string) error {
		switch {
		case watched && *asJSON:
			return usagef("--watch draws a table; give it or --output json, not both")
		case ofWindows && watched:
			return usagef("--windows is shown once; give it or --watch, not both")
		case ofWindows:
			return showWindows(cmd, c, args, *asJSON)
		}
		// The settings say which services are wanted. Without valid settings all of them are.
		plan, _, _ := config.LoadPlan()
		handedOver := false
		look := func(ctx context.Context) ([]row, error) {
			rows, err := look(ctx, c, args, tenantFlag(cmd), plan)
			if err == nil && !handedOver {
				handedOver = true
				handOver(ctx, c, rows)
			}
			return rows, err
		}
		out, nothing := cmd.OutOrStdout(), nothingFound(cmd, "is known in namespace "+c.Namespace+": none was ever started, or Temporal has lost its data")
		lack, err := lackOfAttributes(cmd.Context(), c)
		switch {
		case err != nil:
			warn(cmd, err.Error())
		case lack != "":
			warn(cmd, lack)
		}
		queue := cmp.Or(plan.TaskQueue, workflows.TaskQueue)
		if strangers, err := status.Strangers(cmd.Context(), c, queue); err == nil && len(strangers) > 0 {
			warn(cmd, temporalclient.StrangersWarning(queue, strangers))
		}
		if watched {
			return watch(cmd.Context(), out, width, nothing, look)
		}
		rows, err := look(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON || len(rows) > 0 {
			err = show(out, *asJSON, rows, func() string { return render(rows, time.Now(), cmp.Or(width, terminal.Width(out))) })
		}
		return cmp.Or(err, attention(rows, nothing))
	})
	return cmd
}

// outputFlag adds --output, and returns whether it is json.
func outputFlag(cmd *cobra.Command) (asJSON *bool) {
	asJSON = new(bool)
	cmd.Flags().FuncP("output", "o", "`table` or json; default table", func(value string) error {
		if value != "table" && value != "json" {
			return errors.New("want table or json")
		}
		*asJSON = value == "json"
		return nil
	})
	return asJSON
}

// show prints a value as JSON, or else the text that render returns.
func show(out io.Writer, asJSON bool, v any, render func() string) error {
	if !asJSON {
		_, err := fmt.Fprintln(out, render())
		return err
	}
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
	// Remedy is the command that continues one that has ended.
	Remedy remedy `json:"remedy,omitzero"`
	// Mistake reports whether it was started by mistake: it has never collected anything, and its service is not in the
	// catalog, or its tenant is in the settings without that service.
	Mistake bool `json:"mistake,omitempty"`
	// asked: its id was given. Then older warnings are shown too.
	asked bool
}

// manyFailures is how many consecutive slices may fail before somebody should look. With the pauses between them they
// take about a minute.
const manyFailures = 6

func newRow(c status.Collector, plan config.Plan) row {
	r := row{Collector: c, Remedy: remedyFor(c)}
	if c.EndedUnasked() && c.Last != nil && c.Checkpoint.IsZero() && !c.Last.Checkpoint.HasCollected() {
		planned := slices.ContainsFunc(plan.Targets, func(t config.Target) bool { return t.Tenant == c.Tenant })
		r.Mistake = checkService(c.Service) != nil ||
			plan.Given && planned && !slices.Contains(plan.Targets, config.Target{Tenant: c.Tenant, Service: c.Service})
	}
	r.Healthy = r.Mistake ||
		r.stranger() == "" && !c.EndedUnasked() && c.State != workflows.StateBlocked && c.Unanswered == "" && c.Failures < manyFailures
	return r
}

// split parts ids of tenants from others.
func split(args []string) (ids, tenants []string) {
	for _, arg := range args {
		if tenant, ok := workflows.ParseTenantID(arg); ok {
			tenants = append(tenants, tenant)
		} else {
			ids = append(ids, arg)
		}
	}
	return ids, tenants
}

// handOver tells the tenants' workflows of what has ended since they were told last. Whoever may only read leaves it to the
// workers, which do the same every hour.
func handOver(ctx context.Context, c *status.Reader, rows []row) {
	control := newControl(c)
	for _, r := range rows {
		if r.HasEnded() && !r.Unread {
			_ = control.HandOver(ctx, r.Collector)
		}
	}
}

// look reads the collectors of the ids, and those of the tenants whose ids are given. Without ids it reads those of the
// tenant or of all, but no old mistakes.
func look(ctx context.Context, c *status.Reader, args []string, tenant string, plan config.Plan) ([]row, error) {
	given := len(args) > 0
	ids, tenants := split(args)
	if !given {
		tenants = []string{tenant}
	}
	for _, tenant := range tenants {
		known, err := c.Known(ctx, tenant)
		if err != nil {
			return nil, err
		}
		ids = append(ids, known...)
	}
	collectors, err := c.Collectors(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows := []row{}
	for _, collector := range collectors {
		r := newRow(collector, plan)
		r.asked = given
		if given || !r.Mistake || time.Since(r.Ended) < warningAge {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// attention returns an error that names the collectors that need a person, or one that says nothing if there are no rows.
func attention(rows []row, nothing string) error {
	if len(rows) == 0 {
		return errors.New(nothing)
	}
	var ids []string
	for _, r := range rows {
		if !r.Healthy {
			ids = append(ids, printable.Line(r.ID))
		}
	}
	if ids != nil {
		return errors.New("needs attention: " + strings.Join(ids, ", "))
	}
	return nil
}
