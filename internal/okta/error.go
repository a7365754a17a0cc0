package okta

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"okta-collector/internal/budget"
)

// Class is the class of a failure. It decides what happens next.
type Class int

const (
	// Passing may go away by itself: the network, a 5xx, an answer that is cut short or not JSON.
	Passing Class = iota
	// Person lasts until somebody changes something at Okta or in the settings.
	Person
	// CursorRefused: Okta answered 400 to a cursor from one of its own answers.
	CursorRefused
	// RateLimited: the request has to wait until a rate-limit window ends.
	RateLimited
	// NoMemory: other pages take up the memory that the worker may use for pages, for a minute. The request was not sent, or
	// its answer not read to the end.
	NoMemory
	// NotInOrg: the org does not have this collection, for instance because a feature is off. It is looked for again daily.
	NotInOrg
	// gone: the parent object of the list was deleted meanwhile.
	gone
	// none: the parent object of the list cannot have any such objects.
	none
	// ofParent: the answer is about the parent object of the list, and other parents may be listed.
	ofParent
	// tooMuch: the list timed out, or the page is too large. A smaller page may help.
	tooMuch
)

// Error is a failed request to Okta. It contains neither the token nor a query.
type Error struct {
	Class Class
	// Wait is the shortest wait before the next request, for RateLimited.
	Wait time.Duration
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Code, Summary and RequestID are from Okta's answer; empty if it has none.
	Code, Summary, RequestID string

	// Path is the requested path without its query. If no request was sent, it is the name of a rate-limit window.
	Path string
	// Advice says what to do; empty if nobody has to do anything.
	Advice string

	date date // of the answer
	// unanswered: a request was made, and no part of an answer came.
	unanswered bool
	// html: the answer was HTML, and so not from Okta's API.
	html bool
	// proof: a DPoP proof was refused, whatever the body says.
	proof bool
	// scope: the token lacks the scope, because the app's grant was withdrawn after the token was given.
	scope bool
	// off: the endpoint is not there, because a feature is off in this org, or for this parent object.
	off bool
	// like names a failure that may come from a page that is too large. Two alike in a row are taken for one.
	like string
	err  error
}

func (e *Error) Error() string {
	text := "asking Okta for "
	if errors.As(e.err, new(*budget.WaitError)) || errors.As(e.err, new(*budget.ClaimError)) {
		text = "budget of " // no request was sent
	}
	text += printable(e.Path, 200) + ": " + e.Reason()
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// Reason says who answered what, or why there was no answer. It is the error without path, request id and advice.
func (e *Error) Reason() string {
	reason := e.Code
	switch status := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)); {
	case e.html:
		reason = "a proxy, a firewall or a maintenance page on the way to Okta's API answered " + status + " in HTML"
	case e.Status != 0:
		reason = status + " " + e.Code
	}
	if e.Summary != "" {
		reason += " (" + e.Summary + ")"
	}
	if e.err != nil {
		reason += " " + e.err.Error()
	}
	return strings.Join(strings.Fields(reason), " ")
}

func (e *Error) Unwrap() error { return e.err }

// Unreached reports whether err says that no answer came from Okta, and that this may pass. Okta may be away, or this
// worker may have lost its way to it.
func Unreached(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.unanswered && e.Class == Passing
}

// answerError makes an Error of an answer other than 200. body is the beginning of its body.
func (o *Org) answerError(q query, path string, resp *http.Response, body []byte) *Error {
	e := o.newError(path, resp, body, q.now())
	o.classify(e, q)
	return e
}

// newError makes an Error without a class. now is the present by the clock that Okta's is held against.
func (o *Org) newError(path string, resp *http.Response, body []byte, now time.Time) *Error {
	status := resp.StatusCode
	e := &Error{Status: status, date: dateOf(resp.Header, now), Path: path, RequestID: o.requestID(resp.Header)}
	// A body may be HTML, and a code may be empty. Both are left out.
	var answer struct {
		Code        string `json:"errorCode"`
		Summary     string `json:"errorSummary"`
		OAuthCode   string `json:"error"`
		OAuthReason string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) == nil {
		e.Code = plainCode(o.cfg.Authorizer.Redact(answer.Code + answer.OAuthCode))
		e.Summary = plain(o.cfg.Authorizer.Redact(answer.Summary + answer.OAuthReason))
	}
	challenge, reason := challengeOf(resp.Header)
	e.Code, e.scope = cmp.Or(e.Code, reason), reason == insufficientScope
	e.proof = challenge == dpop && (status == http.StatusBadRequest || status == http.StatusUnauthorized && (reason == useNonce || reason == invalidProof))
	e.html = e.Code == "" && (bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) || strings.Contains(resp.Header.Get("Content-Type"), "html"))
	return e
}

