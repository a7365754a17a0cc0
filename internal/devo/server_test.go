package devo_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"okta-collector/internal/devo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nobody is an address at which nobody listens: unlike a port that was free a moment ago, no other program is given it.
const nobody = "127.0.0.1:1"

// server accepts connections and gives each to a handler, with its number from 0.
type server struct {
	net.Listener
	mu       sync.Mutex
	received bytes.Buffer
	clients  []string // common names of the clients' certificates
	wg       sync.WaitGroup
}

// serve starts a server that ends with the test.
func serve(t testing.TB, secure *tls.Config, handle func(s *server, c net.Conn, number int)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{Listener: l}
	var open []net.Conn
	s.wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			open = append(open, c)
			s.mu.Unlock()
			s.wg.Go(func() {
				if secure == nil {
					handle(s, c, n)
					return
				}
				tc := tls.Server(c, secure)
				if err := tc.Handshake(); err != nil {
					_ = c.Close()
					return
				}
				if certs := tc.ConnectionState().PeerCertificates; len(certs) > 0 {
					s.mu.Lock()
					s.clients = append(s.clients, certs[0].Subject.CommonName)
					s.mu.Unlock()
				}
				handle(s, tc, n)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received.Write(b)
}

func (s *server) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received.String()
}

// reads waits until the server has read so many records: its kernel acknowledges them before that.
func (s *server) reads(t testing.TB, records int) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Count(s.text(), "\n") == records }, patience, time.Millisecond)
}

func (s *server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.clients...)
}

func (s *server) url(scheme string) string { return fmt.Sprintf("%s://%s", scheme, s.Addr()) }

// readAll is the well-behaved handler: it reads everything, then closes.
func readAll(s *server, c net.Conn, _ int) {
	_, _ = io.Copy(s, c)
	_ = c.Close()
}

// tcpOf returns the TCP connection below c.
func tcpOf(c net.Conn) *net.TCPConn {
	if tc, ok := c.(*tls.Conn); ok {
		c = tc.NetConn()
	}
	return c.(*net.TCPConn)
}

// open makes the sink of cfg and opens a stream that is closed with the test.
func open(t testing.TB, cfg devo.Config, timeouts devo.Timeouts) devo.Stream {
	t.Helper()
	sink, err := devo.New(cfg)
	require.NoError(t, err)
	devo.SetTimeouts(sink, timeouts)
	return openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
}

func openStream(t testing.TB, sink devo.Sink, target devo.Target) devo.Stream {
	t.Helper()
	stream, err := sink.Open(t.Context(), target)
	require.NoError(t, err)
	t.Cleanup(stream.Close)
	return stream
}

// objects makes a batch of n objects with numbers from first, each padded by pad bytes.
func objects(first, n, pad int) devo.Batch {
	var p devo.Batch
	for i := first; i < first+n; i++ {
		p.Objects = append(p.Objects, fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, i, bytes.Repeat([]byte{'x'}, pad)))
	}
	return p
}

// huge is a batch that no kernel takes while its peer does not read.
func huge() devo.Batch { return objects(0, 64, 1<<20-100) }

// deliver sends a batch and waits until it is confirmed.
func deliver(ctx context.Context, stream devo.Stream, batch devo.Batch) (devo.Stats, error) {
	delivery, err := stream.Send(ctx, batch)
	if err != nil {
		return devo.Stats{}, err
	}
	return delivery.Wait(ctx)
}

// ship delivers a batch that nothing can be wrong with.
func ship(t testing.TB, stream devo.Stream, batch devo.Batch) {
	t.Helper()
	_, err := deliver(t.Context(), stream, batch)
	require.NoError(t, err)
}
