// Package okta reads the collections of an Okta org page by page, within a share of the org's rate limits. A [Catalog]
// describes the collections, and an [Org] sends the requests. A [Reader] reads one collection from a given
// [checkpoint.Position], and returns each [Page] with the next position; it keeps none itself.
//
// Okta's SDK builds the requests. This package sends, pages and decodes them, because the SDK sleeps through rate
// limits in process, drops members that its types do not know, and reads some Link headers so that pages are lost or
// repeated.
package okta

import (
	"cmp"
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
	"sync/atomic"
	"time"

	sdk "github.com/okta/okta-sdk-golang/v2/okta"
	"go.uber.org/zap"

	"okta-collector/internal/budget"
	"okta-collector/internal/machine"
	"okta-collector/internal/memory"
	"okta-collector/internal/proxy"
	"okta-collector/internal/redact"
	"okta-collector/internal/tlspolicy"
)

const (
	// maxErrorBody bounds the body that is read of an answer other than 200, in bytes.
	maxErrorBody = 64 << 10
	// maxReason bounds the text of a failed request, in bytes.
	maxReason = 500
	// requestTimeout bounds one request with its body. Okta gives up on a query after 30 s.
	requestTimeout = 2 * time.Minute
	// idleTimeout: a connection that receives nothing for this long is pinged. It is closed if the ping is not answered
	// for as long again.
	idleTimeout = 15 * time.Second
)

// Org is one Okta org. It is safe for concurrent use.
type Org struct {
	cfg    Config
	host   string
	http   *http.Client
	sdk    *sdk.Client
	budget *budget.Budget
	memory *memory.Owner
	sizes  sync.Map                 // of int, the bytes of the last page, by pageKey
	levels sync.Map                 // of *levelPage, by levelKey
	rules  map[string]*redact.Rules // by a collection's name: what must not leave
}

// New makes an Org. It sends nothing.
func New(cfg Config) (*Org, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		// The error does not repeat the URL, which may contain a password.
		return nil, errors.New("okta: the org's URL is not like https://acme.okta.com")
	}
	cfg.URL = u.Scheme + "://" + u.Host
	cfg.Log = cmp.Or(cfg.Log, zap.NewNop())
	cfg.MaxObject = cmp.Or(cfg.MaxObject, defaultMaxObject)
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	if cfg.Catalog == nil {
		cfg.Catalog = catalog
	}
	if cfg.Memory == nil {
		cfg.Memory = memory.New(memory.Most)
	}
	o := &Org{
		cfg:  cfg,
		host: u.Host,
		http: &http.Client{
			Transport: cfg.Transport,
			// A redirect would send the credentials to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		budget: budget.New(cfg.RateShare, time.Now),
		memory: cfg.Memory.Join(),
		rules:  rulesOf(cfg),
	}
	serviceApp := cfg.Authorizer == nil && cfg.ServiceApp != nil
	if serviceApp {
		app, err := newServiceApp(o, *cfg.ServiceApp)
		if err != nil {
			return nil, fmt.Errorf("okta: %w", err)
		}
		o.cfg.Authorizer, o.http.Transport = app, provingTransport{app, cfg.Transport}
	}
	// For settings that are not given here, the SDK reads the environment and the home directory. Its token is a
	// placeholder: the authorizer signs each request.
	_, o.sdk, err = sdk.NewClient(context.Background(),
		sdk.WithOrgUrl(cfg.URL),
		sdk.WithAuthorizationMode("SSWS"),
		sdk.WithToken("unused"),
		sdk.WithCache(false),
		sdk.WithTestingDisableHttpsCheck(u.Scheme == "http"),
		sdk.WithUserAgentExtra("okta-collector"),
		sdk.WithHttpClientPtr(o.http),
	)
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	cfg.Metrics.watch(cfg.Tenant, o.budget, serviceApp)
	return o, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: proxy.Check,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, VerifyConnection: tlspolicy.RefuseWeakKeys},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  60 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    16,
		ReadBufferSize:         64 << 10,
		ForceAttemptHTTP2:      true,
		// All requests share one HTTP/2 connection, and a failed request does not end it. If a firewall drops the connection
		// without a FIN or RST, new requests would use it until the kernel gives up, after a quarter of an hour. Okta may
		// work silently on a query for 30 s, but it answers a ping at once.
		HTTP2: &http.HTTP2Config{SendPingTimeout: idleTimeout, PingTimeout: idleTimeout},
	}
}

// query is a request for one page.
type query struct {
	service    Collection // for which it is sent
	collection Collection // what it lists: service, or a parent level of it
	under      []string   // the ids of the parents in its path
	first      string     // the cursor of the listing's first page
	cursor     string
	stored     bool             // Okta gave the cursor
	smallest   bool             // no smaller page can be asked for
	again      bool             // the request is sent for the second time
	now        func() time.Time // Temporal's clock
	member     *budget.Member
	sent       *atomic.Int64 // counts the requests that were sent
}

