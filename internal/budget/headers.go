package budget

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// windowLength is the length of Okta's rate-limit windows.
	windowLength = time.Minute
	// margin is added to every wait for a reset: Reset and Date are whole seconds.
	margin = time.Second
	// maxWait bounds the wait that an odd header can cause.
	maxWait = 15 * time.Minute
	// unknownLimit is assumed if no answer names a limit, in requests a minute: the smallest limit that Okta publishes,
	// that of /api/v1/logs in a free org.
	unknownLimit = 20
)

// Limits are what an answer says about its window.
type Limits struct {
	// Known: the answer has Limit and Remaining.
	Known            bool
	Limit, Remaining int
	// Reset is when the window ends in seconds of Okta's clock, 0 if unknown.
	Reset int64
	// Left is how long to wait after the answer for the end of the window, a margin included.
	Left time.Duration
}

// ReadLimits reads the headers of an answer. Left is the difference of two times of Okta's clock, Reset and Date, so the
// worker's own clock does not matter.
func ReadLimits(h http.Header) Limits {
	l := Limits{Left: windowLength + margin}
	limit, okLimit := smallest(h.Values("X-Rate-Limit-Limit"))
	remaining, okRemaining := smallest(h.Values("X-Rate-Limit-Remaining"))
	if okLimit && okRemaining {
		l.Known, l.Limit, l.Remaining = true, int(limit), int(remaining)
	}
	reset, okReset := largest(h.Values("X-Rate-Limit-Reset"))
	date, err := http.ParseTime(h.Get("Date"))
	if okReset && err == nil {
		// Compared in seconds: a Duration could overflow.
		left := min(max(reset-date.Unix(), 0), int64(maxWait/time.Second))
		l.Reset = min(reset, date.Unix()+left)
		l.Left = time.Duration(left)*time.Second + margin
	}
	return l
}

// Concurrency says that a 429 with these limits is about too many requests at once. Its limit is 0, and its reset only
// a suggestion of Okta's.
func (l Limits) Concurrency() bool { return l.Known && l.Limit == 0 }

// concurrencyWait returns a short pause that keeps colliding workers apart.
func concurrencyWait() time.Duration {
	return time.Second + rand.N(3*time.Second)
}

// Headers may occur twice, folded or not: the more careful reading counts, the smallest or the largest number.
func smallest(values []string) (n int64, ok bool) {
	for v := range numbers(values) {
		if !ok || v < n {
			n, ok = v, true
		}
	}
	return n, ok
}

func largest(values []string) (n int64, ok bool) {
	for v := range numbers(values) {
		if !ok || v > n {
			n, ok = v, true
		}
	}
	return n, ok
}

// numbers yields the numbers between 0 and 2^40 in the values.
func numbers(values []string) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for _, value := range values {
			for _, part := range strings.Split(value, ",") {
				n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
				if err == nil && n >= 0 && n < 1<<40 && !yield(n) {
					return
				}
			}
		}
	}
}
