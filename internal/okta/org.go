// Package okta is the source: it reads the collections of an Okta org page by page,
// within a share of the org's rate limits, and says what a failure means.
//
// Where it goes on is a [checkpoint.Position] that it is given and gives back; it keeps none
// itself. It builds its requests with Okta's SDK, but sends, pages and decodes
// them itself: the SDK sleeps through rate limits in process, drops members that its types
// do not know, and reads a Link header wrongly in ways that lose or repeat pages.
package okta

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/okta/okta-sdk-golang/v2/okta"
	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
)

const (
	// maxPage bounds an answer's body in bytes. A full page of logs is about 2 MB.
	maxPage = 64 << 20
	// maxErrorBody bounds what is read of an answer that is no page.
	maxErrorBody = 64 << 10
	// requestTimeout bounds one request with its body. Okta gives up on a query after 30 s.
	requestTimeout = 2 * time.Minute
)

// Org is one Okta org. It is safe for concurrent use.
type Org struct {
	cfg    Config
	host   string
	http   *http.Client
	budget *budget
	bodies sync.Pool // of *[]byte

	mu  sync.Mutex
	sdk *sdk.Client
	// parents are, by reader, the parents that are being gone through.
	parents map[string]*parentPage
}

// New makes an Org, or says what is wrong with its URL. It sends nothing.
func New(cfg Config) (*Org, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		// The URL is not repeated: it may have a password in it.
		return nil, errors.New("okta: the org's URL is none like https://acme.okta.com")
	}
	cfg.URL = u.Scheme + "://" + u.Host
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	o := &Org{
		cfg:  cfg,
		host: u.Host,
		http: &http.Client{
			Transport: cfg.Transport,
			// A redirect would take the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		budget:  newBudget(cfg.RateShare, time.Now),
		parents: map[string]*parentPage{},
	}
	// Every setting that requests depend on is given, since the SDK fills those that are not from
	// the environment and home directory. The token is set for each request.
	_, o.sdk, err = sdk.NewClient(context.Background(),
		sdk.WithOrgUrl(cfg.URL),
		sdk.WithAuthorizationMode("SSWS"),
		sdk.WithToken("read for each request"),
		sdk.WithCache(false),
		sdk.WithTestingDisableHttpsCheck(u.Scheme == "http"),
		sdk.WithUserAgentExtra("okta-collector"),
		sdk.WithHttpClientPtr(o.http),
	)
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	cfg.Metrics.watch(cfg.Tenant, o.budget)
	return o, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  60 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    16,
		ReadBufferSize:         64 << 10,
		ForceAttemptHTTP2:      true,
		// All requests share one connection of HTTP/2, and one that fails does not end it. When a firewall has
		// forgotten it, without a FIN or RST, new ones would join it until the kernel gives up what it has
		// sent, which takes it a quarter of an hour. Okta is silent while it works on a query, up to 30 s, but
		// its server answers a ping at once.
		HTTP2: &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence},
	}
}

// silence is how long a connection may bring nothing before it is asked for a sign of life, and how long that may take.
const silence = 15 * time.Second

// Adopt counts what another worker, or this one before it was killed, had used of a
// rate-limit window. now is the present by the clock that w was kept in.
func (o *Org) Adopt(windows []checkpoint.Window, now time.Time) {
	for _, w := range windows {
		o.budget.adopt(w, now)
	}
}

// answer is a page as Okta sent it.
type answer struct {
	body    *[]byte // from Org.bodies
	objects []object
	// cursor is what was asked for, next the cursor after it: "" at the end.
	cursor, next string
	date         time.Time
}

// question is a page to ask for.
type question struct {
	svc    Service
	cursor string
	stored bool // the cursor is one that Okta gave
	yields bool // live collection goes first
	// sent counts the requests that were sent; nil where nobody asks.
	sent *int64
}

