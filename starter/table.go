package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/workflows"
)

const (
	// maxWidth is how wide a text gets, on a terminal that is wider: longer lines are hard to read.
	maxWidth = 120
	// maxRemarkLines is how many lines a remark takes at most in a column of its own; where that leaves no room for
	// all columns some go, and then the remarks.
	maxRemarkLines = 2
)

// expendable are the columns that are left out where there is no room, the first one first. As long as it is one of
// the first few the remarks stay a column: with less they are below the table.
var expendable = []string{"events/s", "budget", "bytes", "last 5 min", "next", "lag", "events"}

const expendableForRemarks = 2

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

// renderReports shows the collectors, each with its backfills, and below them at length what somebody
// should read; now is what times are relative to, and width is that of the terminal.
func renderReports(reports []report, now time.Time, width int) string {
	shown := renderTable(reports, now, width)
	var notes []note
	for _, r := range reports {
		notes = append(notes, r.notes(now)...)
	}
	for _, n := range together(notes) {
		shown += "\n\n" + n.render(now, width)
	}
	return shown
}

// renderTable is a table that fits the width, with the remarks below it if it has no room for them.
func renderTable(reports []report, now time.Time, width int) string {
	var remarks []string
	longest := len("remark")
	for _, r := range reports {
		remarks = append(remarks, remark(r, now))
		longest = max(longest, len(remarks[len(remarks)-1]))
	}
	lines := 1 // where all columns are shown
	for left := range expendableForRemarks + 1 {
		room := width - text.LongestLineLen(newReportTable(reports, now, expendable[:left], 0).Render()) - len("  ")
		if fit(remarks, room, lines) {
			return newReportTable(reports, now, expendable[:left], min(room, longest)).Render()
		}
		lines = maxRemarkLines
	}
	var shown string
	for left := range len(expendable) + 1 {
		if shown = newReportTable(reports, now, expendable[:left], 0).Render(); text.LongestLineLen(shown) <= width {
			break
		}
	}
	return strings.TrimSuffix(shown+"\n\n"+strings.Join(remarksBelow(reports, now, width), "\n"), "\n\n")
}

// fit says whether texts fit a column, each in so many lines.
func fit(texts []string, width, lines int) bool {
	return width >= len("remark") && !slices.ContainsFunc(texts, func(s string) bool {
		wrapped := indented(s, 0, width)
		return len(wrapped) > lines || slices.ContainsFunc(wrapped, func(line string) bool { return len(line) > width })
	})
}

// remarksBelow are lines of those who have the same remark, and the remark.
func remarksBelow(reports []report, now time.Time, width int) []string {
	var remarks []note
	for _, r := range reports {
		said := strings.TrimSuffix(strings.TrimSuffix(remark(r, now), "see below"), ", ")
		if said != "" && (r.Backfill == nil || r.Unanswered != "") { // a backfill has a note of its own
			remarks = append(remarks, note{names: []string{r.ID}, message: said})
		}
	}
	var lines []string
	for _, n := range together(remarks) {
		lines = append(lines, indented(enumeration(n.names)+": "+n.message, 0, width)...)
	}
	return lines
}

// newReportTable is a table without some columns, and with remarks that are so wide; 0: without remarks.
func newReportTable(reports []report, now time.Time, without []string, remarks int) table.Writer {
	t := newTable("collector", "state", "events", "bytes", "last 5 min", "events/s", "lag", "budget", "next", "remark")
	configs := []table.ColumnConfig{{Name: "remark", WidthMax: remarks, WidthMaxEnforcer: text.WrapSoft, Hidden: remarks == 0}}
	for _, number := range []string{"events", "bytes", "last 5 min", "events/s", "lag", "budget", "next"} {
		configs = append(configs, table.ColumnConfig{
			Name: number, Align: text.AlignRight, AlignHeader: text.AlignRight, Hidden: slices.Contains(without, number),
		})
	}
	t.SetColumnConfigs(configs)
	above := ""
	for _, r := range reports {
		name := rowName(r, above)
		if r.Backfill == nil {
			above = r.ID
		}
		totals := r.Checkpoint.Totals
		t.AppendRow(table.Row{
			name, r.State, count(r, humanize.Comma(totals.Events)), count(r, humanize.Bytes(uint64(totals.Bytes))),
			r.Lately.String(), perSecond(r), lag(r, now), budget(r, now), next(r, now), remark(r, now),
		})
	}
	return t
}

