package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// org is a tenant's org: no object of one is in another's.
func org(seed uint64) oktasim.Config {
	return oktasim.Config{Seed: seed, Counts: map[string]int{"logs": 3_000 + 500*int(seed%10), "users": 200, "groups": 50, "apps": 20}, Unlimited: true}
}

// tenant is one of several, and everything that arrived at its Devo.
type tenant struct {
	*stack
	arrived *output
}

// severalTenants have one task queue, and each an org, a token, a Devo and settings of its own, and at
// first a worker that knows it alone. The second one is shipped to over HTTPS.
func severalTenants(t *testing.T, names ...string) []tenant {
	t.Helper()
	var all []tenant
	for i, name := range names {
		s := tenant{stack: newStack(t, org(uint64(41+i)))}
		s.arrived = s.keepEverything()
		for setting := range s.env {
			if strings.Contains(setting, "_OKTA_") {
				delete(s.env, setting) // the tenant has another name now
			}
		}
		s.tenant = fmt.Sprintf("%s-%s", name, s.tenant)
		s.env["COLLECTOR_TENANTS"] = s.tenant
		own := map[string]string{"OKTA_URL": s.org.URL, "OKTA_API_TOKEN": s.token, "DEVO_ENVIRONMENT": "of-" + s.tenant}
		if i == 1 {
			own["DEVO_URL"], own["DEVO_DOMAIN"], own["DEVO_TOKEN"] = s.devo.HTTPURL(), "acme", "devo-"+s.token
		}
		for setting, value := range own {
			s.env[s.prefix()+setting] = value
		}
		// What a tenant does not share, it sets for itself.
		for _, setting := range []string{"DEVO_URL", "DEVO_CHAIN_FILE", "DEVO_CERT_FILE", "DEVO_KEY_FILE"} {
			if own[setting] == "" {
				s.env[s.prefix()+setting] = s.env[setting]
			}
			delete(s.env, setting)
		}
		if len(all) > 0 {
			s.env["COLLECTOR_TASK_QUEUE"] = all[0].env["COLLECTOR_TASK_QUEUE"]
		}
		all = append(all, s)
	}
	return all
}

// prefix is that of the tenant's own settings.
func (s tenant) prefix() string {
	return strings.ToUpper(strings.ReplaceAll(s.tenant, "-", "_")) + "_"
}

// alsoServe gives the stack's next worker another tenant.
func (s tenant) alsoServe(other tenant) {
	s.env["COLLECTOR_TENANTS"] += "," + other.tenant
	for setting, value := range other.env {
		if strings.HasPrefix(setting, other.prefix()) {
			s.env[setting] = value
		}
	}
}

// unmixed checks that everything of the tenant arrived at its Devo and nothing else ever did, and that
// nobody came to its org or its Devo with what is another's.
func (s tenant) unmixed(services ...string) {
	s.t.Helper()
	for _, service := range services {
		s.once(service)
	}
	for _, r := range s.org.Requests() {
		require.NotEqual(s.t, 401, r.Status, "a request with another token")
	}
	require.Zero(s.t, s.devo.Connections().Refused, "a connection with another certificate or token")
	for line := range strings.Lines(s.arrived.String()) {
		require.Contains(s.t, line, `"@devo_environment":"of-`+s.tenant+`"`)
	}
}

func TestOneWorkerServesSeveralOrgsAndKeepsThemApart(t *testing.T) {
	t.Parallel()
	tenants := severalTenants(t, "acme", "globex-eu")
	acme, globex := tenants[0], tenants[1]
	require.NotEqual(t, acme.org.ID("logs", 0), globex.org.ID("logs", 0))
	require.NotEqual(t, acme.token, globex.token)
	acme.alsoServe(globex)
	worker := acme.startWorker()
	globex.worker = worker
	services := []string{"logs", "users", "groups", "apps"}
	acme.start(services...)
	globex.env = acme.env
	globex.start(services...)
	acme.caughtUp(services...)
	globex.caughtUp(services...)
	// The last reports go out too.
	code := worker.terminate(t)
	require.Zero(t, code, worker.out.String())

	acme.unmixed(services...)
	globex.unmixed(services...)
}

