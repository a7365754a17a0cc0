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

// syslogSink sends records over TCP or TLS.
//
// Syslog has no acknowledgement. A kernel's acknowledgement proves little: a proxy, a sidecar or a balancer on the way
// acknowledges bytes, and loses them if it dies. The end of the connection proves that a batch was read: we close our
// side, and the peer closes its own after it has read everything. With TLS nobody but the peer can send that close. So
// each batch has its own connection. The next one is opened while a batch is sent.
type syslogSink struct {
	noOffset
	cfg      Config
	address  string
	secured  bool // TLS
	timeouts timeouts
	unacked  func(syscall.Conn) (int, error)
	warned   sync.Once // logs once that the peer does not close

	// bestClose is the best [peerClose] of this server so far. A connection that ends with less was cut on the way.
	bestClose atomic.Int32
}

func (s *syslogSink) Open(_ context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	sender := &syslogSender{sink: s, tag: target.Tag, framer: framer{cfg: s.cfg}}
	return &stream{sender: sender, doing: "sending to " + s.address, metrics: s.cfg.Metrics}, nil
}

// Check opens a connection and closes it without sending. That shows whether the server would confirm a batch.
func (s *syslogSink) Check(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	// A server may hang up after the handshake, because of a certificate that is valid but not permitted.
	if err := c.accepted(ctx, s.timeouts.check); err != nil {
		return fmt.Errorf("connecting to %s: %w", s.address, err)
	}
	_, err = s.closeEmpty(ctx, c)
	return err
}

// connect opens a connection. Over TLS it waits a little, in case the server refuses the certificate.
func (s *syslogSink) connect(ctx context.Context) (*conn, error) {
	limited, cancel := context.WithTimeout(ctx, s.timeouts.dial)
	defer cancel()
	c, err := s.dial(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		// This error must not wrap a context's error: the caller's context has not ended.
		return nil, fmt.Errorf("connecting to %s: not done within %s: %v", s.address, s.timeouts.dial, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.address, explain(err))
	}
	s.cfg.Metrics.connections.Inc()
	return c, nil
}

func (s *syslogSink) dial(ctx context.Context) (*conn, error) {
	var cfg *tls.Config
	if s.secured {
		var err error
		if cfg, err = s.cfg.tlsConfig(ctx); err != nil {
			return nil, err
		}
	}
	var dialer net.Dialer
	dialed, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	tcp := &tcpConn{TCPConn: dialed.(*net.TCPConn)} // the type of every "tcp" connection
	if !s.secured {
		return newConn(tcp, nil, s.timeouts, s.unacked), nil
	}
	secured := tls.Client(tcp, cfg)
	started := time.Now()
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	c := newConn(tcp, secured, s.timeouts, s.unacked)
	// In TLS 1.2 the server sends the last message of the handshake, after it has checked the certificate.
	if secured.ConnectionState().Version < tls.VersionTLS13 {
		return c, nil
	}
	wait := min(max(2*time.Since(started), s.timeouts.acceptMin), s.timeouts.acceptMax)
	return c, c.accepted(ctx, wait)
}

// closeEmpty closes a connection that has sent nothing, and returns how the server closed it.
func (s *syslogSink) closeEmpty(ctx context.Context, c *conn) (peerClose, error) {
	if err := c.closeWrite(ctx); err != nil {
		c.release()
		return notClosed, fmt.Errorf("closing the connection to %s: %w", s.address, err)
	}
	return s.awaitClose(ctx, c)
}

// awaitClose is called after closeWrite. It returns how the server closed its side. Its error says why that does not
// prove that the server has read everything. The connection is released.
func (s *syslogSink) awaitClose(ctx context.Context, c *conn) (peerClose, error) {
	kernel, wait := s.cfg.Confirm == ConfirmKernel, s.timeouts.close
	if kernel {
		wait = s.timeouts.kernelAck
	}
	got, err := c.awaitClose(ctx, wait)
	switch {
	case err != nil:
		return got, fmt.Errorf("closing the connection to %s: %w", s.address, err)
	case got != notClosed:
		return got, nil
	case !kernel:
		err = fmt.Errorf("the server %s did not close its side within %s, and it is unknown what it has read", s.address, wait)
		return got, &Error{Remedy: useKernel, Err: err}
	}
	s.cfg.Metrics.unanswered.Inc()
	s.warned.Do(func() {
		s.cfg.Log.Warn("the server does not close its side of a connection; "+
			"bytes that its kernel acknowledged count as delivered", zap.String("server", s.address))
	})
	return got, nil
}

