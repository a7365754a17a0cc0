package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

const (
	// liveEvery is the time between two live events.
	liveEvery = 5 * time.Millisecond
	// poll is OKTA_POLL_LOGS by default.
	poll = 10 * time.Second
	// liveWarmUp is the time from the start of the workflow after which events count.
	liveWarmUp = 2 * poll
	liveRTT    = 100 * time.Millisecond
)

// liveEvents measures how long live events take from Okta's persisting them until Devo has read them.
func (b *bench) liveEvents(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	epoch := time.Now().UTC().Truncate(time.Millisecond)
	sim, err := oktasim.Start(oktasim.Config{Seed: 1, Token: token, Epoch: epoch, LiveEvery: liveEvery, EventBytes: b.eventBytes})
	if err != nil {
		return err
	}
	defer sim.Close()
	address, err := b.wire(liveRTT, b.devo.address)
	if err != nil {
		return err
	}
	settings, err := b.devo.settings(address)
	if err != nil {
		return err
	}
	b.devo.clear()
	tenant := b.newTenant()
	env := append(append(tenantSettings(tenant, sim.URL), settings...), "TEMPORAL_NAMESPACE="+namespace)
	worker, env, err := b.startWorker(ctx, env, []string{tenant}, asItIs)
	if err != nil {
		return err
	}
	defer func() {
		stop()
		<-worker.exited
	}()
	id := workflows.WorkflowID(tenant, "logs")
	if _, err := b.output(ctx, program{name: "starter", path: b.path("okta-collector"), args: []string{"start", id}, env: env}); err != nil {
		return err
	}
	if err := pass(ctx, liveWarmUp); err != nil {
		return err
	}
	first := sim.Count("logs")
	if err := pass(ctx, b.live); err != nil {
		return err
	}
	last := sim.Count("logs")
	var took []time.Duration
	err = worker.until(ctx, patience, func(context.Context) error {
		took = nil
		for i := first; i < last; i++ {
			at, arrived := b.devo.first(sim.Object("logs", i))
			if !arrived {
				return fmt.Errorf("event %d has not arrived", i)
			}
			persisted := epoch.Add(time.Duration(i+1) * liveEvery)
			took = append(took, at.Sub(persisted))
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(took)
	at := func(part float64) float64 { return took[int(part*float64(len(took)-1))].Seconds() }
	fmt.Fprintf(b.out, "  %d events: %.1f s, %.1f s, %.1f s for 50, 99 and 100 of 100\n", len(took), at(0.5), at(0.99), at(1))
	b.add(row{what: "half of the events are in Devo after", value: at(0.5), unit: second, target: (poll/2 + 2*time.Second).Seconds(), most: true})
	b.add(row{what: "99 of 100 are after", value: at(0.99), unit: second, target: (poll + 4*time.Second).Seconds(), most: true})
	return b.client.TerminateWorkflow(ctx, id, "", "it is measured")
}
