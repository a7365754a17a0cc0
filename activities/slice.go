package activities

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// slice is the bounded work of one activity.
type slice struct {
	in      workflows.SliceInput
	svc     okta.Service
	tenant  Tenant
	target  devo.Target
	since   time.Time
	now     func() time.Time // Temporal's clock
	began   time.Time        // by this machine's clock
	until   time.Time        // by this machine's clock
	lease   *lease
	log     *zap.Logger
	metrics serviceMetrics

	reader *okta.Reader
	stream devo.Stream // nil until something is sent
	progress
	warning string
	pull    checkpoint.PullKind // of the last page
	took    time.Duration       // to deliver the last batch
}

// run is the pipeline: while a page is delivered and checkpointed, the next one is fetched.
func (s *slice) run() (workflows.SliceResult, error) {
	s.tenant.Org.Adopt(s.in.Checkpoint.Windows, s.now())
	if s.in.Backfill != nil {
		s.reader = s.tenant.Org.Backfill(s.svc, *s.in.Backfill, s.now)
	} else {
		s.reader = s.tenant.Org.Reader(s.svc, okta.Begin{Since: s.since, Started: s.in.Began}, s.now)
	}
	s.store = func(c checkpoint.Checkpoint) error {
		c.Windows = s.reader.Windows(true)
		return s.metrics.saved(c, s.lease.save(&c))
	}

	end, failed := s.pages()
	if err := s.progress.finish(s.reader.Windows(false)); failed == nil {
		failed = err
	}
	if s.stream != nil {
		s.stream.Close()
	}
	if errors.Is(failed, errStop) {
		end, failed = workflows.SliceResult{End: workflows.EndStopped}, nil
	}
	s.report(end.End, failed)
	if failed != nil {
		return workflows.SliceResult{}, s.fail(failed)
	}
	end.Checkpoint, end.Warning = s.at, s.warning
	s.metrics.slice(end)
	s.log.Debug("slice ended", zap.String("end", string(end.End)), zap.Duration("wait", end.Wait), zap.Int64("events", s.at.Totals.Events-s.in.Checkpoint.Totals.Events))
	return end, nil
}

// recovered makes an error of a panic, so that a slice leaves its checkpoint, the sink and the budget behind, and one
// bad page does not end the worker.
func (s *slice) recovered(doing string, err *error) {
	if r := recover(); r != nil {
		s.log.Error("panic "+doing, zap.Any("panic", r), zap.Stack("stack"))
		*err = fmt.Errorf("panic %s: %v", doing, r)
	}
}

// pages fetches and delivers until the slice ends.
func (s *slice) pages() (end workflows.SliceResult, err error) {
	defer s.recovered("in a slice", &err)
	next := s.fetch(s.at.Position)
	defer func() {
		// A page that is still being fetched is not needed: let its request go.
		s.lease.stop(errStop)
		if next == nil {
			return
		}
		if page, _ := next.take(); page != nil {
			page.Release()
		}
	}()
	for {
		page, err := next.take()
		next = nil
		if err != nil {
			return s.ended(err)
		}
		s.pull = page.Pull
		if page.Warning != "" {
			s.warning = page.Warning
		}
		over := page.CaughtUp || time.Now().After(s.until)
		if !over {
			next = s.fetch(page.Position)
		}
		if err := s.deliver(page, next); err != nil {
			return workflows.SliceResult{}, err
		}
		switch {
		case page.CaughtUp:
			return workflows.SliceResult{End: workflows.EndCaughtUp, Wait: page.Wait}, nil
		case over:
			return workflows.SliceResult{End: workflows.EndMore}, nil
		}
	}
}
