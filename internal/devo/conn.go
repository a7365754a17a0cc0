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

	"okta-collector/internal/checkpoint"
)

// timeouts bound every wait for the peer.
type timeouts struct {
	dial, stall, close, unanswered, stagger, fin, acceptMin, acceptMax, check, abort, standby time.Duration
}

var defaultTimeouts = timeouts{
	dial:  10 * time.Second, // connecting, with the TLS handshake
	stall: 30 * time.Second, // a write that makes no progress
	close: 30 * time.Second, // one wait for the peer's close; repeated while it acknowledges more bytes
	// unanswered is the same for an empty connection. Three of them begin at most stagger apart: a server that answers
	// none is known after 10 s, and one that only stalls must do so for as long.
	unanswered: 4 * time.Second,
	stagger:    3 * time.Second,
	// fin is how long after our close_notify a FIN follows, for peers that wait for one. It does not follow at once,
	// because some proxies take a FIN for the end of both directions. Then the peer's close is lost.
	fin: 2 * time.Second,
	// acceptMin and acceptMax bound the wait after a TLS 1.3 handshake, in which a server may hang up because of the
	// certificate. The wait is twice the duration of the handshake.
	acceptMin: 2 * time.Millisecond,
	acceptMax: 300 * time.Millisecond,
	check:     500 * time.Millisecond, // the same wait in Check
	// abort is how long a cancelled write may continue, so that it normally ends with a whole record.
	abort:   200 * time.Millisecond,
	standby: 10 * time.Second, // the maximum age of a standby connection; Devo's balancer closes an idle one after 30 s
}

// maxWrite bounds one write in bytes. Together with stall it sets the lowest accepted speed. A block without a very
// large object is one write, so that an aborted write normally ends with a whole record.
const maxWrite = 2 * blockSize

const (
	// maxAnswer bounds in bytes what a peer may send: a syslog server after the handshake, an HTTP server in the body of an
	// answer. It is read and thrown away.
	maxAnswer = 64 << 10
	// maxHandshake bounds in bytes what a TLS server may send in the handshake. crypto/tls allows 256 KiB of certificates.
	maxHandshake = 512 << 10
)

// The kernel's acknowledgement is polled more and more rarely, between these bounds.
const (
	firstPoll   = 4 * time.Millisecond
	longestPoll = 100 * time.Millisecond
)

var (
	errHungUp = errors.New("the peer closed the connection")
	errChatty = fmt.Errorf("the peer has sent more than %d KiB, and a syslog server sends nothing", maxAnswer>>10)
)

// tcpConn is the TCP connection below TLS. It records whether a FIN came, because crypto/tls returns io.EOF both after
// a FIN alone and after close_notify. It bounds what the peer may send after the handshake, whatever TLS makes of it.
// After the handshake only the reader's goroutine uses it to read.
type tcpConn struct {
	*net.TCPConn
	fin  bool
	left int // bytes that may still be read
}

func (t *tcpConn) Read(b []byte) (int, error) {
	if t.left == 0 {
		return 0, errChatty
	}
	n, err := t.TCPConn.Read(b[:min(len(b), t.left)])
	t.left -= n
	t.fin = t.fin || errors.Is(err, io.EOF)
	return n, err
}

// conn is one TCP or TLS connection to a server that only reads.
type conn struct {
	net.Conn           // secured, or tcp without TLS
	secured  *tls.Conn // nil without TLS
	tcp      *tcpConn
	tls      *clientTLS
	timeouts timeouts
	unacked  func(syscall.Conn) (int, error)
	opened   time.Time
	wrote    bool // the peer may have received bytes
	sentFIN  bool // sendFIN was called

	notified atomic.Bool   // the peer has sent close_notify
	ended    chan struct{} // closed when nothing more can be read
	cause    error         // why the connection ended; valid after ended is closed
}

// newConn starts the connection's reader. The caller must release the connection.
func newConn(tcp *tcpConn, secured *tls.Conn, cfg *clientTLS, t timeouts, unacked func(syscall.Conn) (int, error)) *conn {
	tcp.left = maxAnswer
	c := &conn{
		Conn: tcp, secured: secured, tcp: tcp, tls: cfg, timeouts: t, unacked: unacked,
		opened: time.Now(), ended: make(chan struct{}),
	}
	if secured != nil {
		c.Conn = secured
	}
	go c.read()
	return c
}

// read reads until the connection ends, for two reasons. The server sends no data, but a hang-up or an alert must be
// known before the next write. And an unread byte would turn our close into a reset, which destroys what the server has
// not read yet.
func (c *conn) read() {
	defer close(c.ended)
	var first [2]byte
	_, err := io.ReadFull(c, first[:])
	if err == nil {
		_, err = io.Copy(io.Discard, c)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil && c.secured != nil && !c.tcp.fin {
		// close_notify does not prove that the server has read everything, because a server that is stopped sends it too.
		// What its kernel sends next decides: a reset if bytes were unread, a FIN if all bytes were read.
		c.notified.Store(true)
		_ = c.tcp.CloseWrite()
		_, err = io.Copy(io.Discard, struct{ io.Reader }{c.tcp})
	}
	c.cause = errHungUp
	switch {
	case errors.Is(err, errChatty):
		c.cause = &Error{Remedy: "see DEVO_URL: what answers there is no syslog server", Err: err}
		_ = c.tcp.Close() // ends a write that the peer does not read
	case c.secured == nil && first == tlsAlert:
		c.cause = refused("begin DEVO_URL with tls://", errors.New("the server speaks TLS"))
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF): // that error is a FIN inside a TLS record
		c.cause = c.tls.explain(err)
	}
}

