package devo

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/expiry"
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
	least    checkpoint.Proof // the weakest proof that DEVO_CONFIRM accepts
	known    *knowledge
	// finAtOnce: the server sends close_notify, and only after our FIN. Then a FIN follows our close_notify at once.
	finAtOnce atomic.Bool
}

const (
	// acceptLess is the remedy for a server that does not close as DEVO_CONFIRM demands.
	acceptLess = "if this server never closes in order, set DEVO_CONFIRM=auto and run on Linux"
	// resetProof is the remedy for a server that once proved more.
	resetProof = "if the server closes like this for good, accept it with `starter resume --reset-proof`"
)

func (s *syslogSink) Open(_ context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	s.known.recall(target.Proven)
	sender := &syslogSender{sink: s, name: target.Name, tag: target.Tag, framer: framer{cfg: s.cfg}}
	return &stream{sender: sender, doing: "sending to " + s.address, metrics: s.cfg.Metrics}, nil
}

// Certificates implements Sink. Without TLS there are none.
func (s *syslogSink) Certificates() []expiry.Certificate {
	if !s.secured {
		return nil
	}
	return s.cfg.certificates()
}

// Check opens connections and closes them without sending. That shows whether the server would confirm a batch.
func (s *syslogSink) Check(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	// A server may hang up after the handshake, because of a certificate that is valid but not permitted.
	if err := c.accepted(ctx, s.timeouts.check); err != nil {
		return fmt.Errorf("connecting to %s: %w", s.address, err)
	}
	c.closeUnused()
	_, err = s.expected(ctx)
	return err
}

// connect opens a connection. Over TLS it waits a little, in case the server refuses the certificate.
func (s *syslogSink) connect(ctx context.Context) (*conn, error) {
	limited, cancel := context.WithTimeout(ctx, s.timeouts.dial)
	defer cancel()
	c, err := s.dial(limited)
	if err != nil {
		failed := fmt.Errorf("connecting to %s: %w", s.address, err)
		if limited.Err() != nil && ctx.Err() == nil {
			// This error must not wrap a context's error: the caller's context has not ended.
			failed = fmt.Errorf("connecting to %s: not done within %s: %v", s.address, s.timeouts.dial, err)
		}
		return nil, unreached{remedied(err, failed)}
	}
	s.cfg.Metrics.connections.Inc()
	return c, nil
}

func (s *syslogSink) dial(ctx context.Context) (*conn, error) {
	cfg := new(clientTLS)
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
	tcp := &tcpConn{TCPConn: dialed.(*net.TCPConn), left: maxHandshake} // the type of every "tcp" connection
	if !s.secured {
		return newConn(tcp, nil, cfg, s.timeouts, s.unacked), nil
	}
	secured := tls.Client(tcp, cfg.config)
	started := time.Now()
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("TLS handshake: %w", cfg.explain(err))
	}
	c := newConn(tcp, secured, cfg, s.timeouts, s.unacked)
	// In TLS 1.2 the server sends the last message of the handshake, after it has checked the certificate.
	if secured.ConnectionState().Version < tls.VersionTLS13 {
		return c, nil
	}
	wait := min(max(2*time.Since(started), s.timeouts.acceptMin), s.timeouts.acceptMax)
	return c, c.accepted(ctx, wait)
}

// awaitClose is called after closeWrite. It returns what the server's close proves. After an error it is unknown what the
// server has read. The connection is released.
func (s *syslogSink) awaitClose(ctx context.Context, c *conn, wait time.Duration, expected checkpoint.Proof) (checkpoint.Proof, error) {
	got, err := c.awaitClose(ctx, wait, expected)
	if err != nil {
		s.finAtOnce.Store(false)
		return "", fmt.Errorf("closing the connection to %s: %w", s.address, err)
	}
	s.finAtOnce.Store(got == checkpoint.ProofCloseNotify && c.sentFIN)
	return got, nil
}

// syslogSender sends each batch over a connection of its own.
type syslogSender struct {
	sink      *syslogSink
	name, tag string
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
	expected, err := s.sink.expected(ctx)
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
	d.stats, err = s.frame(s.head(), s.tag, batch, func(records []byte) error { return c.write(ctx, records) })
	if err == nil {
		// Where the FIN brings the answer, or nothing does, the FIN need not wait.
		err = c.closeWrite(ctx, weak(expected) || s.sink.finAtOnce.Load())
	}
	d.begun = c.wrote
	if err != nil {
		c.release()
		s.sink.cfg.Metrics.lost.Inc()
		return err
	}
	d.confirm = func(ctx context.Context) error {
		got, err := s.sink.confirm(ctx, c, expected)
		if err != nil {
			s.sink.cfg.Metrics.lost.Inc()
			return err
		}
		s.accepted(got, d.stream)
		return nil
	}
	return nil
}

// accepted counts a proof that was accepted, and warns of a weak one.
func (s *syslogSender) accepted(got checkpoint.Proof, stream *stream) {
	metrics := s.sink.cfg.Metrics
	metrics.weaker.Set(0)
	if got == checkpoint.ProofKernel {
		metrics.unanswered.Inc()
	}
	if weak(got) {
		metrics.weaker.Set(1)
	}
	if weak(got) && s.sink.known.remind(s.name) {
		message := "the server " + s.sink.told(got, s.sink.timeouts.unanswered) + "; this counts as delivered. If the server, or a proxy " +
			"before it, dies with unread events, they are lost"
		stream.warn(WarnWeakerProof, "%s", message)
		s.sink.cfg.Log.Warn(message, zap.String("stream", s.name))
	}
}

func (s *syslogSender) Proven() checkpoint.Proven { return s.sink.known.get() }

func (s *syslogSender) close() { _ = s.takeStandby(ended) }

// confirm is called after closeWrite. It returns the server's proof that it has read everything sent over the connection.
func (s *syslogSink) confirm(ctx context.Context, c *conn, expected checkpoint.Proof) (checkpoint.Proof, error) {
	got, err := s.awaitClose(ctx, c, s.timeouts.close, expected)
	if err != nil {
		return "", err
	}
	if better(expected, got) {
		return "", &Error{Remedy: resetProof, Err: fmt.Errorf("the server %s. Earlier, %s: something on the way may have cut this connection "+
			"or held it up, and it is unknown what the server has read", s.told(got, s.timeouts.close), s.told(expected, 0))}
	}
	if got == checkpoint.ProofCloseNotify { // a FIN teaches nothing: a connection that something on the way has cut ends with one too
		s.known.learn(got)
	}
	return got, nil
}