func TestReportsSpeakOfNoOtherTenant(t *testing.T) {
	t.Parallel()
	undisturbed(t, func(t *testing.T) int {
		tenants := severalTenants(t, "acme", "globex-eu")
		acme, globex := tenants[0], tenants[1]
		acme.alsoServe(globex)
		worker := acme.startWorker()
		globex.worker, globex.env = worker, acme.env
		// One of them has a problem, whose message names what it is about.
		globex.org.SetToken("revoked")
		acme.start("users")
		globex.start("users")
		acme.caughtUp("users")
		globex.inState("users", workflows.StateBlocked)
		code := worker.terminate(t)
		require.Zero(t, code, worker.out.String())
		if late := acme.lateReports(); late > 0 {
			return late
		}

		for _, s := range tenants {
			records := reportsIn(t, s.arrived.String())
			require.NotEmpty(t, about(records, "start", ""))
			require.NotEmpty(t, about(records, "pull", "users"))
			require.NotEmpty(t, about(records, "stop", ""))
			for _, r := range records {
				require.Equal(t, s.tenant, r.Tenant)
			}
		}
		require.NotContains(t, acme.arrived.String(), globex.tenant)
		require.NotContains(t, globex.arrived.String(), acme.tenant)
		problems := about(reportsIn(t, globex.arrived.String()), "problem", "users")
		require.Contains(t, problems[len(problems)-1].Msg, "OKTA_API_TOKEN")
		if lost := acme.lost(acme.id("users")); lost > 0 {
			return lost
		}
		require.Empty(t, about(reportsIn(t, acme.arrived.String()), "problem", "users"))
		return 0
	})
}

func TestATenantIsAddedByRestartingNothingButTheWorker(t *testing.T) {
	t.Parallel()
	tenants := severalTenants(t, "acme", "globex-eu", "initech")
	acme, globex, initech := tenants[0], tenants[1], tenants[2]
	acme.alsoServe(globex)
	worker := acme.startWorker()
	globex.worker, initech.worker = worker, worker
	globex.env = acme.env
	acme.start("logs", "users")
	globex.start("logs", "users")
	acme.caughtUp("logs", "users")
	globex.caughtUp("logs", "users")

	// It is started before any worker knows it.
	initech.start("logs", "users")
	for _, service := range []string{"logs", "users"} {
		blocked := initech.inState(service, workflows.StateBlocked)
		require.Equal(t, workflows.ClassUnknownTenant, blocked.LastProblem.Class)
		require.Contains(t, blocked.LastProblem.Remedy, "COLLECTOR_TENANTS")
		require.WithinDuration(t, time.Now(), *blocked.WakeAt, time.Minute, "it tries again by itself within the minute")
	}

	runs := map[string]string{"acme": acme.run("logs"), "globex": globex.run("logs"), "initech": initech.run("users")}
	code := worker.terminate(t)
	require.Zero(t, code, worker.out.String())
	acme.alsoServe(initech)
	worker = acme.startWorker()
	globex.worker, initech.worker = worker, worker
	initech.env = acme.env

	initech.signal("users", "resume") // at once
	initech.caughtUp("users")
	initech.caughtUp("logs") // nobody did anything
	require.Equal(t, runs, map[string]string{"acme": acme.run("logs"), "globex": globex.run("logs"), "initech": initech.run("users")}, "the workflows are the same")
	for _, s := range tenants {
		s.unmixed("logs", "users")
	}
}

func TestAnOldWorkerThatDoesNotKnowATenantOnlyDelaysIt(t *testing.T) {
	t.Parallel()
	tenants := severalTenants(t, "acme", "globex-eu")
	acme, globex := tenants[0], tenants[1]
	previous := acme.startWorker()
	acme.start("logs", "users")
	acme.caughtUp("logs", "users")

	// The new one works beside it, on the same task queue.
	globex.alsoServe(acme)
	update := globex.startWorker()
	globex.start("logs", "users", "groups", "apps")
	services := []string{"logs", "users", "groups", "apps"}
	refused := func() (n int) {
		for _, service := range services {
			for _, slice := range globex.failed(globex.id(service)) {
				if slice.class == workflows.ClassUnknownTenant {
					n++
				}
			}
		}
		return n
	}
	// Which worker a slice comes to is Temporal's choice.
	globex.eventually("the old one was given a slice of the tenant that it does not know, and the new one one of each service", func() bool {
		all := true
		for _, service := range services {
			status, err := globex.status(service)
			if err != nil || status.Checkpoint.Totals.Pulls == 0 {
				all = false
			}
			switch {
			case err != nil:
			case status.State == workflows.StateBlocked:
				globex.signal(service, workflows.SignalResume)
			case status.State == workflows.StateWaiting && refused() == 0:
				globex.signal(service, workflows.SignalPoll)
			}
		}
		return all && refused() > 0
	})

	code := previous.terminate(t)
	require.Zero(t, code, previous.out.String())
	acme.worker = update
	for _, service := range services {
		if status, err := globex.status(service); err == nil && status.State == workflows.StateBlocked {
			globex.signal(service, workflows.SignalResume)
		}
	}
	globex.caughtUp(services...)
	before := refused()
	for _, s := range tenants {
		pulls := s.pulls("logs")
		s.signal("logs", workflows.SignalPoll)
		s.eventually("another poll", func() bool { return s.pulls("logs") > pulls })
	}
	require.Equal(t, before, refused())
	acme.unmixed("logs", "users")
	globex.unmixed("logs", "users")
}

// pulls is how many complete pulls a service has behind it.
func (s *stack) pulls(service string) int64 {
	status, err := s.status(service)
	if err != nil {
		return 0
	}
	return status.Checkpoint.Totals.Pulls
}
