package activities

import (
	"context"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// maxBatch is how many bytes of objects a batch has at most, unless one object has more. A page of 1,000 log events has three
// quarters of it. A killed worker sends the batches under way again.
const maxBatch = 4_000_000

// A batch is a page, or a part of one, on its way to Devo. The page's memory is released when its last batch was confirmed, or
// written to a file.
type batch struct {
	fetched
	from, to      int                 // its objects in the page; equal if the page is empty
	position      checkpoint.Position // behind it
	odd           checkpoint.Oddities // its own
	dropped       int64               // objects that are not shipped
	before, after []devo.Record       // for other tables
	sent          time.Time
	delivered
	confirmed chan struct{} // closed when the checkpoint has moved past the batch
}

// delivered is the part of a batch that stays until a durable checkpoint covers it. It does not hold the page.
type delivered struct {
	delivery devo.Delivery // nil until objects or records were sent
	took     time.Duration // to deliver it
}

func (b *batch) objects() [][]byte { return b.page.Objects[b.from:b.to] }

// isEmpty reports whether there is nothing to send.
func (b *batch) isEmpty() bool { return len(b.objects())+len(b.before)+len(b.after) == 0 }

// last reports whether this is the last batch of its page.
func (b *batch) last() bool { return b.to == len(b.page.Objects) }

// deliver puts a page under way, batch by batch. more says that another page follows.
func (s *slice) deliver(got fetched, more bool) error {
	page := got.page
	if s.stream == nil && page.Ships() {
		if err := s.open(page); err != nil {
			return err
		}
	}
	for from := 0; ; {
		b := s.batch(got, from)
		if err := s.pipeline.room(); err != nil {
			return err
		}
		if s.lease.fetching.Err() != nil {
			return context.Cause(s.lease.fetching) // another batch might not be confirmed in time
		}
		if err := s.send(b, more); err != nil {
			return err
		}
		if s.file && b.last() {
			page.Release() // the kernel has its bytes
		}
		s.pipeline.add(b)
		if b.last() {
			return nil
		}
		from = b.to
	}
}

// batch makes a batch of a page, from an object on.
func (s *slice) batch(got fetched, from int) *batch {
	page, to := got.page, end(got.page, from)
	b := &batch{fetched: got, from: from, to: to, position: page.After(to), odd: page.Oddities(from, to), dropped: page.Dropped(from, to)}
	b.before, b.after = s.records(page, from, to)
	return b
}

// end is where a batch of a page ends that begins at an object.
func end(page *okta.Page, from int) int {
	bytes, to := 0, from
	for ; to < len(page.Objects); to++ {
		if bytes += len(page.Objects[to]); bytes > maxBatch && to > from {
			break
		}
	}
	return to
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
	return s.progress.opened(s.stream, s.tenant.Sink.OffsetOf())
}

// send sends a batch, unless it is empty. more says that another page follows.
func (s *slice) send(b *batch, more bool) error {
	if b.isEmpty() {
		return nil
	}
	if len(b.after) > 0 { // they say that everything before them was delivered
		if err := s.pipeline.drain(); err != nil {
			return err
		}
	}
	if err := s.lease.check(); err != nil {
		return err
	}
	b.sent = time.Now()
	delivery, err := s.stream.Send(s.pipeline.ctx, devo.Batch{
		Objects: b.objects(), Members: b.page.Members, Before: b.before, After: b.after, More: more || !b.last(),
	})
	if err != nil {
		return s.undelivered(b, err)
	}
	b.delivery = delivery
	return nil
}

// confirm waits until a batch was read, and moves the checkpoint past it.
func (s *slice) confirm(b *batch) (err error) {
	defer s.recovered("while waiting for a delivery", &err)
	var stats devo.Stats
	if b.delivery != nil {
		if stats, err = b.delivery.Wait(s.lease.shipping); err != nil {
			return s.undelivered(b, err)
		}
		b.took = time.Since(b.sent)
		s.metrics.delivered(b, stats)
	}
	if b.from == 0 { // not earlier: a page of which nothing was delivered is fetched again, with the same warnings
		for _, w := range b.page.Warnings {
			s.warn(string(w.Kind), w.Message)
		}
	}
	s.metrics.odd(b.odd)
	s.metrics.add(s.metrics.m.dropped, float64(b.dropped))
	s.progress.advance(b, stats, s.now().Add(b.wait()))
	if s.file {
		s.pipeline.release(b.delivered)
	}
	if b.last() {
		b.page.Release()
	}
	return nil
}

// release is called when a durable checkpoint covers a batch.
func (s *slice) release(d delivered) {
	if d.delivery != nil {
		d.delivery.Release()
	}
	if !s.file {
		s.pipeline.release(d)
	}
}

// giveUp counts the batches that were sent after the one that was not confirmed.
func (s *slice) giveUp() {
	for i, b := range s.pipeline.givenUp {
		s.unconfirmed = append(s.unconfirmed, b.page)
		if i > 0 && b.delivery != nil {
			_, err := b.delivery.Wait(s.pipeline.ctx)
			s.metrics.undelivered(len(b.objects()), err)
		}
	}
}

// undelivered counts a batch that was not confirmed. It returns why: the end of the lease, or else the sink's error.
func (s *slice) undelivered(b *batch, err error) error {
	s.metrics.undelivered(len(b.objects()), err)
	if cause := context.Cause(s.pipeline.ctx); cause != nil {
		return cause
	}
	return err
}
