package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
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
	stream devo.Stream // nil until something is shipped
	// at is where the slice is: everything before it was delivered.
	at checkpoint.Checkpoint
	// saving is where the answer to the checkpoint under way will be; nil if there is none.
	saving  chan error
	warning string
	pull    checkpoint.PullKind // of the last page
	took    time.Duration       // to ship the last chunk
}

// run is the pipeline: while a page is shipped and checkpointed, the next one is fetched.
func (s *slice) run() (workflows.SliceResult, error) {
	s.tenant.Org.Adopt(s.in.Checkpoint.Window, s.now())
	if s.in.Backfill != nil {
		s.reader = s.tenant.Org.Backfill(s.svc, *s.in.Backfill, s.now)
	} else {
		s.reader = s.tenant.Org.Reader(s.svc, okta.Begin{Since: s.since, Started: s.in.Began}, s.now)
	}

	end, failed := s.recovered()
	if err := s.settle(); failed == nil {
		failed = err
	}
	s.close()
	if errors.Is(failed, errStop) {
		end, failed = workflows.SliceResult{End: workflows.EndStopped}, nil
	}
	s.at.Window = s.reader.Window(false)
	s.report(end.End, failed)
	if failed != nil {
		return workflows.SliceResult{}, s.fail(failed)
	}
	end.Checkpoint, end.Warning = s.at, s.warning
	s.metrics.slice(end)
	s.log.Debug("slice ended", zap.String("end", string(end.End)), zap.Duration("wait", end.Wait), zap.Int64("events", s.at.Totals.Events-s.in.Checkpoint.Totals.Events))
	return end, nil
}

// recovered makes a failure of a panic, so that it too leaves its checkpoint, the sink and the budget behind.
func (s *slice) recovered() (end workflows.SliceResult, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic in a slice", zap.Any("panic", r), zap.Stack("stack"))
			err = fmt.Errorf("panic in a slice: %v", r)
		}
	}()
	return s.pages()
}

// pages fetches and ships until the slice ends.
func (s *slice) pages() (workflows.SliceResult, error) {
	next := s.fetch(s.at.Position)
	defer func() {
		// A page that is still being fetched is not needed: let its request go.
		s.lease.stop(errStop)
		if f := <-next; f.page != nil {
			f.page.Release()
		}
	}()
	for {
		f := <-next
		if f.err != nil {
			next = closed
			return s.ended(f.err)
		}
		over := f.page.CaughtUp || time.Now().After(s.until)
		if over {
			next = closed
		} else {
			next = s.fetch(f.page.Position)
		}
		err := s.deliver(f.page, next)
		f.page.Release()
		switch {
		case err != nil:
			return workflows.SliceResult{}, err
		case f.page.CaughtUp:
			return workflows.SliceResult{End: workflows.EndCaughtUp, Wait: f.page.Wait}, nil
		case over:
			return workflows.SliceResult{End: workflows.EndMore}, nil
		}
	}
}

type fetched struct {
	page *okta.Page
	err  error
}

// closed is what is waited for when nothing is being fetched.
var closed = func() chan fetched { c := make(chan fetched); close(c); return c }()

func (s *slice) fetch(from checkpoint.Position) chan fetched {
	c := make(chan fetched, 1)
	go func() {
		var f fetched
		// This goroutine is outside the SDK's own recover: one bad page must not end the worker.
		defer func() {
			if r := recover(); r != nil {
				s.log.Error("panic while fetching", zap.Any("panic", r), zap.Stack("stack"))
				f = fetched{err: fmt.Errorf("panic while fetching: %v", r)}
			}
			c <- f
		}()
		if f.err = s.lease.check(); f.err == nil {
			f.page, f.err = s.reader.Next(s.lease.fetching, from)
		}
	}()
	return c
}

// ended makes a result of what Okta, or the end of the lease, did to a request.
func (s *slice) ended(err error) (workflows.SliceResult, error) {
	if s.lease.fetching.Err() != nil {
		if cause := context.Cause(s.lease.fetching); !errors.Is(cause, errStop) {
			return workflows.SliceResult{}, cause
		}
		return workflows.SliceResult{End: workflows.EndStopped}, nil
	}
	var e *okta.Error
	if errors.As(err, &e) {
		switch e.Class {
		case okta.RateLimited:
			return workflows.SliceResult{End: workflows.EndRateLimited, Wait: e.Wait, Detail: e.Error()}, nil
		case okta.Yields:
			return workflows.SliceResult{End: workflows.EndYielded, Wait: e.Wait}, nil
		}
	}
	return workflows.SliceResult{}, err
}

// chunk is how many objects are shipped before the next checkpoint, while Okta is slower than
// Devo: what is sent again after a kill. A checkpoint takes 2 to 4 ms, which is little beside the
// second that a page of 1,000 log events takes within half of Okta's highest default limit, and each
// is one billable action of Temporal Cloud.
const chunk = 250

// slowShip is how long a chunk may take before Devo is taken for slow. A page that takes it longer
// than the sink waits for an answer would never get through.
const slowShip = 2 * time.Second

