package devosim

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ConnectionStats count connections, syslog and HTTP together.
type ConnectionStats struct {
	Open     int64 `json:"open"`
	Accepted int64 `json:"accepted"`
	// Refused counts TLS handshakes without a good certificate, and requests without a
	// good token.
	Refused int64 `json:"refused"`
	// Answered counts syslog connections that the client ended and that were closed in
	// answer, after everything in them was read.
	Answered int64 `json:"answered"`
	// Cut counts records and requests of which only a part arrived, as when a
	// sender is killed. They are neither delivered nor malformed.
	Cut int64 `json:"cut"`
	// Truncated counts records longer than Config.MaxRecord, which is not the sender's fault. What a server keeps of them is
	// no JSON any more, so they are not delivered.
	Truncated int64 `json:"truncated,omitempty"`
	// TooLarge counts requests that were refused because of Config.MaxBody.
	TooLarge int64 `json:"tooLarge,omitempty"`
}

// connections are all that are open, whatever their protocol.
type connections struct {
	// reading and answering can be held up by tests.
	reading, answering *gate

	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
	counts ConnectionStats
}

func newConnections() *connections {
	return &connections{reading: newGate(), answering: newGate(), open: map[*connection]struct{}{}}
}

func (c *connections) stats() ConnectionStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.counts
	stats.Open = int64(len(c.open))
	return stats
}

func (c *connections) count(counter func(*ConnectionStats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter(&c.counts)
}

func refused(s *ConnectionStats)   { s.Refused++ }
func answered(s *ConnectionStats)  { s.Answered++ }
func cut(s *ConnectionStats)       { s.Cut++ }
func truncated(s *ConnectionStats) { s.Truncated++ }
func tooLarge(s *ConnectionStats)  { s.TooLarge++ }

// add registers an accepted connection.
func (c *connections) add(conn net.Conn) *connection {
	added := &connection{Conn: conn, all: c, done: make(chan struct{})}
	added.heard.Store(time.Now().UnixNano())
	c.mu.Lock()
	c.counts.Accepted++
	closed := c.closed
	if !closed {
		c.open[added] = struct{}{}
	}
	c.mu.Unlock()
	if closed { // accepted while the server closes
		_ = added.Close()
	}
	return added
}

func (c *connections) each(do func(*connection)) {
	c.mu.Lock()
	open := make([]*connection, 0, len(c.open))
	for conn := range c.open {
		open = append(open, conn)
	}
	c.mu.Unlock()
	for _, conn := range open {
		do(conn)
	}
}

// close closes all connections, and those that are accepted later.
func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.each(func(conn *connection) { _ = conn.Close() })
}

// listener registers what inner accepts.
func (c *connections) listener(inner net.Listener) net.Listener {
	return &listener{Listener: inner, conns: c}
}

type listener struct {
	net.Listener
	conns *connections
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.conns.add(conn), nil
}

// connection is one TCP connection, below TLS if there is any.
type connection struct {
	net.Conn
	all  *connections
	once sync.Once
	done chan struct{} // closed by Close
	// heard is when something last came over it, in nanoseconds since the epoch; at first when it was accepted.
	heard atomic.Int64
}

// Read waits while reading is held up, also with what arrived meanwhile.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.heard.Store(time.Now().UnixNano())
	c.all.reading.wait(c.done)
	return n, err
}

func (c *connection) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.done)
		c.all.mu.Lock()
		delete(c.all.open, c)
		c.all.mu.Unlock()
		err = c.Conn.Close()
	})
	return err
}

// reset closes with a TCP RST.
func (c *connection) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// gate is open at first; while it is shut, wait waits.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate {
	open := make(chan struct{})
	close(open)
	return &gate{open: open}
}

// set opens or shuts the gate.
func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
		}
	default:
		if open {
			close(g.open)
		}
	}
}

// wait returns when the gate is open, or done closed.
func (g *gate) wait(done <-chan struct{}) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
	case <-done:
	}
}