// get fetches one page, whose objects are not read yet. It sends the request once more if the authorizer asks for that, or if
// the connection ended before an answer came. A listing under an object that was deleted meanwhile is an empty page, and so is
// one under an object that cannot have any. Every error is an *Error or the cause of ctx.
func (o *Org) get(ctx context.Context, q query) (*answer, error) {
	err := checkFollows(q.first, q.cursor, q.collection.Polled)
	if i := slices.IndexFunc(q.under, func(id string) bool { return !usableID(id) }); i >= 0 {
		err = errUnusableID
	}
	if err != nil {
		return nil, &Error{Class: CursorRefused, Path: q.collection.Path, err: err}
	}
	a, again, err := o.send(ctx, q)
	if again {
		q.again = true
		a, again, err = o.send(ctx, q)
		if e, ok := errors.AsType[*Error](err); ok && again && e.Class == Person {
			e.Class = Passing // the first refusal had another reason, and the signature has changed since
		}
	}
	if e, ok := errors.AsType[*Error](err); ok && (e.Class == gone || e.Class == none) {
		return &answer{cursor: q.cursor, date: e.date, gone: e.Class == gone}, nil
	}
	return a, err
}

// send sends one request, with its own ticket. again: the request may be sent once more.
func (o *Org) send(ctx context.Context, q query) (a *answer, again bool, err error) {
	c := q.collection
	path, _, _ := strings.Cut(q.cursor, "?")
	req, err := o.request(ctx, q.cursor, c.Scopes)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		e, ok := errors.AsType[*Error](err)
		remedy := machine.Remedy(err) // the token's file could not be opened
		switch {
		case remedy != "":
			e = &Error{Path: path, Advice: remedy, err: err}
		case errors.Is(err, errNeverAsked) && len(q.under) > 0:
			e = &Error{Class: ofParent, Path: path, err: err} // its id makes it one
		case !ok:
			e = &Error{Class: Person, Path: path, err: err}
		}
		return nil, false, e
	}
	body, err := o.acquire(ctx, q, path)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if a == nil { // also after a panic
			body.Release()
		}
	}()
	ticket, err := q.member.Acquire(ctx, budget.Endpoint{Path: c.Path, Window: c.Window})
	if err != nil {
		return nil, false, waitError(err)
	}
	defer ticket.Lost() // no effect after an answer; counts the request after a panic
	q.sent.Add(1)
	timed, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no complete answer within %s", requestTimeout))
	defer cancel()
	started := time.Now()
	once, end := newOnce(timed)
	defer end()
	resp, err := o.http.Do(req.WithContext(once.ctx))
	if err != nil {
		o.cfg.Metrics.request(o.cfg.Tenant, c, 0)
		e := &Error{Path: path, unanswered: true, err: err}
		switch {
		case once.repeats():
			e.err = errRepeats
			o.http.CloseIdleConnections() // they may be about to end as well
			if q.again {
				once.hangUp()
			}
		case once.sent():
			e.like = noAnswer
		}
		return nil, once.repeats() && ctx.Err() == nil, o.transportError(timed, ctx, e)
	}
	defer resp.Body.Close()
	o.cfg.Metrics.request(o.cfg.Tenant, c, resp.StatusCode)

	if resp.StatusCode != http.StatusOK {
		e, again := o.refusal(q, path, resp, ticket)
		return nil, again, e
	}
	ticket.Answered(budget.ReadLimits(resp.Header, q.now()))
	got := &answer{cursor: q.cursor, date: dateOf(resp.Header, q.now()), body: body, requestID: o.requestID(resp.Header)}
	if err := got.fill(timed, q, resp); err != nil {
		return nil, false, o.transportError(timed, ctx, got.failed(q, err))
	}
	o.learn(q, got)
	o.cfg.Metrics.fetched(o.cfg.Tenant, c, started)
	return got, false, nil
}

// failed returns the error of an answer to q that cannot be used.
func (a *answer) failed(q query, err error) *Error {
	path, _, _ := strings.Cut(q.cursor, "?")
	return &Error{Status: http.StatusOK, RequestID: a.requestID, Path: path, err: err}
}

// waitError turns the error of Acquire into an *Error.
func waitError(err error) error {
	if w, ok := errors.AsType[*budget.WaitError](err); ok {
		return &Error{Class: RateLimited, Wait: w.Wait, Path: w.Window, err: w}
	}
	if c, ok := errors.AsType[*budget.ClaimError](err); ok {
		return &Error{Path: c.Window, err: c}
	}
	return err // the cause of ctx
}

