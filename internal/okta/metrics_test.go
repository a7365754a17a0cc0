package okta_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// samples are the values of the counters and gauges of one window, by name and reason or status.
func samples(t *testing.T, registry *prometheus.Registry, window string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			name, ours := family.GetName(), false
			for _, label := range m.Label {
				switch {
				case label.GetName() == "window":
					ours = label.GetValue() == window
				case label.GetName() != "tenant":
					name += " " + label.GetValue()
				}
			}
			if ours {
				all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return all
}

// metered returns an org whose metrics a registry has, and the wire that it asks over.
func metered(t *testing.T) (*okta.Org, *wire, *prometheus.Registry) {
	registry := prometheus.NewPedanticRegistry()
	w := &wire{t: t}
	cfg := settings()
	cfg.Transport, cfg.Metrics = w, okta.NewMetrics(registry)
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return org, w, registry
}

func TestMetricsTellTheBudgetAndItsWindow(t *testing.T) {
	org, w, registry := metered(t)
	const prefix = "okta_collector_okta_"
	quiet := map[string]float64{prefix + "budget_waits_total": 0, prefix + "rate_limited_total window": 0, prefix + "rate_limited_total concurrency": 0}
	require.Equal(t, quiet, samples(t, registry, "/api/v1/apps"), "what is rare begins at 0")

	synctest.Test(t, func(t *testing.T) {
		var crowded atomic.Bool
		sim, _ := newSim(t, func(c *oktasim.Config) {
			c.Now, c.Epoch, c.Unlimited = time.Now, time.Now(), false
			c.Limits = map[string]int{"/api/v1/apps": 4}
			c.Faults = func(*http.Request, int) oktasim.Fault {
				if !crowded.Load() {
					return nil
				}
				return oktasim.All(oktasim.Refuse(http.StatusTooManyRequests, "E0000047"), func(a *oktasim.Answer) {
					a.Header.Set("X-Rate-Limit-Limit", "0")
					a.Header.Set("X-Rate-Limit-Remaining", "0")
				})
			}
		})
		w.handler = sim
		svc, _ := okta.Lookup("apps")
		r := org.Reader(svc, okta.Begin{}, time.Now)
		var at checkpoint.Position
		for range 3 {
			if page, err := r.Next(t.Context(), at); err == nil {
				at = page.Position
			}
		}
		require.Equal(t, map[string]float64{
			prefix + "requests_total /api/v1/apps 200": 2, prefix + "fetch_seconds /api/v1/apps": 2, prefix + "budget_waits_total": 1,
			prefix + "rate_limited_total window": 0, prefix + "rate_limited_total concurrency": 0,
			prefix + "budget_used": 2, prefix + "budget_limit": 2, prefix + "window_limit": 4, prefix + "window_remaining": 2,
			prefix + "window_end_timestamp_seconds": float64(time.Now().Unix() + 61),
		}, samples(t, registry, "/api/v1/apps"))

		time.Sleep(2 * time.Minute)
		over := samples(t, registry, "/api/v1/apps")
		require.Zero(t, over[prefix+"budget_used"], "the window is over, though nothing was sent since")
		require.EqualValues(t, 4, over[prefix+"window_remaining"])
		require.NotContains(t, over, prefix+"window_end_timestamp_seconds")

		crowded.Store(true)
		_, err := r.Next(t.Context(), at)
		require.Error(t, err)
		require.EqualValues(t, 1, samples(t, registry, "/api/v1/apps")[prefix+"rate_limited_total concurrency"])
		require.EqualValues(t, 1, samples(t, registry, "/api/v1/apps")[prefix+"requests_total /api/v1/apps 429"])
	})
}
