package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/workflows"
)

const (
	// maxColumn is how wide a column of text may get before it is wrapped.
	maxColumn = 60
	// maxRemark is what is left for remarks of 100 columns.
	maxRemark = 41
	maxWidth  = 100
)

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

// renderReports shows the collectors, and below them at length what went wrong with whom; now is what
// times are relative to.
func renderReports(reports []report, now time.Time) string {
	t := newTable("collector", "state", "pages", "events", "lag", "next", "remark")
	t.SetColumnConfigs([]table.ColumnConfig{
		{Name: "pages", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "events", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "lag", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "next", Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Name: "remark", WidthMax: maxRemark, WidthMaxEnforcer: text.WrapSoft},
	})
	var below strings.Builder
	for _, r := range reports {
		t.AppendRow(table.Row{
			r.ID, r.State, count(r, r.Checkpoint.Totals.Pages), count(r, r.Checkpoint.Totals.Events),
			lag(r, now), next(r, now), remark(r),
		})
		if p := r.problem(); p != nil {
			fmt.Fprintf(&below, "\n\n%s, %s:", r.ID, humanize.RelTime(p.At, now, "ago", "from now"))
			for line := range strings.SplitSeq(text.WrapSoft(oneLine(p.Message), maxWidth-2), "\n") {
				below.WriteString("\n  " + strings.TrimRight(line, " "))
			}
		}
	}
	return t.Render() + below.String()
}

// problem is what keeps a collector from collecting; nil if nothing does.
func (r report) problem() *workflows.Problem {
	if r.State == workflows.StateBlocked || r.Failures > 0 || r.Unanswered != "" {
		return r.LastProblem
	}
	return nil
}

// count is a number of the checkpoint, if there is one.
func count(r report, n int64) string {
	if n == 0 && r.State == stateMissing {
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
func lag(r report, now time.Time) string {
	switch {
	case r.State == stateStopped, !r.CaughtUp && r.BehindSince.IsZero():
		return "-"
	case r.CaughtUp:
		return "0s"
	}
	return duration(max(0, now.Sub(r.BehindSince)))
}

// when is how a reason says until when a collector waits, which the table shows in a column of its own.
var when = regexp.MustCompile(`(; next poll|, tries again| until)? \w{3} \d+ \d\d:\d\d:\d\dZ`)

// remark says in a few words why a collector waits, or what it does.
func remark(r report) string {
	reason := when.ReplaceAllString(r.Reason, "")
	pull, window := r.Checkpoint.Position.Pull, r.Checkpoint.Window
	switch limited := strings.HasPrefix(reason, string(workflows.WaitRateLimit)); {
	case limited && window != nil:
		reason = fmt.Sprintf("%s: %d of %d requests used", workflows.WaitRateLimit, window.Used, window.Limit)
	case r.problem() != nil:
		reason, _, _ = strings.Cut(reason, ":")                 // the problem is below
		reason = strings.TrimPrefix(reason+", see below", ", ") // there is no reason while it tries
	case reason == "" && r.State == workflows.StateRunning && pull != nil:
		reason = fmt.Sprintf("%s pull under way", pull.Kind)
	}
	if r.Unanswered != "" {
		reason = strings.TrimSuffix(r.Unanswered+"; "+reason, "; ")
	}
	return oneLine(reason)
}

// oneLine keeps a message from elsewhere from breaking the table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
