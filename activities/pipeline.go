package activities

import (
	"context"
	"time"
)

const (
	// mostUnderWay is how many batches of a slice are sent and not covered by a durable checkpoint at most. If Devo is far away,
	// each takes a second.
	mostUnderWay = 9
	// filesUnderWay is how many are written and not synced at most. They take none of the worker's memory.
	filesUnderWay = 4
	// slowDelivery: after a batch that took longer, one batch fewer may be under way. More batches do not make a slow Devo
	// faster, and a stop repeats all of them.
	slowDelivery = 5 * time.Second
)

// pipeline has the batches of a slice that are under way. A goroutine waits for them in order. room, add, drain and close are
// for the goroutine that sends.
type pipeline struct {
	ctx      context.Context // ends when a batch was not confirmed
	fail     context.CancelCauseFunc
	most     int           // batches under way
	free     chan struct{} // has a value for each batch that may be put under way
	allowed  int           // how many may be under way together, now
	underWay chan *batch   // oldest first
	newest   chan struct{} // the newest batch's, whose page it does not keep; nil before the first one
	ended    chan struct{} // closed when the goroutine has ended
	givenUp  []*batch      // the first one that was not confirmed, and all after it; valid after ended is closed
}

// startPipeline starts to wait for batches with confirm. close must be called.
func startPipeline(ctx context.Context, most int, confirm func(*batch) error) *pipeline {
	p := &pipeline{
		most: most, free: make(chan struct{}, most), allowed: most, underWay: make(chan *batch, most), ended: make(chan struct{}),
	}
	p.ctx, p.fail = context.WithCancelCause(ctx)
	for range p.allowed {
		p.free <- struct{}{}
	}
	go p.wait(confirm)
	return p
}

// wait waits for the batches.
func (p *pipeline) wait(confirm func(*batch) error) {
	defer close(p.ended)
	for b := range p.underWay {
		err := context.Cause(p.ctx)
		if len(p.givenUp) == 0 {
			err = confirm(b)
		}
		if err != nil {
			p.givenUp = append(p.givenUp, b)
			p.fail(err)
			continue
		}
		close(b.confirmed)
	}
}

// release lets other batches follow one that is not under way any more: one, or none if Devo is slow, or two until most are
// under way again. One goroutine calls it at a time.
func (p *pipeline) release(d delivered) {
	more := 1
	switch {
	case d.took > slowDelivery && p.allowed > 1:
		more = 0
	case d.took <= slowDelivery && p.allowed < p.most:
		more = 2
	}
	p.allowed += more - 1
	for range more {
		p.free <- struct{}{}
	}
}

// room waits until another batch may be put under way. Its error says why an earlier one was not confirmed.
func (p *pipeline) room() error {
	select {
	case <-p.free:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// add puts a batch under way. There must be room.
func (p *pipeline) add(b *batch) {
	b.confirmed = make(chan struct{})
	p.newest = b.confirmed
	p.underWay <- b
}

// drain waits until all batches are confirmed.
func (p *pipeline) drain() error {
	if p.newest == nil {
		return nil
	}
	select {
	case <-p.newest:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// close waits until each batch is confirmed or given up. It returns why the first one of these was not confirmed.
func (p *pipeline) close() error {
	close(p.underWay)
	<-p.ended
	err := context.Cause(p.ctx)
	p.fail(nil)
	if len(p.givenUp) == 0 {
		return nil
	}
	return err
}
