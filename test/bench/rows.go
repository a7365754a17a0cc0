package main

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// row is one figure, and what it has to be.
type row struct {
	part, what string
	value      float64
	unit       unit
	// target is the least value, or with most the greatest; 0: none.
	target float64
	most   bool
	// strict targets must not be missed at all.
	strict bool
	// failed says why there is no value.
	failed error
}

// unit is that of a row's value.
type unit string

const (
	ratio       unit = ""
	megabyte    unit = "MB"
	second      unit = "s"
	perSecond   unit = "events/s"
	action      unit = "actions"
	allocation  unit = "allocations"
	toleratedBy      = 0.15 // of the target
	tolerated        = 2    // rows
)

func (u unit) show(value float64) string {
	switch u {
	case ratio:
		return fmt.Sprintf("%.2f", value)
	case megabyte:
		return fmt.Sprintf("%.1f %s", value, u)
	case second:
		return fmt.Sprintf("%.2f %s", value, u)
	default:
		return humanize.Comma(int64(value)) + " " + string(u)
	}
}

// missedBy is by what part of the target the value misses it; 0 if it does not.
func (r row) missedBy() float64 {
	switch {
	case r.target == 0:
		return 0
	case r.most:
		return max(0, r.value/r.target-1)
	default:
		return max(0, 1-r.value/r.target)
	}
}

func (r row) wanted() string {
	switch {
	case r.target == 0:
		return ""
	case r.most:
		return "at most " + r.unit.show(r.target)
	default:
		return "at least " + r.unit.show(r.target)
	}
}

func (r row) verdict() string {
	switch by := r.missedBy(); {
	case r.failed != nil:
		return "failed"
	case r.target == 0:
		return "no target"
	case by > 0:
		return fmt.Sprintf("missed by %.1f %%", by*100)
	default:
		return "met"
	}
}

// renderRows makes a Markdown table of the rows.
func renderRows(rows []row) string {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"part", "what", "value", "target", "verdict"})
	for _, r := range rows {
		value := r.unit.show(r.value)
		if r.failed != nil {
			value = ""
		}
		t.AppendRow(table.Row{r.part, r.what, value, r.wanted(), r.verdict()})
	}
	return markdown(t, 2)
}

// markdown renders a table as Markdown. Its columns but the first ones are aligned to the right.
func markdown(t table.Writer, texts int) string {
	const columns = 11 // as many as any table has
	var all []table.ColumnConfig
	for number := texts + 1; number <= columns; number++ {
		all = append(all, table.ColumnConfig{Number: number, Align: text.AlignRight})
	}
	t.SetColumnConfigs(all)
	return t.RenderMarkdown()
}

// judge says which targets are missed. At most two rows may miss theirs, none by more than 15 %, and none of those that
// are strict.
func judge(rows []row) error {
	var errs []error
	missed := 0
	for _, r := range rows {
		by := r.missedBy()
		if by > 0 {
			missed++
		}
		switch {
		case r.failed != nil:
			errs = append(errs, fmt.Errorf("%s, %s: %w", r.part, r.what, r.failed))
		case by > 0 && r.strict:
			errs = append(errs, fmt.Errorf("%s, %s: %s; this target must not be missed", r.part, r.what, r.verdict()))
		case by > toleratedBy:
			errs = append(errs, fmt.Errorf("%s, %s: %s", r.part, r.what, r.verdict()))
		}
	}
	if missed > tolerated {
		errs = append(errs, fmt.Errorf("%d targets are missed; at most %d may be", missed, tolerated))
	}
	return errors.Join(errs...)
}
