package oktasim

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	headerLimit     = "X-Rate-Limit-Limit"
	headerRemaining = "X-Rate-Limit-Remaining"
	headerReset     = "X-Rate-Limit-Reset"
)

// concurrencyReset is what the headers suggest when too much is being served; Okta has been seen to
// suggest minutes for what clears in milliseconds.
const concurrencyReset = window

// page is what a list endpoint found.
type page struct {
	// body is the JSON, without what follows the objects.
	body []byte
	// objects is how many there are in it.
	objects int
	// next is the query of the page after this one; "" at the end.
	next string
	// after is, of a bounded query of the log, the query of what comes after the page, though nothing may.
	after string
	// limit is how many objects were asked for.
	limit int
}

// emptyPage is what an app without an admin role gets of a list.
func emptyPage(r *http.Request, c *collection) page {
	found := page{body: []byte(c.opening())}
	if c.name == "logs" && !r.URL.Query().Has("until") {
		found.next = self
	}
	return found
}

// self is the next of a page that is followed by itself.
const self = "self"

// ServeHTTP answers as Okta does.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(o.numbered.Add(1))
	now := o.cfg.Now()
	shown := o.shown(now)
	c, parentID := routes.find(r.URL.Path)
	entry := Request{N: n, Host: r.Host, Target: r.URL.RequestURI(), Agent: r.UserAgent(), Peer: r.RemoteAddr, Start: now}
	bucket := bucketOther
	if c != nil {
		entry.Service, bucket = c.name, c.bucket
	}
	o.requests.begin(entry.Service)
	answer := &Answer{Header: http.Header{}}
	// Deferred, since a connection is cut by a panic.
	defer func() {
		entry.End, entry.Status = o.cfg.Now(), answer.Status
		o.requests.end(entry)
	}()

	buf := o.pages.Get().(*[]byte)
	defer o.pages.Put(buf)
	id := string(appendBase62([]byte("sim"), mix(o.cfg.Seed+uint64(n)), 10))
	answer.Header.Set("Date", shown.UTC().Format(http.TimeFormat))
	answer.Header.Set("Content-Type", "application/json")
	answer.Header.Set("Cache-Control", "no-cache, no-store")
	answer.Header.Set("X-Okta-Request-Id", id)
	refuse := func(why refusal) { why.into(answer, "oae"+id) }

	// A request that may not be made is told nothing but that; it draws on the bucket all the same.
	var app App
	if c != tokenEndpoint {
		var why *refusal
		if app, why = o.caller(r, c, now); why != nil {
			allowed, _ := o.charge(bucket)
			entry.Start = allowed.at
			setLimits(answer.Header, allowed)
			refuse(*why)
			answer.send(w, r)
			return
		}
	}
	allowed, admitted := allowance{reset: shown.Add(concurrencyReset)}, false
	if o.limiter.enter() {
		defer o.limiter.leave()
		allowed, admitted = o.charge(bucket)
		entry.Start = allowed.at
	}
	setLimits(answer.Header, allowed)

	var found page
	var why *refusal
	switch {
	case c == tokenEndpoint:
		found.body, why = o.answerToken(r, now, admitted)
	case !admitted:
		why = &overLimit
	default:
		found, why = o.answer(asked{c, parentID, n, now}, r, (*buf)[:0])
		*buf = found.body
	}
	if !admitted {
		refuse(*why)
		answer.send(w, r)
		return
	}
	if why == nil && app.NoRole {
		if found = emptyPage(r, c); c.items == "." {
			why = &noPermission
		}
	}
	if why != nil {
		refuse(*why)
	} else {
		entry.Objects = found.objects
		answer.Status, answer.Body = http.StatusOK, found.body
		q := question{Request: r, collection: c, parentID: parentID, here: origin(r) + r.URL.RequestURI(), page: found, now: now}
		if c != tokenEndpoint {
			o.finish(q, answer)
		}
		o.spoil(q, answer)
	}
	if fault := o.fault(r, n); fault != nil {
		fault(answer)
	}
	answer.send(w, r)
}

