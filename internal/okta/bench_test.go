package okta_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/redact"
	"okta-collector/internal/secret"
)

// BenchmarkReader reads pages of 1,000 log events of 2.8 KB over a real connection. The simulated org
// works in the same process: a profile tells the two apart. The first case has no setting about what must not leave.
func BenchmarkReader(b *testing.B) {
	sim, err := oktasim.Start(oktasim.Config{Seed: 1, Token: token, Counts: map[string]int{"logs": 100_000, "users": 1000}, EventBytes: 2800, Unlimited: true})
	require.NoError(b, err)
	defer sim.Close()
	address := func(action redact.Action) map[string][]redact.Rule {
		return map[string][]redact.Rule{"logs": {{Path: "client.ipAddress", Action: action}}}
	}
	for _, bench := range []struct {
		name   string
		change func(*okta.Config)
	}{
		{"everything", func(*okta.Config) {}},
		{"no-such-member", func(c *okta.Config) { c.Redact = map[string][]redact.Rule{"logs": {{Path: "client.none"}}} }},
		{"addresses-removed", func(c *okta.Config) { c.Redact = address(redact.Remove) }},
		{"addresses-hashed", func(c *okta.Config) {
			c.Redact, c.RedactKey = address(redact.Join), secret.Value(strings.Repeat("k", 64))
		}},
		{"sessions-dropped", func(c *okta.Config) { c.DropEvents = []string{"user.session.start"} }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			cfg := settings()
			cfg.URL = sim.URL
			bench.change(&cfg)
			org, err := okta.New(cfg)
			require.NoError(b, err)
			benchReader(b, org.Reader(service(b, "logs"), okta.Begin{Since: time.Now().Add(-85 * 24 * time.Hour)}, time.Now))
		})
	}
}

func benchReader(b *testing.B, r *okta.Reader) {
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
