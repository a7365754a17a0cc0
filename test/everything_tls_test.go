package test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// secretive are the services whose objects have secrets in the simulated org.
var secretive = []string{
	"authenticators", "captchas", "email_servers", "event_hooks", "idps", "inline_hooks", "log_streams", "push_providers", "service_accounts",
	"user_factors", "user_idps",
}

// secretOrg has each kind of object that has a secret.
func secretOrg() map[string]int {
	counts := wholeOrg()
	for service, n := range map[string]int{"users": 80, "groups": 20, "apps": 12, "clients": 10, "policies": 3, "brands": 3, "role_assignees": 10} {
		counts[service] = n
	}
	for _, service := range secretive {
		if !strings.HasPrefix(service, "user_") {
			counts[service] = 12
		}
	}
	return counts
}

// TestEverythingArrivesOverTLSUnderItsTableWithoutSecrets collects the whole catalog over TLS, with two kills at any moment.
func TestEverythingArrivesOverTLSUnderItsTableWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 82, Counts: secretOrg(), Unlimited: true, Faults: slowly(5 * time.Millisecond)})
	s.oncePerDay()
	s.env["COLLECTOR_LOG_LEVEL"] = "debug"
	arrived := s.keepTables()
	s.startWorker()
	s.collectThroughTwoKills(func(service string) int { return s.shipped(tables[service]) })

	pulls := map[string][]pullLine{}
	for _, line := range arrived.of(okta.RecordTables[okta.PullsTable]) {
		p, ok := pullOf(t, line)
		require.True(t, ok, line)
		if !slices.Contains(pulls[p.Service], p) { // what was under way at a kill comes again
			pulls[p.Service] = append(pulls[p.Service], p)
		}
	}
	for _, c := range okta.Services() {
		s.mayRepeat(s.whole(c, arrived.of(c.Table)), s.id(c.Name))
		s.addsUp(c, pulls[c.Name])
	}
	require.Empty(t, arrived.of(okta.RecordTables[okta.DeletedTable]))

	var withSecrets []string
	for _, service := range okta.ServiceNames() {
		for _, object := range s.org.All(service) {
			if bytes.Contains(object, []byte(fakeSecret)) {
				withSecrets = append(withSecrets, service)
				break
			}
		}
	}
	require.ElementsMatch(t, secretive, withSecrets)
	places := map[string]string{"records": arrived.String(), "/metrics": s.served("/metrics")}
	places["status"], _ = s.starter("status", "--tenant", s.tenant)
	places["check"], _ = s.starter("check")
	s.addRecords(places, secretive...)
	foundNowhere(t, places, []string{fakeSecret})
}

// fakeSecret is what all secrets of simulated objects begin with.
const fakeSecret = "not-a-secret-"

// arrivals are the objects that arrived over TLS, by their tables.
type arrivals struct {
	mu     sync.Mutex
	tables map[string][]string
}

// keepTables keeps all objects that arrive from now on.
func (s *stack) keepTables() *arrivals {
	a := &arrivals{tables: map[string][]string{}}
	s.devo.SetHooks(devosim.Hooks{Record: func(r devosim.Arrival) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.tables[r.Tag] = append(a.tables[r.Tag], string(r.JSON))
	}})
	return a
}

// of are the objects of a table, in the order in which they arrived.
func (a *arrivals) of(table string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.tables[table])
}

// String is everything that arrived.
func (a *arrivals) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all strings.Builder
	for table, objects := range a.tables {
		all.WriteString(table + "\n" + strings.Join(objects, "\n") + "\n")
	}
	return all.String()
}
