package loopback

import (
	"io"
	"net"
	"strings"
	"sync"
)

// Gate is a way to a server that can be shut.
type Gate struct {
	// URL is where the way begins.
	URL string
	// Silent says what happens to a connection while the gate is shut: it stays open and nothing passes, or it ends.
	Silent bool

	listener net.Listener
	server   string
	mu       sync.Mutex
	shut     bool
	conns    []net.Conn
}

// NewGate opens a way to the server of a URL.
func NewGate(url string) (*Gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	scheme, server, _ := strings.Cut(url, "://")
	g := &Gate{URL: scheme + "://" + l.Addr().String(), listener: l, server: server}
	go func() {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			g.pass(outside)
		}
	}()
	return g, nil
}

func (g *Gate) pass(outside net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut && g.Silent {
		g.conns = append(g.conns, outside)
		return
	}
	if g.shut {
		outside.Close()
		return
	}
	inside, err := net.Dial("tcp", g.server)
	if err != nil {
		outside.Close()
		return
	}
	g.conns = append(g.conns, outside, inside)
	for _, way := range [][2]net.Conn{{outside, inside}, {inside, outside}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[1].(*net.TCPConn).CloseWrite()
		}()
	}
}

// Shut shuts the gate, or opens it again. All connections end.
func (g *Gate) Shut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for _, conn := range g.conns {
		conn.Close()
	}
	g.conns = nil
}

// Close ends the way.
func (g *Gate) Close() error {
	g.Shut(true)
	return g.listener.Close()
}
