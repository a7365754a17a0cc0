package oktasim

import (
	"net/http"
	"strconv"
	"time"
)

// UsedUp answers 429 because others have used up the bucket's window, which ends so much later by the
// org's clock.
func UsedUp(left time.Duration) Fault {
	return All(Refuse(http.StatusTooManyRequests, overLimit.code), func(a *Answer) {
		a.Header.Set(headerRemaining, "0")
		a.Header.Set(headerReset, resetAfter(a, left))
	})
}

// TooManyAtOnce answers 429 because too many requests are being served: the limit is then 0, and the reset a
// guess.
func TooManyAtOnce() Fault {
	return All(Refuse(http.StatusTooManyRequests, overLimit.code), func(a *Answer) {
		a.Header.Set(headerLimit, "0")
		a.Header.Set(headerRemaining, "0")
		a.Header.Set(headerReset, resetAfter(a, concurrencyReset))
	})
}

// resetAfter renders a reset by the clock of the answer's Date.
func resetAfter(a *Answer, left time.Duration) string {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		panic(err) // our own
	}
	return strconv.FormatInt(date.Add(left).Unix(), 10)
}
