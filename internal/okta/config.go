package okta

import (
	"cmp"
	"net/http"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/memory"
	"okta-collector/internal/redact"
	"okta-collector/internal/secret"
)

// Config says which org is collected, how much of its rate limits may be used, and how often.
type Config struct {
	// Tenant is the org's short name, for logs and metrics.
	Tenant string
	// URL is the org: https://acme.okta.com (http only for loopback), without a path.
	URL string
	// Authorizer signs the requests; default: ServiceApp does.
	Authorizer Authorizer
	// ServiceApp is the app to sign in as, if there is no Authorizer.
	ServiceApp *ServiceApp
	// RateShare is the share of each rate limit that the collector may use; 0 < share ≤ 1.
	RateShare float64
	// LogsHistory is how far back the first run of logs goes; at most 90 days.
	LogsHistory time.Duration
	// PollLogs is the pause between polls of the System Log. Idle polls are up to six times as far apart.
	PollLogs time.Duration
	// PollResources is the time from the start of one pull of a resource to the start of the next.
	PollResources time.Duration
	// Poll is the time from the start of one pull to the start of the next, by the name of a collection. It goes before all
	// others.
	Poll map[string]time.Duration
	// FullSync is the time between full pulls of collections that are pulled by changes, and between pulls of collections
	// that are listed for each object of another one.
	FullSync time.Duration

	// Redact says what is removed or replaced beside the secrets of the catalog, by the name of a collection.
	Redact map[string][]redact.Rule
	// RedactKey is the key of the hashes that replace values. Unset: secrets become a fixed mark.
	RedactKey secret.Secret
	// DropEvents are the types of the System Log's events that are not shipped.
	DropEvents []string

	// MaxObject bounds a record that stands for an unreadable element, in bytes with added members; at least 4 KiB,
	// default 1 MiB.
	MaxObject int

	Log     *zap.Logger
	Metrics *Metrics
	// Memory bounds the pages under way, of all orgs that share it; default: [memory.Most] for this org.
	Memory *memory.Bound
	// Catalog has the collections that exist; default: all of [Services].
	Catalog Catalog
	// Transport sends the requests; default: one with timeouts and the proxy from the environment.
	Transport http.RoundTripper
}

// Interval is the time from the start of one pull of a collection to the start of the next, or the pause between polls of
// the System Log.
func (cfg Config) Interval(c Collection) time.Duration {
	every := cfg.PollResources
	switch {
	case c.Polled:
		every = cfg.PollLogs
	case c.perObject() && !c.byChanges():
		every = cfg.FullSync
	}
	return cmp.Or(cfg.Poll[c.Name], c.Every, every)
}
