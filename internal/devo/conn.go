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
	"syscall"
	"time"
)

// limits bound everything that waits for the other side.
type limits struct {
	dial  time.Duration // connecting and shaking hands
	stall time.Duration // a peer that takes nothing at all
	// answer is how long a peer may take to answer a close while it takes nothing more.
	answer time.Duration
	// word is how long the answer is waited for where the kernel's word suffices.
	word time.Duration
	// nudge is how long after TLS's close_notify a FIN follows, for peers that wait for one. Not
	// at once: some proxies take a FIN for the end of both directions, and the answer is lost.
	nudge time.Duration
	// accept is how long, after a TLS 1.3 handshake, a server may take to hang up on a
	// certificate: twice the handshake's own duration, within these bounds.
	acceptMin, acceptMax time.Duration
	// check is how long Check waits for a server that hangs up after the handshake.
	check time.Duration
	// cancelled is how long a write that is under way may go on when it is cancelled, so
	// that it normally ends with a whole record.
	cancelled time.Duration
	// fresh is how old a connection may be that was opened ahead; well below the 30 s after which
	// Devo's balancer closes an idle one.
	fresh time.Duration
}

var defaultLimits = limits{
	dial:      10 * time.Second,
	stall:     30 * time.Second,
	answer:    30 * time.Second,
	word:      time.Second,
	nudge:     2 * time.Second,
	acceptMin: 2 * time.Millisecond,
	acceptMax: 300 * time.Millisecond,
	check:     500 * time.Millisecond,
	cancelled: 200 * time.Millisecond,
	fresh:     10 * time.Second,
}

// maxWrite bounds one write, and so the least speed that is not a stall, in bytes. A block
// is written whole unless a very large object is in it, so that a cancelled stream ends
// with a whole record.
const maxWrite = 2 * blockSize

var (
	errHungUp = errors.New("the peer closed the connection")
	errFIN    = errors.New("the connection ended without close_notify, and only after our FIN: a proxy may have ended it, and it is not known what the server has read; if it never ends otherwise, DEVO_CONFIRM=kernel makes do with its kernel's word")
	errCut    = errors.New("the connection ended without the close_notify that this server sends: something on the way has cut it, and it is not known what the server has read")
)

// farewell is how a peer ended a connection that was closed on this side.
type farewell int

const (
	// unanswered: not in time.
	unanswered farewell = iota
	// bareEOF: with a FIN. Anything on the way can send one, although it has taken all bytes
	// itself and the peer none.
	bareEOF
	// closeNotify: as TLS demands, which nobody but the peer can do.
	closeNotify
)

// wire is the TCP connection below TLS. It notes a FIN, since crypto/tls reports a connection
// that just ended and one that ended with close_notify in the same way.
type wire struct {
	*net.TCPConn
	fin bool // valid when nothing reads any more
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.TCPConn.Read(b)
	w.fin = w.fin || errors.Is(err, io.EOF)
	return n, err
}

// conn is one TCP or TLS connection to a server that only reads.
type conn struct {
	net.Conn           // secured, or else tcp
	secured  *tls.Conn // nil without TLS
	tcp      *wire
	raw      syscall.RawConn
	limits   limits
	unacked  func(syscall.RawConn) (int, error)
	opened   time.Time
	wrote    bool // something may have reached the peer
	fins     int  // sent

	notified chan struct{} // closed when the peer has sent close_notify
	ended    chan struct{} // closed when nothing more can be read
	cause    error         // why; valid after ended
}

// newConn starts the connection's reader. The connection must be released.
func newConn(tcp *wire, secured *tls.Conn, l limits, unacked func(syscall.RawConn) (int, error)) (*conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: tcp, secured: secured, tcp: tcp, raw: raw, limits: l, unacked: unacked, opened: time.Now(), notified: make(chan struct{}), ended: make(chan struct{})}
	if secured != nil {
		c.Conn = secured
	}
	go c.read()
	return c, nil
}

// read reads until the connection ends. The server has nothing to say but that it hangs up
// or refuses, which is so noticed before the next write; and a byte that was left unread
// would turn our close into a reset, which destroys what the server has not read yet.
func (c *conn) read() {
	defer close(c.ended)
	buf := make([]byte, 512)
	for c.cause == nil {
		_, c.cause = c.Read(buf)
	}
	if c.secured == nil || c.tcp.fin || !errors.Is(c.cause, io.EOF) {
		return
	}
	// A server that is stopped in order sends close_notify too, whatever it has not read. But then its
	// kernel resets the connection, where one that has read everything ends with a FIN.
	close(c.notified)
	_ = c.tcp.CloseWrite()
	for c.cause = nil; c.cause == nil; {
		_, c.cause = c.tcp.Read(buf)
	}
}

