// Package proxy tells an HTTP proxy's refusal from one of the server behind it.
package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// A Refusal is the error of a request over TLS that an HTTP proxy did not let through.
type Refusal struct {
	Proxy  string // its host and port, without credentials
	Server string // where the request was to go
	Status int    // the proxy's answer
}

// Error says who has refused what.
func (r *Refusal) Error() string {
	return fmt.Sprintf("the proxy %s refused to connect to %s: %d %s", r.Proxy, r.Server, r.Status, http.StatusText(r.Status))
}

// Passing reports whether the proxy may let a later request through: it did not reach the server, or is overloaded.
func (r *Refusal) Passing() bool {
	return r.Status >= 500 || r.Status == http.StatusTooManyRequests || r.Status == http.StatusRequestTimeout
}

// Remedy says what to do.
func (r *Refusal) Remedy() string {
	switch {
	case r.Passing():
		return "see whether the proxy reaches the server"
	case r.Status == http.StatusProxyAuthRequired:
		return "put the proxy's user and password into HTTPS_PROXY, or the host into NO_PROXY"
	}
	return "have the proxy permit CONNECT to this host and port, or put the host into NO_PROXY; see HTTPS_PROXY"
}

// Check is for http.Transport.OnProxyConnectResponse. Without it, the error is the bare status of the proxy.
func Check(_ context.Context, proxy *url.URL, request *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &Refusal{Proxy: proxy.Host, Server: request.Host, Status: answer.StatusCode}
}
