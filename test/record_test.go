package test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

var record = flag.Bool("record", false, "write the histories that workflows/replay_test.go replays")

// TestRecordHistories plays what happens to a collector in its life, so that each branch of the
// workflow is in a history, and with -record writes them to workflows/testdata.
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Skip("only with -record")
	}
	for name, play := range map[string]func(s *stack, failing *atomic.Value){
		"polls_pauses_and_stops": func(s *stack, _ *atomic.Value) {
			s.caughtUp("logs")
			s.signal("logs", "poll")
			s.signal("logs", "pause")
			s.inState("logs", workflows.StatePaused)
			s.signal("logs", "poll")
			s.signal("logs", "resume")
			s.inState("logs", workflows.StateWaiting)
		},
		"paused_while_it_collects": func(s *stack, _ *atomic.Value) {
			s.wait(tables["logs"], 1000)
			s.signal("logs", "pause")
			s.inState("logs", workflows.StatePaused)
			s.signal("logs", "resume")
			s.caughtUp("logs")
		},
		"worker_killed": func(s *stack, _ *atomic.Value) {
			s.wait(tables["logs"], 2000)
			s.worker.kill()
			s.startWorker()
			s.caughtUp("logs")
		},
		"problems_and_blocked": func(s *stack, failing *atomic.Value) {
			s.caughtUp("logs")
			for _, problem := range []struct {
				status int
				class  workflows.Class
			}{
				{http.StatusBadGateway, workflows.ClassPassing},
				{http.StatusForbidden, workflows.ClassPerson},
				{http.StatusBadRequest, workflows.ClassCursorRefused},
			} {
				failing.Store(oktasim.Refuse(problem.status, "E0000001"))
				s.signal("logs", "poll")
				s.eventually("the problem is seen", func() bool {
					status, err := s.status("logs")
					return err == nil && status.LastProblem != nil && status.LastProblem.Class == problem.class
				})
				failing.Store(oktasim.Fault(nil))
				s.signal("logs", "resume")
				s.caughtUp("logs")
			}
		},
		"not_in_this_org": func(s *stack, failing *atomic.Value) {
			failing.Store(oktasim.Refuse(http.StatusUnauthorized, "E0000015"))
			for i, looks := range []string{"poll", "poll", "resume"} { // at once, and not a day later
				s.signal("logs", looks)
				s.eventually("the org does not have it", func() bool {
					status, err := s.status("logs")
					return err == nil && status.Reason == workflows.WaitNotInOrg && status.Problems > i
				})
			}
			failing.Store(oktasim.Fault(nil))
			s.signal("logs", "resume")
			s.caughtUp("logs")
		},
		"continues_as_new": func(s *stack, _ *atomic.Value) {
			s.caughtUp("logs")
			first := s.run("logs")
			for s.run("logs") == first {
				s.signal("logs", "poll")
				s.inState("logs", workflows.StateWaiting)
			}
		},
		"backfills": func(s *stack, _ *atomic.Value) {
			s.caughtUp("logs")
			r := recordedRange()
			s.temporal("workflow", "update", "execute", "--workflow-id", s.id("logs"), "--name", "backfill", "--input", rangeInput(s.t, r))
			s.temporal("workflow", "signal", "--workflow-id", s.id("logs"), "--name", "backfill", "--input", rangeInput(s.t, r)) // runs already
			backfill := workflows.BackfillID(s.tenant, "logs", r)
			s.temporal("workflow", "signal", "--workflow-id", backfill, "--name", "pause")
			s.cliInState(backfill, workflows.StatePaused)
			s.temporal("workflow", "signal", "--workflow-id", backfill, "--name", "resume")
			s.temporal("workflow", "result", "--workflow-id", backfill)
			s.record("backfill", backfill)
			s.signal("logs", "poll")
			s.inState("logs", workflows.StateWaiting)
		},
		"handed_back": func(s *stack, _ *atomic.Value) {
			s.worker.kill()
			devo := s.env["DEVO_URL"]
			s.env["DEVO_URL"] = "tls://" + freeAddress(s.t)
			s.startWorker()
			s.eventually("slices are handed back", func() bool {
				status, err := s.status("logs")
				return err == nil && len(status.Warnings) > 0 && status.Warnings[0].Count > 10
			})
			s.worker.kill()
			s.env["DEVO_URL"] = devo
			s.startWorker()
			s.caughtUp("logs")
		},
		"hands_over": func(s *stack, _ *atomic.Value) {
			s.caughtUp("logs")
			s.start("logs") // which tells the tenant's workflow of what the CLI has started
			s.eventually("the tenant's workflow knows", func() bool { return s.decisions().Of("logs") != nil })
		},
		"hands_over_to_nobody": func(s *stack, _ *atomic.Value) { s.caughtUp("logs") },
		"begun_anew": func(s *stack, _ *atomic.Value) {
			id := workflows.TenantID(s.tenant)
			s.caughtUp("logs")
			s.start("logs")
			out, code := s.starter("backfill", s.id("logs"), "--since", "3h", "--until", "1h") // which shares the window
			require.Zero(s.t, code, out)
			s.eventually("the live collection claims too", func() bool {
				windows, _ := s.starter("status", "--windows", "-o", "json")
				return strings.Contains(windows, s.id("logs")+`",`) && !strings.Contains(windows, `"alone": true`)
			})
			out, code = s.starter("stop", s.id("logs"))
			require.Zero(s.t, code, out)
			out, code = s.starter("start", "--fresh", s.id("logs"))
			require.Zero(s.t, code, out)
			s.temporal("workflow", "signal", "--workflow-id", id, "--name", workflows.SignalDecide, "--input", `"start all"`)
			s.temporal("workflow", "signal", "--workflow-id", id, "--name", "pause")
			first := s.firstRun(id)
			s.eventually("it continues as new", func() bool {
				d, err := s.client.DescribeWorkflowExecution(s.t.Context(), id, "")
				require.NoError(s.t, err)
				if info := d.GetWorkflowExecutionInfo(); info.GetExecution().GetRunId() != first {
					return true
				} else if info.GetHistoryLength() < 100 || time.Since(info.GetStartTime().AsTime()) > time.Minute {
					s.temporal("workflow", "signal", "--workflow-id", id, "--name", workflows.SignalDecide,
						"--input", `{"service":"apps","decision":"started","at":"2026-11-01T00:00:00Z"}`)
				}
				return false
			})
			s.record("tenant", id)
		},
		"shares_its_window": func(s *stack, _ *atomic.Value) {
			s.wait(tables["logs"], 1000) // it is alone on its window, in the midst of a slice
			r := recordedRange()
			out, code := s.starter("backfill", s.id("logs"), "--since", r.Since.Format(time.RFC3339Nano), "--until", r.Until.Format(time.RFC3339Nano))
			require.Zero(s.t, code, out)
			backfill := workflows.BackfillID(s.tenant, "logs", r)
			s.temporal("workflow", "result", "--workflow-id", backfill)
			s.record("backfill_leaves", backfill)
			s.caughtUp("logs")
		},
		"takes_its_turn": func(s *stack, _ *atomic.Value) {
			s.temporal("workflow", "terminate", "--workflow-id", s.id("logs"))
			s.temporal("workflow", "start", "--type", workflows.CollectName, "--task-queue", s.env["COLLECTOR_TASK_QUEUE"], "--workflow-id", s.id("logs"),
				"--input", fmt.Sprintf(`{"tenant":%q,"service":"logs","delay":%d}`, s.tenant, 3*time.Second))
			s.eventually("it waits for its turn", func() bool {
				status, err := s.status("logs")
				return err == nil && status.Reason == workflows.WaitTurn
			})
			s.caughtUp("logs")
		},
		"rate_limited": func(s *stack, failing *atomic.Value) {
			failing.Store(oktasim.Fault(func(a *oktasim.Answer) {
				a.Status = http.StatusTooManyRequests
				a.Header.Set("X-Rate-Limit-Limit", "0")
				a.Header.Set("X-Rate-Limit-Remaining", "0")
			}))
			s.eventually("rate limited", func() bool { st, err := s.status("logs"); return err == nil && st.Reason != "" })
			failing.Store(oktasim.Fault(nil))
			s.caughtUp("logs")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var failing atomic.Value
			failing.Store(oktasim.Fault(nil))
			s := newStack(t, oktasim.Config{Seed: 20, Counts: map[string]int{"logs": 5000}, Unlimited: true, Faults: func(r *http.Request, n int) oktasim.Fault {
				if fault := failing.Load().(oktasim.Fault); fault != nil {
					return fault
				}
				return oktasim.Delay(200 * time.Millisecond)
			}})
			s.startWorker()
			s.startByCLI("logs")
			play(s, &failing)
			out, code := s.starter("stop", s.id("logs"))
			require.Zero(t, code, out)

			s.record(name, s.id("logs"))
		})
	}
}

