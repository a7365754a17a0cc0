package oktasim

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

const (
	defaultEventBytes  = 2000
	defaultBacklogSpan = 80 * 24 * time.Hour
	defaultConcurrency = 75
	freeConcurrency    = 35

	maxCount       = 100_000_000
	maxBacklogSpan = retention
	maxEventBytes  = 16 << 20
)

// Config describes an org. Two orgs of the same Seed, Epoch, Counts, BacklogSpan, LiveEvery,
// ChangeEvery, TurnEvery, EventBytes and Punctual are the same org, byte for byte.
type Config struct {
	// Seed decides the content of every object.
	Seed uint64
	// Token is the API token (SSWS) that requests may bear. It may everything. A token or an app is required.
	Token string
	// Apps are the service apps that may sign in.
	Apps []App
	// Strict refuses what Okta takes of a service app and a careful one does not send: anything in the query of a token
	// request, where it would be logged on the way; an assertion without jti or iat, or with a jti that came before, even
	// if no token was given for it.
	Strict bool
	// NonceEvery is the time after which the nonce of proofs is renewed; a nonce works for three of these times.
	// Default: 24 h.
	NonceEvery time.Duration
	// CallNonce demands a nonce of the proofs of calls too. Okta does not, today.
	CallNonce bool
	// Epoch is when the org begins to live: the backlog of log events was persisted before it,
	// live events and changes come after it. Default: when New is called. It is cut to milliseconds.
	Epoch time.Time
	// Counts says how many objects there are of each service: of logs those in the backlog; of what is listed under parents
	// those under one parent; of policies and rate_limits those of one type. One parent in eight has none all the same, unless
	// the objects say which parents have them, such as those of role_assignees. No parent has more than there are users (not
	// deprovisioned), groups or names for them.
	Counts map[string]int
	// BacklogSpan is the time before Epoch over which the backlog was persisted, at most 90 days.
	// Default: 80 days, which leaves ten until Okta begins to forget it.
	BacklogSpan time.Duration
	// LiveEvery is the time between two log events after Epoch; 0: there are none.
	LiveEvery time.Duration
	// ChangeEvery is the time between two changes after Epoch, each to one user and one group; 0:
	// nothing changes.
	ChangeEvery time.Duration
	// TurnEvery is how many live log events there are for each that tells of a turn: that something was deleted, or that a user was
	// removed from an app or a group, or added to one. 0: nothing of the kind happens. Of the users, the deprovisioned ones are
	// deleted; of the groups, apps, devices, policies and so on each eighth, one after the other, as long as there are any.
	TurnEvery int
	// EventBytes is the mean compact size of a log event, give or take a tenth. Default: 2,000. It is
	// never much below 1,850, whatever is asked.
	EventBytes int
	// SinceIsPublished leaves events out of polls that were published before since. Okta says that it is the time
	// of their persistence there.
	SinceIsPublished bool
	// Punctual persists every log event in the millisecond in which it is published.
	Punctual bool
	// Off are the features that the org has not got: the names of services, and types of policies as policies/ENTITY_RISK. Okta
	// says so in different manners, and each has that of its kind. The oddities feature-flag, no-such-endpoint, not-enabled and
	// no-such-method give any service another one.
	Off []string
	// Pretty answers with insignificant white space.
	Pretty bool
	// Odd are the oddities that are switched on from the beginning.
	Odd []Odd

	// Plan names the set of published rate limits: free, one-app, enterprise (the default) or workforce.
	Plan string
	// Limits are requests a minute by bucket, instead of the plan's.
	Limits map[string]int
	// Unlimited lifts every rate limit, for benchmarks. The headers then name a limit that is not
	// reached.
	Unlimited bool
	// Concurrency is the number of requests served at once before Okta refuses more. Default: 75, or 35
	// with the free plan.
	Concurrency int

	// Now is the org's clock. Default: time.Now.
	Now func() time.Time
	// Faults decides what goes wrong with the n-th request (from 1) of this run; a nil Fault: nothing. It
	// is asked about the requests that are neither unauthorized nor over a limit, and must be safe for
	// concurrent use.
	Faults func(r *http.Request, n int) Fault
}

// withDefaults returns the configuration with everything that was left out, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Epoch.IsZero() {
		c.Epoch = c.Now()
	}
	c.Epoch = c.Epoch.UTC().Truncate(time.Millisecond)
	if c.BacklogSpan == 0 {
		c.BacklogSpan = defaultBacklogSpan
	}
	if c.EventBytes == 0 {
		c.EventBytes = defaultEventBytes
	}
	if c.NonceEvery == 0 {
		c.NonceEvery = defaultNonceEvery
	}
	if c.Plan == "" {
		c.Plan = "enterprise"
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
		if c.Plan == "free" {
			c.Concurrency = freeConcurrency
		}
	}

	var errs []error
	if c.Token == "" && len(c.Apps) == 0 {
		errs = append(errs, errors.New("a token or an app is required"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Counts)) {
		if _, ok := collections[name]; !ok {
			errs = append(errs, fmt.Errorf("count of unknown service %q", name))
		}
		if n := c.Counts[name]; n < 0 || n > maxCount {
			errs = append(errs, fmt.Errorf("count of %s: %d is not within 0 and %d", name, n, maxCount))
		}
	}
	if _, ok := plans[c.Plan]; !ok {
		errs = append(errs, fmt.Errorf("unknown plan %q; there are %v", c.Plan, slices.Sorted(maps.Keys(plans))))
	}
	for _, name := range c.Off {
		if !canBeOff(name) {
			errs = append(errs, fmt.Errorf("there is no service or policy type %q to be off", name))
		}
	}
	for _, bucket := range slices.Sorted(maps.Keys(c.Limits)) {
		if _, ok := plans["enterprise"][bucket]; !ok {
			errs = append(errs, fmt.Errorf("limit of unknown bucket %q; there are %v", bucket, Buckets()))
		}
		if c.Limits[bucket] < 1 {
			errs = append(errs, fmt.Errorf("limit of %s: %d is not positive", bucket, c.Limits[bucket]))
		}
	}
	if c.BacklogSpan < time.Second || c.BacklogSpan > maxBacklogSpan {
		errs = append(errs, fmt.Errorf("a backlog over %v is not within 1s and %v", c.BacklogSpan, maxBacklogSpan))
	}
	if c.TurnEvery < 0 || c.TurnEvery > 0 && c.LiveEvery == 0 {
		errs = append(errs, errors.New("nothing can be deleted without live log events that tell of it"))
	}
	if c.LiveEvery < 0 || c.ChangeEvery < 0 || c.NonceEvery < 0 || c.Concurrency < 1 {
		errs = append(errs, errors.New("a duration or the concurrency is out of range"))
	}
	if c.EventBytes < 0 || c.EventBytes > maxEventBytes {
		errs = append(errs, fmt.Errorf("%d bytes an event is not within 0 and %d", c.EventBytes, maxEventBytes))
	}
	if len(errs) > 0 {
		return c, fmt.Errorf("simulated org: %w", errors.Join(errs...))
	}
	return c, nil
}
