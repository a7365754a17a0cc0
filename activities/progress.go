package activities

import (
	"errors"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// progress is the checkpoint of a slice: everything before it was confirmed. Only its methods change the checkpoint and
// send it to Temporal.
type progress struct {
	at checkpoint.Checkpoint
	// store sends a checkpoint to Temporal. It returns when Temporal has the checkpoint on disk.
	store func(checkpoint.Checkpoint) error
	// saving receives the result of the save in flight; nil if there is none.
	saving chan error
}

// begin saves the position before the first page is sent. If the page begins a pull, the saved position has the pull's
// id, which the page keeps when it is sent again.
func (p *progress) begin(page *okta.Page) error {
	p.at.Position = page.Before()
	return errors.Join(p.save(), p.settle())
}

// opened saves the offset of a file before anything is written to it.
func (p *progress) opened(offset *int64, of string) error {
	p.at.Offset, p.at.OffsetOf = offset, of
	return errors.Join(p.save(), p.settle())
}

// advance moves the checkpoint past a batch that was confirmed, or was empty, and saves it. odd are the batch's oddities.
func (p *progress) advance(b *batch, stats devo.Stats, odd checkpoint.Oddities, stream devo.Stream, now time.Time) error {
	p.at.Position = b.page.After(b.to)
	p.at.Totals.Dropped += b.page.Dropped(b.from, b.to)
	p.at.Totals.Oddities.Add(odd)
	if b.delivery != nil {
		p.at.Totals.Events += int64(len(b.objects()))
		p.at.Totals.Bytes += stats.Bytes
		p.at.Totals.Cut += stats.Cut
		p.at.Offset = stream.Offset()
		p.at.Proven = stream.Proven()
		if b.last() && len(b.page.Objects) > 0 {
			p.at.Totals.Pages++
		}
	}
	if b.last() && b.page.CaughtUp {
		if !b.page.Again {
			p.at.Totals.Pulls++
		}
		p.at.Due = now.Add(b.page.Wait).Round(time.Millisecond).UTC()
		if p.at.Offset == nil || b.delivery == nil {
			return nil // the slice's result has the checkpoint; of a file, what was confirmed is kept beside it at once
		}
	}
	return p.save()
}

// save makes the checkpoint durable. A file can be truncated to an older checkpoint, so the next page may be written
// while this checkpoint is being saved. At most one save is in flight.
func (p *progress) save() error {
	if err := p.settle(); err != nil {
		return err
	}
	if p.at.Offset == nil {
		return p.store(p.at)
	}
	c, result := p.at, make(chan error, 1)
	p.saving = result
	go func() { result <- p.store(c) }()
	return nil
}

// settle waits for the save in flight.
func (p *progress) settle() error {
	if p.saving == nil {
		return nil
	}
	err := <-p.saving
	p.saving = nil
	return err
}
