package devo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"okta-collector/internal/expiry"
	"okta-collector/internal/proxy"
)

const (
	// maxPost is Devo's limit for one body, in bytes. Devo does not document whether the limit counts compressed bytes, so
	// it is applied before compression.
	maxPost = 32_000_000
	// maxPosts is how many bodies of a stream are posted at once, each over a connection of its own.
	maxPosts = 8
	// postTimeout bounds one request with its answer.
	postTimeout = time.Minute
)

// httpSink posts events to Devo's HTTP endpoint, one event a line. A 2xx confirms a batch.
type httpSink struct {
	noOffset
	cfg          Config
	scheme, host string // the host with its port
	size         bodySize
}

// Open reads the certificates and the token anew, so that each slice uses the newest ones.
func (s *httpSink) Open(ctx context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	sender, err := s.open(ctx, target.Tag)
	if err != nil {
		return nil, err
	}
	return &stream{sender: sender, doing: "posting to " + s.host, metrics: s.cfg.Metrics}, nil
}

func (s *httpSink) open(ctx context.Context, tag string) (*httpSender, error) {
	token, err := s.cfg.Token.Read()
	if err != nil {
		return nil, refused("see DEVO_TOKEN and DEVO_TOKEN_FILE", fmt.Errorf("the token for Devo: %w", err))
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: proxy.Check,
		DialContext:            s.dial,
		TLSHandshakeTimeout:    defaultTimeouts.dial,
		ResponseHeaderTimeout:  defaultTimeouts.stall,
		MaxResponseHeaderBytes: maxAnswer,
		MaxIdleConnsPerHost:    maxPosts,
		MaxConnsPerHost:        maxPosts,
		IdleConnTimeout:        defaultTimeouts.standby,
		WriteBufferSize:        blockSize,
	}
	secured := new(clientTLS)
	if s.scheme == "https" {
		if secured, err = s.cfg.tlsConfig(ctx); err != nil {
			return nil, err
		}
		transport.TLSClientConfig = secured.config
	}
	return &httpSender{
		sink: s,
		tls:  secured,
		client: &http.Client{
			Transport: transport,
			// A redirect would send the events and the token to another server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		url: fmt.Sprintf("%s://%s/stream/%s/token!%s/%s/", s.scheme, s.host,
			url.PathEscape(s.cfg.Domain), url.PathEscape(token), url.PathEscape(s.cfg.Hostname)),
		tag:    tag,
		token:  token,
		packer: newPacker(s.cfg),
		window: window{pool: &s.cfg.Limits.pool},
	}, nil
}

// dial opens a connection, after it has waited until one may be opened.
func (s *httpSink) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := await(ctx, s.cfg.Limits.pace(s.host)); err != nil {
		return nil, err
	}
	return (&net.Dialer{Timeout: defaultTimeouts.dial}).DialContext(ctx, network, address)
}

// Certificates implements Sink. Without TLS there are none.
func (s *httpSink) Certificates() []expiry.Certificate {
	if s.scheme != "https" {
		return nil
	}
	return s.cfg.certificates()
}

// Check posts an empty body. That tests the address, the certificates, the domain and the token, and creates no event.
// A server that answers 400 has accepted the token.
func (s *httpSink) Check(ctx context.Context) error {
	sender, err := s.open(ctx, CheckTable) // no event is sent to it
	if err != nil {
		return err
	}
	defer sender.close()
	status, err := sender.post(ctx, CheckTable, nil, new(bool))
	if err != nil && status != http.StatusBadRequest {
		return fmt.Errorf("posting to %s: %w", s.host, err)
	}
	return nil
}

// httpSender posts the batches of one slice, over connections that are kept while batches follow each other closely.
type httpSender struct {
	sink   *httpSink
	client *http.Client
	tls    *clientTLS
	url    string // without the tag; contains the token
	tag    string
	token  string
	packer
	window window
	noOffset
	noProof
}

// send starts to compress the batch into bodies of the present size, and to post them in order. The bodies of other batches
// are posted at the same time.
func (s *httpSender) send(ctx context.Context, batch Batch, d *delivery) error {
	size, err := s.framer.size(s.tag, batch)
	if err != nil {
		return err
	}
	parts, err := s.split(s.tag, batch, s.sink.size.get())
	if err != nil {
		return err
	}
	if d.load, err = s.window.admit(ctx, size); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := posting{sender: s, d: d}
	answered := make(chan error, 1)
	go func() {
		err := d.load.take(ctx, size)
		if err == nil {
			err = p.parts(ctx, s.cfg, parts...)
		}
		answered <- err
	}()
	d.confirm = func(ctx context.Context) error {
		defer cancel()
		stop := context.AfterFunc(ctx, cancel)
		defer stop()
		err := <-answered
		for _, w := range p.warnings {
			d.stream.warn(w.Kind, "%s", w.Message)
		}
		return err
	}
	return nil
}

// post sends a body to a table. It sets connected once it has a connection. It returns the status of the answer or 0.
func (s *httpSender) post(ctx context.Context, tag string, body []byte, connected *bool) (int, error) {
	limited, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	traced := httptrace.WithClientTrace(limited, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { *connected = true }, // after the TLS handshake
	})
	req, err := http.NewRequestWithContext(traced, http.MethodPost, s.url+tag, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("making a request: %w", s.withoutToken(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "okta-collector")
	if len(body) > 0 {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := s.client.Do(req)
	if err != nil {
		failed := remedied(err, s.withoutToken(err))
		if limited.Err() != nil && ctx.Err() == nil {
			// This error must not wrap a context's error: the caller's context has not ended.
			failed = fmt.Errorf("no answer within %s", postTimeout)
		}
		if !*connected {
			failed = unreached{failed}
		}
		return 0, failed
	}
	defer res.Body.Close()
	// Reading the body makes the connection usable again.
	if n, _ := io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer+1)); n > maxAnswer && statusError(res.StatusCode) == nil {
		return res.StatusCode, &Error{Remedy: "see DEVO_URL: what answers there is not Devo's HTTP endpoint",
			Err: fmt.Errorf("the server answers %d with more than %d KiB", res.StatusCode, maxAnswer>>10)}
	}
	return res.StatusCode, statusError(res.StatusCode)
}

// withoutToken removes the URL, which contains the token, from an error of the client. If the rest contains the token
// too, it returns another error. A server may repeat the token in an answer that cannot be parsed.
func (s *httpSender) withoutToken(err error) error {
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		err = withURL.Err
	}
	if strings.Contains(err.Error(), s.token) || strings.Contains(err.Error(), url.PathEscape(s.token)) {
		return errors.New("the error is not shown because it contains the token")
	}
	if refusal, ok := errors.AsType[*proxy.Refusal](err); ok {
		if refusal.Passing() {
			return &Error{Remedy: refusal.Remedy(), Err: err}
		}
		return refused(refusal.Remedy(), err)
	}
	return s.tls.explain(err)
}

// statusError returns the error for the status of an answer. Devo does not document its statuses, so HTTP's meaning
// applies.
func statusError(status int) error {
	err := fmt.Errorf("the server answers %d", status)
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500:
		return err
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return refused("see DEVO_DOMAIN and DEVO_TOKEN", err)
	case status == http.StatusRequestEntityTooLarge:
		return refused("raise the limit of the server or proxy, or lower DEVO_MAX_EVENT: larger events are cut",
			fmt.Errorf("%w: the body is too large for it or for a proxy before it", err))
	}
	return refused("see DEVO_URL", err)
}

func (s *httpSender) close() {
	s.client.CloseIdleConnections()
	s.window.close()
}
