package okta

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Class says what kind of failure an [Error] is: what may be done about it.
type Class int

const (
	// Passing may go away by itself: the network, 5xx, an answer that is cut short or no JSON.
	Passing Class = iota
	// Person stays until somebody changes something at Okta or in the settings.
	Person
	// CursorRefused is a 400 on a cursor that Okta gave itself.
	CursorRefused
	// RateLimited has to wait until a rate-limit window ends.
	RateLimited
	// Yields is a backfill's request that was not sent: live collection goes first. It has to wait too.
	Yields
	// gone is a 404 for an object that was deleted meanwhile.
	gone
	// tooMuch asks for a smaller page: the list timed out, or the page is too large.
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

	// Path is what was asked for: a path without its query or, where nothing was asked, a rate-limit window.
	Path string
	// Advice says what to do; empty where nobody has to do anything.
	Advice string

	date time.Time // of the answer
	err  error
}

func (e *Error) Error() string {
	var b strings.Builder
	what := "asking Okta for"
	if e.Status == 0 && (e.Class == RateLimited || e.Class == Yields) {
		what = "budget of" // nothing was asked
	}
	fmt.Fprintf(&b, "%s %s:", what, printable(e.Path, 200))
	if e.Status != 0 {
		fmt.Fprintf(&b, " %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " %s", e.Code)
	}
	if e.Summary != "" {
		fmt.Fprintf(&b, " (%s)", e.Summary)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	if e.err != nil {
		fmt.Fprintf(&b, " %s", e.err)
	}
	if e.Advice != "" {
		fmt.Fprintf(&b, "; %s", e.Advice)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.err }

// answerError makes an Error of an answer that is not 200. stored says that the request's
// cursor was one that Okta gave; body is at most the first few kilobytes.
func answerError(svc Service, path string, resp *http.Response, body []byte, stored bool, token string) *Error {
	status := resp.StatusCode
	e := &Error{Status: status, date: dateOf(resp.Header), Path: path, RequestID: outside(resp.Header.Get("X-Okta-Request-Id"), 64, token)}
	// HTML bodies and empty codes occur: what cannot be read is left out.
	var answer struct {
		Code        string `json:"errorCode"`
		Summary     string `json:"errorSummary"`
		OAuthCode   string `json:"error"`
		OAuthReason string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) == nil {
		e.Code = outside(answer.Code+answer.OAuthCode, 40, token)
		e.Summary = outside(answer.Summary+answer.OAuthReason, 200, token)
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.Class = RateLimited
	case status == http.StatusBadRequest && stored:
		e.Class = CursorRefused
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && e.Code == "E0000015":
		e.Class = Person
		e.Advice = "the feature is not enabled in this org: leave " + svc.Name + " out of OKTA_SERVICES or have it enabled"
	case status == http.StatusUnauthorized:
		e.Class = Person
		e.Advice = "the API token is invalid, expired after 30 idle days, or its creator was deactivated: make a new one and put it where OKTA_API_TOKEN or OKTA_API_TOKEN_FILE says"
	case status == http.StatusForbidden:
		e.Class = Person
		e.Advice = "the token's administrator lacks the permission " + svc.Scope
	case status == http.StatusNotFound && e.Code == "E0000007" && svc.Parent != "":
		e.Class = gone
	case status >= 300 && status < 400:
		e.Class = Person
		e.Advice = "redirects are not followed: check OKTA_URL"
	case status == http.StatusInternalServerError && (e.Code == "E0000009" || svc.SlowList):
		e.Class = tooMuch
	case status == http.StatusRequestTimeout, status >= 500, status < 300:
		e.Class = Passing
	default:
		e.Class = Person
		e.Advice = "check OKTA_URL and the token's permissions"
	}
	return e
}

// outside makes a text from outside fit for an error. It may repeat the request: the token in it
// is replaced.
func outside(s string, limit int, token string) string {
	return printable(strings.ReplaceAll(s, token, "[redacted]"), limit)
}

// printable bounds a text from outside in bytes and keeps it on one line: whoever reads it at a terminal
// sees a text and nothing else.
func printable(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
