package okta

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"okta-collector/internal/budget"
)

// Class says what kind of failure an [Error] is: what may be done about it.
type Class int

const (
	// Passing may go away by itself: the network, 5xx, an answer that is cut short or is no JSON.
	Passing Class = iota
	// Person stays until somebody changes something at Okta or in the settings.
	Person
	// CursorRefused: Okta answered 400 to a cursor that it gave itself.
	CursorRefused
	// RateLimited: the request has to wait until a rate-limit window ends.
	RateLimited
	// Yields: a backfill's request was not sent, since live collection goes first. It has to wait.
	Yields
	// gone: the object that the list is under was deleted meanwhile.
	gone
	// tooMuch: the list timed out, or the page is too large. A smaller page may help.
	tooMuch
)

// Error is a failed request to Okta. It holds neither the token nor a query.
type Error struct {
	Class Class
	// Wait is how long to wait at least, for RateLimited and Yields.
	Wait time.Duration
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Code, Summary and RequestID are Okta's, as far as there were any.
	Code, Summary, RequestID string

	// Path is the path that was asked for, without its query. If nothing was asked, it is a rate-limit window.
	Path string
	// Advice says what to do; empty where nobody has to do anything.
	Advice string

	date time.Time // of the answer
	err  error
}

func (e *Error) Error() string {
	if errors.As(e.err, new(*budget.WaitError)) {
		return e.err.Error() // nothing was asked
	}
	text := "asking Okta for " + printable(e.Path, 200) + ": " + e.Reason()
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// Reason is Okta's answer, or why there was none: the error without its path, request id and advice.
func (e *Error) Reason() string {
	reason := e.Code
	if e.Status != 0 {
		reason = fmt.Sprintf("%d %s %s", e.Status, http.StatusText(e.Status), e.Code)
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

// answerError makes an Error of an answer that is not 200. body is at most its first few kilobytes.
func (o *Org) answerError(q query, path string, resp *http.Response, body []byte) *Error {
	status := resp.StatusCode
	e := &Error{Status: status, date: dateOf(resp.Header), Path: path, RequestID: o.sanitize(resp.Header.Get("X-Okta-Request-Id"), 64)}
	// HTML bodies and empty codes occur. They are left out.
	var answer struct {
		Code        string `json:"errorCode"`
		Summary     string `json:"errorSummary"`
		OAuthCode   string `json:"error"`
		OAuthReason string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) == nil {
		e.Code = o.sanitize(answer.Code+answer.OAuthCode, 40)
		e.Summary = o.sanitize(answer.Summary+answer.OAuthReason, 200)
	}
	c := q.collection
	switch {
	case status == http.StatusTooManyRequests:
		e.Class = RateLimited
	case status == http.StatusBadRequest && q.stored:
		e.Class = CursorRefused
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && e.Code == "E0000015":
		e.Class = Person
		e.Advice = "the feature is not enabled in this org: leave " + c.Name + " out of OKTA_SERVICES or have it enabled"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Class = Person
		e.Advice = o.cfg.Authorizer.Advice(status, c.Scopes)
	case status == http.StatusNotFound && e.Code == "E0000007" && c.perObject():
		e.Class = gone
	case status >= 300 && status < 400:
		e.Class = Person
		e.Advice = "redirects are not followed: check OKTA_URL"
	case status == http.StatusInternalServerError && (e.Code == "E0000009" || c.TimesOut):
		e.Class = tooMuch
	case status == http.StatusRequestTimeout, status >= 500, status < 300:
		e.Class = Passing
	default:
		e.Class = Person
		e.Advice = "check OKTA_URL and the token's permissions"
	}
	return e
}

// printable bounds a text from outside in bytes, and replaces what a terminal would not show as text on one line.
func printable(s string, maxBytes int) string {
	s = s[:min(len(s), maxBytes)]
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
