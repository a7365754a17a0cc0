package starter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"okta-collector/internal/printable"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// showWindows shows the rate-limit windows of the tenants whose ids are given, of --tenant, or of all. It returns an error
// if a tenant's workflow does not answer.
func showWindows(cmd *cobra.Command, c *status.Reader, args []string, asJSON bool) (err error) {
	ids, names := split(args)
	if len(ids) > 0 {
		return usagef("--windows is of whole tenants: give okta/<tenant>, and not %s", ids[0])
	}
	if tenant := tenantFlag(cmd); tenant != "" {
		names = []string{tenant}
	}
	if len(names) == 0 {
		if names, err = c.Tenants(cmd.Context()); err != nil {
			return err
		}
	}
	tenants, silent := []status.Tenant{}, []string(nil)
	for _, name := range names {
		t := c.Tenant(cmd.Context(), name)
		if t.Unanswered != "" {
			silent = append(silent, fmt.Sprintf("%s: %s", printable.Line(t.ID), oneLine(t.Unanswered)))
		}
		tenants = append(tenants, t)
	}
	if asJSON || len(tenants) > len(silent) {
		err = show(cmd.OutOrStdout(), asJSON, tenants, func() string { return renderWindows(tenants, time.Now()) })
	}
	switch {
	case err != nil:
		return err
	case silent != nil:
		return errors.New("the windows are not known: " + strings.Join(silent, "; "))
	case len(tenants) == 0:
		return errors.New(nothingFound(cmd, "was ever started"))
	}
	return nil
}

// renderWindows returns a table of windows, each with who uses it.
func renderWindows(tenants []status.Tenant, now time.Time) string {
	t := newTable("tenant", "window", "limit", "share", "used", "ends in", "by")
	var columns []table.ColumnConfig
	for _, name := range []string{"limit", "share", "used", "ends in"} {
		columns = append(columns, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	for _, tenant := range tenants {
		if tenant.Unanswered == "" && len(tenant.Windows) == 0 {
			t.AppendRow(table.Row{cell(tenant.Tenant), "-", "-", "-", "-", "-", "no services share a window"})
		}
		for _, w := range tenant.Windows {
			w = at(now, w)
			limit, share, used, ends := "-", "-", "-", "-"
			if w.Limit > 0 {
				limit, share, used = fmt.Sprint(w.Limit), fmt.Sprint(w.Share), fmt.Sprint(w.Used)
			}
			if !w.Ends.IsZero() {
				ends = duration(w.Ends.Sub(now))
			}
			t.AppendRow(table.Row{cell(tenant.Tenant), cell(w.Name), limit, share, used, ends, usedBy(w)})
		}
	}
	return t.Render()
}

// at returns the status as it is now. Nothing is used between windows.
func at(now time.Time, w workflows.WindowStatus) workflows.WindowStatus {
	if w.Ends.After(now) {
		return w
	}
	w.Used, w.Ends, w.By = 0, time.Time{}, slices.Clone(w.By)
	for i := range w.By {
		w.By[i].Used = 0
	}
	return w
}

// usedBy names who uses a window, by service.
func usedBy(w workflows.WindowStatus) string {
	var said []string
	for _, by := range w.By {
		_, name, err := workflows.ParseWorkflowID(by.ID)
		switch _, backfill := workflows.RangeOf(by.ID); {
		case err != nil:
			name = by.ID
		case backfill:
			name += " backfill"
		}
		used := cell(name)
		if w.Limit > 0 || !by.Alone { // of a service that is alone nothing is known without the limit
			used += fmt.Sprintf(" %d", by.Used)
		}
		if by.Alone {
			used += " alone"
		}
		said = append(said, used)
	}
	return strings.Join(said, ", ")
}
