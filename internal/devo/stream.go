package devo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// A sender is what differs between the streams of the sinks.
type sender interface {
	// send renders and sends a batch, which is not empty. It sets d.stats, d.begun, and d.confirm where a batch that
	// was sent is not confirmed yet.
	send(ctx context.Context, batch Batch, d *delivery) error
	Offset() *int64
	// close releases what no delivery owns. A second one does nothing.
	close()
}

// stream is the [Stream] of every sink: a sender, and the rules that all of them keep.
type stream struct {
	sender
	doing    string // begins the text of each error: "sending to host:port"
	metrics  *Metrics
	failed   error       // why nothing more can be sent
	underWay []*delivery // to be waited for, oldest first
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

var (
	errClosed = errors.New("the stream is closed")
	errOrder  = errors.New("a delivery is waited for once, and after those that were sent before it")
)

type delivery struct {
	stream  *stream
	started time.Time
	stats   Stats
	begun   bool // the peer may have some of the batch; final when send and confirm have returned
	// confirm waits until the peer has read the batch, or ctx ends. It releases what the delivery owns.
	confirm func(ctx context.Context) error
}

func (s *stream) Send(ctx context.Context, batch Batch) (Delivery, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	d := &delivery{stream: s, started: time.Now(), confirm: func(context.Context) error { return nil }}
	if len(batch.Objects) > 0 {
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

// giveUp ends the deliveries that nobody will wait for.
func (s *stream) giveUp() {
	for _, d := range s.underWay {
		_ = d.confirm(over)
	}
	s.underWay = nil
}

func (s *stream) Close() {
	s.giveUp()
	s.close()
	s.failed = cmp.Or(s.failed, errClosed)
}
