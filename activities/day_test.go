package activities_test

import (
	"cmp"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/activities"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/secret"
	"okta-collector/workflows"
)

// An idle org of this size takes so many billable actions of Temporal a day at most.
const (
	mostOfDefault = 5_000
	mostOfAll     = 15_000
)

// idleOrg is the size of an org in which nothing happens: how many there are of each service, and below others how many
// below each of these.
func idleOrg() map[string]int {
	counts := map[string]int{}
	for _, c := range okta.Services() {
		if counts[c.Name] = 5; len(c.Under) > 0 {
			counts[c.Name] = 2
		}
	}
	maps.Copy(counts, map[string]int{
		"logs": 1000, "users": 500, "groups": 100, "apps": 60, "clients": 60, "idps": 10, "zones": 20, "devices": 300, "role_assignees": 20,
		"app_users": 20, "app_groups": 5, "group_members": 20, "policies": 20, "brands": 10,
	})
	return counts
}

// cost is what a service takes.
type cost struct{ requests, actions, pulls int }

func (c cost) minus(before cost) cost {
	return cost{c.requests - before.requests, c.actions - before.actions, c.pulls - before.pulls}
}

// TestADayOfAnIdleOrgCostsLittle counts the requests and actions of a day. Beside timers, slices and checkpoints the requests
// to Okta are claimed where services share a window: about one claim for each pull, which counts here, and costs nothing in a
// pull that is alone in its window.
func TestADayOfAnIdleOrgCostsLittle(t *testing.T) {
	of := map[string]cost{}
	for _, c := range okta.Services().Choose(okta.GroupAll) {
		of[c.Name] = dayOf(t, c)
		t.Logf("%-26s %6d requests, %6d actions", c.Name, of[c.Name].requests, of[c.Name].actions)
	}
	most := map[string]int{okta.GroupDefault: mostOfDefault, okta.GroupAll: mostOfAll}
	for _, group := range okta.Groups() {
		chosen := okta.Services().Choose(group)
		var requests, actions, claims int
		for _, c := range chosen {
			requests, actions = requests+of[c.Name].requests, actions+of[c.Name].actions
			if shares(c, chosen) {
				claims += of[c.Name].pulls
			}
		}
		t.Logf("a day of the group %-8s %6d requests, %6d actions, %d of them claims", group, requests, actions+claims, claims)
		if most[group] > 0 {
			require.Less(t, actions+claims, most[group], group)
		}
	}
}

func TestAPullThatFitsInOneBatchCostsThreeActions(t *testing.T) {
	zones, _ := okta.Lookup("zones")
	pulls := int(24 * time.Hour / (15 * time.Minute))
	require.Equal(t, cost{requests: pulls, actions: 3 * pulls, pulls: pulls}, dayOf(t, zones), "a timer, a slice, and a checkpoint before anything is sent")
}

func TestWhatTheOrgHasNotGotCostsARequestADay(t *testing.T) {
	brands, _ := okta.Lookup("brands")
	none := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errorCode":"E0000015","errorSummary":"not enabled"}`))
	})
	require.Equal(t, cost{requests: 1, actions: 2, pulls: 1}, dayIn(t, brands, func() http.Handler { return none }))
}

// dayOf is what a service takes on a day of an idle org: from an hour after its first start, so that each daily pull counts once.
func dayOf(t *testing.T, c okta.Collection) cost {
	t.Helper()
	return dayIn(t, c, func() http.Handler {
		sim, err := oktasim.New(oktasim.Config{Seed: 14, Token: token, Counts: idleOrg(), Unlimited: true, BacklogSpan: time.Hour})
		require.NoError(t, err)
		return sim
	})
}

// dayIn is dayOf in another org, which is made on the day.
func dayIn(t *testing.T, c okta.Collection, newOrg func() http.Handler) (used cost) {
	t.Helper()
	b := newBench(t, 0)
	var handler http.Handler
	requests := 0
	org, err := okta.New(okta.Config{
		URL: "http://acme.test", Authorizer: okta.APIToken(secret.Value(token)), RateShare: 0.5,
		LogsHistory: 24 * time.Hour, PollLogs: 10 * time.Second, PollResources: 15 * time.Minute, FullSync: 24 * time.Hour,
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			requests++
			in := r.Clone(r.Context())
			in.Host = r.URL.Host
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, in)
			return recorder.Result(), r.Context().Err()
		}),
	})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		b.stop, b.cancel = make(chan struct{}), make(chan struct{}) // what is outside holds the clock up
		defer close(b.cancel)
		handler = newOrg()
		collector := b.collector(map[string]activities.Tenant{"acme": {Org: org, Sink: b}})
		in := workflows.SliceInput{Tenant: "acme", Service: c.Name, Began: time.Now()}
		begin := in.Began.Add(time.Hour)
		var before *cost
		for time.Now().Before(begin.Add(24 * time.Hour)) {
			if before == nil && !time.Now().Before(begin) {
				before = new(cost{requests, used.actions + b.heartbeats, used.pulls})
			}
			result, err := b.collectWith(collector, in)
			if err != nil {
				class, at := failed(t, err)
				require.Equal(t, workflows.ClassNotInOrg, class, "%s: %v", c.Name, err)
				result = workflows.SliceResult{Checkpoint: at, End: workflows.EndCaughtUp, Wait: workflows.NotInOrgRetry}
			}
			in.Checkpoint = result.Checkpoint
			used.actions++
			if result.End == workflows.EndCaughtUp {
				used.actions, used.pulls = used.actions+1, used.pulls+1 // the timer
			}
			time.Sleep(result.Wait)
		}
		used = cost{requests, used.actions + b.heartbeats, used.pulls}.minus(*before)
	})
	return used
}

// shares reports whether a service shares a rate-limit window with another one of those that are chosen.
func shares(c okta.Collection, chosen okta.Catalog) bool {
	window := func(c okta.Collection) string { return cmp.Or(c.Window, c.Path) }
	return slices.ContainsFunc(chosen, func(other okta.Collection) bool { return other.Name != c.Name && window(other) == window(c) })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
