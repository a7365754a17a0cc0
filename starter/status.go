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
	var watched bool
	var width int
	cmd := &cobra.Command{
		Use:   "status [okta/<tenant>/<service>...]",
		Short: "Show where each collector is; exit code 1 if one needs attention",
		Long: `Shows the collectors and backfills of the ids given; without ids all collectors that were ever
started, of --tenant or of all, each with the backfills that it has running. Below the table is what
keeps one from collecting, and for an hour what it last warned of. A narrow terminal has fewer
columns, and the remarks below them. docs/operating.md, "At a glance", explains the columns, the
states, and the fields of the objects that -o json prints.`,
		Example: `  starter status --tenant acme --watch
  starter status -o json | jq '.[] | select(.healthy | not) | .id'`,
		Args: checkIDs(true),
	}
	asJSON := outputFlag(cmd)
	cmd.Flags().BoolVarP(&watched, "watch", "w", false, "go on until Ctrl-C: drawn anew every 2 s on a terminal, printed every 10 s elsewhere")
	cmd.Flags().IntVar(&width, "width", 0, "of the table, in characters; default the terminal's, without one as wide as it gets")
	cmd.RunE = connect.run(func(cmd *cobra.Command, c *status.Reader, args []string) error {
		if watched && *asJSON {
			return usagef("--watch draws a table; give it or --output json, not both")
		}
		// Settings say what is wanted. Without settings, or with wrong ones, everything is.
		plan, _, _ := config.LoadPlan()
		look := func(ctx context.Context) ([]row, error) { return look(ctx, c, args, tenantFlag(cmd), plan) }
		out, nothing := cmd.OutOrStdout(), nothing(cmd, "was ever started")
		if watched {
			return watch(cmd.Context(), out, width, nothing, look)
		}
		rows, err := look(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON || len(rows) > 0 {
			err = show(out, *asJSON, rows, render(rows, time.Now(), cmp.Or(width, terminal.Width(out))))
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

// show prints a value as JSON, or else a text.
func show(out io.Writer, asJSON bool, v any, text string) error {
	if asJSON {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
		text = string(b)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// row is a collector or backfill as the status shows it.
type row struct {
	status.Collector
	// Healthy reports whether nobody has to do anything.
	Healthy bool `json:"healthy"`
	// Remedy is the command that goes on with one that has ended.
	Remedy remedy `json:"remedy,omitzero"`
	// Mistake reports whether it was started by mistake: it has never collected anything, and is no service of the
	// catalog, or none that the settings have for a tenant of theirs.
	Mistake bool `json:"mistake,omitempty"`
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
		!c.EndedUnasked() && c.State != workflows.StateBlocked && c.Unanswered == "" && c.Failures < manyFailures
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
		if given || !r.Mistake || time.Since(r.Ended) < warningAge {
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
	if ids != nil {
		return errors.New("needs attention: " + strings.Join(ids, ", "))
	}
	return nil
}
