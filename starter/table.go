package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// expendable are the columns that a narrow terminal does not have, the first one first. The remarks keep their column
// only if at most expendableForRemarks of them are left out; otherwise they are below the table.
var expendable = []string{"events/s", "budget", "bytes", "last 5 min", "next", "lag", "events"}

const expendableForRemarks = 2

// newTable is a table without lines.
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

// render shows the collectors, each with its backfills, and the notes below them. Times are relative to now.
func render(rows []row, now time.Time, width int) string {
	var notes []note
	for _, r := range rows {
		notes = append(notes, r.notes(now)...)
	}
	return renderTable(rows, now, width) + renderNotes(notes, now, width)
}

// renderTable is a table that fits the width, with the remarks in a column or below it.
func renderTable(rows []row, now time.Time, width int) (shown string) {
	t := rowTable(rows, now)
	inColumn := true
	for left := 0; left <= len(expendable); left++ {
		if inColumn && left > expendableForRemarks {
			left, inColumn = 0, false
		}
		configs := []table.ColumnConfig{{Name: "remark", Hidden: !inColumn}}
		for i, name := range expendable {
			configs = append(configs, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight, Hidden: i < left})
		}
		t.SetColumnConfigs(configs)
		if shown = t.Render(); text.LongestLineLen(shown) <= width {
			break
		}
	}
	if inColumn {
		return shown
	}
	var remarks []note
	for _, r := range rows {
		if said := r.said(); said != "" && (r.Backfill == nil || r.Unanswered != "") { // a backfill has a note instead
			remarks = append(remarks, note{names: []string{r.ID}, text: said})
		}
	}
	before := "\n\n"
	for _, n := range together(remarks) {
		shown += before + terminal.Wrap(enumeration(n.names)+": "+n.text, 0, width)
		before = "\n"
	}
	return shown
}

func rowTable(rows []row, now time.Time) table.Writer {
	t := newTable("collector", "state", "events", "bytes", "last 5 min", "events/s", "lag", "budget", "next", "remark")
	above := ""
	for _, r := range rows {
		name, lag, budget, next := r.ID, "-", "-", "-"
		switch {
		case r.Backfill == nil:
			above = r.ID
		case strings.HasPrefix(r.ID, above+"/"):
			name = "  backfill" // its id is below the table
		default:
			name = workflows.WorkflowID(r.Tenant, r.Service) + " backfill"
		}
		events, bytes := humanize.Comma(r.Checkpoint.Totals.Events), humanize.Bytes(uint64(r.Checkpoint.Totals.Bytes))
		if r.State == status.Missing {
			events, bytes = "-", "-"
		}
		if r.LagSeconds != nil {
			lag = duration(time.Duration(*r.LagSeconds * float64(time.Second)))
		}
		// The first window is that of the service's own endpoint. One that is over says nothing.
		if w := r.Checkpoint.Windows; len(w) > 0 && w[0].Limit > 0 && w[0].Ends.After(now) {
			budget = fmt.Sprintf("%d/%d", w[0].Used, w[0].Limit)
		}
		if r.WakeAt != nil {
			next = duration(max(0, r.WakeAt.Sub(now)))
		}
		t.AppendRow(table.Row{name, r.State, events, bytes, lately(r.Lately), perSecond(r.Rate), lag, budget, next, r.remark()})
	}
	return t
}

// lately has the time in it if that is not about five minutes.
func lately(s *status.Shipped) string {
	const usual = 5 * 60 // seconds
	switch {
	case s == nil:
		return "-"
	case s.Events == 0:
		return "0"
	}
	said := humanize.Comma(s.Events) + ", " + humanize.Bytes(uint64(s.Bytes))
	if s.Seconds < usual || s.Seconds >= 2*usual {
		said += fmt.Sprintf(" in %.0fm", math.Ceil(s.Seconds/60))
	}
	return said
}

func perSecond(r *status.Rate) string {
	if r == nil {
		return "-"
	}
	return humanize.CommafWithDigits(math.Round(r.Events), 0)
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

// remark is what the table says of a collector, and whether there is a note.
func (r row) remark() string {
	if r.EndedUnasked() || r.problem() != nil || r.Unanswered != "" && !r.NoWorker {
		return strings.TrimPrefix(r.said()+", see below", ", ")
	}
	return r.said()
}

// said is whether a collector answers, how far a backfill is, and the activity.
func (r row) said() string { return join(r.silence(), share(r.Collector), r.activity()) }

// silence says that a workflow did not answer.
func (r row) silence() string {
	switch {
	case r.NoWorker:
		return "no worker answers"
	case r.Unanswered != "":
		return "does not answer"
	}
	return ""
}

// activity says in a few words what a collector does, or why it waits.
func (r row) activity() string {
	running := r.State == workflows.StateRunning
	switch {
	case r.HasEnded():
		return ""
	case running && r.Reason == workflows.WaitPaused:
		return "pausing after the page under way"
	case r.Reason != "":
		return cmp.Or(reasons[r.Reason], string(r.Reason))
	case running && r.Slice != nil && r.Slice.State == status.SliceScheduled:
		return "waits for a worker"
	case running && r.Slice != nil && r.Slice.State != status.SliceStarted:
		return "its activity is " + strings.ReplaceAll(r.Slice.State, "_", " ") // a person did that, with Temporal's CLI
	case running && r.Backfill == nil && r.Checkpoint.Position.Pull != nil:
		return fmt.Sprintf("%s pull under way", r.Checkpoint.Position.Pull.Kind)
	}
	return ""
}

// reasons are the words for why a collector waits. The table has the state and the time in columns of their own.
var reasons = map[workflows.WaitReason]string{
	workflows.WaitPoll:    "caught up",
	workflows.WaitYield:   "live collection first",
	workflows.WaitBackoff: "tries again",
	workflows.WaitPaused:  "the signal resume goes on",
}

// share is how much of its range a backfill has done; empty if it has none.
func share(c status.Collector) string {
	if c.Backfill == nil || c.Backfill.Progress == nil {
		return ""
	}
	return fmt.Sprintf("%.1f %%", math.Floor(1000**c.Backfill.Progress)/10) // 100 % is all of it, so it is not rounded up
}

// oneLine makes one line of a message from elsewhere.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// join joins texts, each of which may be empty.
func join(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; ")
}
