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

	mu    sync.Mutex
	token string
	sdk   *sdk.Client
}

// New makes an Org. It sends nothing.
func New(cfg Config) (*Org, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("okta: %q is no URL of an org", cfg.URL)
	}
	cfg.URL = u.Scheme + "://" + u.Host
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	return &Org{
		cfg:  cfg,
		host: u.Host,
		http: &http.Client{
			Transport: cfg.Transport,
			// A redirect would take the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		budget: newBudget(cfg.RateShare, time.Now),
	}, nil
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
	}
}

// Adopt counts what another worker, or this one before it was killed, had used of a
// rate-limit window. now is the present by the clock that w was kept in.
func (o *Org) Adopt(w *checkpoint.Window, now time.Time) {
	if w != nil {
		o.budget.adopt(*w, now)
	}
}

// Window is the state of the service's rate-limit window, nil if nothing is known of one. now
// is the present by the clock that it is to be kept in. running says that another request may
// be sent before what is returned here is durable.
func (o *Org) Window(svc Service, now time.Time, running bool) *checkpoint.Window {
	return o.budget.window(svc.Bucket, now, running)
}

// answer is a page as Okta sent it.
type answer struct {
	body    *[]byte // from Org.bodies
	objects []object
	next    string
	date    time.Time
	// limit is the page size that was asked for.
	limit int
}

// get asks for one page of svc's collection. stored says that the cursor is one that Okta gave.
// Every error is an *Error, or ctx's.
func (o *Org) get(ctx context.Context, svc Service, cursor string, stored bool) (*answer, error) {
	path, _, _ := strings.Cut(cursor, "?")
	fail := func(class Class, err error) *Error { return &Error{Class: class, path: path, err: err} }

	if err := checkCursor(cursor); err != nil {
		if stored {
			return nil, fail(CursorRefused, err)
		}
		return nil, fail(Person, err)
	}
	req, err := o.request(cursor)
	if err != nil {
		return nil, fail(Person, err)
	}
	bucket, err := o.budget.acquire(ctx, svc.Bucket)
	if err != nil {
		o.cfg.Metrics.wait(o.cfg.Tenant, svc.Bucket)
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no whole answer within %s", requestTimeout))
	defer cancel()
	resp, err := o.http.Do(req.WithContext(ctx))
	if err != nil {
		o.budget.lost(bucket)
		o.cfg.Metrics.request(o.cfg.Tenant, svc.Bucket, 0)
		return nil, fail(Passing, reason(ctx, err))
	}
	defer resp.Body.Close()
	o.cfg.Metrics.request(o.cfg.Tenant, svc.Bucket, resp.StatusCode)

	rl := readRateLimit(resp.Header)
	var wait time.Duration
	if resp.StatusCode == http.StatusTooManyRequests {
		wait = o.budget.refused(bucket, rl)
		o.cfg.Log.Warn("Okta refused a request: rate limited", zap.String("path", path), zap.Bool("concurrency", rl.concurrency()), zap.Duration("wait", wait))
	} else {
		o.budget.answered(bucket, rl)
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what was cut off is not needed
		e := answerError(svc, path, resp.StatusCode, resp.Header, body, stored)
		e.Wait = wait
		if e.Class == RateLimited && rl.concurrency() {
			e.err = errors.New("too many requests at once in this org")
		}
		return nil, e
	}
	return o.read(ctx, svc, path, resp)
}

// read reads and splits the body of a 200.
func (o *Org) read(ctx context.Context, svc Service, path string, resp *http.Response) (*answer, error) {
	fail := func(class Class, err error) (*answer, error) {
		return nil, &Error{Class: class, Status: resp.StatusCode, RequestID: printable(resp.Header.Get("X-Okta-Request-Id"), 64), path: path, err: err}
	}
	a := &answer{}
	var err error
	if a.next, err = nextCursor(resp.Header); err != nil {
		return fail(Passing, err)
	}
	if a.date, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		a.date = time.Now().Truncate(time.Second).UTC()
	}
	a.body = o.buffer()
	*a.body, err = readBody((*a.body)[:0], resp.Body, resp.ContentLength)
	if err == nil {
		a.objects, err = split(*a.body)
	}
	switch {
	case errors.Is(err, errTooLarge):
		o.release(a)
		return fail(tooMuch, err)
	case err != nil:
		o.release(a)
		return fail(Passing, reason(ctx, err))
	}
	return a, nil
}

var errTooLarge = fmt.Errorf("page is larger than %d MiB", maxPage>>20)

// readBody appends r to buf, which it grows to the announced size at once.
func readBody(buf []byte, r io.Reader, size int64) ([]byte, error) {
	if size > maxPage {
		return buf, errTooLarge
	}
	if need := int(size) + 1; need > cap(buf) {
		buf = make([]byte, 0, need)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
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

// maxPooled bounds a buffer that is kept for the next page.
const maxPooled = 8 << 20

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

// request builds the authorized request for a cursor with the SDK. Every setting of the
// SDK is given, since it fills those that are not from the environment and home directory.
func (o *Org) request(cursor string) (*http.Request, error) {
	token, err := o.cfg.Token.Read()
	if err != nil {
		return nil, fmt.Errorf("API token: %w", err)
	}
	client, err := o.client(token)
	if err != nil {
		return nil, err
	}
	// An executor is not safe for concurrent use.
	req, err := client.CloneRequestExecutor().NewRequest(http.MethodGet, cursor, nil)
	if err != nil {
		return nil, errors.New("building the request failed")
	}
	if req.URL.Host != o.host {
		return nil, errors.New("the cursor leads to another host")
	}
	return req, nil
}

// client returns the SDK's client for the token, a new one when the token was rotated.
func (o *Org) client(token string) (*sdk.Client, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sdk != nil && o.token == token {
		return o.sdk, nil
	}
	_, client, err := sdk.NewClient(context.Background(),
		sdk.WithOrgUrl(o.cfg.URL),
		sdk.WithAuthorizationMode("SSWS"),
		sdk.WithToken(token),
		sdk.WithCache(false),
		sdk.WithTestingDisableHttpsCheck(strings.HasPrefix(o.cfg.URL, "http://")),
		sdk.WithUserAgentExtra("okta-collector"),
		sdk.WithHttpClientPtr(o.http),
	)
	if err != nil {
		// The SDK's messages can repeat what it was configured with.
		return nil, errors.New("Okta's SDK refuses the URL or the API token: check OKTA_URL and OKTA_API_TOKEN")
	}
	o.token, o.sdk = token, client
	return client, nil
}

// reason is why ctx ended, where that is why err came, and err without the URL otherwise.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