// get asks for one page. Every error is an *Error, or why ctx ended.
func (o *Org) get(ctx context.Context, q question) (*answer, error) {
	svc, cursor, stored := q.svc, q.cursor, q.stored
	if err := checkCursor(cursor); err != nil {
		class := Person
		if stored {
			class = CursorRefused
		}
		return nil, &Error{Class: class, Path: svc.Path, err: err}
	}
	path, _, _ := strings.Cut(cursor, "?")
	token, err := o.cfg.Token.Read()
	if err != nil {
		return nil, &Error{Class: Person, Path: path, err: fmt.Errorf("API token: %w", err)}
	}
	req, err := o.request(cursor, token)
	if err != nil {
		return nil, &Error{Class: Person, Path: path, err: err}
	}
	bucket, err := o.budget.acquire(ctx, svc.Bucket, q.yields)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Class == RateLimited { // a backfill that yields leaves some of the share
			o.cfg.Metrics.wait(o.cfg.Tenant, svc.Bucket)
		}
		return nil, err
	}
	if q.sent != nil {
		*q.sent++
	}
	timed, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no whole answer within %s", requestTimeout))
	defer cancel()
	started := time.Now()
	resp, err := o.http.Do(req.WithContext(timed))
	if err != nil {
		o.budget.lost(bucket)
		o.cfg.Metrics.request(o.cfg.Tenant, svc, 0)
		return nil, unread(timed, ctx, &Error{Path: path, err: err}, token)
	}
	defer resp.Body.Close()
	o.cfg.Metrics.request(o.cfg.Tenant, svc, resp.StatusCode)

	rl := readRateLimit(resp.Header)
	var wait time.Duration
	if resp.StatusCode == http.StatusTooManyRequests {
		wait = o.budget.refused(bucket, rl)
		o.cfg.Metrics.rateLimited(o.cfg.Tenant, svc.Bucket, rl)
		o.cfg.Log.Warn("Okta refused a request: rate limited", zap.String("path", path), zap.Bool("concurrency", rl.concurrency()), zap.Duration("wait", wait))
	} else {
		o.budget.answered(bucket, rl)
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what was cut off is not needed
		e := answerError(svc, path, resp, body, stored, token)
		e.Wait = wait
		if e.Class == RateLimited && rl.concurrency() {
			e.err = errors.New("too many requests at once in this org")
		}
		return nil, e
	}
	a := &answer{cursor: cursor}
	if err := o.read(a, resp); err != nil {
		o.release(a)
		return nil, unread(timed, ctx, &Error{Status: resp.StatusCode, RequestID: outside(resp.Header.Get("X-Okta-Request-Id"), 64, token), Path: path, err: err}, token)
	}
	o.cfg.Metrics.fetched(o.cfg.Tenant, svc, started)
	return a, nil
}

// unread completes the error of a request that was not answered, or not wholly: what class it
// is, or why ctx ended where that is the reason. timed is the request's own context.
func unread(timed, ctx context.Context, e *Error, token string) error {
	var untrusted *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case timed.Err() != nil:
		e.err = context.Cause(timed)
		return e
	case errors.Is(e.err, errTooLarge):
		e.Class = tooMuch
	case errors.As(e.err, &untrusted):
		e.Class = Person
		e.Advice = "this machine does not trust the certificate: check OKTA_URL, and the certificates that the machine trusts"
	}
	// The url.Error repeats the URL, and what is wrong with an answer may repeat part of it.
	var u *url.Error
	if errors.As(e.err, &u) {
		e.err = u.Err
	}
	if s := e.err.Error(); outside(s, maxReason, token) != s {
		e.err = errors.New(outside(s, maxReason, token))
	}
	return e
}

// maxReason bounds the text of a failed request, in bytes.
const maxReason = 500

// read reads and splits the body of a 200.
func (o *Org) read(a *answer, resp *http.Response) (err error) {
	if a.next, err = nextCursor(resp.Header); err != nil {
		return err
	}
	a.date = dateOf(resp.Header)
	a.body = o.buffer()
	if *a.body, err = readBody((*a.body)[:0], resp.Body, resp.ContentLength); err != nil {
		return err
	}
	a.objects, err = split(*a.body)
	return err
}

// dateOf returns Okta's time of an answer, in whole seconds. Without one it is by our own
// clock, which may be off: better that the next pull of changes asks for an hour too much.
func dateOf(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		t = time.Now().Add(-time.Hour)
	}
	return t.UTC().Truncate(time.Second)
}

var errTooLarge = fmt.Errorf("page is larger than %d MiB or %d objects", maxPage>>20, maxObjects)

// readBody appends r to buf, which it grows to the announced size at once.
func readBody(buf []byte, r io.Reader, size int64) ([]byte, error) {
	if size > maxPage {
		return buf, errTooLarge
	}
	// Somewhat more, so that the end is seen without growing, and the next page fits too.
	if need := max(int(size)+int(size)/8, minBuffer); need > cap(buf) {
		buf = make([]byte, 0, need)
	}
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(len(buf), maxPage+1-len(buf)))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > maxPage {
			return buf, errTooLarge
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, fmt.Errorf("reading the answer: %w", err)
		}
	}
}

const (
	// minBuffer is what a buffer begins with where the size of an answer is not announced.
	minBuffer = 64 << 10
	// maxPooled bounds a buffer that is kept for the next page.
	maxPooled = 8 << 20
)

func (o *Org) buffer() *[]byte {
	if b, ok := o.bodies.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (o *Org) release(a *answer) {
	if a.body != nil && cap(*a.body) <= maxPooled {
		o.bodies.Put(a.body)
	}
	a.body, a.objects = nil, nil
}

// request builds the authorized request for a cursor with the SDK.
func (o *Org) request(cursor, token string) (*http.Request, error) {
	// One client for all requests, since each leaves a goroutine behind; so one at a time.
	o.mu.Lock()
	defer o.mu.Unlock()
	// Errors of the SDK can repeat what it was given.
	if o.sdk.SetConfig(sdk.WithToken(token)) != nil {
		return nil, errors.New("the SDK refuses the API token: check OKTA_API_TOKEN or OKTA_API_TOKEN_FILE")
	}
	req, err := o.sdk.CloneRequestExecutor().NewRequest(http.MethodGet, cursor, nil)
	if err != nil {
		return nil, errors.New("the SDK refuses the cursor")
	}
	if req.URL.Host != o.host {
		return nil, errors.New("the cursor leads to another host")
	}
	return req, nil
}
