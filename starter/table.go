package main

import (
	"fmt"
	"math"
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
	// maxWidth is how wide the status gets, on a terminal that is wide enough, if its ids leave minRemark
	// for the remarks. Rates are shown where they leave roomyRemark.
	maxWidth    = 120
	minRemark   = 12
	roomyRemark = 20
	// warningAge is for how long a warning is shown. Nobody has to clear it: what goes on is warned of again, and
	// JSON, the Web UI and Devo keep what is over.
	warningAge = time.Hour
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

// renderReports shows the collectors, each with its backfills, and below them at length what somebody
// should read; now is what times are relative to, and width is that of the terminal.
func renderReports(reports []report, now time.Time, width int) string {
	width = min(width, maxWidth)
	// The remarks get what the other columns leave.
	left := func(rates bool) int {
		return width - text.LongestLineLen(newReportTable(reports, now, rates, 1).Render())
	}
	rates := left(true) >= roomyRemark
	shown := newReportTable(reports, now, rates, max(minRemark, left(rates))).Render()
	for _, r := range reports {
		for _, n := range r.notes(now, width) {
			shown += "\n\n" + n
		}
	}
	return shown
}

func newReportTable(reports []report, now time.Time, rates bool, remarks int) table.Writer {
	t := newTable("collector", "state", "events", "bytes", "last 5 min", "events/s", "lag", "budget", "next", "remark")
	configs := []table.ColumnConfig{{Name: "remark", WidthMax: remarks, WidthMaxEnforcer: text.WrapSoft}}
	for _, number := range []string{"events", "bytes", "last 5 min", "events/s", "lag", "budget", "next"} {
		configs = append(configs, table.ColumnConfig{
			Name: number, Align: text.AlignRight, AlignHeader: text.AlignRight, Hidden: number == "events/s" && !rates,
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

// notes are what is said of a collector at length.
func (r report) notes(now time.Time, width int) []string {
	var notes []string
	note := func(what string, at time.Time, message string) {
		head := r.ID
		if what != "" {
			head += ", " + what
		}
		if !at.IsZero() {
			head += ", " + humanize.RelTime(at, now, "ago", "from now")
		}
		notes = append(notes, strings.Join(append([]string{head + ":"}, indented(message, 2, width)...), "\n"))
	}
	switch {
	case r.Backfill != nil && r.State != stateMissing:
		why := r.Reason
		if r.problem() != nil {
			why, _, _ = strings.Cut(why, ": ") // the problem itself follows
		}
		note("", time.Time{}, strings.TrimSuffix(r.progress(now)+"; "+why, "; "))
	case endedUnasked(r):
		note(string(r.State), time.Time{}, r.Reason)
	}
	if r.Unanswered != "" && r.Unanswered != errNoWorker.Error() {
		note("does not answer", time.Time{}, r.Unanswered)
	}
	if p := r.problem(); p != nil {
		inARow := ""
		if r.Failures > 1 {
			inARow = fmt.Sprintf("%d failures in a row", r.Failures)
		}
		note(inARow, p.At, p.Message)
	}
	if w := r.LastWarning; w != nil && now.Sub(w.At) < warningAge {
		note("warning", w.At, w.Message)
	}
	return notes
}

// indented are the lines of a text that is wrapped between words, each with so many spaces before it.
func indented(message string, spaces, width int) []string {
	lines := strings.Split(text.WrapSoft(oneLine(message), width-spaces), "\n")
	for i, line := range lines {
		lines[i] = strings.Repeat(" ", spaces) + strings.TrimRight(line, " ")
	}
	return lines
}

// problem is what keeps a collector from collecting; nil if nothing does.
func (r report) problem() *workflows.Problem {
	if r.State == workflows.StateBlocked || r.Failures > 0 || r.Unanswered != "" {
		return r.LastProblem
	}
	return nil
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
	w := r.Checkpoint.Window
	if w == nil || w.Limit == 0 || !w.Ends.After(now) {
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
	reason := when.ReplaceAllString(r.Reason, "")
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
