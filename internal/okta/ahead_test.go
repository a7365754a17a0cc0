package okta_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/memory"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/redact"
)

// inABubbleAhead reads an org's log with a reader that asks ahead for a minute. settled waits until no request is under way.
func inABubbleAhead(t *testing.T, events int, test func(t *testing.T, sim *oktasim.Org, r *okta.Reader, w *wire, settled func() int)) {
	inBubble(t, 0, func(c *oktasim.Config) { c.Counts = map[string]int{"logs": events} },
		func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
			r := orgs[0].Reader(service(t, "logs"), okta.Begin{Since: time.Now().Add(-90 * 24 * time.Hour)}, time.Now)
			defer r.Close()
			until := time.Now().Add(time.Minute)
			r.AskAhead(func() bool { return time.Now().Before(until) })
			test(t, sim, r, w, func() int {
				synctest.Wait()
				return len(w.requests("/"))
			})
		})
}

// page reads the page at a position, and how many requests there were when no more was under way.
func page(t *testing.T, r *okta.Reader, from checkpoint.Position, settled func() int) (p *okta.Page, requests int) {
	t.Helper()
	p, err := r.Next(t.Context(), from)
	require.NoError(t, err)
	t.Cleanup(p.Release)
	return p, settled()
}

// third reads three pages. It returns the last one, and how many requests there were.
func third(t *testing.T, r *okta.Reader, settled func() int) (p *okta.Page, requests int) {
	t.Helper()
	p = &okta.Page{}
	for range 3 {
		p, requests = page(t, r, p.Position, settled)
	}
	return p, requests
}

// afterTwo reads two pages, and returns the position after them.
func afterTwo(ctx context.Context, t *testing.T, r *okta.Reader) (pos checkpoint.Position) {
	t.Helper()
	for range 2 {
		p, err := r.Next(ctx, pos)
		require.NoError(t, err)
		pos = p.Position
		p.Release()
	}
	return pos
}

func TestThePageAfterTwoFullOnesIsAskedForBeforeItIsNeeded(t *testing.T) {
	inABubbleAhead(t, 2950, func(t *testing.T, sim *oktasim.Org, r *okta.Reader, _ *wire, settled func() int) {
		first, requests := page(t, r, checkpoint.Position{}, settled)
		require.Equal(t, 1, requests, "one page tells nothing of the next one")
		require.False(t, first.Asked)
		second, requests := page(t, r, first.Position, settled)
		require.Equal(t, 3, requests)
		require.True(t, second.Asked)
		third, requests := page(t, r, second.Position, settled)
		require.Equal(t, 4, requests, "the third page was there already, and looks full")
		require.Len(t, third.Objects, 950)
		require.False(t, third.CaughtUp, "the answer to what was asked for ahead may have more")
		fourth, requests := page(t, r, third.Position, settled)
		require.Equal(t, 4, requests)
		require.True(t, fourth.CaughtUp)
		require.Empty(t, fourth.Objects)

		var got []string
		for _, p := range []*okta.Page{first, second, third} {
			for _, o := range p.Objects {
				got = append(got, string(o))
			}
		}
		same(t, everything(sim, "logs"), got)
	})
}

func TestAPageThatLooksLikeTheLastOneIsNotFollowedByARequestAhead(t *testing.T) {
	inABubbleAhead(t, 2800, func(t *testing.T, _ *oktasim.Org, r *okta.Reader, _ *wire, settled func() int) {
		p, requests := third(t, r, settled)
		require.Equal(t, 3, requests)
		require.True(t, p.CaughtUp)
		require.False(t, p.Asked)
	})
}

