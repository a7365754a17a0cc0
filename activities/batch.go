package activities

import (
	"context"
	"time"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// batchSize is how many objects are sent before the next checkpoint, while Okta is slower than Devo. A killed worker
// sends them again. A checkpoint takes 2 to 4 ms and is one billable action of Temporal Cloud. A page of 1,000 log
// events takes a second within half of Okta's highest default limit.
const batchSize = 250

// slowDelivery: after a batch that took longer, the next one has at most batchSize objects. A whole page that takes
// longer than the sink's timeouts could never be confirmed.
const slowDelivery = 2 * time.Second

// A batch is a page, or a part of one, on its way to Devo. It uses its page's memory, which deliver releases.
type batch struct {
	page          *okta.Page
	from, to      int           // its objects in the page; equal if the page is empty
	before, after []devo.Record // for other tables
	sent          time.Time
	delivery      devo.Delivery // nil until objects or records were sent
}

func (b *batch) objects() [][]byte { return b.page.Objects[b.from:b.to] }

// isEmpty reports whether there is nothing to send.
func (b *batch) isEmpty() bool { return len(b.objects())+len(b.before)+len(b.after) == 0 }

// last reports whether this is the last batch of its page.
func (b *batch) last() bool { return b.to == len(b.page.Objects) }

// deliver delivers a page batch by batch, one at a time. next receives the page after it; nil if there is none.
func (s *slice) deliver(page *okta.Page, next <-chan fetched) error {
	defer page.Release()
	if s.stream == nil && page.Ships() {
		if err := s.open(page); err != nil {
			return err
		}
	}
	for done := 0; ; {
		to := len(page.Objects)
		// A file is truncated to its checkpoint, so whole pages are safe. If the next page already waits, the sink is the
		// slower side, and fewer checkpoints are faster. A backfill has many pages, and each checkpoint is a billable action.
		if s.at.Offset == nil && (len(next) == 0 && s.in.Backfill == nil || s.took > slowDelivery) {
			to = min(to, done+batchSize)
		}
		b := &batch{page: page, from: done, to: to}
		b.before, b.after = s.records(page, done, to)
		if err := s.send(b, next != nil); err != nil {
			return err
		}
		if err := s.confirm(b); err != nil || b.last() {
			return err
		}
		if s.lease.fetching.Err() != nil {
			return context.Cause(s.lease.fetching) // another batch might not be confirmed in time
		}
		done = to
	}
}

// open opens the sink for the slice's first batch.
func (s *slice) open(page *okta.Page) (err error) {
	// Opening truncates a file. Before that, Temporal must acknowledge that the slice is still this worker's.
	if err := s.progress.begin(page); err != nil {
		return err
	}
	if s.stream, err = s.tenant.Sink.Open(s.lease.shipping, s.target); err != nil {
		return err
	}
	if offset := s.stream.Offset(); offset != nil {
		return s.progress.opened(offset, s.tenant.Sink.OffsetOf())
	}
	return nil
}

// send sends a batch, unless it is empty. more says that another page follows.
func (s *slice) send(b *batch, more bool) error {
	if b.isEmpty() {
		return nil
	}
	if err := s.lease.check(); err != nil {
		return err
	}
	b.sent = time.Now()
	delivery, err := s.stream.Send(s.lease.shipping, devo.Batch{
		Objects: b.objects(), Members: b.page.Members, Before: b.before, After: b.after, More: more || !b.last(),
	})
	if err != nil {
		return s.undelivered(b, err)
	}
	b.delivery = delivery
	return nil
}

// confirm waits until a batch was read, and moves the checkpoint past it.
func (s *slice) confirm(b *batch) error {
	var stats devo.Stats
	if b.delivery != nil {
		var err error
		if stats, err = b.delivery.Wait(s.lease.shipping); err != nil {
			return s.undelivered(b, err)
		}
		s.took = time.Since(b.sent)
		s.metrics.delivered(b, stats)
	}
	if b.from == 0 { // not earlier: a page of which nothing was delivered is fetched again, with the same warnings
		for _, w := range b.page.Warnings {
			s.warn(string(w.Kind), w.Message)
		}
	}
	odd := b.page.Oddities(b.from, b.to)
	s.metrics.odd(odd)
	s.metrics.add(s.metrics.m.dropped, float64(b.page.Dropped(b.from, b.to)))
	return s.progress.advance(b, stats, odd, s.stream, s.now())
}

// undelivered counts a batch that was not confirmed. It returns why: the end of the lease, or else the sink's error.
func (s *slice) undelivered(b *batch, err error) error {
	s.metrics.undelivered(len(b.objects()), err)
	if s.lease.shipping.Err() != nil {
		return context.Cause(s.lease.shipping)
	}
	return err
}
