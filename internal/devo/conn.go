package devo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// timeouts bound everything that waits for the other side.
type timeouts struct {
	dial, stall, close, kernelAck, fin, acceptMin, acceptMax, check, abort, standby time.Duration
}

var defaultTimeouts = timeouts{
	dial:      10 * time.Second, // connecting, with the TLS handshake
	stall:     30 * time.Second, // a write of which the peer takes nothing
	close:     30 * time.Second, // the peer's close, while the peer acknowledges no more bytes
	kernelAck: time.Second,      // the same where DEVO_CONFIRM=kernel
	// fin is how long after our close_notify a FIN follows, for peers that wait for one. It does not follow at once:
	// some proxies take a FIN for the end of both directions, and then the peer's close is lost.
	fin: 2 * time.Second,
	// acceptMin and acceptMax bound how long a server may take to hang up on a certificate after a TLS 1.3 handshake.
	// Within them it is twice the duration of the handshake.
	acceptMin: 2 * time.Millisecond,
	acceptMax: 300 * time.Millisecond,
	check:     500 * time.Millisecond, // how long Check waits for a server to hang up on a certificate
	// abort is how long a write may go on after it was cancelled, so that it normally ends with a whole record.
	abort:   200 * time.Millisecond,
	standby: 10 * time.Second, // the age of a standby connection; Devo's balancer closes an idle one after 30 s
}

// maxWrite bounds one write in bytes, and so the lowest speed that is not a stall. A block is written as a whole unless
// it has a very large object in it, so that an aborted write ends with a whole record.
const maxWrite = 2 * blockSize

// useKernel is the remedy for a server that does not close its connections in order.
const useKernel = "if the server never closes in order, set DEVO_CONFIRM=kernel: its kernel's acknowledgement is enough then"

var (
	errHungUp = errors.New("the peer closed the connection")
	errFIN    = &Error{
		Remedy: useKernel,
		Err: errors.New("the connection ended without close_notify, and only after our FIN: a proxy may have ended it, " +
			"and it is not known what the server has read"),
	}
	errCut = errors.New("the connection ended without the close_notify that this server sends: something on the way has cut it, " +
		"and it is not known what the server has read")
)

// peerClose is how a peer closed its side of a connection after we had closed ours. A larger one proves more.
type peerClose int32

const (
	// notClosed: not in time.
	notClosed peerClose = iota
	// bareFIN: anything on the way can send a FIN, although it has taken all bytes itself and the peer none.
	bareFIN
	// closeNotify: as TLS demands. Nobody but the peer can send it.
	closeNotify
)

// tcpConn is the TCP connection below TLS. It records a FIN, because crypto/tls returns io.EOF both for a connection
// that just ended and for one that ended with close_notify.
type tcpConn struct {
	*net.TCPConn
	fin bool // for the reader only
}

func (t *tcpConn) Read(b []byte) (int, error) {
	n, err := t.TCPConn.Read(b)
	t.fin = t.fin || errors.Is(err, io.EOF)
	return n, err
}

// conn is one TCP or TLS connection to a server that only reads.
type conn struct {
	net.Conn           // secured, or else tcp
	secured  *tls.Conn // nil without TLS
	tcp      *tcpConn
	timeouts timeouts
	unacked  func(syscall.Conn) (int, error)
	opened   time.Time
	wrote    bool // the peer may have received something
	sentFIN  bool // by sendFIN

	notified atomic.Bool   // the peer has sent close_notify
	ended    chan struct{} // closed when nothing more can be read
	cause    error         // why; valid after ended
}

// newConn starts the connection's reader. The connection must be released.
func newConn(tcp *tcpConn, secured *tls.Conn, t timeouts, unacked func(syscall.Conn) (int, error)) *conn {
	c := &conn{
		Conn: tcp, secured: secured, tcp: tcp, timeouts: t, unacked: unacked,
		opened: time.Now(), ended: make(chan struct{}),
	}
	if secured != nil {
		c.Conn = secured
	}
	go c.read()
	return c
}

// read reads until the connection ends. The server has nothing to say, but it may hang up or refuse: then the next write
// need not find out. And a byte that was left unread would turn our close into a reset, which destroys what the
// server has not read yet.
func (c *conn) read() {
	defer close(c.ended)
	_, err := io.Copy(io.Discard, c)
	if err == nil && c.secured != nil && !c.tcp.fin {
		// A server process that is stopped sends close_notify too, whatever it has not read. But then its kernel resets
		// the connection, where the kernel of a server that has read everything sends a FIN.
		c.notified.Store(true)
		_ = c.tcp.CloseWrite()
		_, err = io.Copy(io.Discard, struct{ io.Reader }{c.tcp})
	}
	c.cause = errHungUp
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // which is a FIN in the middle of a TLS record
		c.cause = explain(err)
	}
}