// alive returns nil while the connection is open, then why it ended.
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

// accepted waits long enough to assume that the server accepts the client's certificate. A session ticket is no proof:
// some servers send it before they verify the certificate, and then hang up, rsyslog even without an alert. A balancer
// without a server hangs up too, so the error is not ErrRefused. After an error the connection is released.
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
		err = fmt.Errorf("%w right after the handshake", err)
		if c.tls.own.Certificate != nil {
			err = fmt.Errorf("%w, with the client's certificate %s", err, c.tls.own)
		}
		return &Error{Remedy: "if that goes on, see DEVO_CERT_FILE: the server may not permit the client's certificate", Err: err}
	}
	return fmt.Errorf("after the handshake: %w", err)
}

// write writes whole records.
func (c *conn) write(ctx context.Context, records []byte) error {
	for len(records) > 0 {
		if err := c.alive(); err != nil {
			return err
		}
		// The deadline is set before ctx is checked, because abortWrite may shorten it at any time afterwards.
		if err := c.SetWriteDeadline(time.Now().Add(c.timeouts.stall)); err != nil {
			return c.writeError(ctx, err)
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

// abortWrite ends a write under way within the timeout abort.
func (c *conn) abortWrite() { _ = c.SetWriteDeadline(time.Now().Add(c.timeouts.abort)) }

// writeError returns why a write failed. The reader often knows more than err, because it has seen the alert before the
// reset. writeError returns nil for nil.
func (c *conn) writeError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the peer has accepted no data for %s: %w", c.timeouts.stall, err)
	}
	select {
	case <-c.ended:
		return c.cause
	case <-time.After(c.timeouts.abort):
		return err
	}
}

// closeWrite closes our side of the connection, over TLS with close_notify. fin sends a FIN right after that.
func (c *conn) closeWrite(ctx context.Context, fin bool) error {
	if err := c.alive(); err != nil {
		return err // the peer has closed first, so its close proves nothing
	}
	if c.secured != nil {
		if err := c.secured.CloseWrite(); err != nil || !fin {
			return c.writeError(ctx, err)
		}
	}
	c.sendFIN()
	return nil
}

// sendFIN ignores the error: the connection has ended then, and awaitClose says how.
func (c *conn) sendFIN() {
	c.sentFIN = true
	_ = c.tcp.CloseWrite()
}

// awaitClose is called after closeWrite. It waits until the peer closes its side, which the peer does after it has read
// everything, and returns what that proves. The wait starts again as long as the peer acknowledges more bytes. expected is
// what suffices: if it is the kernel's acknowledgement, nothing else is waited for. After an error it is unknown what the
// peer has read. The connection is released.
func (c *conn) awaitClose(ctx context.Context, wait time.Duration, expected checkpoint.Proof) (checkpoint.Proof, error) {
	defer c.release()
	var fin <-chan time.Time
	if c.secured != nil && !c.sentFIN && expected != checkpoint.ProofFIN { // a FIN of ours would make the peer's a late one
		fin = time.After(c.timeouts.fin)
	}
	pause, longest := wait, wait
	if expected == checkpoint.ProofKernel {
		pause, longest = min(firstPoll, wait), min(longestPoll, wait)
	}
	last, progress, over := math.MaxInt, time.Now(), time.After(pause)
	for {
		select {
		case <-c.ended:
			return c.closed()
		case <-fin:
			c.sendFIN()
		case <-over:
			select {
			case <-c.ended:
				return c.closed()
			default:
			}
			n, err := c.unacked(c.tcp)
			switch {
			case errors.Is(err, errors.ErrUnsupported):
				return "", nil
			case err != nil:
				return "", c.writeError(ctx, err)
			case n == 0:
				return checkpoint.ProofKernel, nil
			case n < last:
				last, progress = n, time.Now()
			case time.Since(progress) >= wait:
				return "", fmt.Errorf("the peer has not acknowledged %d bytes for %s", n, wait)
			}
			pause = min(2*pause, longest)
			over = time.After(pause)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// closed returns what the peer's close proves that came after closeWrite.
func (c *conn) closed() (checkpoint.Proof, error) {
	notified, fins := c.notified.Load(), 0
	if notified || c.sentFIN {
		fins = 1
	}
	// A close that answers ours also acknowledges our close. A peer that hung up by itself, perhaps with unread data, has
	// not acknowledged it yet.
	n, err := c.unacked(c.tcp)
	switch {
	case !errors.Is(c.cause, errHungUp):
		return "", c.cause
	case err == nil && n > fins:
		return "", errHungUp
	case notified:
		return checkpoint.ProofCloseNotify, nil
	case c.secured != nil && c.sentFIN:
		return checkpoint.ProofLateFIN, nil
	}
	return checkpoint.ProofFIN, nil
}

// release closes the socket without TLS: close_notify was sent, or there is no time for it. It stays unknown whether
// the peer has read unconfirmed data.
func (c *conn) release() {
	_ = c.tcp.Close()
	<-c.ended
}

// closeUnused closes a connection that has sent nothing.
func (c *conn) closeUnused() {
	if c.secured != nil {
		_ = c.secured.CloseWrite()
	}
	c.release()
}
