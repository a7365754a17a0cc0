package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// series is what was measured of one thing, again and again.
type series struct {
	name string
	org  *org
	run  func(context.Context, *org) (measurement, error)
	all  []measurement
}

// measure takes one more measurement and shows it.
func (s *series) measure(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "  %-22s", s.name)
	// What is still to be written of earlier runs, and to be freed of their files, is not to slow down this one.
	syscall.Sync()
	before, err := usageOf(s.org.pid)
	if err != nil {
		return err
	}
	m, err := s.run(ctx, s.org)
	if err != nil {
		fmt.Fprintln(out)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := usageOf(s.org.pid)
	if err != nil {
		return err
	}
	m.Okta = after.CPU - before.CPU
	s.all = append(s.all, m)
	fmt.Fprintf(out, "%7.2f s %9s events/s %6.2f CPU s\n", m.Took.Seconds(), s.speed(m.Took), m.Usage.CPU.Seconds())
	return nil
}

func (s *series) events() string { return humanize.Comma(int64(s.org.Count("logs"))) }

// speed is in events a second.
func (s *series) speed(took time.Duration) string {
	return humanize.Comma(int64(float64(s.org.Count("logs")) / took.Seconds()))
}

// median is that of one number of each measurement.
func median[T cmp.Ordered](s *series, number func(measurement) T) T {
	var all []T
	for _, m := range s.all {
		all = append(all, number(m))
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

func took(m measurement) time.Duration { return m.Took }
func cpu(m measurement) time.Duration  { return m.Usage.CPU }
func peak(m measurement) uint64        { return m.Usage.Peak }

// render makes a table of the medians.
func render(rows []*series) string {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	header := table.Row{"medians", "events", "seconds", "events/s", "CPU s", "a million", "the org's", "Temporal's", "peak MB", "history"}
	t.AppendHeader(header)
	var columns []table.ColumnConfig
	for number := 2; number <= len(header); number++ {
		columns = append(columns, table.ColumnConfig{Number: number, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	for _, s := range rows {
		seconds := func(number func(measurement) time.Duration) string {
			return fmt.Sprintf("%.2f", median(s, number).Seconds())
		}
		row := table.Row{
			s.name, s.events(), seconds(took), s.speed(median(s, took)),
			seconds(cpu),
			fmt.Sprintf("%.1f", median(s, cpu).Seconds()*1e6/float64(s.org.Count("logs"))),
			seconds(func(m measurement) time.Duration { return m.Okta }),
			seconds(func(m measurement) time.Duration { return m.Temporal }),
			megabytes(median(s, peak)),
			median(s, func(m measurement) int { return m.History }),
		}
		t.AppendRow(row)
	}
	return t.Render()
}

func megabytes(n uint64) string { return fmt.Sprintf("%.0f", float64(n)/1e6) }

// judge says how the collector compares with the loop, and whether its memory grows with the backlog. Its
// error is what is not as it has to be.
func judge(out io.Writer, loop, collector, fifth *series) error {
	var ratios []float64
	for i, m := range collector.all {
		ratios = append(ratios, loop.all[i].Took.Seconds()/m.Took.Seconds())
	}
	slices.Sort(ratios)
	ratio := ratios[(len(ratios)-1)/2]
	fmt.Fprintf(out, "collector / loop: %.2f of its speed (rounds: %.2f to %.2f); at least %.2f is required\n", ratio, ratios[0], ratios[len(ratios)-1], required)
	few, all := median(fifth, peak), median(collector, peak)
	growth := float64(all) / float64(few)
	fmt.Fprintf(out, "memory: %s MB at %s events, %s MB at %s: %.2f times as much; at most %.2f is allowed\n",
		megabytes(few), fifth.events(), megabytes(all), collector.events(), growth, maxGrowth)
	fmt.Fprintln(out, "every file is complete, byte for byte")

	var errs []error
	if ratio < required {
		errs = append(errs, errors.New("the collector is too slow"))
	}
	if growth > maxGrowth {
		errs = append(errs, errors.New("the collector's memory grows with the backlog"))
	}
	return errors.Join(errs...)
}
