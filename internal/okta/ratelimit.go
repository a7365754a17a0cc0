package okta

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
	// maxWait bounds what an odd header can make the collector wait.
	maxWait = 15 * time.Minute
	// unknownLimit is assumed where Okta does not say: the smallest that it publishes, for
	// /api/v1/logs of a free org, in requests a minute.
	unknownLimit = 20
)

// rateLimit is what an answer says about its bucket.
type rateLimit struct {
	// known says that Limit and Remaining were there.
	known            bool
	limit, remaining int
	// reset is when the window ends in seconds of Okta's clock, 0 if unknown; left how long
	// that is from the answer, margin included.
	reset int64
	left  time.Duration
}

// readRateLimit reads the headers of an answer. The time left is the difference of two
// times of Okta's clock, Reset and Date, so the worker's own clock does not matter.
func readRateLimit(h http.Header) rateLimit {
	rl := rateLimit{left: windowLength + margin}
	limit, okLimit := smallest(h.Values("X-Rate-Limit-Limit"))
	remaining, okRemaining := smallest(h.Values("X-Rate-Limit-Remaining"))
	if okLimit && okRemaining {
		rl.known, rl.limit, rl.remaining = true, int(limit), int(remaining)
	}
	reset, okReset := largest(h.Values("X-Rate-Limit-Reset"))
	date, err := http.ParseTime(h.Get("Date"))
	if okReset && err == nil {
		// Compared in seconds: a Duration could overflow.
		left := min(max(reset-date.Unix(), 0), int64(maxWait/time.Second))
		rl.reset = min(reset, date.Unix()+left)
		rl.left = time.Duration(left)*time.Second + margin
	}
	return rl
}

// concurrency says that a 429 with these headers is about too many requests at once: its
// limit is 0, and its reset only a guess of Okta's.
func (rl rateLimit) concurrency() bool { return rl.known && rl.limit == 0 }

// concurrencyWait is a short pause that keeps colliding workers apart.
func concurrencyWait() time.Duration {
	return time.Second + rand.N(3*time.Second)
}

// Duplicate headers occur, folded or not: the most careful reading counts.
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
