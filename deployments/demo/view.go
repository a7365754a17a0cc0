package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"okta-collector/internal/devosim"
	"okta-collector/internal/okta"
)

// view is everything that is shown of both sides at one moment.
type view struct {
	services []collected
	// before is how many events of each workflow id were collected by earlier runs, which the Devo
	// stand-in of this one knows nothing of.
	before map[string]int64
	devo   devosim.Report
}

// thisRun is how many events of a service the collector has shipped in this run.
func (v view) thisRun(c collected) int64 { return c.Checkpoint.Totals.Events - v.before[c.ID] }

// arrived is what the Devo stand-in has counted of a service in this run.
func (v view) arrived(c collected) devosim.TagStats {
	service, _ := okta.Lookup(c.Service) // one that there is not has no table, and nothing arrived
	return v.devo.Tags[service.Table]
}

// difference is how many events Devo has counted that the collector has no checkpoint of: what is on its
// way, what a killed worker had no time to record, or a backfill's. Below 0 something was lost.
func (v view) difference(c collected) int64 { return v.arrived(c).Distinct - v.thisRun(c) }

// disagreement says where the two sides disagree now that no worker runs; nil if nowhere.
func (v view) disagreement() error {
	var where []string
	for _, c := range v.services {
		if v.difference(c) < 0 {
			where = append(where, fmt.Sprintf("%s: %d collected, %d arrived", c.Service, v.thisRun(c), v.arrived(c).Distinct))
		}
	}
	if v.devo.Malformed > 0 {
		where = append(where, fmt.Sprintf("%d records were malformed, such as %s", v.devo.Malformed, strings.Join(v.devo.Examples[:min(1, len(v.devo.Examples))], "")))
	}
	if where == nil {
		return nil
	}
	return fmt.Errorf("the two sides disagree: %s", strings.Join(where, "; "))
}

// column is one of the table.
type column struct {
	name string
	// width is that of its usual values, so that columns stay where they are while figures grow.
	width int
	right bool
	// spare says which columns are left out first where there is no room: the highest ones; 0 stays.
	spare int
	value func(collected) string
}

// columns of the collector's side, and then of Devo's.
func (v view) columns(now time.Time) []column {
	return []column{
		{"service", 0, false, 0, func(c collected) string { return c.Service }},
		{"state", 7, false, 0, func(c collected) string { return string(c.State) }},
		{"pages", 5, true, 1, func(c collected) string { return humanize.Comma(c.Checkpoint.Totals.Pages) }},
		{"events", 7, true, 3, func(c collected) string { return humanize.Comma(c.Checkpoint.Totals.Events) }},
		{"events/s", 8, true, 2, func(c collected) string { return humanize.Comma(int64(v.arrived(c).PerSecond + 0.5)) }},
		{"budget", 7, true, 0, func(c collected) string { return budget(c, now) }},
		{"next", 17, false, 0, func(c collected) string { return next(c, now) }},
		{"this run", 8, true, 0, func(c collected) string { return humanize.Comma(v.thisRun(c)) }},
		{"arrived", 7, true, 0, func(c collected) string { return humanize.Comma(v.arrived(c).Distinct) }},
		{"repeated", 8, true, 4, func(c collected) string { return humanize.Comma(v.arrived(c).Repeated) }},
		{"agree", 6, false, 0, func(c collected) string { return v.agree(c) }},
	}
}

// table renders both sides beside each other, with as many columns as a width has room for; 0 is any width.
func (v view) table(now time.Time, width int) string {
	columns := v.columns(now)
	for _, c := range v.services {
		columns[0].width = max(columns[0].width, len(c.Service))
	}
	const gap = 2
	for needed := total(columns, gap); width > 0 && needed >= width; needed = total(columns, gap) {
		most := slices.MaxFunc(columns, func(a, b column) int { return a.spare - b.spare }).spare
		if most == 0 {
			break
		}
		columns = slices.DeleteFunc(columns, func(c column) bool { return c.spare == most })
	}
	return v.render(columns)
}

// total is how wide a table is.
func total(columns []column, gap int) (n int) {
	for _, c := range columns {
		n += max(c.width, len(c.name)) + gap
	}
	return n - gap
}

// outcome renders what both sides have counted in the end.
func (v view) outcome() string {
	return v.render(slices.DeleteFunc(v.columns(time.Time{}), func(c column) bool {
		return slices.Contains([]string{"state", "events/s", "budget", "next"}, c.name)
	}))
}

// render makes a table of columns, and says below it what is not plain.
func (v view) render(columns []column) string {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	var header table.Row
	var configs []table.ColumnConfig
	for _, c := range columns {
		header = append(header, c.name)
		config := table.ColumnConfig{Name: c.name, WidthMin: c.width}
		if c.right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, s := range v.services {
		row := make(table.Row, len(columns))
		for i, c := range columns {
			row[i] = c.value(s)
		}
		t.AppendRow(row)
	}
	rendered := t.Render()
	if slices.ContainsFunc(v.services, func(c collected) bool { return v.difference(c) > 0 }) {
		rendered += "\n" + ahead
	}
	return rendered
}

// ahead says how more can have arrived than was collected.
const ahead = "+: arrived and not recorded yet (it may be sent again), or backfilled"

// budget is what the collector used of Okta's limit in the window that is open.
func budget(c collected, now time.Time) string {
	if len(c.Checkpoint.Windows) == 0 || c.Checkpoint.Windows[0].Limit == 0 {
		return "-"
	}
	w := c.Checkpoint.Windows[0] // of the service's own endpoint
	used := w.Used
	if !w.Ends.After(now) {
		used = 0
	}
	return fmt.Sprintf("%d/%d", used, w.Limit)
}

// next says when a collector goes on, and why it waits.
func next(c collected, now time.Time) string {
	if c.WakeAt == nil {
		return "-"
	}
	why, _, _ := strings.Cut(c.Reason, " until ")
	why, _, _ = strings.Cut(why, ";")
	if strings.Contains(why, "tries again ") {
		why = "tries again"
	}
	return fmt.Sprintf("%4s %s", short(max(0, c.WakeAt.Sub(now))), why)
}

// short is a duration to the second or, from an hour on, to the minute.
func short(d time.Duration) string {
	if d < time.Hour {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

func (v view) agree(c collected) string {
	switch d := v.difference(c); {
	case d == 0:
		return "yes"
	case d < 0:
		return "NO: " + humanize.Comma(d)
	default:
		return "+" + humanize.Comma(d)
	}
}

// problems are the last problem of each service that has one, the newest first.
func (v view) problems(now time.Time) []string {
	services := slices.DeleteFunc(slices.Clone(v.services), func(c collected) bool { return c.LastProblem == nil })
	slices.SortStableFunc(services, func(a, b collected) int { return b.LastProblem.At.Compare(a.LastProblem.At) })
	var lines []string
	for _, c := range services {
		said := strings.TrimPrefix(c.LastProblem.Message, strings.TrimPrefix(c.ID, "okta/")+": ")
		lines = append(lines, fmt.Sprintf("%s, %s: %s", c.Service, humanize.RelTime(c.LastProblem.At, now, "ago", "from now"), said))
	}
	return lines
}
