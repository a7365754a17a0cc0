package budget

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

const (
	// maxWait bounds the wait that a wrong header can cause.
	maxWait = 15 * time.Minute
	// unknownLimit is assumed if no answer names a limit, in requests a minute. It is the smallest limit that Okta
	// publishes: that of /api/v1/logs in a free org.
	unknownLimit = 20
)

// Limits are the rate-limit headers of an answer.
type Limits struct {
	// Known: the answer has Limit and Remaining.
	Known            bool
	Limit, Remaining int
	// Reset is the end of the window in Unix seconds by Okta's clock, or Temporal's where Okta's is not believed; 0 if
	// unknown.
	Reset int64
	// Left is the time from the answer to the end of the window, with margin.
	Left time.Duration
}

// ReadLimits reads the headers of an answer. Left is Reset − Date, so only Okta's clock matters. If that is far from now,
// the present by Temporal's clock, Reset is by Temporal's: a window from the future would make all later answers late ones.
func ReadLimits(h http.Header, now time.Time) Limits {
	l := Limits{Left: ledger.WindowLength + ledger.Margin}
	limit, remaining := number(h.Values("X-Rate-Limit-Limit"), false), number(h.Values("X-Rate-Limit-Remaining"), false)
	if limit >= 0 && remaining >= 0 {
		l.Known, l.Limit, l.Remaining = true, int(limit), int(remaining)
	}
	reset := number(h.Values("X-Rate-Limit-Reset"), true)
	if date, err := http.ParseTime(h.Get("Date")); err == nil && reset >= 0 {
		// Compared in seconds: a Duration could overflow.
		left := min(max(reset-date.Unix(), 0), int64(maxWait/time.Second))
		l.Reset = min(reset, date.Unix()+left)
		if !checkpoint.Believed(date, now) {
			l.Reset = now.Unix() + left
		}
		l.Left = time.Duration(left)*time.Second + ledger.Margin
	}
	return l
}

// Concurrency reports whether a 429 with these limits means too many requests at once. Its limit is 0, and its reset is
// only Okta's suggestion.
func (l Limits) Concurrency() bool { return l.Known && l.Limit == 0 }

// number reads a header whose value is at least 0 and below 2^40; -1 if there is none. A proxy may repeat or fold the
// header. Then the largest or the smallest value counts: the caller names the safer one.
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