// adviceOn says what to do about a 401 or 403 to a request for objects of c.
func (o *Org) adviceOn(e *Error, c Collection) string {
	if e.scope {
		return adviceGrant(scopesKey(c.Scopes))
	}
	return o.cfg.Authorizer.Advice(e.Status, c.Scopes)
}

// classify sets the class of an answer other than 200, and what to do about it. The status decides first, then Okta's
// code.
func (o *Org) classify(e *Error, q query) {
	c, status := q.collection, e.Status
	denied := status == http.StatusUnauthorized || status == http.StatusForbidden
	e.off = !e.proof && isOff(e, q)
	switch {
	case status == http.StatusTooManyRequests:
		e.Class = RateLimited
	case e.proof:
		e.Class, e.Advice = Passing, adviceProof
	case status == http.StatusBadRequest && q.stored && !e.html:
		e.Class = CursorRefused
	case status == http.StatusBadRequest && slices.Contains(c.None, e.Code):
		e.Class = none
	case status == http.StatusNotFound && e.Code == "E0000007" && c.perObject():
		e.Class = gone
	case e.off && len(c.Under) > 0:
		e.Class = ofParent
	case e.off:
		*e = *e.notInOrg(q.service)
	case status >= 400 && status < 500 && status != http.StatusUnauthorized && status != http.StatusProxyAuthRequired &&
		status != http.StatusRequestTimeout && len(c.Under) > 0:
		e.Class = ofParent
		if denied && !e.html {
			e.Advice = o.adviceOn(e, c)
		}
	case denied && e.Code == invalidSession:
		e.Class, e.err = Passing, errors.New("is Okta's own error, and says nothing about permissions")
	case e.html && (denied || status == http.StatusBadRequest), status == http.StatusLocked:
		e.Class = Passing
	case status == http.StatusRequestTimeout:
		e.Class, e.like = Passing, noAnswer
	case status < 300:
		e.Class, e.like = Passing, noList
	case denied:
		e.Class = Person
		e.Advice = o.adviceOn(e, c)
	case status == http.StatusProxyAuthRequired:
		e.Class = Person
		e.Advice = adviceProxy
	case status >= 300 && status < 400:
		e.Class = Person
		e.Advice = adviceRedirect
	case status == http.StatusInternalServerError && (e.Code == "E0000009" || c.TimesOut):
		e.Class, e.like = tooMuch, serverError
	case status >= 500:
		e.Class, e.like = Passing, serverError
	default:
		e.Class = Person
		e.Advice = "check OKTA_URL and the token's permissions"
	}
}

// isOff reports whether an answer says that the endpoint is not there. The System Log always is.
func isOff(e *Error, q query) bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return e.Code == notEnabled
	case http.StatusBadRequest:
		return e.Code == missingFeature && !q.stored && !q.collection.Polled
	case http.StatusNotFound:
		return e.Code != "" && !q.collection.Polled
	case http.StatusMethodNotAllowed, http.StatusGone:
		return !e.html && !q.collection.Polled
	}
	return false
}

// notInOrg returns the error as one of a service that the org does not have.
func (e *Error) notInOrg(service Collection) *Error {
	of := *e
	of.Class = NotInOrg
	of.Advice = "leave " + service.Name + " out of OKTA_SERVICES, or check OKTA_URL if other services say the same"
	if e.Code == notEnabled || e.Code == missingFeature {
		of.Advice = "a feature that it needs is not enabled in this org: have it enabled, or leave " + service.Name + " out of OKTA_SERVICES"
	}
	return &of
}

const (
	adviceProxy    = "the proxy on the way to Okta wants other credentials: check HTTPS_PROXY"
	adviceProof    = "if Okta goes on to refuse proofs, see whether a proxy rewrites requests; the service app also works without DPoP"
	adviceRedirect = "redirects are not followed: check OKTA_URL"
)

const (
	// notEnabled is the code of a 401 or 403 whose feature is not enabled in the org. It says nothing about the token.
	notEnabled = "E0000015"
	// missingFeature is the code of "Missing Required Feature Flag".
	missingFeature = "E0000002"
	// invalidSession is the code of a 403 "Invalid session", which Okta was seen to send to a token that was good.
	invalidSession = "E0000005"
	// serverError is what all answers of 500 and above have in common.
	serverError = "5xx"
)

// printable cuts a text from Okta to maxBytes, and replaces characters that are not visible on one line of a terminal.
func printable(s string, maxBytes int) string {
	s = s[:min(len(s), maxBytes)]
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
