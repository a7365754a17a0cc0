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
	// over says that no worker runs any more.
	over bool
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
	name  string
	right bool
	value func(collected) string
}

// columns of the collector's side and of Devo's.
func (v view) columns(now time.Time) (collector, devo []column) {
	collector = []column{
		{"state", false, func(c collected) string { return string(c.State) }},
		{"pages", true, func(c collected) string { return humanize.Comma(c.Checkpoint.Totals.Pages) }},
		{"events", true, func(c collected) string { return humanize.Comma(c.Checkpoint.Totals.Events) }},
		{"events/s", true, func(c collected) string { return humanize.Comma(int64(v.arrived(c).PerSecond + 0.5)) }},
		{"budget used", true, func(c collected) string { return budget(c, now) }},
		{"next", false, func(c collected) string { return next(c, now) }},
	}
	devo = []column{
		{"this run", true, func(c collected) string { return humanize.Comma(v.thisRun(c)) }},
		{"arrived", true, func(c collected) string { return humanize.Comma(v.arrived(c).Distinct) }},
		{"repeated", true, func(c collected) string { return humanize.Comma(v.arrived(c).Repeated) }},
		{"agree", false, func(c collected) string { return v.agree(c) }},
	}
	return collector, devo
}

// tables renders both sides beside each other, or one below the other where
// there is no room. A width of 0 is any.
func (v view) tables(now time.Time, width int) string {
	collector, devo := v.columns(now)
	if both := v.table(slices.Concat(collector, devo)); width == 0 || text.LongestLineLen(both) < width {
		return both
	}
	return v.table(collector) + "\n\n" + v.table(devo)
}

// outcome renders what both sides have counted in the end.
func (v view) outcome() string {
	collector, devo := v.columns(time.Time{})
	return v.table(slices.Concat(collector[1:3], devo))
}

func (v view) table(columns []column) string {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	header := table.Row{"service"}
	var configs []table.ColumnConfig
	for _, c := range columns {
		header = append(header, c.name)
		if c.right {
			configs = append(configs, table.ColumnConfig{Name: c.name, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, s := range v.services {
		row := table.Row{s.Service}
		for _, c := range columns {
			row = append(row, c.value(s))
		}
		t.AppendRow(row)
	}
	return t.Render()
}

// budget is what the collector used of Okta's limit in the window that is open, and that as a share.
func budget(c collected, now time.Time) string {
	w := c.Checkpoint.Window
	if w == nil || w.Limit == 0 {
		return "-"
	}
	used := w.Used
	if !w.Ends.After(now) {
		used = 0
	}
	return fmt.Sprintf("%d/%d %3d%%", used, w.Limit, 100*used/w.Limit)
}

// next says when a collector goes on, and why it waits.
func next(c collected, now time.Time) string {
	if c.WakeAt == nil {
		return "-"
	}
	why, _, _ := strings.Cut(c.Reason, " until ")
	why, _, _ = strings.Cut(why, " again ")
	why, _, _ = strings.Cut(why, ";")
	return fmt.Sprintf("%3s  %s", max(0, c.WakeAt.Sub(now)).Round(time.Second), why)
}

func (v view) agree(c collected) string {
	switch d := v.difference(c); {
	case d == 0:
		return "yes"
	case d < 0:
		return "NO: " + humanize.Comma(d)
	case v.over:
		return "+" + humanize.Comma(d) + ", backfilled, or to be sent again"
	default:
		return "+" + humanize.Comma(d) + ", on the way or backfilled"
	}
}

// problems are the last problem of each service that has one.
func (v view) problems(now time.Time) []string {
	var lines []string
	for _, c := range v.services {
		if p := c.LastProblem; p != nil {
			lines = append(lines, fmt.Sprintf("%s, %s: %s", c.Service, humanize.RelTime(p.At, now, "ago", "from now"), p.Message))
		}
	}
	return lines
}
