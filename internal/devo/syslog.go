package devo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// syslogSink sends records over TCP, with TLS unless security is nil.
//
// Syslog acknowledges nothing. What is known of a page comes from below: it is sent when
// the peer's kernel has acknowledged its last byte, and confirmed when, after our half of
// the connection was closed, the peer has closed its own.
type syslogSink struct {
	cfg      Config
	address  string
	security *security
	limits   limits
	// unacked is nil but in tests.
	unacked func(syscall.RawConn) (int, error)
	warned  sync.Once // that the peer answers no half-close
}

func (s *syslogSink) Open(_ context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	return &syslogStream{sink: s, tag: target.Tag, framer: newFramer(s.cfg)}, nil
}

// OffsetOf is empty: there is nothing to take back.
func (*syslogSink) OffsetOf() string { return "" }

func (s *syslogSink) Check(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		_ = c.closeWrite() // out of politeness: nothing was written that could be lost
		c.abandon()
	}()
	// A server may hang up after the handshake, on a certificate that is valid but not its.
	select {
	case <-c.ended:
		return fmt.Errorf("connecting to %s: %w", s.address, afterHandshake(c.lost()))
	case <-time.After(s.limits.check):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterHandshake explains a connection that ended before anything was written to it. Some
// servers look at a certificate only then, and hang up without an alert, rsyslog for one;
// but so does a balancer with nothing behind it, so it is no refusal.
func afterHandshake(err error) error {
	if errors.Is(err, errHungUp) {
		return fmt.Errorf("%w right after the handshake; if that goes on, it may not permit the client's certificate", err)
	}
	return fmt.Errorf("after the handshake: %w", err)
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
	s.cfg.Metrics.connected()
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
	dialed, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	tcp := dialed.(*net.TCPConn) // what "tcp" gives
	c, err := s.secure(ctx, tcp, cfg)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return c, nil
}

// secure shakes hands on tcp if there is a cfg. After an error the caller closes tcp.
func (s *syslogSink) secure(ctx context.Context, tcp *net.TCPConn, cfg *tls.Config) (*conn, error) {
	unacked := s.unacked
	if unacked == nil {
		unacked = unacknowledged
	}
	if cfg == nil {
		return newConn(tcp, tcp, s.limits, unacked)
	}

	ticket := make(firstTicket, 1)
	cfg.ClientSessionCache = ticket
	secured := tls.Client(tcp, cfg)
	started := time.Now()
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	c, err := newConn(tcp, secured, s.limits, unacked)
	if err != nil {
		return nil, err
	}
	// In TLS 1.2 the server has spoken last, after it saw the certificate.
	if secured.ConnectionState().Version >= tls.VersionTLS13 {
		wait := min(max(2*time.Since(started), s.limits.acceptMin), s.limits.acceptMax)
		if err := c.accepted(ctx, ticket, wait); err != nil {
			c.abandon()
			return nil, afterHandshake(err)
		}
	}
	return c, nil
}

// syslogStream carries a slice's pages over one connection after the other.
//
// A connection is closed, and so confirmed, after limits.rotatePages pages, at the first
// page after limits.rotateAge, and when it was idle for limits.idle. The next one is opened
// while it is being confirmed, so that there are two at most. A connection that the server
// closes by itself counts as lost, in order or not: a server that was stopped closes in
// order, too, with what it had not worked through.
type syslogStream struct {
	sink *syslogSink
	tag  string
	framer
	head []byte

	current   *conn // open; nil before the first page
	retired   *conn // being confirmed; kept when that failed
	shipped   int
	confirmed int
	failed    error
	closed    bool
}

func (s *syslogStream) Ship(ctx context.Context, page Page) (Stats, error) {
	if s.failed != nil {
		return Stats{}, s.failed
	}
	started := time.Now()
	stats, err := s.ship(ctx, page)
	if err != nil {
		s.failed = fmt.Errorf("sending to %s: %w", s.sink.address, err)
		return Stats{}, s.failed
	}
	s.sink.cfg.Metrics.shipped(started)
	return stats, nil
}

func (s *syslogStream) ship(ctx context.Context, page Page) (Stats, error) {
	if err := s.settle(); err != nil {
		return Stats{}, err
	}
	if len(page.Objects) == 0 {
		s.count()
		return Stats{}, nil
	}
	if err := s.connect(ctx); err != nil {
		return Stats{}, err
	}
	c := s.current
	stop := context.AfterFunc(ctx, c.hurry)
	defer stop()
	s.head = appendHead(s.head[:0], s.sink.cfg.Now(), s.sink.cfg.Hostname, s.tag)
	stats, err := s.frame(s.head, page, func(records []byte) error { return c.write(ctx, records) })
	if err != nil {
		return Stats{}, err
	}
	switch err := c.acknowledged(ctx); {
	case errors.Is(err, errors.ErrUnsupported):
		return stats, s.confirmPage(ctx)
	case err != nil:
		return Stats{}, err
	}
	c.pages++
	s.count()
	c.rest()
	return stats, nil
}

// confirmPage closes the connection to learn about its one page, where the kernel tells
// nothing.
func (s *syslogStream) confirmPage(ctx context.Context) error {
	c := s.current
	s.count()
	s.current, s.retired = nil, c
	c.retire()
	select {
	case <-c.finished:
		return s.settle()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count counts one more page as shipped, over the newest connection.
func (s *syslogStream) count() {
	s.shipped++
	switch {
	case s.current != nil:
		s.current.upTo = s.shipped
	case s.retired != nil:
		s.retired.upTo = s.shipped
	default:
		s.confirmed = s.shipped
	}
}

// connect makes sure that there is a connection to write the next page to.
func (s *syslogStream) connect(ctx context.Context) error {
	if c := s.current; c != nil {
		awake := c.wake()
		if err := c.alive(); awake && err != nil {
			c.broken = true
			return err
		}
		due := c.pages >= s.sink.limits.rotatePages || time.Since(c.opened) >= s.sink.limits.rotateAge
		if awake && (!due || s.retired != nil) {
			return nil // what is due can wait until the one before is confirmed
		}
		if err := s.await(ctx); err != nil {
			return err
		}
		c.retire()
		s.current, s.retired = nil, c
	}
	c, err := s.sink.connect(ctx)
	if err != nil {
		return err
	}
	c.upTo = s.shipped
	s.current = c
	return nil
}

// await waits for the retired connection.
func (s *syslogStream) await(ctx context.Context) error {
	if s.retired == nil {
		return nil
	}
	select {
	case <-s.retired.finished:
		return s.settle()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle looks whether the retired connection is confirmed. An error remains.
func (s *syslogStream) settle() error {
	c := s.retired
	if c == nil {
		return nil
	}
	select {
	case <-c.finished:
	default:
		return nil
	}
	if c.verdict != nil {
		return fmt.Errorf("the connection was lost before it was confirmed: %w", c.verdict)
	}
	if c.unanswered {
		s.sink.cfg.Metrics.closeUnanswered()
		s.sink.warned.Do(func() {
			s.sink.cfg.Log.Warn("the server does not close a connection that was closed on this side; what its kernel acknowledged is taken as delivered",
				zap.String("server", s.sink.address), zap.Duration("waited", s.sink.limits.answer))
		})
	}
	s.confirmed = c.upTo
	s.retired = nil
	return nil
}

func (s *syslogStream) Confirmed() int {
	_ = s.settle() // an error means that nothing was added
	return s.confirmed
}

func (s *syslogStream) Offset() *int64 { return nil }

// Close does not need ctx: each connection's farewell is bounded by limits.answer, and both
// go on at the same time.
func (s *syslogStream) Close(context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.failed == nil {
		s.failed = errors.New("the stream is closed")
	}
	c := s.current
	if c != nil {
		c.wake()
		if c.broken {
			c.abandon()
		} else {
			c.retire()
		}
	}
	err := s.await(context.Background())
	if c != nil {
		<-c.finished
		if err == nil {
			s.current, s.retired = nil, c
			err = s.settle()
		}
	}
	if s.confirmed == s.shipped {
		return nil // what a connection was lost with, Ship has told
	}
	s.sink.cfg.Metrics.connectionLost()
	return fmt.Errorf("closing the connection to %s: %d pages are unconfirmed: %w", s.sink.address, s.shipped-s.confirmed, err)
}