// alive returns nil, or why the connection has ended.
func (c *conn) alive() error {
	select {
	case <-c.ended:
		return c.lost()
	case <-c.notified:
		return errHungUp
	default:
		return nil
	}
}

// lost says why the connection has ended. It is called after ended.
func (c *conn) lost() error {
	if c.eof() {
		return errHungUp
	}
	return explain(c.cause)
}

// eof says whether the peer closed its side. A FIN in the middle of a TLS record is an
// unexpected EOF.
func (c *conn) eof() bool {
	return errors.Is(c.cause, io.EOF) || errors.Is(c.cause, io.ErrUnexpectedEOF)
}

// accepted waits long enough to believe that the server accepts the client's certificate. A
// session ticket is no sign of that: some servers look at the certificate after they sent it. Some hang up without
// an alert, rsyslog for one; but so does a balancer with nothing behind it, so it is no refusal. After an error the
// connection is released.
func (c *conn) accepted(ctx context.Context, wait time.Duration) error {
	var err error
	select {
	case <-time.After(wait):
		return nil
	case <-c.ended:
		err = c.lost()
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.leave()
	if errors.Is(err, errHungUp) {
		return fmt.Errorf("%w right after the handshake; if that goes on, it may not permit the client's certificate", err)
	}
	return fmt.Errorf("after the handshake: %w", err)
}

// write writes whole records.
func (c *conn) write(ctx context.Context, records []byte) error {
	for len(records) > 0 {
		if err := c.alive(); err != nil {
			return err
		}
		// The deadline comes before the look at ctx: hurry may change it at any time after.
		if err := c.SetWriteDeadline(time.Now().Add(c.limits.stall)); err != nil {
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

// writeError finds out why a write failed. The reader often knows better: it has seen the
// alert that came before the reset.
func (c *conn) writeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the peer has read nothing for %s: %w", c.limits.stall, err)
	}
	select {
	case <-c.ended:
		return c.lost()
	case <-time.After(c.limits.cancelled):
		return err
	}
}

// hurry ends a write that is under way, soon.
func (c *conn) hurry() { _ = c.SetWriteDeadline(time.Now().Add(c.limits.cancelled)) }

// closeWrite closes our side of the connection.
func (c *conn) closeWrite(ctx context.Context) error {
	if err := c.alive(); err != nil {
		return err // an end before ours does not answer it
	}
	if c.secured == nil {
		return c.sendFIN(ctx)
	}
	if err := c.secured.CloseWrite(); err != nil {
		return c.writeError(ctx, err)
	}
	return nil
}

func (c *conn) sendFIN(ctx context.Context) error {
	c.fins = 1
	if err := c.tcp.CloseWrite(); err != nil {
		return c.writeError(ctx, err)
	}
	return nil
}

// awaitClose waits, after closeWrite, for the peer to close its side too, which it does when it has
// read everything, for as long as it takes something at all in each wait. After an error it
// is not known what the peer has read. The connection is released.
func (c *conn) awaitClose(ctx context.Context, wait time.Duration) (farewell, error) {
	defer c.release()
	var nudge <-chan time.Time
	if c.secured != nil {
		nudge = time.After(c.limits.nudge)
	}
	last := math.MaxInt
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		select {
		case <-c.ended:
			return c.answer()
		case <-nudge:
			if err := c.sendFIN(ctx); err != nil {
				return unanswered, err
			}
		case <-over.C:
			n, err := c.unacked(c.raw)
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return unanswered, err
			}
			if n == 0 {
				return unanswered, nil
			}
			if n >= last {
				return unanswered, fmt.Errorf("the peer has not acknowledged %d bytes for %s", n, wait)
			}
			last = n
			over.Reset(wait)
		case <-ctx.Done():
			return unanswered, ctx.Err()
		}
	}
}

// answer says what the end of the connection means that came after ours.
func (c *conn) answer() (farewell, error) {
	if !c.eof() {
		return unanswered, c.lost()
	}
	notified := false
	select {
	case <-c.notified:
		notified, c.fins = true, 1 // the reader has sent it
	default:
	}
	// An answer acknowledges what it answers. A peer that hung up by itself, perhaps
	// without having read everything, has not seen our end yet.
	if n, err := c.unacked(c.raw); err == nil && n > c.fins {
		return unanswered, errHungUp
	}
	switch {
	case notified:
		return closeNotify, nil
	case c.secured != nil && c.fins > 0:
		return unanswered, errFIN
	}
	return bareEOF, nil
}

// release closes the socket, not TLS: whoever gets here has said goodbye or has no time to.
// What was written and not confirmed stays unknown.
func (c *conn) release() {
	_ = c.tcp.Close()
	<-c.ended
}

// leave closes a connection that nothing was written to, out of politeness in order.
func (c *conn) leave() {
	if c.secured != nil {
		_ = c.secured.CloseWrite()
	}
	c.release()
}
