package devo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// A sender is the part of a stream that differs between sinks.
type sender interface {
	// send renders and sends a batch that is not empty. It sets d.stats and d.begun. It sets d.confirm if the batch still
	// needs a confirmation.
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
	doing    string // the beginning of each error, such as "sending to host:port"
	metrics  *Metrics
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
	stats   Stats
	begun   bool // the peer may have a part of the batch; final after send and confirm
	// confirm waits until the peer has read the batch, or ctx ends. It releases what the delivery owns.
	confirm func(ctx context.Context) error
}

func (s *stream) Send(ctx context.Context, batch Batch) (Delivery, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	d := &delivery{stream: s, started: time.Now(), confirm: func(context.Context) error { return nil }}
	if !batch.isEmpty() {
		if err := s.send(ctx, batch, d); err != nil {
			return nil, s.fail(d, err)
		}
	}
	s.underWay = append(s.underWay, d)
	return d, nil
}

func (d *delivery) Wait(ctx context.Context) (Stats, error) {
	s := d.stream
	if len(s.underWay) == 0 || s.underWay[0] != d {
		return Stats{}, cmp.Or(s.failed, errOrder)
	}
	s.underWay = s.underWay[1:]
	if err := d.confirm(ctx); err != nil {
		s.giveUp()
		return Stats{}, s.fail(d, err)
	}
	s.metrics.seconds.Observe(time.Since(d.started).Seconds())
	return d.stats, nil
}

func (s *stream) fail(d *delivery, err error) error {
	if !d.begun {
		err = fmt.Errorf("%w: %w", ErrUnsent, err)
	}
	s.failed = fmt.Errorf("%s: %w", s.doing, err)
	return s.failed
}

// warn adds a warning. It replaces an earlier one of its kind.
func (s *stream) warn(kind, format string, args ...any) {
	s.warnings = slices.DeleteFunc(s.warnings, func(w Warning) bool { return w.Kind == kind })
	s.warnings = append(s.warnings, Warning{kind, fmt.Sprintf(format, args...)})
}

func (s *stream) Warnings() []Warning {
	warnings := s.warnings
	s.warnings = nil
	return warnings
}

// giveUp releases the deliveries under way without waiting.
func (s *stream) giveUp() {
	for _, d := range s.underWay {
		_ = d.confirm(ended)
	}
	s.underWay = nil
}

func (s *stream) Close() {
	s.giveUp()
	s.close()
	s.failed = cmp.Or(s.failed, errClosed)
}
