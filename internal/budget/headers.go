package budget

import (
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
	// jitter is how many seconds Okta's servers may differ in what they say of the end of one window.
	jitter = 3
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
	limit, remaining := number(h.Values("X-Rate-Limit-Limit"), false), number(h.Values("X-Rate-Limit-Remaining"), false)
	if limit >= 0 && remaining >= 0 {
		l.Known, l.Limit, l.Remaining = true, int(limit), int(remaining)
	}
	reset := number(h.Values("X-Rate-Limit-Reset"), true)
	if date, err := http.ParseTime(h.Get("Date")); err == nil && reset >= 0 {
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

// number reads a header of numbers between 0 and 2^40; -1 if there is none. It may occur twice, folded or not: the more
// careful reading counts, which is the smallest number or the largest.
func number(values []string, largest bool) int64 {
	n := int64(-1)
	for text := range strings.SplitSeq(strings.Join(values, ","), ",") {
		v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err == nil && v >= 0 && v < 1<<40 && (n < 0 || (v > n) == largest) {
			n = v
		}
	}
	return n
}
