package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// newTemporal starts a Temporal that is this test's own, at an address, or at any. It keeps nothing on disk.
func newTemporal(t *testing.T, address string, args ...string) *testsuite.DevServer {
	t.Helper()
	temporal, err := testsuite.StartDevServer(context.Background(), testsuite.DevServerOptions{
		ExistingPath: environment.cli, LogLevel: "error", ExtraArgs: args,
		ClientOptions: &client.Options{HostPort: address, Logger: log.NewStructuredLogger(discard)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = temporal.Stop() })
	return temporal
}

// on moves a stack to another Temporal and namespace.
func (s *stack) on(temporal *testsuite.DevServer, namespace string) {
	s.env["TEMPORAL_ADDRESS"], s.env["TEMPORAL_NAMESPACE"] = temporal.FrontendHostPort(), namespace
	c, err := client.Dial(client.Options{HostPort: temporal.FrontendHostPort(), Namespace: namespace, Logger: log.NewStructuredLogger(discard)})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	s.client = c
}

func TestANamespaceThatDoesNotExistIsSetUpByACommand(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 60, Counts: map[string]int{"users": 100}, Unlimited: true})
	s.on(newTemporal(t, ""), "prod")
	for _, args := range [][]string{{"start", s.id("users")}, {"status"}, {"stop"}} {
		out, code := s.starter(args...)
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "make it with 'starter setup'")
	}
	s.worker = s.begin(workerProgram(), s.env)
	s.eventually("the worker says what it waits for", func() bool { return strings.Contains(s.out.String(), "make it with 'starter setup'") })
	s.eventually("and /readyz too", func() bool { return strings.Contains(s.served("/readyz"), "make it with 'starter setup'") })

	out, code := s.starter("setup")
	require.Zero(t, code, out)
	require.Contains(t, out, "namespace prod: made; it keeps closed workflows for 90 days")
	require.Regexp(t, "search attributes: (registered OktaTenant, OktaService, CollectorState|are there already)", out) // the worker may be faster
	out, code = s.starter("setup")
	require.Zero(t, code, out)
	require.Contains(t, out, "is there already")
	s.ready(s.worker, s.env)
	require.Equal(t, 1, strings.Count(s.out.String(), "make it with"), "said once")

	s.start("users")
	s.caughtUp("users")
	out, code = s.starter("check", "--tenant", s.tenant)
	require.Zero(t, code, out)
	require.Regexp(t, `temporal namespace prod +ok +keeps closed workflows for 90 days`, out)
	require.Regexp(t, `temporal search attributes +ok`, out)
	require.Regexp(t, `temporal task queue `+s.tenant+` +ok +\d+@`, out)

	out, code = s.starter("stop", s.id("users"))
	require.Zero(t, code, out)
	require.Contains(t, out, "its position is kept")
	s.gone("users")
	out, code = s.starter("start", s.id("users"), s.id("groups"))
	require.Zero(t, code, out)
	require.Contains(t, out, "started after 100 events")
	require.Contains(t, out, s.id("groups")+": from the beginning, because namespace prod knows of no earlier run")
}

func TestWithoutRoomForSearchAttributesEverythingIsCollected(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 61, Counts: map[string]int{"logs": 3000, "users": 100}, Unlimited: true})
	var taken []string
	for i := range 9 {
		taken = append(taken, "--search-attribute", fmt.Sprintf("Taken%d=Keyword", i))
	}
	s.on(newTemporal(t, "", taken...), "default")
	s.startWorker()
	require.Contains(t, s.out.String(), "remove some that nobody uses")
	require.Contains(t, s.out.String(), "Collection, 'starter status' and the alerts work without them")
	out, code := s.starter("start", s.id("users"))
	require.Zero(t, code, out)
	require.Contains(t, out, "remove some that nobody uses")
	s.startByCLI("logs") // which knows nothing of search attributes
	s.caughtUp("users", "logs")
	r := recordedRange()
	out, code = s.starter(append([]string{"backfill", s.id("logs"), "--follow"}, times(r)...)...)
	require.Zero(t, code, out)
	s.deliveredOnce(r)

	s.signal("logs", "pause")
	s.inState("logs", workflows.StatePaused)
	out, code = s.answeredStatus()
	require.Zero(t, code, out)
	require.Contains(t, out, "find nothing")
	paused := fmt.Sprintf(`okta_collector_services{kind="live",service="logs",state="paused",tenant=%q} 1`, s.tenant)
	s.eventually("alerts see it", func() bool { return strings.Contains(s.served("/metrics"), paused) })
	s.worker.kill() // then only the memo says that it is paused
	s.eventually("it is listed as paused", func() bool { return s.reports(s.id("logs"))[0].State == workflows.StatePaused })
	if *record {
		s.startWorker()
		out, code = s.starter("stop", s.id("logs"))
		require.Zero(t, code, out)
		s.record("without_search_attributes", s.id("logs"))
	}
}

func TestATemporalThatComesBackEmptyIsStartedOnAnew(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 62, Counts: map[string]int{"users": 100}, Unlimited: true})
	address := freeAddress(t)
	temporal := newTemporal(t, address)
	s.on(temporal, "default")
	s.start("users") // before any worker was there
	s.startWorker()
	s.caughtUp("users")

	require.NoError(t, temporal.Stop())
	newTemporal(t, address)
	s.startByCLI("users") // so that only the worker can register the search attributes
	s.caughtUp("users")
	list := []string{"workflow", "list", "--query", "OktaTenant = '" + s.tenant + "' AND CollectorState = 'collecting'"}
	s.eventually("it can be listed", func() bool {
		out, code := s.command(environment.cli, list...)
		return code == 0 && strings.Contains(out, s.id("users"))
	})
}

func TestAWorkerThatMayNotWriteToTheNamespaceSaysSo(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 63, Counts: map[string]int{"users": 100}, Unlimited: true})
	proxy := newTemporalProxy(t, environment.temporal.FrontendHostPort())
	proxy.intercept(func(_ context.Context, request any, forward func() (any, error)) (any, error) {
		switch request.(type) {
		case *workflowservice.PollWorkflowTaskQueueRequest, *workflowservice.PollActivityTaskQueueRequest, *workflowservice.StartWorkflowExecutionRequest:
			return nil, status.Error(codes.PermissionDenied, "Request unauthorized.")
		}
		return forward()
	})
	s.env["TEMPORAL_ADDRESS"] = proxy.address
	s.worker = s.begin(workerProgram(), s.env)
	const advice = "give it the permission to write to the namespace"
	s.eventually("/readyz says so", func() bool {
		said := s.served("/readyz")
		return strings.Contains(said, "this worker gets no work from Temporal") && strings.Contains(said, advice)
	})
	said := func() int { return strings.Count(s.out.String(), "this worker gets no work from Temporal") }
	s.eventually("the log says so", func() bool { return said() > 0 })
	out, code := s.starter("start", s.id("users"))
	require.Equal(t, 1, code, out)
	require.Contains(t, out, advice)

	proxy.intercept(nil)
	s.start("users") // it mends itself
	s.caughtUp("users")
	s.ready(s.worker, s.env)
	require.Equal(t, 1, said(), "once, however often it asked")
}