// refusal makes an Error of an answer other than 200. again: the request may be sent once more.
func (o *Org) refusal(q query, path string, resp *http.Response, ticket *budget.Ticket) (e *Error, again bool) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // the rest is not needed
	e = o.answerError(q, path, resp, body)
	limits := budget.ReadLimits(resp.Header, q.now())
	if resp.StatusCode != http.StatusTooManyRequests {
		ticket.Answered(limits)
		// Without the feature, another signature would not help.
		return e, !e.off && o.cfg.Authorizer.Refused(resp)
	}
	e.Wait = ticket.Refused(limits)
	if limits.Concurrency() {
		e.err = errors.New("too many requests at once in this org")
	}
	o.cfg.Log.Warn("Okta refused a request: rate limited",
		zap.String("path", path), zap.Bool("concurrency", limits.Concurrency()), zap.Duration("wait", e.Wait))
	return e, false
}

// noAnswer is what all requests without an answer have in common. A page that is too large may take longer than Okta, or
// something on the way, waits.
const noAnswer = "no answer"

// What failures have in common whose answer is a 200: a body that ends too early, or anything but a list.
const (
	cutShort = "cut short"
	noList   = "no list"
)

// transportError completes the error of a request whose answer was not read to its end. timed is the request's own
// context. If ctx has ended, the error is the cause of ctx.
func (o *Org) transportError(timed, ctx context.Context, e *Error) error {
	refusal, refused := errors.AsType[*proxy.Refusal](e.err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(e.err, memory.ErrBusy):
		e.Class = NoMemory
		return e
	case timed.Err() != nil:
		e.err, e.like = context.Cause(timed), noAnswer
		return e
	case refused:
		e.Advice = refusal.Remedy()
		if !refusal.Passing() {
			e.Class = Person
		}
	case errors.Is(e.err, errTooLarge), errors.Is(e.err, errApart):
		e.Class = tooMuch
	case errors.Is(e.err, errReading), errors.Is(e.err, errEnds):
		e.like = cutShort
	case errors.As(e.err, new(*keyError)):
		if e.Advice = machine.Remedy(e.err); e.Advice == "" { // this machine could not open the file
			e.Class = Person
			e.Advice = "put a key of at least 32 characters into the file of OKTA_REDACT_KEY_FILE, such as that of openssl rand -hex 32"
		}
	case e.Status != 0:
		e.like = noList
	case errors.As(e.err, new(*tls.CertificateVerificationError)):
		e.Class = Person
		e.Advice = "this machine does not trust the certificate: check OKTA_URL, the certificates that the machine trusts, and its clock"
	case errors.As(e.err, new(*tlspolicy.WeakKeyError)):
		e.Class = Person
		e.Advice = "the server, or a proxy that opens TLS on the way, needs a new certificate"
	default:
		e.Advice = machine.Remedy(e.err)
	}
	// A url.Error repeats the URL, and other errors may repeat part of the answer.
	if u, ok := errors.AsType[*url.Error](e.err); ok {
		e.err = u.Err
	}
	text := o.cfg.Authorizer.Redact(e.err.Error())
	if e.Status == 0 && !refused || errors.Is(e.err, errReading) {
		text = plain(text, append(addresses(e.err), o.host)...)
	}
	e.err = errors.New(printable(text, maxReason))
	return e
}

// addresses are those in an error of the network. They are from settings, DNS or the kernel.
func addresses(err error) (all []string) {
	for op, ok := errors.AsType[*net.OpError](err); ok; op, ok = errors.AsType[*net.OpError](op.Err) {
		if op.Addr != nil {
			all = append(all, op.Addr.String())
		}
		if op.Addr != nil && op.Source != nil {
			all = append(all, op.Source.String()+"->"+op.Addr.String())
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		all = append(all, dns.Name, dns.Server)
	}
	return all
}

// requestID returns the id that Okta gave a request, or nothing if it is none.
func (o *Org) requestID(h http.Header) string {
	id := o.cfg.Authorizer.Redact(h.Get("X-Okta-Request-Id"))
	if !requestID.MatchString(id) {
		return ""
	}
	return id
}

var errNeverAsked = errors.New("is never done: this endpoint answers with secrets, or acts")

// request builds the signed request for a cursor. All requests to the API are made here.
func (o *Org) request(ctx context.Context, cursor string, scopes []string) (*http.Request, error) {
	req, err := o.sdk.CloneRequestExecutor().NewRequest(http.MethodGet, cursor, nil)
	if err != nil || req.URL.Host != o.host {
		return nil, errors.New("the cursor does not belong to this org") // the SDK's error is dropped: it can repeat the cursor
	}
	if isRefused(req.URL.EscapedPath()) {
		return nil, errNeverAsked
	}
	req.Header.Del("Authorization")
	return req, o.cfg.Authorizer.Authorize(ctx, req, scopes)
}
