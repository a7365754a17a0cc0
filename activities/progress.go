package activities

import (
	"sync"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// How long a checkpoint waits before it is saved. One that covers several batches costs as much as one that covers one of them,
// and each is a billable action of Temporal Cloud.
const (
	saveDelay = 25 * time.Millisecond
	// filesSaveDelay is longer: no batch waits for the checkpoint, and a file is cut to it.
	filesSaveDelay = 100 * time.Millisecond
)

// progress is the checkpoint of a slice: everything before it was confirmed. Only its methods change the checkpoint and
// send it to Temporal. It is safe for concurrent use.
type progress struct {
	// store sends a checkpoint to Temporal. It returns when Temporal has the checkpoint on disk.
	store func(checkpoint.Checkpoint) error
	// durable is called for each batch when a durable checkpoint covers it, in order.
	durable func(delivered)
	// delay is how long a checkpoint waits before it is saved.
	delay time.Duration

	mu      sync.Mutex
	at      checkpoint.Checkpoint
	stream  devo.Stream // nil until the sink was opened
	covered []delivered // before at, and not covered by a durable checkpoint yet

	unsaved bool // at has moved, and is to be saved

	storing sync.Mutex    // held while a checkpoint is sent, so that they are sent in order
	moved   chan struct{} // has a value when at has moved
	over    chan struct{} // closed by close: then the saver saves without a delay
	saver   sync.WaitGroup
	failed  error // of the saver; valid after saver
}

// start starts the goroutine that saves the checkpoint when it has moved. close must be called.
func (p *progress) start() {
	p.moved, p.over = make(chan struct{}, 1), make(chan struct{})
	p.saver.Go(func() {
		for range p.moved {
			select {
			case <-time.After(p.delay):
			case <-p.over:
			}
			if p.failed = p.saveMoved(); p.failed != nil {
				return // the lease has ended, and with it what is under way
			}
		}
	})
}

// close waits for the save under way. What has moved since is in the result of the slice.
func (p *progress) close() error {
	close(p.over)
	close(p.moved)
	p.saver.Wait()
	return p.failed
}

// begin saves the position before the first page is sent. If the page begins a pull, the saved position has the pull's
// id, which the page keeps when it is sent again.
func (p *progress) begin(page *okta.Page) error {
	p.mu.Lock()
	p.at.Position = page.Before()
	p.mu.Unlock()
	return p.save()
}

// opened keeps the stream. It saves the offset of a file before anything is written to it.
func (p *progress) opened(stream devo.Stream, of string) error {
	offset := stream.Offset()
	p.mu.Lock()
	p.stream = stream
	if offset != nil {
		p.at.Offset, p.at.OffsetOf = offset, of
	}
	p.mu.Unlock()
	if offset == nil {
		return nil
	}
	return p.save()
}

// advance moves the checkpoint past a batch that was confirmed, or was empty. due is when the next pull begins, if the batch ends
// one.
func (p *progress) advance(b *batch, stats devo.Stats, due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at.Position = b.position
	p.at.Totals.Dropped += b.dropped
	p.at.Totals.Oddities.Add(b.odd)
	p.covered = append(p.covered, b.delivered)
	if b.delivery != nil {
		p.at.Totals.Events += int64(len(b.objects()))
		p.at.Totals.Bytes += stats.Bytes
		p.at.Totals.Cut += stats.Cut
		p.at.Offset = p.stream.Offset()
		p.at.Proven = p.stream.Proven()
		if b.last() && len(b.page.Objects) > 0 {
			p.at.Totals.Pages++
		}
	}
	if b.last() && b.page.CaughtUp {
		if !b.page.Again {
			p.at.Totals.Pulls++
		}
		p.at.Due = due.Round(time.Millisecond).UTC()
		if p.at.Offset == nil || b.delivery == nil {
			return // the slice's result has the checkpoint; of a file, what was confirmed is kept beside it at once
		}
	}
	p.unsaved = true
	select {
	case p.moved <- struct{}{}:
	default: // the saver looks soon
	}
}

// saveMoved saves the checkpoint, unless somebody has saved it since it has moved.
func (p *progress) saveMoved() error {
	p.mu.Lock()
	unsaved := p.unsaved
	p.mu.Unlock()
	if !unsaved {
		return nil
	}
	return p.save()
}

// save makes the checkpoint durable.
func (p *progress) save() error {
	p.storing.Lock()
	defer p.storing.Unlock()
	p.mu.Lock()
	c, stream, covered := p.at, p.stream, p.covered
	p.covered, p.unsaved = nil, false
	p.mu.Unlock()
	if err := p.store(c); err != nil {
		return err
	}
	for _, d := range covered {
		p.durable(d)
	}
	if stream != nil && c.Offset != nil {
		stream.Keep(*c.Offset)
	}
	return nil
}

// end returns the checkpoint that the slice ends with. Nothing moves it any more.
func (p *progress) end(windows []checkpoint.Window, alone []checkpoint.Alone) checkpoint.Checkpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at.Windows, p.at.Alone = windows, alone
	if p.stream != nil {
		p.at.Proven = p.stream.Proven() // the server may have proven something although no batch was confirmed
	}
	return p.at
}