// alive returns nil, or why the connection has ended.
func (c *conn) alive() error {
	select {
	case <-c.ended:
		return c.cause
	default:
	}
	if c.notified.Load() {
		return errHungUp
	}
	return nil
}

// accepted waits long enough to believe that the server accepts the client's certificate. A session ticket does not
// prove that: some servers verify the certificate after they sent it, and some of them, such as rsyslog, then hang up
// without an alert. A balancer with nothing behind it hangs up too, so this is not ErrRefused. After an error the
// connection is released.
func (c *conn) accepted(ctx context.Context, wait time.Duration) error {
	var err error
	select {
	case <-time.After(wait):
		return nil
	case <-c.ended:
		err = c.cause
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.closeUnused()
	if errors.Is(err, errHungUp) {
		return &Error{
			Remedy: "if that goes on, see DEVO_CERT_FILE: the server may not permit the client's certificate",
			Err:    fmt.Errorf("%w right after the handshake", err),
		}
	}
	return fmt.Errorf("after the handshake: %w", err)
}

// write writes whole records.
func (c *conn) write(ctx context.Context, records []byte) error {
	for len(records) > 0 {
		if err := c.alive(); err != nil {
			return err
		}
		// The deadline is set before ctx is looked at: abortWrite may shorten it at any time after.
		if err := c.SetWriteDeadline(time.Now().Add(c.timeouts.stall)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := records[:min(len(records), maxWrite)]
		c.wrote = true
		if _, err := c.Conn.Write(piece); err != nil {
			return c.writeError(ctx, err)
		}
		records = records[len(piece):]
	}
	return nil
}

// abortWrite ends a write that is under way, soon.
func (c *conn) abortWrite() { _ = c.SetWriteDeadline(time.Now().Add(c.timeouts.abort)) }

// writeError finds out why a write failed. The reader often knows better: it has seen the alert that came before the
// reset. It returns nil for nil.
func (c *conn) writeError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the peer has read nothing for %s: %w", c.timeouts.stall, err)
	}
	select {
	case <-c.ended:
		return c.cause
	case <-time.After(c.timeouts.abort):
		return err
	}
}

// closeWrite closes our side of the connection, with close_notify where there is TLS.
func (c *conn) closeWrite(ctx context.Context) error {
	if err := c.alive(); err != nil {
		return err // the peer's close does not answer ours
	}
	if c.secured == nil {
		return c.sendFIN(ctx)
	}
	return c.writeError(ctx, c.secured.CloseWrite())
}

func (c *conn) sendFIN(ctx context.Context) error {
	c.sentFIN = true
	return c.writeError(ctx, c.tcp.CloseWrite())
}

// awaitClose is called after closeWrite. It waits for the peer to close its side, which the peer does when it has read
// everything. It goes on as long as the peer acknowledges more bytes in each wait. After an error it is not known what
// the peer has read. The connection is released.
func (c *conn) awaitClose(ctx context.Context, wait time.Duration) (peerClose, error) {
	defer c.release()
	var fin <-chan time.Time
	if c.secured != nil {
		fin = time.After(c.timeouts.fin)
	}
	last, over := math.MaxInt, time.After(wait)
	for {
		select {
		case <-c.ended:
			return c.closed()
		case <-fin:
			if err := c.sendFIN(ctx); err != nil {
				return notClosed, err
			}
		case <-over:
			n, err := c.unacked(c.tcp)
			switch {
			case err != nil && !errors.Is(err, errors.ErrUnsupported):
				return notClosed, err
			case n == 0:
				return notClosed, nil
			case n >= last:
				return notClosed, fmt.Errorf("the peer has not acknowledged %d bytes for %s", n, wait)
			}
			last, over = n, time.After(wait)
		case <-ctx.Done():
			return notClosed, ctx.Err()
		}
	}
}

// closed says how the connection ended after closeWrite.
func (c *conn) closed() (peerClose, error) {
	notified, fins := c.notified.Load(), 0
	if notified || c.sentFIN {
		fins = 1
	}
	// A close that answers ours also acknowledges it. A peer that hung up by itself, perhaps without having read
	// everything, has not seen our close yet.
	n, err := c.unacked(c.tcp)
	switch {
	case !errors.Is(c.cause, errHungUp):
		return notClosed, c.cause
	case err == nil && n > fins:
		return notClosed, errHungUp
	case notified:
		return closeNotify, nil
	case c.secured != nil && c.sentFIN:
		return notClosed, errFIN
	}
	return bareFIN, nil
}

// release closes the socket and not TLS: close_notify was sent, or there is no time for it. What was written and not
// confirmed stays unknown.
func (c *conn) release() {
	_ = c.tcp.Close()
	<-c.ended
}

// closeUnused closes a connection over which nothing was sent.
func (c *conn) closeUnused() {
	if c.secured != nil {
		_ = c.secured.CloseWrite()
	}
	c.release()
}
