package activities

import (
	"errors"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// progress is the checkpoint of a slice: everything before it was confirmed. Only these methods change it and send
// it to Temporal.
type progress struct {
	at checkpoint.Checkpoint
	// store sends a checkpoint, and returns when Temporal has it on disk.
	store func(checkpoint.Checkpoint) error
	// saving gives the answer to the checkpoint that is on its way; nil if none is.
	saving chan error
}

// begin is called before the first page is sent. A pull that this page began is the same pull when the page is
// sent again.
func (p *progress) begin(page *okta.Page) error {
	p.at.Position = page.After(0)
	return errors.Join(p.save(), p.settle())
}

// opened is called when a file was opened: its offset is durable before anything is written.
func (p *progress) opened(offset *int64, of string) error {
	p.at.Offset, p.at.OffsetOf = offset, of
	return errors.Join(p.save(), p.settle())
}

// advance moves the checkpoint past a batch that was confirmed.
func (p *progress) advance(b *batch, stats devo.Stats, stream devo.Stream, now time.Time) error {
	p.at.Position = b.page.After(b.to)
	if b.delivery != nil {
		p.at.Totals.Events += int64(len(b.objects()))
		p.at.Totals.Bytes += stats.Bytes
		p.at.Totals.Cut += stats.Cut
		p.at.Offset = stream.Offset()
		if b.last() {
			p.at.Totals.Pages++
		}
	}
	if b.last() && b.page.CaughtUp {
		p.at.Totals.Pulls++
		p.at.Due = now.Add(b.page.Wait).Round(time.Millisecond).UTC()
		if b.delivery == nil {
			return nil // the slice's result is its checkpoint
		}
	}
	return p.save()
}

// finish waits for the checkpoint that is on its way, and notes what was used of the windows at the slice's end.
func (p *progress) finish(windows []checkpoint.Window) error {
	p.at.Windows = windows
	return p.settle()
}

// save makes the checkpoint durable.
//
// A sink with an offset takes back what was written after the checkpoint that is gone on from, so
// there the next page is shipped while this checkpoint is on its way; never two of them.
func (p *progress) save() error {
	if err := p.settle(); err != nil {
		return err
	}
	c, answer := p.at, make(chan error, 1)
	p.saving = answer
	go func() { answer <- p.store(c) }()
	if c.Offset != nil {
		return nil
	}
	return p.settle()
}

// settle waits for the checkpoint that is on its way.
func (p *progress) settle() error {
	if p.saving == nil {
		return nil
	}
	err := <-p.saving
	p.saving = nil
	return err
}
