package devo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// limits bound everything that waits for the other side.
type limits struct {
	dial   time.Duration // connecting and shaking hands
	stall  time.Duration // a peer that takes nothing at all
	answer time.Duration // a peer's answer to a half-close
	// accept is how long, after a TLS 1.3 handshake, a server that sends no session
	// tickets may take to refuse the certificate: a moment from the handshake's own
	// duration, within these bounds.
	acceptMin, acceptMax time.Duration
	// check is how long Check waits for a server that hangs up after the handshake.
	check time.Duration
	// cancelled is how long a write that is under way may go on when it is cancelled, so
	// that it normally ends with a whole record.
	cancelled time.Duration
	// rotatePages and rotateAge bound what is sent again when a connection is lost.
	rotatePages int
	rotateAge   time.Duration
	// idle is well below the 30 s after which Devo's balancer closes a connection.
	idle time.Duration
}

var defaultLimits = limits{
	dial:        10 * time.Second,
	stall:       30 * time.Second,
	answer:      4 * time.Second,
	acceptMin:   10 * time.Millisecond,
	acceptMax:   300 * time.Millisecond,
	check:       500 * time.Millisecond,
	cancelled:   200 * time.Millisecond,
	rotateAge:   15 * time.Second,
	idle:        10 * time.Second,
	rotatePages: 32,
}

// maxWrite bounds one write, and so the least speed that is not a stall, in bytes. A chunk
// is written whole unless a very large object is in it, so that a cancelled stream ends
// with a whole record.
const maxWrite = 2 * chunk

// Bounds of the pause between two looks at what is unacknowledged: acknowledgements take
// from some 50 µs on the same machine to some 200 ms around the world.
const (
	minLook = 20 * time.Microsecond
	maxLook = 5 * time.Millisecond
)

var errHungUp = errors.New("the peer closed the connection")

// conn is one TCP or TLS connection to a server that only reads.
type conn struct {
	net.Conn // TLS, or the same as tcp
	tcp      *net.TCPConn
	raw      syscall.RawConn
	limits   limits
	unacked  func(syscall.RawConn) (int, error)

	opened time.Time
	pages  int         // pages written to this connection
	upTo   int         // pages of the stream up to the last one written here
	broken bool        // a write failed: it may have ended inside a record
	timer  *time.Timer // closes the connection when it has been idle

	ended chan struct{} // closed when nothing more can be read
	cause error         // why; valid after ended

	finish     sync.Once
	finished   chan struct{} // closed when it is known what became of everything written
	verdict    error         // nil: the peer has read it all; valid after finished
	unanswered bool          // the verdict is the kernel's, not the peer's; valid after finished
}

// newConn starts the connection's reader. The connection must be released by retire or
// abandon.
func newConn(tcp *net.TCPConn, secured net.Conn, l limits, unacked func(syscall.RawConn) (int, error)) (*conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{
		Conn: secured, tcp: tcp, raw: raw, limits: l, unacked: unacked, opened: time.Now(),
		ended: make(chan struct{}), finished: make(chan struct{}),
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
	for {
		if _, err := c.Read(buf); err != nil {
			c.cause = err
			return
		}
	}
}

// alive returns nil, or why the connection has ended.
func (c *conn) alive() error {
	select {
	case <-c.ended:
		return c.lost()
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

// eof says whether the peer closed its side in order. Many servers do so without TLS's
// close_notify, which crypto/tls reports as an unexpected EOF.
func (c *conn) eof() bool {
	return errors.Is(c.cause, io.EOF) || errors.Is(c.cause, io.ErrUnexpectedEOF)
}

// accepted waits for a sign that the server accepts the client's certificate, or for long
// enough to believe so.
func (c *conn) accepted(ctx context.Context, ticket firstTicket, wait time.Duration) error {
	select {
	case <-ticket:
		return nil
	case <-time.After(wait):
		return nil
	case <-c.ended:
		return c.lost()
	case <-ctx.Done():
		return ctx.Err()
	}
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
		if _, err := c.Conn.Write(piece); err != nil {
			c.broken = true
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

// acknowledged waits until the peer's kernel has acknowledged everything written. Its
// error is errors.ErrUnsupported where that cannot be known.
func (c *conn) acknowledged(ctx context.Context) error {
	pause := minLook
	last, since := -1, time.Now()
	for {
		n, err := c.unacked(c.raw)
		if err != nil {
			return err
		}
		if n == 0 {
			return c.alive()
		}
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) > c.limits.stall {
			return fmt.Errorf("the peer has not acknowledged %d bytes for %s", n, c.limits.stall)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxLook)
		case <-c.ended:
			return c.lost()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rest arranges for an idle connection to be confirmed and closed before a balancer on the
// way closes it, which would leave it unknown whether everything was read.
func (c *conn) rest() { c.timer = time.AfterFunc(c.limits.idle, c.retire) }

// wake ends a rest. It says false if the connection has closed itself meanwhile.
func (c *conn) wake() bool { return c.timer == nil || c.timer.Stop() }

// retire begins to close the connection in order; finished says when that is over, which
// takes a little more than limits.answer at most. Nothing may be written any more.
func (c *conn) retire() {
	c.finish.Do(func() {
		go func() {
			c.verdict = c.farewell()
			c.release()
		}()
	})
}

// abandon closes the connection at once. What was written to it stays unconfirmed.
func (c *conn) abandon() {
	c.finish.Do(func() {
		c.verdict = errors.New("the connection was given up")
		c.release()
	})
	<-c.finished
}

// release closes the socket, not TLS: whoever gets here has said goodbye or has no time to.
func (c *conn) release() {
	_ = c.tcp.Close()
	<-c.ended
	close(c.finished)
}

// closeWrite closes our side: in TLS with close_notify, and then with a FIN.
func (c *conn) closeWrite() error {
	if secured, ok := c.Conn.(*tls.Conn); ok {
		if err := secured.CloseWrite(); err != nil {
			return err
		}
	}
	return c.tcp.CloseWrite()
}

// farewell closes our side and waits for the peer to close its own, which it does when it
// has read everything.
func (c *conn) farewell() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.limits.answer)
	defer cancel()
	// With nothing under way the goodbye itself cannot block.
	if err := c.acknowledged(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	fin := 0
	if _, ok := c.Conn.(*tls.Conn); ok {
		fin = 1
	}
	if err := c.closeWrite(); err != nil {
		return explain(err)
	}

	select {
	case <-c.ended:
		if !c.eof() {
			return c.lost()
		}
		// An answer acknowledges what it answers: close_notify in TLS, whose FIN may be
		// still on its way, and else the FIN. A peer that hung up by itself, perhaps
		// without having read everything, has not seen it yet.
		if n, err := c.unacked(c.raw); err == nil && n > fin {
			return errHungUp
		}
		return nil
	case <-ctx.Done():
		if n, err := c.unacked(c.raw); err == nil && n > 0 {
			return fmt.Errorf("the peer has not acknowledged the end of the connection for %s", c.limits.answer)
		}
		c.unanswered = true
		return nil
	}
}
