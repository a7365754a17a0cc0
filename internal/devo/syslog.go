package devo

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// syslogSink sends records over TCP, with TLS unless security is nil.
//
// Syslog acknowledges nothing, and a kernel's acknowledgement is worth little: a proxy, a
// sidecar or a balancer on the way gives one for bytes that its own death destroys. What proves
// that a page was read is the end of its connection: ours is closed in order, and the peer closes its
// own when it has read everything. With TLS that answer is authentic. So each page has a
// connection, and the next one is opened while it is shipped.
type syslogSink struct {
	noOffset
	cfg      Config
	address  string
	security *security
	limits   limits
	unacked  func(syscall.RawConn) (int, error)
	warned   sync.Once // that the peer answers no close

	// best is how this server has answered a close at its best: found out before anything is sent to it.
	best atomic.Int32
}

func (s *syslogSink) Open(_ context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	return &stream{sender: &syslogSender{sink: s, tag: target.Tag, framer: newFramer(s.cfg)}, doing: "sending to " + s.address, metrics: s.cfg.Metrics}, nil
}

// Check closes a connection that nothing was sent over, and so learns whether a page could be
// confirmed.
func (s *syslogSink) Check(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	// A server may hang up after the handshake, on a certificate that is valid but not its.
	if err := c.accepted(ctx, s.limits.check); err != nil {
		return fmt.Errorf("connecting to %s: %w", s.address, err)
	}
	_, err = s.finish(ctx, c)
	return err
}

// connect opens a connection that the server has, as far as can be known, accepted.
func (s *syslogSink) connect(ctx context.Context) (*conn, error) {
	limited, cancel := context.WithTimeout(ctx, s.limits.dial)
	defer cancel()
	c, err := s.dial(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		// Not an error that wraps a context's: the caller's is not over.
		return nil, fmt.Errorf("connecting to %s: not done within %s: %v", s.address, s.limits.dial, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.address, explain(err))
	}
	s.cfg.Metrics.connections.Inc()
	return c, nil
}

func (s *syslogSink) dial(ctx context.Context) (*conn, error) {
	var cfg *tls.Config
	if s.security != nil {
		var err error
		if cfg, err = s.security.config(ctx); err != nil {
			return nil, err
		}
	}
	var dialer net.Dialer
	tcp, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	c, err := s.secure(ctx, tcp.(*net.TCPConn), cfg) // what "tcp" gives
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return c, nil
}

// secure shakes hands on tcp if there is a cfg. After an error the caller closes tcp.
func (s *syslogSink) secure(ctx context.Context, tcp *net.TCPConn, cfg *tls.Config) (*conn, error) {
	below := &wire{TCPConn: tcp}
	if cfg == nil {
		return newConn(below, nil, s.limits, s.unacked)
	}
	secured := tls.Client(below, cfg)
	started := time.Now()
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	c, err := newConn(below, secured, s.limits, s.unacked)
	// In TLS 1.2 the server has spoken last, after it saw the certificate.
	if err != nil || secured.ConnectionState().Version < tls.VersionTLS13 {
		return c, err
	}
	wait := min(max(2*time.Since(started), s.limits.acceptMin), s.limits.acceptMax)
	return c, c.accepted(ctx, wait)
}

// finish closes a connection and returns how the server answered.
func (s *syslogSink) finish(ctx context.Context, c *conn) (farewell, error) {
	if err := c.closeWrite(ctx); err != nil {
		c.release()
		return unanswered, fmt.Errorf("closing the connection to %s: %w", s.address, err)
	}
	return s.awaitClose(ctx, c)
}

// awaitClose returns how the server answered the close of a connection, or why that does not prove that it has read
// everything. The connection is released.
func (s *syslogSink) awaitClose(ctx context.Context, c *conn) (farewell, error) {
	wait := s.limits.answer
	if s.cfg.Confirm == ConfirmKernel {
		wait = s.limits.word
	}
	answer, err := c.awaitClose(ctx, wait)
	switch {
	case err != nil:
		return answer, fmt.Errorf("closing the connection to %s: %w", s.address, err)
	case answer == unanswered && s.cfg.Confirm == ConfirmKernel:
		s.cfg.Metrics.unanswered.Inc()
		s.warned.Do(func() {
			s.cfg.Log.Warn("the server does not close a connection that was closed on this side; what its kernel acknowledged is taken as delivered", zap.String("server", s.address))
		})
		return answer, nil
	case answer == unanswered:
		return answer, fmt.Errorf("the server %s did not close its side within %s, and so nothing says what it has read; if it never does, DEVO_CONFIRM=kernel makes do with its kernel's word", s.address, wait)
	}
	return answer, nil
}

