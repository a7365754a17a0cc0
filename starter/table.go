package starter

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

	"okta-collector/internal/printable"
	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// expendable are the columns that are left out where the terminal is too narrow, in this order. If more than
// expendableForRemarks of them would have to go, the remarks move below the table instead.
var expendable = []string{"events/s", "budget", "bytes", "last 5 min", "next", "lag", "events"}

const expendableForRemarks = 2

// newTable returns a table without lines.
func newTable(header ...any) table.Writer {
	t := table.NewWriter()
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "  "
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	return t
}

// render returns the table of the collectors and their backfills, with the notes below. Times are relative to now.
func render(rows []row, now time.Time, width int) string {
	var notes []note
	for _, r := range rows {
		notes = append(notes, r.notes(now)...)
	}
	return renderTable(rows, now, width) + renderNotes(notes, now, width)
}

// renderTable returns a table that fits the width, with the remarks in a column or below it.
func renderTable(rows []row, now time.Time, width int) (shown string) {
	t := rowTable(rows, now)
	inColumn := true
	for hidden := 0; hidden <= len(expendable); hidden++ {
		if inColumn && hidden > expendableForRemarks {
			hidden, inColumn = 0, false
		}
		configs := []table.ColumnConfig{{Name: "remark", Hidden: !inColumn}}
		for i, name := range expendable {
			configs = append(configs, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight, Hidden: i < hidden})
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
		t.AppendRow(table.Row{cell(name), cell(string(r.State)), events, bytes, lately(r.Lately), perSecond(r.Rate), lag, budget, next, cell(r.remark())})
	}
	return t
}

// maxCell bounds a cell in bytes. A collector's id has at most 85. Another workflow's may have 1,000, and would make the
// table too wide for all.
const maxCell = 90

// cell is a text from elsewhere in one line of a table, so that it cannot look like two rows.
func cell(text string) string { return printable.Cut(text, maxCell) }

// lately formats what was shipped lately, with the time that it covers unless that is about five minutes.
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

// duration formats a duration for a column.
func duration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.Round(time.Second).String()
}

// note is a text below the table about one collector, or about several that share it.
type note struct {
	names []string
	what  string // such as a warning; may be empty
	text  string
	// shared is the part of text that is the same for all services with this problem; empty if text is.
	shared string
	remedy string // a command; may be empty
	at     time.Time
	// failures counts the consecutive failed slices. If several collectors differ, it is the most, and upTo is "up to ".
	failures int
	upTo     string
}

func problemNote(name string, p workflows.Problem) note {
	n := note{names: []string{name}, text: p.String(), at: p.At}
	if p.Endpoint != "" {
		p.Message = "asking Okta: " + p.Message
	}
	p.Endpoint, p.RequestID = "", ""
	n.shared = p.String()
	return n
}

// together merges the notes that say the same, for instance that the same token is invalid for each service.
func together(notes []note) (all []*note) {
	same := make(map[[3]string]*note)
	for _, n := range notes {
		key := [3]string{n.what, cmp.Or(n.shared, n.text), n.remedy}
		to := same[key]
		if to == nil {
			same[key] = &n
			all = append(all, &n)
			continue
		}
		to.names, to.text = append(to.names, n.names...), key[1]
		if n.at.After(to.at) {
			to.at = n.at
		}
		if n.failures != to.failures {
			to.failures, to.upTo = max(to.failures, n.failures), "up to "
		}
	}
	return all
}

// renderNotes returns the notes below a table. It does not break words and commands that are longer than the width.
func renderNotes(notes []note, now time.Time, width int) (shown string) {
	for _, n := range together(notes) {
		head := enumeration(n.names)
		if n.what != "" {
			head += ", " + n.what
		}
		if n.failures > 1 {
			head += fmt.Sprintf(", %s%d failures in a row", n.upTo, n.failures)
		}
		if !n.at.IsZero() {
			head += ", " + humanize.RelTime(n.at, now, "ago", "from now")
		}
		shown += "\n\n" + terminal.Wrap(head+":", 0, width) + "\n" + terminal.Wrap(n.text, 2, width)
		if n.remedy != "" {
			shown += "\n  " + n.remedy // a line of its own, to be copied
		}
	}
	return shown
}

// enumeration lists ids. An id that begins like the one before it is shortened to its end.
func enumeration(names []string) string {
	beginning := func(name string) string { return name[:strings.LastIndexAny(name, "/ ")+1] }
	names = slices.Clone(names)
	for i, name := range names {
		names[i] = printable.Line(name)
	}
	list := names[:1:1]
	for i, name := range names[1:] {
		list = append(list, cmp.Or(strings.TrimPrefix(name, beginning(names[i])), name))
	}
	return strings.Join(list, ", ")
}
