package oktasim_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// times are what the headers of an answer say: its Date, and how much later the window ends.
func times(t *testing.T, w *httptest.ResponseRecorder) (date time.Time, left time.Duration) {
	t.Helper()
	date, err := http.ParseTime(w.Header().Get("Date"))
	require.NoError(t, err)
	reset, err := strconv.ParseInt(w.Header().Get("X-Rate-Limit-Reset"), 10, 64)
	require.NoError(t, err)
	return date, time.Unix(reset, 0).Sub(date)
}

func TestASkewedClockShowsInHeadersOnly(t *testing.T) {
	org, _ := newOrg(t, nil)
	const page = "http://acme.test/api/v1/users?limit=3"
	straight := get(t, org, page)
	date, left := times(t, straight)
	for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		org.SetSkew(skew)
		skewed := get(t, org, page)
		skewedDate, skewedLeft := times(t, skewed)
		require.Equal(t, date.Add(skew), skewedDate)
		require.Equal(t, left, skewedLeft, "the window is that of the clock that is shown")
		require.Equal(t, straight.Body.String(), skewed.Body.String())
	}
}

func TestBothKindsOf429(t *testing.T) {
	used := spoilt(t, oktasim.UsedUp(7*time.Second))
	require.Equal(t, http.StatusTooManyRequests, used.Code)
	require.Equal(t, "E0000047", errorCode(t, used.Body.Bytes()))
	require.NotEqual(t, "0", used.Header().Get("X-Rate-Limit-Limit"))
	require.Equal(t, "0", used.Header().Get("X-Rate-Limit-Remaining"))
	_, left := times(t, used)
	require.Equal(t, 7*time.Second, left)

	crowded := spoilt(t, oktasim.TooManyAtOnce())
	require.Equal(t, http.StatusTooManyRequests, crowded.Code)
	require.Equal(t, "0", crowded.Header().Get("X-Rate-Limit-Limit"))
	require.Equal(t, "0", crowded.Header().Get("X-Rate-Limit-Remaining"))
}
