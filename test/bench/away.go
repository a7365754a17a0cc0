package main

import (
	"context"
	"fmt"
	"time"
)

// away is Devo at a distance.
type away struct {
	rtt time.Duration
	// ratio is the least share of the sender's speed that the collector has to have, and speed the least number of events a
	// second; 0: any.
	ratio, speed float64
}

// measure compares the collector with a sender that confirms nothing, over the same wire.
func (a away) measure(b *bench, ctx context.Context) error {
	o, err := b.org(ctx, b.events)
	if err != nil {
		return err
	}
	address, err := b.wire(a.rtt, b.devo.address)
	if err != nil {
		return err
	}
	where := fmt.Sprintf(", Devo %d ms away", a.rtt.Milliseconds())
	sender := &series{name: "sender" + where, org: o, run: func(ctx context.Context, o *org) (measurement, error) {
		return b.sendWithoutConfirmation(ctx, o, address)
	}}
	collector := &series{name: "collector" + where, org: o, run: func(ctx context.Context, o *org) (measurement, error) {
		return b.collectOverTLS(ctx, o, address)
	}}
	if err := b.inTurns(ctx, sender, collector); err != nil {
		return err
	}
	b.add(row{what: "speed beside a sender that confirms nothing", value: collector.speedRatio(sender), target: a.ratio})
	b.add(row{what: "speed", value: collector.speed(median(collector, took)), unit: perSecond, target: a.speed})
	return nil
}

const (
	// oktaAway and devoAway are how far both are away where both are.
	oktaAway, devoAway = 200 * time.Millisecond, 150 * time.Millisecond
	// together is how many times as long both may take as the one that takes longer alone.
	together = 1.10
)

// bothAway measures whether what Okta's distance costs and what Devo's costs come at the same time.
func (b *bench) bothAway(ctx context.Context) error {
	near, err := b.org(ctx, b.events)
	if err != nil {
		return err
	}
	toOkta, err := b.wire(oktaAway, near.host())
	if err != nil {
		return err
	}
	far := near.at("http://" + toOkta)
	measured := func(name string, o *org, rtt time.Duration) (*series, error) {
		address, err := b.wire(rtt, b.devo.address)
		return &series{name: "collector, " + name, org: o, run: func(ctx context.Context, o *org) (measurement, error) {
			return b.collectOverTLS(ctx, o, address)
		}}, err
	}
	okta, err := measured("Okta 200 ms away", far, 0)
	if err != nil {
		return err
	}
	devo, err := measured("Devo 150 ms away", near, devoAway)
	if err != nil {
		return err
	}
	both, err := measured("both", far, devoAway)
	if err != nil {
		return err
	}
	if err := b.inTurns(ctx, okta, devo, both); err != nil {
		return err
	}
	var ratios []float64
	for i, m := range both.all {
		ratios = append(ratios, m.Took.Seconds()/max(okta.all[i].Took, devo.all[i].Took).Seconds())
	}
	b.add(row{what: "time with both away, of that with the slower one alone", value: middle(ratios), target: together, most: true})
	return nil
}
