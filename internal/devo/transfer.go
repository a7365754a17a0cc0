package devo

import (
	"context"
	"sync"
	"time"

	"okta-collector/internal/checkpoint"
)

// maxTransfer is how many bytes the batches of one connection have at most, unless one batch has more.
const maxTransfer = 15_000_000

// room is how many bytes the batches of one connection may have, so that all transfers that are under way while ten a second
// begin have no more than maxUnconfirmed together. If Devo is near, few are under way, and they are large.
func (s *syslogSink) room() int {
	took := time.Duration(s.took.Load())
	if took == 0 {
		return 0 // nothing is known yet
	}
	return min(maxTransfer, int(maxUnconfirmed/max(took.Seconds()*maxConnections, 1)))
}

// transfer is one connection with the batches that it carries. The end of the connection confirms them together.
type transfer struct {
	sender *syslogSender
	load   *load
	ahead  *opening // nil if no connection was opened ahead
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	parcels []parcel
	begun   bool // it takes no more batches
	ended   chan struct{}
	failed  error // valid after ended is closed
}

// parcel is a batch of a transfer with its delivery.
type parcel struct {
	batch Batch
	d     *delivery
}

// add adds a batch, unless the transfer has begun.
func (t *transfer) add(p parcel) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun {
		return false
	}
	t.parcels = append(t.parcels, p)
	return true
}

// hasBegun reports whether it takes no more batches.
func (t *transfer) hasBegun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}

// begin returns the batches. No other one can be added afterwards.
func (t *transfer) begin() []parcel {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = true
	return t.parcels
}

// forget drops the batches. The sender keeps its newest transfer, and their memory is a page's.
func (t *transfer) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parcels = nil
}

// run carries the batches and waits for the server's proof that it has read them.
func (t *transfer) run() {
	defer close(t.ended)
	defer t.cancel()
	if t.ahead != nil {
		defer t.ahead.discard() // unless it was taken
	}
	if t.failed = t.carry(); t.failed != nil {
		t.begin()
		t.sender.broken.CompareAndSwap(nil, &t.failed)
	}
}

func (t *transfer) carry() error {
	sink := t.sender.sink
	expected, err := sink.expected(t.ctx)
	if err != nil {
		return err
	}
	c, err := t.connect()
	if err != nil {
		return err
	}
	// Transfers begin evenly. If several began at once, they would wait for the window at once too.
	if err := await(t.ctx, t.sender.begins); err != nil {
		c.closeUnused()
		return err
	}
	began := time.Now()
	if err := t.write(c, expected); err != nil {
		c.release()
		sink.cfg.Metrics.lost.Inc()
		return err
	}
	got, err := sink.confirm(t.ctx, c, expected)
	if err != nil {
		sink.cfg.Metrics.lost.Inc()
		return err
	}
	sink.took.Store(int64(time.Since(began)))
	t.sender.accepted(got, t.begin()[0].d.stream)
	t.forget()
	return nil
}

// connect returns the connection that was opened ahead. If there is none, it opens one.
func (t *transfer) connect() (*conn, error) {
	if t.ahead != nil {
		if c := t.ahead.take(t.ctx); c != nil {
			return c, nil
		}
	}
	return t.sender.sink.connect(t.ctx)
}

// write writes the batches, and closes our side of the connection.
func (t *transfer) write(c *conn, expected checkpoint.Proof) error {
	sink := t.sender.sink
	defer context.AfterFunc(t.ctx, c.abortWrite)()
	f := t.sender.framers.Get().(*framer)
	defer t.sender.framers.Put(f)
	for _, p := range t.begin() {
		var err error
		p.d.stats, err = f.frame(f.head(), t.sender.tag, p.batch, func(records []byte) error {
			if err := t.load.take(t.ctx, len(records)); err != nil {
				return err
			}
			err := c.write(t.ctx, records)
			p.d.begun = p.d.begun || c.wrote
			return err
		})
		if err != nil {
			return err
		}
	}
	// Where the FIN brings the answer, or nothing does, the FIN need not wait.
	return c.closeWrite(t.ctx, weak(expected) || sink.finAtOnce.Load())
}

// confirm waits until the transfer has ended. If ctx ends first, it cancels the transfer.
func (t *transfer) confirm(ctx context.Context) error {
	select {
	case <-t.ended:
		return t.failed
	case <-ctx.Done():
	}
	t.cancel()
	<-t.ended
	if t.failed != nil {
		return ctx.Err()
	}
	return nil
}
