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
	"golang.org/x/time/rate"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/expiry"
)

// syslogSink sends records over TCP or TLS.
//
// Syslog has no acknowledgement. A kernel's acknowledgement proves little: a proxy, a sidecar or a balancer on the way
// acknowledges bytes, and loses them if it dies. The end of the connection proves that a batch was read: we close our
// side, and the peer closes its own after it has read everything. With TLS nobody but the peer can send that close. So
// each connection ends with its batch. Several are under way at once, and the next ones are opened ahead, because a new
// connection takes several round trips and begins slowly.
type syslogSink struct {
	noOffset
	cfg      Config
	address  string
	secured  bool // TLS
	timeouts timeouts
	unacked  func(syscall.Conn) (int, error)
	least    checkpoint.Proof // the weakest proof that DEVO_CONFIRM accepts
	known    *knowledge
	pace     *rate.Limiter // of new connections
	opening  atomic.Int64  // how long it took to open the newest connection, in nanoseconds
	took     atomic.Int64  // how long the newest transfer took, from its first byte to its proof
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
	sender := &syslogSender{
		sink: s, name: target.Name, tag: target.Tag, checker: s.cfg.framer(target), window: window{pool: &s.cfg.Limits.pool}, standby: standby{sink: s},
		begins:  rate.NewLimiter(maxConnections, 1),
		framers: sync.Pool{New: func() any { return new(s.cfg.framer(target)) }},
	}
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

// connect opens a connection, after it has waited until one may be opened. Over TLS it waits a little, in case the server
// refuses the certificate.
func (s *syslogSink) connect(ctx context.Context) (*conn, error) {
	if err := await(ctx, s.pace); err != nil {
		return nil, fmt.Errorf("waiting to connect to %s: %w", s.address, err)
	}
	began := time.Now()
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
	s.opening.Store(int64(time.Since(began)))
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
	boundUnsent(tcp)
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

// syslogSender sends batches over connections that end with them, several at once.
type syslogSender struct {
	sink      *syslogSink
	name, tag string
	checker   framer
	framers   sync.Pool // of *framer, one for each transfer that writes
	window    window
	standby   standby
	begins    *rate.Limiter // of transfers
	newest    *transfer     // nil before the first one
	broken    atomic.Pointer[error]
	noOffset
}

// send starts a transfer for the batch, or adds it to one that has not begun.
func (s *syslogSender) send(ctx context.Context, batch Batch, d *delivery) error {
	if failed := s.broken.Load(); failed != nil {
		return *failed
	}
	size, err := s.checker.size(s.tag, batch)
	if err != nil {
		return err
	}
	t, err := s.assign(ctx, parcel{batch, d}, size)
	if err != nil {
		return err
	}
	d.confirm, d.load = t.confirm, t.load
	if best, _ := s.sink.known.best(); batch.More && !better(s.sink.least, best) { // not before the server was asked
		s.standby.fill()
	}
	return nil
}

// assign adds a batch to the newest transfer, or starts another one.
func (s *syslogSender) assign(ctx context.Context, p parcel, size int) (*transfer, error) {
	if t := s.newest; t != nil && t.load.size+size <= s.sink.room() && !t.hasBegun() {
		if err := t.load.join(ctx, size); err != nil {
			return nil, err
		}
		if t.add(p) {
			return t, nil
		}
		t.load.leave(size)
	}
	load, err := s.window.admit(ctx, size)
	if err != nil {
		return nil, err
	}
	t := &transfer{sender: s, load: load, ahead: s.standby.take(), parcels: []parcel{p}, ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(ctx)
	s.newest = t
	go t.run()
	return t, nil
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

func (s *syslogSender) close() {
	s.standby.close()
	s.window.close()
}

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
