// Package distance puts a distance between two programs of one machine. It is a TCP proxy that behaves as two kernels do
// that are far apart:
//
//   - Each byte, each FIN and each reset takes half the round trip time, in order.
//   - A connection can be used one round trip after it was opened. A connection that cannot be made is reset then.
//   - A sender has ten segments of 1,460 bytes in flight at first. This window grows as in Linux's slow start, to 4 MiB at
//     most, and shrinks while nothing is sent: see window.
//   - What the receiver does not read stays in flight. So a sender soon waits for a receiver that reads nothing.
//
// Nothing is lost on the way, and the bandwidth has no limit but the window.
//
// Each half of a round trip may take up to a millisecond longer: Go's timers are no more exact than that.
//
// It differs from a real distance in one thing: the kernel of the proxy accepts each connection at once, and acknowledges
// each byte when it gets it. So a dial succeeds at once, and what the sender's own kernel knows of acknowledgements means
// nothing.
package distance

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Conn is a connection that is carried. *net.TCPConn is one.
type Conn interface {
	io.ReadWriteCloser
	// CloseWrite sends a FIN.
	CloseWrite() error
	// SetLinger with 0 makes Close a reset.
	SetLinger(sec int) error
}

// kernelBuffer is how many bytes the kernel may keep for the proxy, in each direction of each of its connections. With its
// usual megabytes a sender would notice a slow receiver much later than over a real distance.
const kernelBuffer = 512 << 10

// Wire leads from a loopback address to a target that is far away.
type Wire struct {
	rtt      time.Duration
	dial     func(context.Context) (Conn, error)
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// Listen opens a wire to the address of a target with this round trip time. With 0 it passes everything through as cheaply
// as it can, without any window.
func Listen(rtt time.Duration, target string) (*Wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a wire to %s: %w", target, err)
	}
	w := newWire(rtt, func(ctx context.Context) (Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			return nil, err
		}
		return bounded(conn), nil
	})
	w.listener = listener
	w.running.Go(w.accept)
	return w, nil
}

func newWire(rtt time.Duration, dial func(context.Context) (Conn, error)) *Wire {
	w := &Wire{rtt: rtt, dial: dial}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Address is where the wire begins.
func (w *Wire) Address() string { return w.listener.Addr().String() }

// Close ends all connections at once, and the wire.
func (w *Wire) Close() error {
	err := w.listener.Close()
	w.cancel()
	w.running.Wait()
	return err
}

func (w *Wire) accept() {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return // closed
		}
		w.running.Go(func() { w.carry(bounded(conn)) })
	}
}

// bounded bounds what the kernel keeps of a connection.
func bounded(conn net.Conn) Conn {
	tcp := conn.(*net.TCPConn)           // the type of every "tcp" connection
	_ = tcp.SetReadBuffer(kernelBuffer)  // else the kernel keeps more
	_ = tcp.SetWriteBuffer(kernelBuffer) // the same
	return tcp
}

// carry carries a connection that a client has just opened, until it has ended.
func (w *Wire) carry(client Conn) {
	defer client.Close()
	opened := time.Now()
	ctx, over := context.WithCancel(w.ctx)
	defer over()
	if !sleepUntil(ctx, opened.Add(w.rtt/2)) {
		return
	}
	server, err := w.dial(ctx)
	if err != nil {
		sleepUntil(ctx, opened.Add(w.rtt))
		reset(client)
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { // ends reads and writes under way
		client.Close()
		server.Close()
	})()

	var both sync.WaitGroup
	if w.rtt == 0 {
		both.Go(func() { pass(client, server, over) })
		both.Go(func() { pass(server, client, over) })
	} else {
		// The server may send once it has the client's acknowledgement of its own.
		both.Go(newDirection(client, server, w.rtt, opened.Add(w.rtt), over).carrier(ctx))
		both.Go(newDirection(server, client, w.rtt, opened.Add(w.rtt*3/2), over).carrier(ctx))
	}
	both.Wait()
}

// pass carries one direction without any distance.
func pass(from, to Conn, over func()) {
	if _, err := io.Copy(to, from); err != nil {
		reset(from)
		reset(to)
		over()
		return
	}
	_ = to.CloseWrite() // an error means that the other direction has ended too
}

// reset ends a connection with a RST.
func reset(conn Conn) {
	_ = conn.SetLinger(0) // it fails for a connection that has ended
	_ = conn.Close()
}

// sleepUntil returns at a time, or false if ctx ends before that.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
