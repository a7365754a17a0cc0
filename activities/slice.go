package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// slice is the bounded work of one activity: fetch a page, send it in batches, wait for each, move the checkpoint.
type slice struct {
	in      workflows.SliceInput
	svc     okta.Collection
	tenant  Tenant
	target  devo.Target
	now     func() time.Time // Temporal's clock
	began   time.Time        // by this machine's clock
	lease   *lease
	claims  budget.Claim // of requests to Okta, from the tenant's workflow
	log     *zap.Logger
	metrics serviceMetrics
	peers   *peers
	reader  *okta.Reader
	stream  devo.Stream // nil until there is something to send
	file    bool        // the sink can be cut to a checkpoint
	progress
	pipeline    *pipeline
	unconfirmed []*okta.Page // whose memory the stream may use until it is closed
	warnings    workflows.Warnings
	pull        checkpoint.PullKind // of the last page
}

// run collects until the slice ends, and returns its result or its error.
func (s *slice) run() (workflows.SliceResult, error) {
	if s.in.Backfill != nil {
		s.reader = s.tenant.Org.Backfill(s.svc, *s.in.Backfill, s.now)
	} else {
		s.reader = s.tenant.Org.Reader(s.svc, okta.Begin{Started: s.in.Began, Since: *cmp.Or(s.in.Since, &time.Time{})}, s.now)
	}
	s.durable, s.delay = s.release, saveDelay
	if s.file {
		s.delay = filesSaveDelay
	}
	s.store = func(c checkpoint.Checkpoint) error {
		c.Windows, c.Alone = s.reader.Windows(), s.reader.Alone()
		err := s.metrics.saved(c, s.lease.save(&c))
		if err == nil {
			s.reader.Saved()
		}
		return err
	}
	var dropped checkpoint.Dropped
	s.at, dropped = s.reader.Checked(s.at)
	s.warnOfDropped(dropped)
	s.reader.Claims(s.claims)
	s.reader.Saves(s.progress.save)
	s.reader.Restore(s.at)
	s.reader.AskAhead(func() bool { return time.Since(s.began) < sliceTime && s.lease.check() == nil })

	s.progress.start()
	end, failed := s.collect()
	s.reader.Close()
	if err := s.progress.close(); failed == nil {
		failed = err
	}
	s.progress.end(s.reader.Windows(), s.reader.Alone())
	s.giveUp()
	if s.stream != nil {
		for _, w := range s.stream.Warnings() {
			s.warn(string(w.Kind), w.Message)
		}
		s.stream.Close()
	}
	for _, page := range s.unconfirmed {
		page.Release()
	}
	if errors.Is(failed, errStop) {
		end, failed = workflows.SliceResult{End: workflows.EndStopped}, nil
	}
	s.peers.observe(s, failed)
	s.report(end.End, failed)
	if failed != nil {
		return workflows.SliceResult{}, s.fail(ProblemOf(failed))
	}
	end.Checkpoint, end.Warnings = s.at, s.warnings
	s.metrics.slice(end)
	s.log.Debug("slice ended", zap.String("end", string(end.End)), zap.Duration("wait", end.Wait),
		zap.Int64("events", s.at.Totals.Events-s.in.Checkpoint.Totals.Events))
	return end, nil
}

// collect collects through a pipeline.
func (s *slice) collect() (end workflows.SliceResult, err error) {
	most := mostUnderWay
	if s.file {
		most = filesUnderWay
	}
	s.pipeline = startPipeline(s.lease.shipping, most, s.confirm)
	end, err = s.pages()
	if failed := s.pipeline.close(); err == nil {
		err = failed
	}
	return end, err
}

// pages fetches page after page, while those before are under way.
func (s *slice) pages() (end workflows.SliceResult, err error) {
	defer s.recovered("in a slice", &err)
	next := s.fetch(s.at.Position)
	defer func() {
		s.lease.stop(errStop) // ends a request that is not needed any more
		if next != nil {
			if unused := <-next; unused.page != nil {
				unused.page.Release()
			}
		}
	}()
	for {
		var got fetched
		select {
		case got = <-next:
			next = nil
		case <-s.pipeline.ctx.Done():
			return workflows.SliceResult{}, context.Cause(s.pipeline.ctx)
		}
		page := got.page
		over := page == nil || got.err != nil || page.CaughtUp || !page.Asked && time.Since(s.began) > sliceTime
		if page != nil {
			s.pull = page.Pull
			if !over {
				next = s.fetch(page.Position)
			}
			if err := s.deliver(got, !over); err != nil {
				s.unconfirmed = append(s.unconfirmed, page)
				return workflows.SliceResult{}, err
			}
		}
		if !over {
			continue
		}
		if err := s.pipeline.drain(); err != nil {
			return workflows.SliceResult{}, err
		}
		switch {
		case got.err != nil:
			return s.ended(got.err)
		case page.CaughtUp:
			return workflows.SliceResult{End: workflows.EndCaughtUp, Wait: got.wait()}, nil
		}
		return workflows.SliceResult{End: workflows.EndMore}, nil
	}
}

// warnOfDropped warns of what was dropped from the checkpoint that the slice begins with.
func (s *slice) warnOfDropped(dropped checkpoint.Dropped) {
	if dropped != nil {
		w := workflows.DroppedWarning("the checkpoint that a slice began with", dropped)
		s.warn(w.Kind, w.Message)
	}
}

// warn keeps a warning, and logs the first of its kind in the slice.
func (s *slice) warn(kind, message string) {
	s.warnings = s.warnings.With(workflows.Warning{Kind: kind, Message: message})
	if s.warnings[len(s.warnings)-1].Count == 1 {
		s.log.Warn("something unusual, which stops nothing", zap.String("kind", kind), zap.String("warning", message))
	}
}

// fetched is what [okta.Reader.Next] returned. With an error, a page only says where to continue after the failure.
type fetched struct {
	page *okta.Page
	err  error
	at   time.Time // when it returned
}

// wait is how long after now the next pull begins, if the page ends one. It does not begin later because the page took long to
// deliver.
func (f fetched) wait() time.Duration { return max(f.page.Wait-time.Since(f.at), 0) }

// fetch fetches the page at a position while another one is delivered. The receiver owns the page.
func (s *slice) fetch(from checkpoint.Position) <-chan fetched {
	f := make(chan fetched, 1)
	go func() {
		var got fetched
		defer func() { f <- got }()
		defer s.recovered("while fetching", &got.err)
		if got.err = s.lease.check(); got.err == nil {
			got.page, got.err = s.reader.Next(s.lease.fetching, from)
			got.at = time.Now()
		}
	}()
	return f
}

// recovered turns a panic into an error. So the slice still returns its checkpoint, and releases the sink and the budget.
func (s *slice) recovered(doing string, err *error) {
	if r := recover(); r != nil {
		s.log.Error("panic "+doing, zap.Any("panic", r), zap.Stack("stack"))
		*err = fmt.Errorf("panic %s: %v", doing, r)
	}
}