// probe returns the best close of the server. If that is unknown, probe finds out with connections that send nothing.
// So a server that does not close gets no batch. If a server has sent close_notify once, every later close needs it.
func (s *syslogSink) probe(ctx context.Context) (peerClose, error) {
	best := peerClose(s.bestClose.Load())
	if s.cfg.Confirm == ConfirmKernel || best != notClosed {
		return best, nil
	}
	// A connection that was cut also ends with a bare FIN. So over TLS a bare FIN counts only the second time.
	for range 2 {
		c, err := s.connect(ctx)
		if err != nil {
			return notClosed, err
		}
		if best, err = s.closeEmpty(ctx, c); err != nil {
			return notClosed, err
		}
		if best == closeNotify || !s.secured {
			break
		}
	}
	if s.learn(best) && best != closeNotify && s.secured {
		s.cfg.Log.Warn("the server ends TLS without close_notify: a connection that was cut on the way "+
			"looks the same as one that the server has read", zap.String("server", s.address))
	}
	return best, nil
}

// learn raises bestClose, and reports whether bestClose was unknown.
func (s *syslogSink) learn(got peerClose) (first bool) {
	first = s.bestClose.CompareAndSwap(int32(notClosed), int32(got))
	if got == closeNotify {
		s.bestClose.Store(int32(got)) // nothing is better
	}
	return first
}

// syslogSender sends each batch over a connection of its own.
type syslogSender struct {
	sink *syslogSink
	tag  string
	framer
	noOffset
	// standby receives a connection for the next batch, or nil if that failed. The channel is nil if no batch was
	// announced.
	standby       chan *conn
	cancelStandby context.CancelFunc
}

// openStandby starts to open a connection for the next batch. takeStandby must be called afterwards.
func (s *syslogSender) openStandby() {
	ctx, cancel := context.WithCancel(context.Background())
	opened := make(chan *conn, 1)
	s.standby, s.cancelStandby = opened, cancel
	go func() {
		c, _ := s.sink.connect(ctx) // the next batch then connects itself, and returns the error
		opened <- c
	}()
}

// takeStandby returns the standby connection. It returns nil if there is none, it is not usable any more, or ctx has
// ended.
func (s *syslogSender) takeStandby(ctx context.Context) *conn {
	if s.standby == nil {
		return nil
	}
	defer s.cancelStandby()
	stop := context.AfterFunc(ctx, s.cancelStandby)
	defer stop()
	c := <-s.standby
	s.standby = nil
	if c != nil && (ctx.Err() != nil || c.alive() != nil || time.Since(c.opened) > c.timeouts.standby) {
		c.closeUnused()
		return nil
	}
	return c
}

func (s *syslogSender) send(ctx context.Context, batch Batch, d *delivery) error {
	expected, err := s.sink.probe(ctx)
	if err != nil {
		return err
	}
	c := s.takeStandby(ctx)
	if c == nil {
		if c, err = s.sink.connect(ctx); err != nil {
			return err
		}
	}
	if batch.More {
		s.openStandby()
	}
	stop := context.AfterFunc(ctx, c.abortWrite)
	defer stop()
	head := recordHead(s.sink.cfg.Now(), s.sink.cfg.Hostname, s.tag)
	d.stats, err = s.frame(head, batch, func(records []byte) error { return c.write(ctx, records) })
	if err == nil {
		err = c.closeWrite(ctx)
	}
	d.begun = c.wrote
	if err != nil {
		c.release()
		s.sink.cfg.Metrics.lost.Inc()
		return err
	}
	d.confirm = func(ctx context.Context) error { return s.sink.confirm(ctx, c, expected) }
	return nil
}

func (s *syslogSender) close() { _ = s.takeStandby(ended) }

// confirm is called after closeWrite. It returns nil when the server has read everything sent over the connection.
func (s *syslogSink) confirm(ctx context.Context, c *conn, expected peerClose) error {
	got, err := s.awaitClose(ctx, c)
	if err == nil && s.cfg.Confirm == ConfirmClose && got < expected {
		// The server may close differently now, so the next batch probes it again.
		s.bestClose.Store(int32(notClosed))
		err = errCut
	}
	if err != nil {
		s.cfg.Metrics.lost.Inc()
		return err
	}
	s.learn(got)
	return nil
}
