package okta

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
)

// errRepeats: the transport was about to send a request again that may have reached Okta.
var errRepeats = errors.New("the server refused the request or ended the connection before it answered")

// once is a request that the transport sends at most once. Go's transport repeats a GET by itself when a server closes the
// connection or refuses the stream, in some cases without end: each time with the token, and not counted. Here the request
// fails instead, and the caller may send another one, signed anew and with a ticket of its own.
type once struct {
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	written bool     // its headers may have been sent
	conn    net.Conn // that they were sent on
}

// newOnce returns a once whose request ends with ctx. end must be called after the answer was read.
func newOnce(ctx context.Context) (o *once, end func()) {
	o = &once{}
	ctx, o.cancel = context.WithCancelCause(ctx)
	o.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: o.wroteHeaders, GotConn: o.gotConn})
	return o, func() { o.cancel(nil) }
}

func (o *once) wroteHeaders() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = true
}

// gotConn is called with each connection that the transport is about to use for the request.
func (o *once) gotConn(got httptrace.GotConnInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.written {
		o.conn = got.Conn
		return
	}
	o.cancel(errRepeats)
	// HTTP/2 looks at the context before it writes. HTTP/1.1 does not, but then the connection is of this request alone.
	if !isHTTP2(got.Conn) {
		got.Conn.Close()
	}
}

func isHTTP2(conn net.Conn) bool {
	secured, ok := conn.(*tls.Conn)
	return ok && secured.ConnectionState().NegotiatedProtocol == "h2"
}

// repeats reports whether the transport was about to send the request a second time.
func (o *once) repeats() bool { return errors.Is(context.Cause(o.ctx), errRepeats) }

// sent reports whether the request may have reached Okta.
func (o *once) sent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// hangUp closes the connection that the request was sent on, with all other requests on it.
func (o *once) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn.Close()
}
