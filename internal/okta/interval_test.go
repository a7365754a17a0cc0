package okta_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

func TestHowOftenACollectionIsPulled(t *testing.T) {
	cfg := settings()
	for name, want := range map[string]time.Duration{
		"logs":          10 * time.Second,
		"users":         15 * time.Minute, // people act on it
		"api_tokens":    15 * time.Minute,
		"devices":       15 * time.Minute,
		"group_members": 15 * time.Minute, // by changes
		"policies":      time.Hour,        // configuration
		"roles":         time.Hour,
		"rate_limits":   time.Hour,
		"app_users":     24 * time.Hour, // a request for each app
		"policy_rules":  24 * time.Hour,
		"user_factors":  24 * time.Hour,
	} {
		c := service(t, name)
		require.Equal(t, want, cfg.Interval(c), name)
		set := cfg
		set.Poll = map[string]time.Duration{name: 7 * time.Minute, "other": time.Second}
		require.Equal(t, 7*time.Minute, set.Interval(c), "%s, as OKTA_POLL says", name)
	}
	for _, c := range okta.Services() {
		require.Positive(t, cfg.Interval(c), c.Name)
	}
}

func TestThePullAfterACompleteOneBeginsAsOftenAsTheCollectionIsPulled(t *testing.T) {
	for _, name := range []string{"users", "roles", "policies", "user_factors", "group_members", "zones"} {
		for _, poll := range []map[string]time.Duration{nil, {name: 7 * time.Minute}} {
			c := service(t, name)
			cfg := settings()
			cfg.Poll = poll
			org := orgOf(t, lists(listOf(c)), func(c *okta.Config) { c.Poll = poll })
			p := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
			require.Equal(t, cfg.Interval(c), p.wait, name)
		}
	}
}

func TestAPullOfChangesIsAFullOneIfItIsMadeNoMoreOftenThanFullPulls(t *testing.T) {
	for poll, kind := range map[time.Duration]checkpoint.PullKind{time.Hour: checkpoint.PullChanges, 48 * time.Hour: checkpoint.PullFull} {
		for _, name := range []string{"users", "devices", "group_members"} {
			org := orgOf(t, lists(`[]`), func(c *okta.Config) { c.Poll = map[string]time.Duration{name: poll} })
			page, err := org.Reader(service(t, name), okta.Begin{}, atEpoch).Next(t.Context(), checkpoint.Position{ChangedSince: epoch, LastFull: epoch})
			require.NoError(t, err)
			require.Equal(t, kind, page.Pull, name)
			page.Release()
		}
	}
}