// acquaint returns how the server answers a close at its best, which it finds out, once, with
// connections that nothing is sent over. A server that ends TLS properly is held to that.
func (s *syslogSink) acquaint(ctx context.Context) (farewell, error) {
	best := farewell(s.best.Load())
	if s.cfg.Confirm == ConfirmKernel || best != unanswered {
		return best, nil
	}
	// Twice, since a single bare end may be that of a connection that was cut.
	for range 2 {
		c, err := s.connect(ctx)
		if err != nil {
			return unanswered, err
		}
		if best, err = s.finish(ctx, c); err != nil {
			return unanswered, err
		}
		if best == closeNotify || s.security == nil {
			break
		}
	}
	if s.learn(best) && best != closeNotify && s.security != nil {
		s.cfg.Log.Warn("the server ends TLS without close_notify: a connection that something cuts on the way cannot be told from one that it has read", zap.String("server", s.address))
	}
	return best, nil
}

// learn notes an answer to a close, and says whether it is the first.
func (s *syslogSink) learn(answer farewell) (first bool) {
	for {
		best := s.best.Load()
		if int32(answer) <= best {
			return false
		}
		if s.best.CompareAndSwap(best, int32(answer)) {
			return farewell(best) == unanswered
		}
	}
}

// ahead is a connection that is being opened for the next page.
type ahead struct {
	cancel context.CancelFunc
	done   chan struct{}
	conn   *conn // nil if it could not be opened; valid after done
}

func (s *syslogSink) openAhead() *ahead {
	ctx, cancel := context.WithCancel(context.Background())
	a := &ahead{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.conn, _ = s.connect(ctx) // the page itself will find out what is wrong
	}()
	return a
}

// take returns the connection if it is still good.
func (a *ahead) take(ctx context.Context) *conn {
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		a.drop()
		return nil
	}
	c := a.conn
	if c == nil || c.alive() != nil || time.Since(c.opened) > c.limits.fresh {
		a.drop()
		return nil
	}
	a.cancel()
	return c
}

// drop closes the connection, whether it is open by now or not.
func (a *ahead) drop() {
	a.cancel()
	<-a.done
	if a.conn != nil {
		a.conn.leave()
	}
}

// syslogSender sends each batch over a connection of its own.
type syslogSender struct {
	sink *syslogSink
	tag  string
	framer
	noOffset
	head []byte
	next *ahead // nil unless another batch was announced
}

func (s *syslogSender) send(ctx context.Context, batch Batch) (Stats, confirmation, error) {
	expected, err := s.sink.acquaint(ctx)
	if err != nil {
		return Stats{}, nil, unsent(err)
	}
	c, err := s.connection(ctx)
	if err != nil {
		return Stats{}, nil, unsent(err)
	}
	if batch.More {
		s.next = s.sink.openAhead()
	}
	stop := context.AfterFunc(ctx, c.hurry)
	defer stop()
	s.head = appendHead(s.head[:0], s.sink.cfg.Now(), s.sink.cfg.Hostname, s.tag)
	stats, err := s.frame(s.head, batch, func(records []byte) error { return c.write(ctx, records) })
	if err == nil {
		err = c.closeWrite(ctx)
	}
	if err != nil {
		c.release()
		s.sink.cfg.Metrics.lost.Inc()
		if !c.wrote {
			err = unsent(err)
		}
		return Stats{}, nil, err
	}
	return stats, func(ctx context.Context) error { return s.sink.confirm(ctx, c, expected) }, nil
}

// confirm returns when the server has read what was sent over a connection, which is closed on this side.
func (s *syslogSink) confirm(ctx context.Context, c *conn, expected farewell) error {
	answer, err := s.awaitClose(ctx, c)
	if err == nil && s.cfg.Confirm == ConfirmClose && answer < expected {
		// Or the server has changed its manners: whoever ships next finds out.
		s.best.Store(int32(unanswered))
		err = errCut
	}
	if err != nil {
		s.cfg.Metrics.lost.Inc()
		return err
	}
	s.learn(answer)
	return nil
}

// connection returns the one that was opened ahead, or a new one.
func (s *syslogSender) connection(ctx context.Context) (*conn, error) {
	if a := s.next; a != nil {
		s.next = nil
		if c := a.take(ctx); c != nil {
			return c, nil
		}
	}
	return s.sink.connect(ctx)
}

func (s *syslogSender) close() {
	if s.next != nil {
		s.next.drop()
		s.next = nil
	}
}
