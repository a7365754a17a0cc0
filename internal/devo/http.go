package devo

import (
	"bytes"
	"compress/gzip"
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
)

const (
	// maxPost is Devo's limit for one body, in bytes. Whether it means the compressed ones
	// is not documented, so it is kept to before compression.
	maxPost = 32_000_000
	// postTimeout bounds one request, its answer included.
	postTimeout = time.Minute
	// maxAnswer bounds what is read of an answer's body, so that its connection can be
	// used again.
	maxAnswer = 64 << 10
	// checkTag is the table that Check names. It sends no event to it.
	checkTag = "my.app.okta.check"
)

// httpSink posts events to Devo's HTTP endpoint: one event a line, a page is confirmed by a
// 2xx.
type httpSink struct {
	cfg      Config
	base     url.URL
	security *security
}

// Open reads certificates and token, so that what was rotated is used from the next slice
// on.
func (s *httpSink) Open(ctx context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	return s.open(ctx, target.Tag)
}

func (s *httpSink) open(ctx context.Context, tag string) (*httpStream, error) {
	token, err := s.cfg.Token.Read()
	if err != nil {
		return nil, refused("see DEVO_TOKEN and DEVO_TOKEN_FILE", fmt.Errorf("the token for Devo: %w", err))
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: defaultLimits.dial}).DialContext,
		TLSHandshakeTimeout:    defaultLimits.dial,
		ResponseHeaderTimeout:  defaultLimits.stall,
		MaxResponseHeaderBytes: maxAnswer,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        defaultLimits.fresh,
		WriteBufferSize:        blockSize,
	}
	if s.base.Scheme == "https" {
		if transport.TLSClientConfig, err = s.security.config(ctx); err != nil {
			return nil, err
		}
	}
	stream := &httpStream{
		sink:   s,
		framer: newFramer(s.cfg),
		token:  token,
		url:    s.base,
		client: &http.Client{
			Transport: transport,
			// A redirect would take the events, and the token, to somewhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	// Go would write ! as %21; both spellings are given, so that Devo sees the documented one.
	stream.url.Path = fmt.Sprintf("/stream/%s/token!%s/%s/%s", s.cfg.Domain, token, s.cfg.Hostname, tag)
	stream.url.RawPath = fmt.Sprintf("/stream/%s/token!%s/%s/%s", url.PathEscape(s.cfg.Domain), url.PathEscape(token), url.PathEscape(s.cfg.Hostname), tag)
	stream.zip, _ = gzip.NewWriterLevel(&stream.body, gzip.BestSpeed) // a level that exists
	return stream, nil
}

// OffsetOf is empty: there is nothing to take back.
func (*httpSink) OffsetOf() string { return "" }

// Check posts an empty body: address, certificates, domain and token are tried, and no
// event is made. A 400 is an answer of somebody who has accepted the token.
func (s *httpSink) Check(ctx context.Context) error {
	stream, err := s.open(ctx, checkTag)
	if err != nil {
		return err
	}
	defer stream.client.CloseIdleConnections()
	status, err := stream.post(ctx)
	if err == nil && status != http.StatusBadRequest {
		err = statusError(status)
	}
	return err
}

// httpStream keeps one connection for a slice.
type httpStream struct {
	sink   *httpSink
	client *http.Client
	url    url.URL // has the token in it
	token  string
	framer
	body bytes.Buffer
	zip  *gzip.Writer
	size int // of the body before compression
	// connected says that there was a connection to post the page over, or a part of it.
	connected bool
	failed    error
}

func (s *httpStream) Ship(ctx context.Context, page Page) (Stats, error) {
	if s.failed != nil {
		return Stats{}, s.failed
	}
	started := time.Now()
	stats, err := s.ship(ctx, page)
	if err != nil {
		s.failed = err
		return Stats{}, err
	}
	s.sink.cfg.Metrics.shipped(started)
	return stats, nil
}

func (s *httpStream) ship(ctx context.Context, page Page) (Stats, error) {
	s.reset()
	s.connected = false
	stats, err := s.frame(nil, page, func(lines []byte) error {
		if s.size+len(lines) > maxPost {
			if err := s.deliver(ctx); err != nil {
				return err
			}
		}
		s.size += len(lines)
		_, err := s.zip.Write(lines)
		return err
	})
	if err == nil && s.size > 0 {
		err = s.deliver(ctx)
	}
	if err != nil && !s.connected {
		err = unsent(err)
	}
	return stats, err
}

func (s *httpStream) reset() {
	s.size = 0
	s.body.Reset()
	s.zip.Reset(&s.body)
}

// deliver posts what was gathered.
func (s *httpStream) deliver(ctx context.Context) error {
	if err := s.zip.Close(); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	status, err := s.post(ctx)
	if err != nil {
		return err
	}
	if err := statusError(status); err != nil {
		return err
	}
	s.reset()
	return nil
}

// post sends body and returns the status of the answer.
func (s *httpStream) post(ctx context.Context) (int, error) {
	limited, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	limited = httptrace.WithClientTrace(limited, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { s.connected = true }, // and shaken hands over it
	})
	req, err := http.NewRequestWithContext(limited, http.MethodPost, "", bytes.NewReader(s.body.Bytes()))
	if err != nil {
		return 0, fmt.Errorf("making a request: %w", err)
	}
	req.URL, req.Host = &s.url, s.url.Host
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "okta-collector")
	if s.body.Len() > 0 {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := s.client.Do(req)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		// Not an error that wraps a context's: the caller's is not over.
		return 0, fmt.Errorf("posting to %s: no answer within %s", s.url.Host, postTimeout)
	}
	if err != nil {
		return 0, fmt.Errorf("posting to %s: %w", s.url.Host, s.withoutToken(err))
	}
	defer res.Body.Close()
	// The status says it all; the body only has to be out of the way of the next request.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, nil
}

// withoutToken takes the URL off an error of the client, and whatever else has the token:
// a server may repeat it in an answer that cannot be parsed.
func (s *httpStream) withoutToken(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	if strings.Contains(err.Error(), s.token) || strings.Contains(err.Error(), url.PathEscape(s.token)) {
		return errors.New("an error that repeats the token, and so is not shown")
	}
	return explain(err)
}

// statusError returns the error that an HTTP status means; nil for a success. Devo does not document its codes; these
// are HTTP's own meanings.
func statusError(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return refused("see DEVO_DOMAIN and DEVO_TOKEN", fmt.Errorf("the server answers %d", status))
	case status == http.StatusRequestEntityTooLarge:
		return refused("raise the limit of the server or proxy, or lower DEVO_MAX_EVENT: larger events are cut",
			fmt.Errorf("the server answers %d: the body is too large for it or for a proxy before it", status))
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("the server answers %d", status)
	default:
		return refused("see DEVO_URL", fmt.Errorf("the server answers %d", status))
	}
}

func (s *httpStream) Offset() *int64 { return nil }

func (s *httpStream) Close(context.Context) error {
	s.client.CloseIdleConnections()
	if s.failed == nil {
		s.failed = errors.New("the stream is closed")
	}
	return nil
}
