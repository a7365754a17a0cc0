package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// startByCLI starts a service as the README says, with nothing but the official CLI.
func (s *stack) startByCLI(service string) {
	s.temporal("workflow", "start", "--type", "Collect", "--task-queue", s.env["COLLECTOR_TASK_QUEUE"],
		"--workflow-id", s.id(service), "--input", fmt.Sprintf(`{"tenant":%q,"service":%q}`, s.tenant, service))
}

func (s *stack) signal(service, name string) {
	s.temporal("workflow", "signal", "--workflow-id", s.id(service), "--name", name)
}

// inState waits until a service is in a state, and returns its status.
func (s *stack) inState(service string, state workflows.CollectorState) (status workflows.Status) {
	s.t.Helper()
	s.eventually(service+" is "+string(state), func() bool {
		var err error
		status, err = s.status(service)
		return err == nil && status.State == state
	})
	return status
}

func TestTheTemporalCLIIsAllThatIsNeeded(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 10, Counts: map[string]int{"logs": 20_000, "users": 300}, Unlimited: true})
	release := s.holdOkta(s.after(tables["logs"], 3_000))
	s.startWorker()
	s.startByCLI("logs")
	s.wait(tables["logs"], 3_000)

	s.signal("logs", "pause")
	paused := s.inState("logs", workflows.StatePaused)
	s.accounted("logs", paused)
	require.Less(t, s.shipped(tables["logs"]), 20_000)
	release()
	var answer workflows.Status
	out := s.temporal("workflow", "query", "--workflow-id", s.id("logs"), "--type", "status", "-o", "json")
	var query struct{ QueryResult []workflows.Status }
	require.NoError(t, json.Unmarshal([]byte(out), &query), out)
	answer = query.QueryResult[0]
	require.Equal(t, workflows.StatePaused, answer.State)
	require.Equal(t, workflows.WaitPaused, answer.Reason)

	s.signal("logs", "resume")
	s.caughtUp("logs")
	s.once("logs") // pausing sends nothing again

	s.startByCLI("users")
	s.caughtUp("users")
	before := s.inState("users", workflows.StateWaiting).Checkpoint.Totals.Pulls
	s.signal("users", "poll")
	s.eventually("another pull", func() bool {
		status, err := s.status("users")
		return err == nil && status.Checkpoint.Totals.Pulls > before
	})

	// The search attributes are there, whoever started it.
	s.listed(fmt.Sprintf("OktaTenant = %q AND OktaService = 'users' AND CollectorState = 'collecting'", s.tenant), s.id("users"))
}

func TestStopKeepsThePositionAndStartGoesOnFromIt(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 11, Counts: map[string]int{"logs": 20_000}, Unlimited: true})
	release := s.holdOkta(s.after(tables["logs"], 3_000))
	s.startWorker()
	s.start("logs")
	s.wait(tables["logs"], 3_000)
	out, code := s.starter("stop", s.id("logs"))
	require.Zero(t, code, out)
	stopped, lost := s.deliveries(), s.lost(s.id("logs"))
	require.Less(t, len(stopped), 20_000)
	release()

	s.start("logs")
	s.start("logs") // safe to repeat
	s.wait(tables["logs"], len(stopped)+2_000)
	_, err := s.client.GetWorkflowHistory(t.Context(), s.id("logs"), "", false, 0).Next()
	require.NoError(t, err)
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), s.id("logs"), "", "as nobody should"))
	s.start("logs")
	s.caughtUp("logs")
	t.Logf("%d sent again", s.complete("logs"))
	// The history of a terminated run does not know what its last slice has shipped. All before that it does.
	again := 0
	for event, times := range s.deliveries() {
		if _, before := stopped[event]; before {
			again += times - 1
		}
	}
	require.LessOrEqual(t, again, lost*underWay("logs"), "events that had arrived before the stop came again, and %d slices were lost before it", lost)
}