// TestRecordATenantUnderLoad is TestRecordHistories for the workflow of a tenant of which many services share one window, and all
// want more than they get.
func TestRecordATenantUnderLoad(t *testing.T) {
	if !*record {
		t.Skip("only with -record")
	}
	s := newStack(t, oktasim.Config{
		Seed: 21, Counts: map[string]int{"apps": 60, "users": 10, "groups": 10, "app_users": 2, "app_groups": 2}, Limits: map[string]int{"/api/v1/apps": 60},
	})
	s.startWorker()
	services := []string{"apps", "app_users", "app_groups", "app_grants", "app_keys", "app_jwks", "app_features", "app_push_groups", "app_tokens"}
	for i, service := range services {
		services[i] = s.id(service)
	}
	out, code := s.starter(append([]string{"start"}, services...)...)
	require.Zero(t, code, out)
	id := workflows.TenantID(s.tenant)
	s.eventually("it has answered dozens of claims", func() bool {
		answered := 0
		for run := s.firstRun(id); run != ""; { // it continues as new meanwhile
			var h *history.History
			h, run = s.history(id, run)
			for _, event := range h.GetEvents() {
				if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED {
					answered++
				}
			}
		}
		return answered >= 24
	})
	s.record("tenant_under_load", id)
}

// recordedRange is most of the backlog, so that a backfill of it takes a while.
func recordedRange() checkpoint.Range {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return checkpoint.Range{Since: now.Add(-19 * time.Hour), Until: now.Add(-time.Hour)}
}