// follow returns the address of a page of the same listing.
func (q question) follow(query string) string {
	if query == self {
		return q.here
	}
	return origin(q.Request) + q.URL.EscapedPath() + "?" + query
}

// finish gives a list its end, its white space and its links.
func (o *Org) finish(q question, answer *Answer) {
	next := ""
	if q.next != "" {
		next = q.follow(q.next)
	}
	answer.Body = append(q.body, q.collection.end(next)...)
	if o.cfg.Pretty {
		answer.Body = indented(answer.Body)
	}
	if q.collection.items != "" {
		return
	}
	answer.Header.Add("Link", link(q.here, "self"))
	if next != "" {
		answer.Header.Add("Link", link(next, "next"))
	}
}

func (o *Org) fault(r *http.Request, n int) Fault {
	o.mu.RLock()
	decide := o.faults
	o.mu.RUnlock()
	if decide == nil {
		return nil
	}
	return decide(r, n)
}

// asked is what a request is about.
type asked struct {
	*collection
	// parentID has the ids in the path, with / between them.
	parentID string
	// n is the request's number.
	n   int
	now time.Time
}

// answer finds the page that was asked for, appending its body to dst.
func (o *Org) answer(a asked, r *http.Request, dst []byte) (page, *refusal) {
	if a.collection == nil {
		return page{}, &noSuchPath
	}
	if why := o.isOff(a.collection); why != nil {
		return page{}, why
	}
	if r.Method != http.MethodGet {
		return page{}, &badMethod
	}
	q, why := parseQuery(r.URL.RawQuery)
	if why != nil {
		return page{}, why
	}
	limit, why := a.pageSize(q)
	if why != nil {
		return page{}, why
	}
	var found page
	if a.name == "logs" {
		found, why = o.listLogs(q, limit, dst, a.now)
	} else {
		found, why = o.list(a, q, limit, dst)
	}
	found.limit = limit
	return found, why
}

// parameters of a query, each at most once.
type parameters map[string]string

func parseQuery(raw string) (parameters, *refusal) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &badSearch
	}
	q := parameters{}
	for name, all := range values {
		if len(all) > 1 {
			return nil, &typeMismatch
		}
		q[name] = all[0]
	}
	return q, nil
}

// only refuses every parameter that is not among those named.
func (q parameters) only(names ...string) *refusal {
next:
	for name := range q {
		for _, known := range names {
			if name == known {
				continue next
			}
		}
		why := notModelled(name)
		return &why
	}
	return nil
}

func (q parameters) limit(c *collection) (int, *refusal) {
	n, err := strconv.Atoi(q["limit"])
	switch {
	case err != nil:
		return 0, &typeMismatch
	case n >= c.min && n <= c.max:
		return n, nil
	case c.name == "logs":
		return 0, &badLogLimit
	default:
		return 0, &badLimit
	}
}

// with renders the query with a cursor: the parameters in this order, those that were given.
func (q parameters) with(cursor string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		value, given := q[name]
		if name == "after" {
			value, given = cursor, true
		}
		if !given {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name + "=" + url.QueryEscape(value))
	}
	return b.String()
}

func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func setLimits(h http.Header, a allowance) {
	h.Set(headerLimit, strconv.Itoa(a.limit))
	h.Set(headerRemaining, strconv.Itoa(a.remaining))
	// In whole seconds, like Date: the end may be up to a second later than the headers say.
	h.Set(headerReset, strconv.FormatInt(a.reset.Unix(), 10))
}

func indented(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "\t", "  "); err != nil {
		panic(err) // our own JSON
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// send writes the answer.
func (a *Answer) send(w http.ResponseWriter, r *http.Request) {
	if a.Delay > 0 {
		timer := time.NewTimer(a.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	if a.Cut && a.Keep == 0 {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	keep := math.MaxInt
	if a.Cut {
		keep = a.Keep
	}
	a.writeBody(w, a.Body[:min(keep, len(a.Body))])
	if a.Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
