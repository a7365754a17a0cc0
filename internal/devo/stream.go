package devo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"okta-collector/internal/checkpoint"
)

// A sender is the part of a stream that differs between sinks.
type sender interface {
	// send puts a batch that is not empty under way. It sets d.stats, d.begun and, if the batch still needs a confirmation,
	// d.confirm.
	send(ctx context.Context, batch Batch, d *delivery) error
	Offset() *int64
	Keep(offset int64)
	Proven() checkpoint.Proven
	// close releases what no delivery owns. A second call does nothing.
	close()
}

// stream is the [Stream] of every sink: a sender and the rules that are common to all.
type stream struct {
	sender
	doing   string // the beginning of each error, such as "sending to host:port"
	metrics *Metrics

	mu       sync.Mutex
	failed   error       // the error of the stream; then nothing more can be sent
	underWay []*delivery // not waited for yet, oldest first
	warnings []Warning   // since the last call of Warnings
}

// ended is a context that has ended.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

var (
	errClosed = errors.New("the stream is closed")
	errOrder  = errors.New("a delivery must be waited for once, and after those that were sent before it")
)

type delivery struct {
	stream  *stream
	started time.Time
	load    *load // nil if nothing bounds what is not confirmed
	// These are final after send and confirm.
	stats  Stats
	begun  bool  // the peer may have a part of the batch
	failed error // why it was given up; nil otherwise
	// confirm waits until the peer has read the batch, or ctx ends. It releases what the delivery owns.
	confirm func(ctx context.Context) error
}

func (s *stream) Send(ctx context.Context, batch Batch) (Delivery, error) {
	if err := s.error(); err != nil {
		return nil, err
	}
	d := &delivery{stream: s, started: time.Now(), confirm: func(context.Context) error { return nil }}
	if !batch.isEmpty() {
		if err := s.send(ctx, batch, d); err != nil {
			return nil, s.fail(d, err)
		}
	}
	s.mu.Lock()
	failed := s.failed
	if failed == nil {
		s.underWay = append(s.underWay, d)
	}
	s.mu.Unlock()
	if failed != nil { // of an earlier delivery, meanwhile
		_ = d.confirm(ended)
		return nil, failed
	}
	return d, nil
}

func (d *delivery) Wait(ctx context.Context) (Stats, error) {
	s := d.stream
	if err := s.begin(d); err != nil {
		return Stats{}, err
	}
	if err := d.confirm(ctx); err != nil {
		s.giveUp(err)
		return Stats{}, s.fail(d, err)
	}
	s.metrics.seconds.Observe(time.Since(d.started).Seconds())
	return d.stats, nil
}

func (d *delivery) Release() {
	if d.load != nil {
		d.load.release()
	}
}

// error returns the error of the stream.
func (s *stream) error() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// begin begins to wait for a delivery, which must be the oldest one.
func (s *stream) begin(d *delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.underWay) == 0 || s.underWay[0] != d {
		return cmp.Or(d.failed, s.failed, errOrder)
	}
	s.underWay = s.underWay[1:]
	return nil
}

// fail makes err, of a delivery, the error of the stream.
func (s *stream) fail(d *delivery, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = d.error(err)
	return s.failed
}

// error adds to err what the stream was doing, and that nothing was sent, if so.
func (d *delivery) error(err error) error {
	if !d.begun {
		err = fmt.Errorf("%w: %w", ErrUnsent, err)
	}
	return fmt.Errorf("%s: %w", d.stream.doing, err)
}

// warn adds a warning. It replaces an earlier one of its kind.
func (s *stream) warn(kind, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = slices.DeleteFunc(s.warnings, func(w Warning) bool { return w.Kind == kind })
	s.warnings = append(s.warnings, Warning{kind, fmt.Sprintf(format, args...)})
}

func (s *stream) Warnings() []Warning {
	s.mu.Lock()
	defer s.mu.Unlock()
	warnings := s.warnings
	s.warnings = nil
	return warnings
}

// giveUp ends the deliveries under way without waiting, because an earlier one failed with err.
func (s *stream) giveUp(err error) {
	s.mu.Lock()
	underWay := s.underWay
	s.underWay = nil
	s.mu.Unlock()
	for _, d := range underWay {
		_ = d.confirm(ended)
		d.failed = d.error(err)
	}
}

func (s *stream) Close() {
	s.mu.Lock()
	s.failed = cmp.Or(s.failed, errClosed)
	s.mu.Unlock()
	s.giveUp(errClosed)
	s.close()
}
