package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
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
	fmt.Fprintf(out, "  %-34s", s.name)
	// What is still to be written of earlier runs, and to be freed of their files, is not to slow down this one.
	syscall.Sync()
	before, err := usageOf(s.org.pid)
	if err != nil {
		return err
	}
	m, err := s.run(ctx, s.org)
	if err != nil {
		fmt.Fprintln(out)
		return fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := usageOf(s.org.pid)
	if err != nil {
		return err
	}
	m.Okta = after.CPU - before.CPU
	s.all = append(s.all, m)
	fmt.Fprintf(out, "%7.2f s %9s events/s %6.2f CPU s\n", m.Took.Seconds(), humanize.Comma(int64(s.speed(m.Took))), m.Usage.CPU.Seconds())
	return nil
}

// speed is in events a second.
func (s *series) speed(took time.Duration) float64 {
	return float64(s.org.Count("logs")) / took.Seconds()
}

// median is that of one number of each measurement.
func median[T cmp.Ordered](s *series, number func(measurement) T) T {
	var all []T
	for _, m := range s.all {
		all = append(all, number(m))
	}
	return middle(all)
}

// middle is the median, the lower one of two.
func middle[T cmp.Ordered](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)-1)/2]
}

// speedRatio is how many times as fast s was as other, the median of all rounds.
func (s *series) speedRatio(other *series) float64 { return other.ratio(s, took) }

// ratio is a number of s divided by that of other, the median of all rounds.
func (s *series) ratio(other *series, number func(measurement) time.Duration) float64 {
	var ratios []float64
	for i, m := range s.all {
		ratios = append(ratios, number(m).Seconds()/number(other.all[i]).Seconds())
	}
	return middle(ratios)
}

func took(m measurement) time.Duration { return m.Took }
func cpu(m measurement) time.Duration  { return m.Usage.CPU }

// renderSeries makes a Markdown table of the medians.
func renderSeries(all []*series) string {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"what", "events", "seconds", "events/s", "CPU s", "the org's", "Temporal's", "bench's", "peak MB", "history", "sent again"})
	for _, s := range all {
		seconds := func(number func(measurement) time.Duration) string {
			return fmt.Sprintf("%.2f", median(s, number).Seconds())
		}
		count := func(number func(measurement) int) string { return humanize.Comma(int64(median(s, number))) }
		t.AppendRow(table.Row{
			s.name, humanize.Comma(int64(s.org.Count("logs"))), seconds(took), humanize.Comma(int64(s.speed(median(s, took)))), seconds(cpu),
			seconds(func(m measurement) time.Duration { return m.Okta }),
			seconds(func(m measurement) time.Duration { return m.Temporal }),
			seconds(func(m measurement) time.Duration { return m.Bench }),
			megabytes(median(s, func(m measurement) uint64 { return m.Usage.Peak })),
			count(func(m measurement) int { return m.History }),
			count(func(m measurement) int { return m.Repeated }),
		})
	}
	return markdown(t, 1)
}

func megabytes(n uint64) string { return fmt.Sprintf("%.0f", float64(n)/1e6) }
