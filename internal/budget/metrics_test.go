package budget_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/budget"
	"okta-collector/internal/ledger"
)

// samples are the values of the metrics of one window, by name and reason.
func samples(t *testing.T, registry *prometheus.Registry, window string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			name, ours := family.GetName(), false
			for _, label := range m.Label {
				switch label.GetName() {
				case "window":
					ours = label.GetValue() == window
				case "reason":
					name += " " + label.GetValue()
				}
			}
			if ours {
				all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return all
}

func TestMetricsTellTheBudgetAndItsWindow(t *testing.T) {
	const prefix = "okta_collector_okta_"
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		b := budget.New(0.5, time.Now)
		budget.NewMetrics(registry).Watch("acme", b, []string{apps.Path})
		require.Equal(t, map[string]float64{
			prefix + "budget_waits_total": 0, prefix + "rate_limited_total window": 0, prefix + "rate_limited_total concurrency": 0,
		}, samples(t, registry, apps.Path), "what is rare begins at 0")

		o := &bucket{limit: 4}
		m := b.Join(ledger.LiveList)
		for range 2 {
			askFor(t, m, apps).Answered(o.request(true))
		}
		_, err := m.Acquire(context.Background(), apps)
		require.Error(t, err)
		require.Equal(t, map[string]float64{
			prefix + "budget_waits_total": 1, prefix + "rate_limited_total window": 0, prefix + "rate_limited_total concurrency": 0,
			prefix + "budget_used": 2, prefix + "budget_limit": 2, prefix + "window_limit": 4, prefix + "window_remaining": 2,
			prefix + "window_end_timestamp_seconds": float64(time.Now().Unix() + 61),
		}, samples(t, registry, apps.Path))

		time.Sleep(2 * time.Minute)
		over := samples(t, registry, apps.Path)
		require.Zero(t, over[prefix+"budget_used"], "the window is over, though nothing was sent since")
		require.EqualValues(t, 4, over[prefix+"window_remaining"])
		require.NotContains(t, over, prefix+"window_end_timestamp_seconds")

		askFor(t, m, apps).Refused(budget.Limits{Known: true, Left: time.Minute})
		askFor(t, m, apps).Refused(o.request(true))
		require.EqualValues(t, 1, samples(t, registry, apps.Path)[prefix+"rate_limited_total concurrency"])
		require.EqualValues(t, 1, samples(t, registry, apps.Path)[prefix+"rate_limited_total window"])
	})
}
