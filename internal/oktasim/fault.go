package oktasim

import (
	"net/http"
	"time"
)

// Answer is what a request is about to be answered with. A [Fault] spoils it.
type Answer struct {
	Status int
	Header http.Header
	// Body is valid until the answer is sent.
	Body []byte
	// Delay is waited out first, while the request counts as being served. It ends early when the client goes away.
	Delay time.Duration
	// Cut closes the connection after the first Keep bytes of the body; with none, nothing at all is sent.
	Cut  bool
	Keep int
	// Midway, if set, is called when the first half of what is sent of the body is on its way, before the rest; see [Midway].
	Midway func()
}

// Fault is something that goes wrong with one answer.
type Fault func(*Answer)

// All combines faults.
func All(faults ...Fault) Fault {
	return func(a *Answer) {
		for _, f := range faults {
			f(a)
		}
	}
}

// Refuse answers with an error as Okta words them: Refuse(403, "E0000006").
func Refuse(status int, code string) Fault {
	return refusal{status: status, code: code, summary: http.StatusText(status)}.fault()
}

// Page answers with the status and HTML, as a proxy or a maintenance page does.
func Page(status int) Fault {
	return func(a *Answer) {
		a.Header.Del("Link")
		a.Header.Set("Content-Type", "text/html;charset=utf-8")
		a.Status, a.Body = status, []byte("<!DOCTYPE html><html><head><title>Okta</title></head><body>We are working on it.</body></html>")
	}
}

// OnTheWay is [Page] from something between Okta and its client, so that nothing of Okta's is in the headers.
func OnTheWay(status int) Fault {
	return All(Page(status), NoLimits(), func(a *Answer) { a.Header.Del("X-Okta-Request-Id") })
}

// Redirect answers with 302 to an address.
func Redirect(to string) Fault {
	return func(a *Answer) {
		a.Header.Del("Link")
		a.Header.Set("Location", to)
		a.Status, a.Body = http.StatusFound, nil
	}
}

// NotArray answers with an object in place of the array.
func NotArray() Fault { return func(a *Answer) { a.Body = []byte(`{"objects":[]}`) } }

// Truncate leaves out the second half of the body in an answer that is otherwise whole.
func Truncate() Fault { return func(a *Answer) { a.Body = a.Body[:len(a.Body)/2] } }

// HangUp closes the connection without an answer.
func HangUp() Fault { return func(a *Answer) { a.Cut, a.Keep = true, 0 } }

// CutShort closes the connection after half of the body.
func CutShort() Fault { return func(a *Answer) { a.Cut, a.Keep = true, len(a.Body)/2 } }

// CutAfter closes the connection after so many bytes of the body, and never sends all of it.
func CutAfter(n int) Fault {
	return func(a *Answer) { a.Cut, a.Keep = true, max(min(n, len(a.Body)-1), 1) }
}

// Delay answers so much later.
func Delay(d time.Duration) Fault { return func(a *Answer) { a.Delay = d } }

// NoLimits leaves the rate-limit headers out.
func NoLimits() Fault {
	return func(a *Answer) {
		for _, name := range []string{headerLimit, headerRemaining, headerReset} {
			a.Header.Del(name)
		}
	}
}

// TwoResets repeats the header that says when the window ends, first with an earlier time.
func TwoResets(earlier string) Fault {
	return func(a *Answer) {
		a.Header[http.CanonicalHeaderKey(headerReset)] = []string{earlier, a.Header.Get(headerReset)}
	}
}