// rowName is short for a backfill, whose id is below the table; above is the service above it.
func rowName(r report, above string) string {
	if r.Backfill == nil {
		return r.ID
	}
	tenant, service, _ := workflows.ParseWorkflowID(r.ID)
	if of := workflows.WorkflowID(tenant, service); of != above {
		return of + " backfill"
	}
	return "  backfill"
}

// count is a number of the checkpoint, if there is one.
func count(r report, n string) string {
	if r.State == stateMissing {
		return "-"
	}
	return n
}

// perSecond is the rate at which events are shipped.
func perSecond(r report) string {
	if r.Rate == nil {
		return "-"
	}
	return humanize.CommafWithDigits(math.Round(r.Rate.Events), 0)
}

// budget is what a collector has used of Okta's limit in the present window.
func budget(r report, now time.Time) string {
	if len(r.Checkpoint.Windows) == 0 {
		return "-"
	}
	w := r.Checkpoint.Windows[0] // of the service's own endpoint
	if w.Limit == 0 || !w.Ends.After(now) {
		return "-"
	}
	return fmt.Sprintf("%d/%d", w.Used, w.Limit)
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

// lag is how far a collector is behind.
func lag(r report, now time.Time) string {
	behind, ok := r.lag(now)
	if !ok {
		return "-"
	}
	return duration(behind)
}

// when is how a reason says until when a collector waits, which the table shows in a column of its own.
var when = regexp.MustCompile(`(; next poll|, tries again| until)? \w{3} \d+ \d\d:\d\d:\d\dZ`)

// remark says in a few words why a collector waits, or what it does.
func remark(r report, now time.Time) string {
	reason := strings.TrimPrefix(when.ReplaceAllString(r.Reason, ""), string(r.State)+"; ") // that has a column of its own
	pull := r.Checkpoint.Position.Pull
	switch {
	case endedUnasked(r):
		reason = "see below"
	case strings.HasPrefix(reason, string(workflows.WaitRateLimit)):
		reason = string(workflows.WaitRateLimit) // how much is in a column of its own
	case r.problem() != nil:
		reason, _, _ = strings.Cut(reason, ":")                 // the problem is below
		reason = strings.TrimPrefix(reason+", see below", ", ") // there is no reason while it tries
	case r.State == workflows.StateRunning && r.Slice != nil && r.Slice.State == sliceScheduled:
		reason = "waits for a worker"
	case reason == "" && r.State == workflows.StateRunning && r.Slice != nil && r.Slice.State != sliceStarted:
		reason = "its activity is " + strings.ReplaceAll(r.Slice.State, "_", " ") // somebody did that with Temporal's CLI
	case r.Backfill != nil:
		reason, _, _ = strings.Cut(reason, ": ") // all of it is below
	case reason == "" && r.State == workflows.StateRunning && pull != nil:
		reason = fmt.Sprintf("%s pull under way", pull.Kind)
	}
	if done := r.share(); done != "" {
		reason = strings.TrimSuffix(done+"; "+reason, "; ")
	}
	switch r.Unanswered {
	case "":
	case errNoWorker.Error():
		reason = strings.TrimSuffix(r.Unanswered+"; "+reason, "; ")
	default:
		reason = "does not answer, see below"
	}
	return oneLine(reason)
}

// share is how much of its range a backfill has done; empty where there is none.
func (r report) share() string {
	if r.Backfill == nil || r.Backfill.Progress == nil {
		return ""
	}
	// Not rounded up: 100 % is all of it.
	return fmt.Sprintf("%.1f %%", math.Floor(1000**r.Backfill.Progress)/10)
}

// progress says what a backfill has done, and when it will have ended.
func (r report) progress(now time.Time) string {
	said := humanize.Comma(r.Checkpoint.Totals.Events) + " events"
	if done := r.share(); done != "" {
		said = done + ", " + said
	}
	if r.Rate != nil {
		said += ", " + perSecond(r) + "/s"
	}
	if r.EstimatedEnd != nil {
		said += fmt.Sprintf(", ends in about %s, at %s", duration(max(0, r.EstimatedEnd.Sub(now))), r.EstimatedEnd.UTC().Format("Jan 2 15:04Z"))
	}
	return said
}

// oneLine keeps a message from elsewhere from breaking the table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