func TestARunThatFailedAtOnceHidesNoPosition(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 18, Counts: map[string]int{"logs": 3_000}, Unlimited: true})
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	out, code := s.starter("stop", s.id("logs"))
	require.Zero(t, code, out)
	lost := s.lost(s.id("logs"))

	for range 2 {
		s.temporal("workflow", "start", "--type", "Collect", "--task-queue", s.env["COLLECTOR_TASK_QUEUE"],
			"--workflow-id", s.id("logs"), "--input", fmt.Sprintf(`{"tenant":%q}`, s.tenant)) // no service
		err := s.client.GetWorkflow(t.Context(), s.id("logs"), "").Get(t.Context(), nil)
		require.ErrorContains(t, err, "InvalidInput")
	}
	out, code = s.starter("start", s.id("logs"))
	require.Zero(t, code, out)
	require.Contains(t, out, "started after 3,000 events")
	s.caughtUp("logs")
	require.LessOrEqual(t, s.complete("logs"), lost*underWay("logs"), "sent again")
}

func TestContinuingAsNewLosesNeitherEventsNorMessages(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 17, Counts: map[string]int{"logs": 100}, Unlimited: true, LiveEvery: 20 * time.Millisecond})
	s.setOkta("POLL_LOGS", "1s")
	s.startWorker()
	s.startByCLI("logs")
	s.caughtUp("logs")

	// Messages fall on every step of the runs, also the last one.
	paused := 0
	for runs := map[string]bool{}; len(runs) < 4; paused++ {
		for range 5 {
			require.NoError(t, s.client.SignalWorkflow(t.Context(), s.id("logs"), "", workflows.SignalPoll, nil))
		}
		require.NoError(t, s.client.SignalWorkflow(t.Context(), s.id("logs"), "", workflows.SignalPause, nil))
		s.inState("logs", workflows.StatePaused)
		require.NoError(t, s.client.SignalWorkflow(t.Context(), s.id("logs"), "", workflows.SignalResume, nil))
		s.eventually("it goes on", func() bool {
			status, err := s.status("logs")
			return err == nil && status.State != workflows.StatePaused
		})
		runs[s.run("logs")] = true
	}
	s.listed(fmt.Sprintf("OktaTenant = %q AND ExecutionStatus = 'Running'", s.tenant), s.id("logs")) // the search attributes go along
	t.Logf("paused %d times over 4 runs", paused)

	count := s.org.Count("logs")
	s.eventually("what arrived while it ran", func() bool { return s.shipped(tables["logs"]) >= count })
	s.signal("logs", "pause")
	s.inState("logs", workflows.StatePaused)
	arrived, repeated := map[devosim.Identity]uint64{}, 0
	for d := range s.devo.Delivered(tables["logs"]) {
		repeated += d.Count - 1
		arrived[d.Identity] = d.Sum
	}
	s.mayRepeat(repeated, s.id("logs"))
	for i, object := range s.org.All("logs") {
		if i == count {
			break
		}
		require.Equal(t, devosim.Sum(object), arrived[devosim.IdentityOf("", s.org.ID("logs", i))], "event %d", i)
	}
}

func TestWhatOnlyAPersonCanMendBlocksThatServiceAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 12, Counts: map[string]int{"users": 100, "groups": 100, "apps": 20}, Unlimited: true, Faults: forbidding("/api/v1/groups")})
	s.startWorker()
	s.start("users", "groups", "apps")
	s.caughtUp("users", "apps")
	blocked := s.inState("groups", workflows.StateBlocked)
	require.Contains(t, blocked.LastProblem.Remedy, "okta.groups.read")
	out, code := s.answeredStatus("--tenant", s.tenant)
	require.Equal(t, 1, code)
	require.Contains(t, out, "blocked")
	list := s.listed(fmt.Sprintf("OktaTenant = %q AND CollectorState = 'blocked'", s.tenant), s.id("groups"))
	require.NotContains(t, list, s.id("users"))

	s.org.SetFaults(nil)
	out, code = s.starter("resume", s.id("groups"))
	require.Zero(t, code, out)
	s.caughtUp("groups")
	s.once("groups")
}