func TestARequestAheadThatIsNotNeededEndsWithItsReader(t *testing.T) {
	bound := memory.New(memory.Most)
	underWay := make(chan struct{})
	sim, c := newSim(t, nil)
	inProcess := &wire{t: t, handler: sim}
	asked := 0
	org := orgWithin(t, bound, func(r *http.Request) (*http.Response, error) {
		if asked++; asked < 3 {
			return inProcess.RoundTrip(r)
		}
		close(underWay)
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	r := org.Reader(service(t, "logs"), allHistory, c.Now)
	r.AskAhead(func() bool { return true })
	afterTwo(t.Context(), t, r)
	<-underWay
	r.Close()
	metrics := prometheus.NewRegistry()
	require.NoError(t, metrics.Register(bound))
	families, err := metrics.Gather()
	require.NoError(t, err)
	held := -1.
	for _, f := range families {
		if f.GetName() == "okta_collector_page_memory_bytes" {
			held = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Zero(t, held)
	require.EqualValues(t, 3, r.Requests(), "Okta may have counted it")
}

func TestNoPageIsAskedForAheadAfterItsTime(t *testing.T) {
	inABubbleAhead(t, 6000, func(t *testing.T, _ *oktasim.Org, r *okta.Reader, _ *wire, settled func() int) {
		p, requests := third(t, r, settled)
		require.Equal(t, 4, requests)
		require.True(t, p.Asked)
		time.Sleep(time.Minute)
		next, requests := page(t, r, p.Position, settled)
		require.Equal(t, 4, requests)
		require.False(t, next.Asked, "so the reader may be closed, and no request was in vain")
	})
}

// refusing refuses the nth request.
type refusing struct {
	http.Handler
	nth, asked int
	with       func(http.ResponseWriter)
}

func (h *refusing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.asked++; h.asked == h.nth {
		h.with(w)
		return
	}
	h.Handler.ServeHTTP(w, r)
}

// TestARequestAheadThatFailsIsAnErrorOfItsOwnPage also goes on after it.
func TestARequestAheadThatFailsIsAnErrorOfItsOwnPage(t *testing.T) {
	inABubbleAhead(t, 4500, func(t *testing.T, sim *oktasim.Org, r *okta.Reader, w *wire, settled func() int) {
		w.handler = &refusing{Handler: sim, nth: 3, with: func(w http.ResponseWriter) { http.Error(w, "{}", http.StatusBadGateway) }}
		first, _ := page(t, r, checkpoint.Position{}, settled)
		second, requests := page(t, r, first.Position, settled)
		require.Equal(t, 3, requests)
		_, err := r.Next(t.Context(), second.Position)
		require.Error(t, err)
		require.Equal(t, 3, settled(), "nothing is asked for anew")
		third, requests := page(t, r, second.Position, settled)
		require.Equal(t, 4, requests)
		require.Len(t, third.Objects, 1000)
	})
}

// TestARequestThatHadToWaitIsMadeAnew: the page before it took long to deliver, and the wait is over.
func TestARequestAheadThatHadToWaitIsMadeAnew(t *testing.T) {
	limited := func(c *oktasim.Config) {
		c.Unlimited, c.Limits = false, map[string]int{"/api/v1/logs": 4}
		c.Counts = map[string]int{"logs": 6000}
	}
	inBubble(t, 0, limited, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
		r := orgs[0].Reader(service(t, "logs"), okta.Begin{Since: time.Now().Add(-90 * 24 * time.Hour)}, time.Now)
		defer r.Close()
		r.AskAhead(func() bool { return true })
		pos := afterTwo(t.Context(), t, r)
		synctest.Wait()
		require.Len(t, w.requests("/"), 2, "the share is two of four")
		time.Sleep(time.Minute + 5*time.Second)
		third, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		defer third.Release()
		require.Len(t, third.Objects, 1000)
	})
}

// TestARefusalAheadWaitsUntilTheReset though the page before it took long to deliver.
func TestARefusalAheadWaitsUntilTheReset(t *testing.T) {
	inABubbleAhead(t, 6000, func(t *testing.T, sim *oktasim.Org, r *okta.Reader, w *wire, settled func() int) {
		reset := time.Now().Add(40 * time.Second)
		w.handler = &refusing{Handler: sim, nth: 3, with: func(w http.ResponseWriter) {
			w.Header().Set("X-Rate-Limit-Remaining", "0")
			w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(reset.Unix(), 10))
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			http.Error(w, "{}", http.StatusTooManyRequests)
		}}
		first, _ := page(t, r, checkpoint.Position{}, settled)
		second, requests := page(t, r, first.Position, settled)
		require.Equal(t, 3, requests)
		time.Sleep(30 * time.Second)
		e := refused(t, r, second.Position)
		require.Equal(t, okta.RateLimited, e.Class)
		require.WithinDuration(t, reset, time.Now().Add(e.Wait), 3*time.Second)
		require.Equal(t, 3, settled())
	})
}

// TestWhereMemoryIsNeededToRedactNothingIsAskedForAhead: pages that are ahead would hold the memory that others wait for.
func TestWhereMemoryIsNeededToRedactNothingIsAskedForAhead(t *testing.T) {
	sim, c := newSim(t, func(cfg *oktasim.Config) { cfg.Counts = map[string]int{"logs": 6000} })
	w := &wire{t: t, handler: sim}
	cfg := settings()
	cfg.Transport = w
	cfg.Redact = map[string][]redact.Rule{"logs": {{Path: "client.ipAddress"}}}
	org, err := okta.New(cfg)
	require.NoError(t, err)
	r := org.Reader(service(t, "logs"), allHistory, c.Now)
	defer r.Close()
	r.AskAhead(func() bool { return true })
	pos := checkpoint.Position{}
	for range 4 {
		p, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		require.False(t, p.Asked)
		pos = p.Position
		p.Release()
	}
	require.EqualValues(t, 4, r.Requests())
}

func TestAPositionElsewhereGivesUpWhatWasAskedForAhead(t *testing.T) {
	inABubbleAhead(t, 6000, func(t *testing.T, _ *oktasim.Org, r *okta.Reader, _ *wire, settled func() int) {
		first, _ := page(t, r, checkpoint.Position{}, settled)
		second, requests := page(t, r, first.Position, settled)
		require.Equal(t, 3, requests)
		again, requests := page(t, r, first.Position, settled)
		require.Equal(t, 5, requests, "the second page, and the third one ahead")
		require.Equal(t, len(second.Objects), len(again.Objects))
		for i := range again.Objects {
			require.Equal(t, string(second.Objects[i]), string(again.Objects[i]))
		}
	})
}

func TestAReaderThatIsStoppedReturnsTheCauseThoughAPageWasAskedForAhead(t *testing.T) {
	inABubbleAhead(t, 6000, func(t *testing.T, sim *oktasim.Org, r *okta.Reader, w *wire, _ func() int) {
		ctx, stop := context.WithCancelCause(t.Context())
		w.handler = &refusing{Handler: sim, nth: 3, with: func(http.ResponseWriter) { stop(errStop) }}
		pos := afterTwo(ctx, t, r)
		_, err := r.Next(ctx, pos)
		require.ErrorIs(t, err, errStop)
	})
}
