package main

import (
	"context"
	"time"
)

const (
	largeFile = "collector, large backlog"
	largeTLS  = "collector, large backlog, Devo 150 ms away"
)

// largeFiles measures the worker's memory while it works off a large backlog into a file.
func (b *bench) largeFiles(ctx context.Context) error { return b.memoryOf(ctx, largeFile, 64) }

// largeTLS measures the same with Devo far away.
func (b *bench) largeTLS(ctx context.Context) error { return b.memoryOf(ctx, largeTLS, 112) }

// memoryOf holds the memory of a large run against a number of megabytes.
func (b *bench) memoryOf(ctx context.Context, name string, most float64) error {
	s, err := b.largeRun(ctx, name)
	if err != nil {
		return err
	}
	m := s.all[0]
	b.add(row{what: "speed", value: s.speed(m.Took), unit: perSecond})
	b.add(row{what: "peak memory of the worker", value: float64(m.Usage.Peak) / 1e6, unit: megabyte, target: most, most: true, strict: true})
	b.add(row{what: "peak of the second half, of that of the first", value: growth(m.Peaks), target: flat, most: true, strict: true})
	return nil
}

// actionsOfAMillion counts the billable actions of the large runs.
func (b *bench) actionsOfAMillion(ctx context.Context) error {
	for _, name := range []string{largeFile, largeTLS} {
		s, err := b.largeRun(ctx, name)
		if err != nil {
			return err
		}
		million := s.all[0].Actions * 1e6 / float64(b.largeEvents)
		b.add(row{what: "for a million events, " + name, value: million, unit: action, target: 1300, most: true, strict: true})
	}
	return nil
}

// largeRun measures a large backlog once, or returns what was measured.
func (b *bench) largeRun(ctx context.Context, name string) (*series, error) {
	if s := b.large[name]; s != nil {
		return s, nil
	}
	o, err := b.org(ctx, b.largeEvents)
	if err != nil {
		return nil, err
	}
	address, err := b.wire(150*time.Millisecond, b.devo.address)
	if err != nil {
		return nil, err
	}
	s := &series{name: name, org: o, run: b.collectIntoFile}
	if name == largeTLS {
		s.run = func(ctx context.Context, o *org) (measurement, error) { return b.collectOverTLS(ctx, o, address) }
	}
	if err := s.measure(ctx, b.out); err != nil {
		return nil, err
	}
	b.all = append(b.all, s)
	b.large[name] = s
	return s, nil
}
