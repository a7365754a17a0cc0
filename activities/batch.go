package activities

import (
	"context"
	"time"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// batchSize is how many objects are delivered before the next checkpoint, while Okta is slower than
// Devo: what is sent again after a kill. A checkpoint takes 2 to 4 ms, which is little beside the
// second that a page of 1,000 log events takes within half of Okta's highest default limit, and each
// is one billable action of Temporal Cloud.
const batchSize = 250

// slowDelivery is how long a batch may take before Devo is taken for slow. A page that takes it longer
// than the sink waits for an answer would never get through.
const slowDelivery = 2 * time.Second

// A batch is a page of Okta's, or a part of one, on its way to Devo. It uses the memory of its page, which is released
// when the last batch of the page was confirmed, or when the slice ends.
type batch struct {
	page     *okta.Page
	from, to int // its objects; there are none in an empty page
	sent     time.Time
	delivery devo.Delivery // nil unless objects were sent
}

func (b *batch) objects() [][]byte { return b.page.Objects[b.from:b.to] }

// last says whether the page ends with the batch.
func (b *batch) last() bool { return b.to == len(b.page.Objects) }

// deliver delivers a page, one batch at a time. next is the fetch of the page after it.
func (s *slice) deliver(page *okta.Page, next fetch) error {
	defer page.Release() // where the slice ends before the last batch is confirmed
	if s.stream == nil && len(page.Objects) > 0 {
		if err := s.open(page); err != nil {
			return err
		}
	}
	for done := 0; ; {
		b := &batch{page: page, from: done, to: done + s.size(len(page.Objects)-done, next)}
		if err := s.send(b, next != nil); err != nil {
			return err
		}
		if err := s.confirm(b); err != nil || b.last() {
			return err
		}
		if s.lease.fetching.Err() != nil {
			return context.Cause(s.lease.fetching) // what follows might not be delivered in time
		}
		done = b.to
	}
}

// size is how many of the objects that are left of a page are the next batch. Where the page after
// it waits already, they go as one: then Devo is what everything waits for.
func (s *slice) size(left int, next fetch) int {
	// What a sink with an offset takes back is not sent again. A Devo that hardly keeps up is not
	// given more at once.
	if s.at.Offset == nil && (!next.ready() || s.took > slowDelivery) {
		return min(left, batchSize)
	}
	return left
}

// open opens the sink for the slice's first page.
func (s *slice) open(page *okta.Page) error {
	// A file is cut back to its checkpoint when it is opened: not before Temporal has said
	// that the slice is still this worker's.
	if err := s.progress.begin(page); err != nil {
		return err
	}
	stream, err := s.tenant.Sink.Open(s.lease.shipping, s.target)
	if err != nil {
		return err
	}
	s.stream = stream
	if offset := stream.Offset(); offset != nil {
		return s.progress.opened(offset, s.tenant.Sink.OffsetOf())
	}
	return nil
}

// send sends a batch. more says that another page is going to follow.
func (s *slice) send(b *batch, more bool) error {
	if len(b.objects()) == 0 {
		return nil
	}
	if err := s.lease.check(); err != nil {
		return err
	}
	b.sent = time.Now()
	var err error
	b.delivery, err = s.stream.Send(s.lease.shipping, devo.Batch{Objects: b.objects(), Members: b.page.Members, More: more || !b.last()})
	if err != nil {
		return s.undelivered(b, err)
	}
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
	if err := s.progress.advance(b, stats, s.stream, s.now()); err != nil {
		return err
	}
	if b.last() {
		b.page.Release()
	}
	return nil
}

// undelivered counts a batch that was not confirmed, and says why.
func (s *slice) undelivered(b *batch, err error) error {
	s.metrics.undelivered(len(b.objects()), err)
	if s.lease.shipping.Err() != nil {
		return context.Cause(s.lease.shipping)
	}
	return err
}