// record writes the history of a workflow, with that of all runs that it continued as.
func (s *stack) record(name, id string) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll("../workflows/testdata", 0o755))
	for n, run := 1, s.firstRun(id); run != ""; n++ {
		var h *history.History
		h, run = s.history(id, run)
		data, err := protojson.MarshalOptions{Indent: " "}.Marshal(h)
		require.NoError(s.t, err)
		file := filepath.Join("../workflows/testdata", name+".json")
		if n > 1 {
			file = filepath.Join("../workflows/testdata", fmt.Sprintf("%s_%d.json", name, n))
		}
		require.NoError(s.t, os.WriteFile(file, data, 0o644))
	}
}

// run is the id of the present run.
func (s *stack) run(service string) string {
	described, err := s.client.DescribeWorkflowExecution(s.t.Context(), s.id(service), "")
	require.NoError(s.t, err)
	return described.WorkflowExecutionInfo.Execution.RunId
}

func (s *stack) firstRun(id string) string {
	described, err := s.client.DescribeWorkflowExecution(s.t.Context(), id, "")
	require.NoError(s.t, err)
	return described.WorkflowExecutionInfo.FirstRunId
}

// history is the history of a run, and the run that it continued as.
func (s *stack) history(id, run string) (h *history.History, next string) {
	h = &history.History{}
	events := s.client.GetWorkflowHistory(s.t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(s.t, err)
		h.Events = append(h.Events, event)
		next = event.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return h, next
}