// deliver ships a page in chunks, and makes a checkpoint durable after each. Where the page after
// it waits already, the rest goes as one: then Devo is what everything waits for.
func (s *slice) deliver(page *okta.Page, next <-chan fetched) error {
	if page.Warning != "" {
		s.warning = page.Warning
	}
	s.pull = page.Pull
	if len(page.Objects) == 0 {
		s.pass(page)
		if page.CaughtUp {
			return nil // the slice's result is its checkpoint
		}
		return s.save()
	}
	if s.stream == nil {
		// A pull that began with this page is the same pull when the page is sent again.
		s.at.Position = page.After(0)
	}
	if err := s.open(); err != nil {
		return err
	}
	for done := 0; done < len(page.Objects); {
		n := len(page.Objects) - done
		// What a sink with an offset takes back is not sent again. A Devo that hardly keeps up is not
		// given more at once.
		if s.at.Offset == nil && (len(next) == 0 || s.took > slowShip) {
			n = min(n, chunk)
		}
		last := done+n == len(page.Objects)
		err := s.ship(devo.Page{Objects: page.Objects[done : done+n], Members: page.Members, More: !last || next != closed})
		if err != nil {
			return err
		}
		done += n
		if last {
			s.at.Totals.Pages++
			s.metrics.page()
			s.pass(page)
		} else {
			s.at.Position = page.After(done)
		}
		if err := s.save(); err != nil {
			return err
		}
		if !last && s.lease.fetching.Err() != nil {
			return context.Cause(s.lease.fetching) // what follows might not be delivered in time
		}
	}
	return nil
}

// pass moves on to the page after this one.
func (s *slice) pass(page *okta.Page) {
	s.at.Position = page.Position
	if page.CaughtUp {
		s.at.Totals.Pulls++
		s.at.Due = s.now().Add(page.Wait).Round(time.Millisecond).UTC()
	}
}

// ship delivers a chunk and counts it.
func (s *slice) ship(chunk devo.Page) error {
	if err := s.lease.check(); err != nil {
		return err
	}
	started := time.Now()
	stats, err := s.stream.Ship(s.lease.shipping, chunk)
	s.took = time.Since(started)
	if err != nil {
		s.metrics.undelivered(len(chunk.Objects), err)
		if s.lease.shipping.Err() != nil {
			return context.Cause(s.lease.shipping)
		}
		return err
	}
	s.at.Totals.Events += int64(len(chunk.Objects))
	s.at.Totals.Bytes += stats.Bytes
	s.at.Totals.Cut += stats.Cut
	s.at.Offset = s.stream.Offset()
	s.metrics.shipped(len(chunk.Objects), stats)
	return nil
}

// open opens the sink for the slice's first page.
func (s *slice) open() error {
	if s.stream != nil {
		return nil
	}
	// A file is cut back to its checkpoint when it is opened: not before Temporal has said
	// that the slice is still this worker's.
	if err := s.save(); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	stream, err := s.tenant.Sink.Open(s.lease.shipping, s.target)
	if err != nil {
		return err
	}
	s.stream = stream
	if stream.Offset() == nil {
		return nil
	}
	// What the sink knows is durable before anything is written.
	s.at.Offset, s.at.OffsetOf = stream.Offset(), s.tenant.Sink.OffsetOf()
	if err := s.save(); err != nil {
		return err
	}
	return s.settle()
}

// save makes the checkpoint durable, with what is used of the budget by now.
//
// A sink with an offset takes back what was written after the checkpoint that is gone on from, so
// there the next page is shipped while this checkpoint is on its way; never two of them.
func (s *slice) save() error {
	c := s.at
	c.Window = s.reader.Window(true)
	if c.Offset == nil {
		return s.metrics.saved(c, s.lease.save(c))
	}
	if err := s.settle(); err != nil {
		return err
	}
	s.saving = make(chan error, 1)
	go func(answer chan<- error) { answer <- s.metrics.saved(c, s.lease.save(c)) }(s.saving)
	return nil
}

// settle waits for the checkpoint under way.
func (s *slice) settle() error {
	if s.saving == nil {
		return nil
	}
	err := <-s.saving
	s.saving = nil
	return err
}

// close releases the sink. Everything before the checkpoint is delivered, whatever it says.
func (s *slice) close() {
	if s.stream == nil {
		return
	}
	if err := s.stream.Close(s.lease.shipping); err != nil {
		s.log.Warn("closing the sink failed", zap.Error(err))
	}
}

// fail makes the activity's error.
func (s *slice) fail(err error) error {
	class := workflows.ClassPassing
	var e *okta.Error
	switch {
	case errors.As(err, &e) && e.Class == okta.Person, errors.Is(err, devo.ErrRefused):
		class = workflows.ClassPerson
	case errors.As(err, &e) && e.Class == okta.CursorRefused:
		class = workflows.ClassCursorRefused
	}
	return s.failure(class, err)
}

// maxMessage bounds an error's text in a history, in bytes.
const maxMessage = 1000

// failure makes an ApplicationError of a class, with the checkpoint to go on from.
func (s *slice) failure(class workflows.Class, err error) error {
	s.metrics.failed(class)
	if remedy := devo.Remedy(err); remedy != "" {
		err = fmt.Errorf("%w; %s", err, remedy)
	}
	s.log.Warn("slice failed", zap.String("class", string(class)), zap.Error(err))
	message := fmt.Sprintf("%s/%s: %s", s.in.Tenant, s.in.Service, err)
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	s.reportProblem(class, message)
	// Temporal's protocol takes no text that is not UTF-8.
	return temporal.NewApplicationErrorWithOptions(strings.ToValidUTF8(message, "?"), string(class), temporal.ApplicationErrorOptions{
		// What follows a failure is the workflow's decision.
		NonRetryable: true,
		Details:      []any{workflows.Failure{Checkpoint: s.at, Warning: s.warning}},
	})
}
