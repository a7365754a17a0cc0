package okta

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// forgetful forwards connections to a server. The connections that it has forgotten get nothing any more, in either direction,
// without a FIN or RST, as with a firewall that was restarted. Those after them are in order.
type forgetful struct {
	address             string
	accepted, forgotten atomic.Int64 // numbers of connections
}

func newForgetful(t *testing.T, server net.Addr) *forgetful {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	f := &forgetful{address: l.Addr().String()}
	go func() {
		for {
			out, err := l.Accept()
			if err != nil {
				return
			}
			n := f.accepted.Add(1)
			in, err := net.Dial("tcp", server.String())
			if err != nil {
				out.Close()
				return
			}
			go f.pass(n, in, out)
			go f.pass(n, out, in)
		}
	}()
	return f
}

func (f *forgetful) pass(n int64, to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		size, err := from.Read(buf)
		if err != nil {
			return
		}
		if n > f.forgotten.Load() {
			_, _ = to.Write(buf[:size])
		}
	}
}

func TestAConnectionThatBringsNothingIsLeftForANewOne(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	firewall := newForgetful(t, server.Listener.Addr())

	transport := newTransport()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	require.Equal(t, 30*time.Second, transport.HTTP2.SendPingTimeout+transport.HTTP2.PingTimeout)
	transport.HTTP2.SendPingTimeout /= 10
	transport.HTTP2.PingTimeout /= 10
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	ask := func() error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+firewall.address, nil)
		require.NoError(t, err)
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		proto, err := io.ReadAll(answer.Body)
		require.Equal(t, "HTTP/2.0", string(proto))
		return err
	}
	require.NoError(t, ask())
	connections := firewall.accepted.Load()
	firewall.forgotten.Store(connections)
	require.ErrorContains(t, ask(), "client connection lost", "it is noticed while nothing comes, not when the answer is overdue")
	for err := ask(); err != nil; err = ask() { // a busy machine may lose a ping
		require.NoError(t, ctx.Err())
	}
	require.Greater(t, firewall.accepted.Load(), connections)
}
