package main

import "context"

// files compares the collector with two loops that write files, and the CPU seconds too.
func (b *bench) files(ctx context.Context) error {
	o, err := b.org(ctx, b.events)
	if err != nil {
		return err
	}
	loop := &series{name: "loop", org: o, run: b.readInLoop}
	careful := &series{name: "careful loop", org: o, run: b.readInCarefulLoop}
	collector := &series{name: "collector", org: o, run: b.collectIntoFile}
	if err := b.inTurns(ctx, loop, careful, collector); err != nil {
		return err
	}
	b.add(row{what: "speed beside a loop that splits nothing and syncs once", value: collector.speedRatio(loop), target: 0.9})
	b.add(row{what: "speed beside a loop that parses, and syncs each page and its cursor", value: collector.speedRatio(careful), target: 1.5})
	b.add(row{what: "CPU of the worker for 100,000 events", value: median(collector, cpu).Seconds() * 100_000 / float64(b.events), unit: second})
	// The target is 0.35 s on a machine on which the careful loop takes 1.2 s. Others may be twice as fast or slow.
	b.add(row{what: "CPU of the worker beside the loop that parses", value: collector.ratio(careful, cpu), target: 0.35 / 1.2, most: true})
	return nil
}