func TestATenantThatTheWorkerDoesNotKnowKeepsItsPosition(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 13, Counts: map[string]int{"users": 100}, Unlimited: true})
	s.startWorker()
	s.start("users")
	s.caughtUp("users")
	s.worker.kill()

	known := s.env["COLLECTOR_TENANTS"]
	s.env["COLLECTOR_TENANTS"] = "typo"
	s.env["TYPO_OKTA_URL"], s.env["TYPO_OKTA_API_TOKEN"] = s.org.URL, s.token
	s.startWorker()
	s.signal("users", "poll")
	blocked := s.inState("users", workflows.StateBlocked)
	require.Contains(t, blocked.LastProblem.Message, "only for typo")
	require.EqualValues(t, 1, blocked.Checkpoint.Totals.Pulls)

	s.worker.kill()
	s.env["COLLECTOR_TENANTS"] = known
	s.startWorker()
	s.signal("users", "resume")
	s.caughtUp("users")
	require.EqualValues(t, 2, s.inState("users", workflows.StateWaiting).Checkpoint.Totals.Pulls)
}

func TestAnUnknownServiceFailsAtOnceWithTheNameThatWasMeant(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 14})
	s.startWorker()
	s.startByCLI("device")
	err := s.client.GetWorkflow(t.Context(), s.id("device"), "").Get(t.Context(), nil)
	require.ErrorContains(t, err, "did you mean devices")

	// Nobody misses it.
	out, code := s.starter("status", s.id("device"))
	require.Zero(t, code, out)
	require.Contains(t, out, "nothing was ever collected under this id")
	out, code = s.starter("stop", s.id("device"))
	require.Zero(t, code, out)
	require.Contains(t, out, "not running; failed: ")
}

func TestEveryBadSettingIsNamedInOneMessage(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 15})
	s.setOkta("URL", "http://acme.okta.com")
	s.setOkta("RATE_SHARE", "1.5")
	s.env["DEVO_KEY_FILE"] = s.env["DEVO_CHAIN_FILE"]
	s.env["DEVO_CERT_FILE"] = filepath.Join(s.dir, "absent.pem")
	s.env["COLLECTOR_LOG_LEVEL"] = "loud"
	s.env["OKTA_RATE_SHRAE"] = "0.4"
	out, code := s.command(filepath.Join(environment.dir, "okta-collector-worker"))
	require.Equal(t, 2, code)
	prefix := strings.ToUpper(s.tenant) + "_"
	for _, want := range []string{prefix + "OKTA_URL", prefix + "OKTA_RATE_SHARE", "DEVO_CERT_FILE", "COLLECTOR_LOG_LEVEL", "OKTA_RATE_SHRAE", "OKTA_RATE_SHARE"} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, s.token)
}

// TestAMillionEventsTakeLittle is about the worker's memory and the workflow's history.
func TestAMillionEventsTakeLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 2 GB over loopback")
	}
	const events = 1_000_000
	s := newStack(t, oktasim.Config{Seed: 16, Counts: map[string]int{"logs": events}, Unlimited: true})
	s.startWorker()
	s.start("logs")
	for shipped := 0; shipped < events; shipped = s.shipped(tables["logs"]) {
		s.wait(tables["logs"], shipped+1) // as long as it goes on at all
	}
	s.caughtUp("logs")
	stats := s.devo.Stats()[tables["logs"]]
	require.EqualValues(t, events, stats.Distinct)
	s.mayRepeat(int(stats.Repeated), s.id("logs"))

	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.worker.cmd.Process.Pid) + "/status")
	require.NoError(t, err)
	peak, err := strconv.Atoi(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(string(status))[1])
	require.NoError(t, err)
	described, err := s.client.DescribeWorkflowExecution(t.Context(), s.id("logs"), "")
	require.NoError(t, err)
	history := described.WorkflowExecutionInfo.HistoryLength
	t.Logf("peak memory of the worker: %d MB; history: %d events", peak/1024, history)
	require.Less(t, peak/1024, 112, "MB") // 16 MB of them may be under way to Devo; the bench has the same target
	require.Less(t, history, int64(200), "events")
}
