package okta_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// BenchmarkReader reads pages of 1,000 log events of 2.8 KB over a real connection. The simulated org
// works in the same process: a profile tells the two apart.
func BenchmarkReader(b *testing.B) {
	sim, err := oktasim.Start(oktasim.Config{Seed: 1, Token: token, Counts: map[string]int{"logs": 100_000, "users": 1000}, EventBytes: 2800, Unlimited: true})
	require.NoError(b, err)
	defer sim.Close()
	cfg := settings()
	cfg.URL = sim.URL
	org, err := okta.New(cfg)
	require.NoError(b, err)
	r := org.Reader(service(b, "logs"), okta.Begin{Since: time.Now().Add(-85 * 24 * time.Hour)}, time.Now)
	var pos checkpoint.Position
	events := 0
	b.ReportAllocs()
	for b.Loop() {
		page, err := r.Next(b.Context(), pos)
		require.NoError(b, err)
		bytes := 0
		for _, o := range page.Objects {
			bytes += len(o)
		}
		b.SetBytes(int64(bytes))
		events += len(page.Objects)
		pos = page.Position
		if page.CaughtUp {
			pos = checkpoint.Position{}
		}
		page.Release()
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
