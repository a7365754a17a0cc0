package main

import (
	"context"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
)

const (
	// required is the least share of the loop's speed that the collector has to have.
	required = 0.5
	// smaller is how many times smaller the backlog is that shows whether memory grows with it, and
	// maxGrowth how many times as much the whole one may take: a longer run comes nearer to the most that
	// the garbage collector allows, but a backlog kept in memory would take five times as much.
	smaller   = 5
	maxGrowth = 1.5
)

// run measures, shows what it is at, and ends with a report.
func run(ctx context.Context, out io.Writer, p plan) error {
	fmt.Fprintf(out, "%s events of %s bytes\n", humanize.Comma(int64(p.events)), humanize.Comma(int64(p.eventBytes)))
	return onStage(ctx, out, func(ctx context.Context, s *stage) error { return s.race(ctx, out, p) })
}

// race measures the collector and the loop in turns.
func (s *stage) race(ctx context.Context, out io.Writer, p plan) error {
	large, err := s.startOrg(ctx, "oktasim", p.events, p.eventBytes)
	if err != nil {
		return err
	}
	small, err := s.startOrg(ctx, "oktasim-small", p.events/smaller, p.eventBytes)
	if err != nil {
		return err
	}

	loop := &series{name: "minimal loop", org: large, run: s.readInLoop}
	file := &series{name: "collector", org: large, run: s.collectIntoFile}
	fifth := &series{name: "collector, a fifth", org: small, run: s.collectIntoFile}
	tls := &series{name: "collector, over TLS", org: large, run: s.collectOverTLS}
	for round := range p.rounds {
		fmt.Fprintf(out, "round %d of %d\n", round+1, p.rounds)
		for _, series := range []*series{fifth, loop, file} {
			if err := series.measure(ctx, out); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(out, "for information")
	if err := tls.measure(ctx, out); err != nil {
		return err
	}

	fmt.Fprintf(out, "\n%s\n\n", render([]*series{loop, file, fifth, tls}))
	return judge(out, loop, file, fifth)
}
