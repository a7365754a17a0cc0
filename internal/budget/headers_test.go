package budget_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

func TestRateLimitHeaders(t *testing.T) {
	const date = "Sun, 22 Nov 2026 06:00:00 GMT"
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC).Unix()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	reset := func(in int64) string { return strconv.FormatInt(at+in, 10) }
	for name, test := range map[string]struct {
		h    http.Header
		want budget.Limits
	}{
		"all":              {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(30)), budget.Limits{true, 50, 49, at + 30, 31 * time.Second}},
		"two resets":       {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(30), "X-Rate-Limit-Reset", reset(40)), budget.Limits{true, 50, 49, at + 40, 41 * time.Second}},
		"folded duplicate": {header("Date", date, "X-Rate-Limit-Limit", "50, 60", "X-Rate-Limit-Remaining", "49, 3", "X-Rate-Limit-Reset", reset(30)), budget.Limits{true, 50, 3, at + 30, 31 * time.Second}},
		"none":             {header("Date", date), budget.Limits{Left: 61 * time.Second}},
		"no date":          {header("X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(30)), budget.Limits{true, 50, 49, 0, 61 * time.Second}},
		"reset is past":    {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", reset(-30)), budget.Limits{true, 50, 49, at - 30, time.Second}},
		"reset far away":   {header("Date", date, "X-Rate-Limit-Limit", "50", "X-Rate-Limit-Remaining", "49", "X-Rate-Limit-Reset", "1000000000000"), budget.Limits{true, 50, 49, at + 900, 15*time.Minute + time.Second}},
		"no numbers":       {header("Date", date, "X-Rate-Limit-Limit", "many", "X-Rate-Limit-Remaining", "-1", "X-Rate-Limit-Reset", "99999999999999999999"), budget.Limits{Left: 61 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, budget.ReadLimits(test.h, time.Unix(at, 0)))
		})
	}
}

// FuzzRateLimit: whatever two answers say, a wait is bounded, what is sent meanwhile too, and after the
// wait something may be sent again.
func FuzzRateLimit(f *testing.F) {
	const date = "Sun, 22 Nov 2026 06:00:00 GMT"
	f.Add("50", "49", "1795332420", "1795332421", date, "50, 60", "48", "1795332425", 200, 200)
	f.Add("0", "0", "1795332534", "", date, "50", "-1", "99999999999999999999", 429, 200)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, again, date, limit2, remaining2, reset2 string, status, status2 int) {
		now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
		m := budget.New(0.5, func() time.Time { return now }).Join(ledger.LiveList)
		limitNow := func() int { // 0 if nothing is known
			for _, w := range m.Windows(now) {
				return w.Limit
			}
			return 0
		}
		const longest = 15*time.Minute + time.Second
		most, sent := 1, 0
		for _, answer := range []struct {
			h      http.Header
			status int
		}{
			{http.Header{"X-Rate-Limit-Limit": {limit}, "X-Rate-Limit-Remaining": {remaining}, "X-Rate-Limit-Reset": {reset, again}, "Date": {date}}, status},
			{http.Header{"X-Rate-Limit-Limit": {limit2}, "X-Rate-Limit-Remaining": {remaining2}, "X-Rate-Limit-Reset": {reset2}, "Date": {date}}, status2},
		} {
			l := budget.ReadLimits(answer.h, now)
			require.Positive(t, l.Left)
			require.LessOrEqual(t, l.Left, longest)
			require.GreaterOrEqual(t, l.Limit, 0)
			require.GreaterOrEqual(t, l.Remaining, 0)

			ticket, err := m.Acquire(context.Background(), logs)
			if err != nil {
				break
			}
			sent++
			if answer.status == http.StatusTooManyRequests {
				wait := ticket.Refused(l)
				require.Positive(t, wait)
				require.LessOrEqual(t, wait, longest)
			} else {
				ticket.Answered(l)
			}
			most = max(most, limitNow())
		}
		// Nothing more is answered: half of the largest limit that was named is the end of it.
		var refused *budget.WaitError
		for ; sent < 300 && refused == nil; sent++ {
			ticket, err := m.Acquire(context.Background(), logs)
			if errors.As(err, &refused) {
				break
			}
			require.NoError(t, err)
			ticket.Lost()
		}
		if refused == nil {
			// Before an answer has named a limit nothing is charged; the pauses after failures bound it.
			require.True(t, most >= 300 || limitNow() == 0)
			return
		}
		require.LessOrEqual(t, sent, max(2, most), "both answers may have begun a window")
		require.Positive(t, refused.Wait)
		require.LessOrEqual(t, refused.Wait, longest)
		now = now.Add(refused.Wait)
		_, err := m.Acquire(context.Background(), logs)
		require.NoError(t, err, "it goes on after the wait")
	})
}

// TestADateFromTheFutureDoesNotKeepLaterAnswersFromBeingLearnt: the window of 2099 would be later than all that follow.
func TestADateFromTheFutureDoesNotKeepLaterAnswersFromBeingLearnt(t *testing.T) {
	const limit = "X-Rate-Limit-Limit"
	for name, from := range map[string]time.Duration{"an answer": 0, "a checkpoint": time.Minute} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
			m := budget.New(0.5, func() time.Time { return now }).Join(ledger.LiveList)
			answered := func(at time.Time, n string) {
				ticket, err := m.Acquire(context.Background(), logs)
				require.NoError(t, err)
				ticket.Answered(budget.ReadLimits(http.Header{
					limit: {n}, "X-Rate-Limit-Remaining": {n}, "X-Rate-Limit-Reset": {strconv.FormatInt(at.Unix()+60, 10)},
					"Date": {at.Format(http.TimeFormat)},
				}, now))
			}
			future := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
			if from == 0 {
				answered(future, "50")
				now = now.Add(62 * time.Second)
			} else {
				m.Restore([]checkpoint.Window{{Name: logs.Path, Limit: 50, Remaining: 40, Used: 10, Reset: future.Unix(), Ends: now.Add(from)}}, nil, now)
			}
			answered(now, "20")
			require.Equal(t, 20, m.Windows(now)[0].Limit)
		})
	}
}
