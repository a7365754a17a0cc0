package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/workflows"
)

// maxColumn is how wide a column of text may get before it is wrapped.
const maxColumn = 60

// newTable is a table without lines, for people; scripts ask for JSON.
func newTable(header ...any) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	return t
}

// renderReports shows the collectors; now is what times are relative to.
func renderReports(reports []report, now time.Time) string {
	t := newTable("collector", "state", "pages", "events", "lag", "next", "remark")
	t.SetColumnConfigs([]table.ColumnConfig{
		{Name: "pages", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "events", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "lag", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "next", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "remark", WidthMax: maxColumn, WidthMaxEnforcer: text.WrapSoft},
	})
	for _, r := range reports {
		t.AppendRow(table.Row{
			r.ID, r.State, count(r, r.Checkpoint.Totals.Pages), count(r, r.Checkpoint.Totals.Events),
			lag(r), next(r, now), remark(r, now),
		})
	}
	return t.Render()
}

// count is a number of the checkpoint, if there is one.
func count(r report, n int64) string {
	if n == 0 && r.Unanswered != "" {
		return "-"
	}
	return humanize.Comma(n)
}

// next is how long a collector still waits.
func next(r report, now time.Time) string {
	if r.WakeAt == nil {
		return "-"
	}
	return duration(max(0, r.WakeAt.Sub(now)))
}

// duration is short enough for a column.
func duration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.Round(time.Second).String()
}

// lag is how far a collector is behind; unknown where it has nothing to be behind of.
func lag(r report) string {
	switch r.State {
	case workflows.StateRunning, workflows.StateWaiting, workflows.StatePaused, workflows.StateBlocked:
	default:
		return "-" // nothing is being collected that could be late
	}
	switch {
	case r.Unanswered != "":
		return "-"
	case r.CaughtUp:
		return "0s"
	case r.LagSeconds <= 0:
		return "-"
	}
	return duration(time.Duration(r.LagSeconds * float64(time.Second)))
}

// remark says why a collector waits, until when, and what went wrong.
func remark(r report, now time.Time) string {
	var parts []string
	if r.Unanswered != "" {
		parts = append(parts, r.Unanswered)
	}
	if r.Reason != "" {
		parts = append(parts, r.Reason)
	}
	if p := r.LastProblem; p != nil && r.Failures > 0 && !strings.Contains(r.Reason, p.Message) {
		parts = append(parts, fmt.Sprintf("%s: %s", humanize.RelTime(p.At, now, "ago", "from now"), p.Message))
	}
	if len(parts) == 0 && r.State == workflows.StateRunning && r.Checkpoint.Position.Pull != nil {
		parts = append(parts, fmt.Sprintf("%s pull under way", r.Checkpoint.Position.Pull.Kind))
	}
	// One line: a message from elsewhere must not break the table.
	return strings.Join(strings.Fields(strings.Join(parts, "; ")), " ")
}
