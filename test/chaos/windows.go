package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/oktasim"
)

const (
	// share is the part of each window that the workers may use together: OKTA_RATE_SHARE.
	share = 0.5
	// windowLength is that of Okta's windows.
	windowLength = time.Minute
)

// sharers are those that share the windows of an endpoint. Of any other one there is one.
var sharers = map[string]int{"/api/v1/apps": 3, "/api/v1/logs": 2}

// steadyClock says of an endpoint whether Okta's clock never jumps there. A jump begins windows that are nobody's, so that
// they could not be judged.
func steadyClock(path string) bool { return strings.HasPrefix(path, "/api/v1/apps") }

// span is a time in which something was wrong.
type span struct{ from, to time.Time }

func (s span) meets(w oktasim.Window) bool {
	return s.from.Before(w.Start.Add(windowLength)) && s.to.After(w.Start)
}

// wrongs are the times in which windows are judged with allowance, or not at all.
type wrongs struct {
	mu sync.Mutex
	// late are those in which a request may have reached Okta a window after it was sent: a road held it up, or its worker
	// was suspended. jumps are those in which Okta's clock was wrong, or its windows were not those that the clock had named.
	late, jumps []span
}

// heldUp counts a fault that may hold requests up, from its beginning until now.
func (w *wrongs) heldUp(from time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, span{from, time.Now().Add(windowLength)})
}

// jumped counts a jump of the clock from its beginning until now. For as long as the clock was ahead, the windows
// that it named are later than those that come.
func (w *wrongs) jumped(from time.Time, ahead time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jumps = append(w.jumps, span{from, time.Now().Add(ahead.Abs() + 2*windowLength)})
}

// windows are how many windows of an endpoint there were.
type windows struct {
	all, judged int
	// most is how many requests the fullest of those judged had, and allowed the share of each.
	most, allowed int
}

// judge requires of each window that the workers together kept to their share of it, and that Okta refused nothing for it.
// A 429 that a fault makes up is none of a window. Each sharer has one request under way, which may come late.
func (w *wrongs) judge(all []oktasim.Window) (of map[string]windows, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	meets := func(spans []span, window oktasim.Window) bool {
		for _, s := range spans {
			if s.meets(window) {
				return true
			}
		}
		return false
	}
	of = map[string]windows{}
	var errs []error
	for _, window := range all {
		sum := of[window.Bucket]
		sum.all++
		sum.allowed = int(share * float64(window.Limit))
		if steadyClock(window.Bucket) || !meets(w.jumps, window) {
			allowed := sum.allowed
			if meets(w.late, window) {
				allowed += max(sharers[window.Bucket], 1)
			}
			sum.judged++
			sum.most = max(sum.most, window.Admitted)
			if window.Admitted > allowed || window.Refused > 0 {
				errs = append(errs, fmt.Errorf("the window of %s at %s had %d requests of %d, and %d were refused; the share is %d",
					window.Bucket, window.Start.UTC().Format(stamp), window.Admitted, window.Limit, window.Refused, sum.allowed))
			}
		}
		of[window.Bucket] = sum
	}
	return of, errors.Join(errs...)
}

// shown is a clock that is so far ahead in what Okta says of the time.
func shown(ahead time.Duration) oktasim.Fault {
	return func(a *oktasim.Answer) {
		if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
			a.Header.Set("Date", date.Add(ahead).UTC().Format(http.TimeFormat))
		}
		const reset = "X-Rate-Limit-Reset"
		if at, err := strconv.ParseInt(a.Header.Get(reset), 10, 64); err == nil {
			a.Header.Set(reset, strconv.FormatInt(at+int64(ahead/time.Second), 10))
		}
	}
}

// windowsTable shows the windows that were judged.
func windowsTable(of map[string]windows) string {
	t := newTable("windows of", "all", "judged", "most requests", "the share")
	for _, bucket := range oktasim.Buckets() {
		if w := of[bucket]; w.all > 0 {
			t.AppendRow([]any{bucket, w.all, w.judged, humanize.Comma(int64(w.most)), humanize.Comma(int64(w.allowed))})
		}
	}
	return t.Render()
}
