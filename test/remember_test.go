package test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// gone deletes the closed run of a service, as the end of the retention does.
func (s *stack) gone(service string) {
	s.t.Helper()
	s.temporal("workflow", "delete", "--workflow-id", s.id(service))
	s.eventually("its run is deleted", func() bool { return !s.exists(service) })
}

// exists reports whether Temporal has a run of a service.
func (s *stack) exists(service string) bool {
	s.t.Helper()
	_, err := s.client.DescribeWorkflowExecution(s.t.Context(), s.id(service), "")
	if !errors.As(err, new(*serviceerror.NotFound)) {
		require.NoError(s.t, err)
	}
	return err == nil
}

func TestAStoppedServiceGoesOnFromItsPositionAlsoWhenItsRunIsGone(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 71, Counts: map[string]int{"logs": 3_000}, Unlimited: true})
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	out, code := s.starter("stop", s.id("logs"))
	require.Zero(t, code, out)
	require.Contains(t, out, "its position is kept")
	lost := s.lost(s.id("logs")) // its history goes with it
	s.gone("logs")

	s.worker.kill() // nobody needs one to know
	out, code = s.starter("status", workflows.TenantID(s.tenant))
	require.Zero(t, code, out)
	require.Regexp(t, s.id("logs")+` +stopped +3,000`, out)
	out, code = s.starter("start", s.id("logs"))
	require.Zero(t, code, out)
	require.Contains(t, out, "started after 3,000 events")
	s.startWorker()
	s.caughtUp("logs")
	require.LessOrEqual(t, s.complete("logs"), lost*underWay("logs"), "sent again")
}

func TestATerminatedRunIsHandedOverByWhoeverLooksNext(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 72, Counts: map[string]int{"logs": 2_000, "users": 100}, Unlimited: true})
	s.startWorker()
	s.start("logs", "users")
	s.caughtUp("logs", "users")
	s.worker.kill()
	for _, service := range []string{"logs", "users"} {
		require.NoError(t, s.client.TerminateWorkflow(t.Context(), s.id(service), "", "as nobody should"))
	}
	lost := s.lost(s.id("logs"))

	out, code := s.starter("status", s.id("logs")) // without a worker
	require.Equal(t, 1, code, out)
	s.gone("logs")
	out, code = s.starter("status", s.id("logs"))
	require.Equal(t, 1, code, "nobody stopped it")
	require.Contains(t, out, "it was started and not stopped")
	out, code = s.starter("start", s.id("logs"))
	require.Zero(t, code, out)
	require.Contains(t, out, "started after 2,000 events")

	s.startWorker() // which looks too
	s.eventually("the tenant's workflow knows where users was", func() bool {
		d := s.decisions().Of("users")
		return d != nil && d.State != nil && d.State.Checkpoint.Totals.Events == 100
	})
	s.caughtUp("logs")
	require.LessOrEqual(t, s.complete("logs"), lost*underWay("logs"), "sent again")
}

// decisions are those in the memo of the tenant's workflow.
func (s *stack) decisions() workflows.Decisions {
	s.t.Helper()
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), workflows.TenantID(s.tenant), "")
	if errors.As(err, new(*serviceerror.NotFound)) {
		return nil
	}
	require.NoError(s.t, err)
	return workflows.ReadMemo(d.GetWorkflowExecutionInfo().GetMemo(), workflows.DataConverter()).Decisions
}

func TestWorkersStartWhatWasNeverStartedAndLeaveStoppedWhatSomebodyStopped(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 73, Counts: map[string]int{"logs": 100, "users": 100, "groups": 20, "apps": 20}, Unlimited: true})
	s.startWorker()
	s.start("users", "apps")
	s.caughtUp("users", "apps")
	out, code := s.starter("stop", s.id("users"), s.id("apps"))
	require.Zero(t, code, out)
	s.gone("users")
	s.worker.kill()
	require.False(t, s.exists("logs"), "a worker starts nothing unless it is told")

	s.setOkta("SERVICES", "logs,users,groups,apps")
	s.env["COLLECTOR_START"] = "new"
	s.startWorker()
	env := maps.Clone(s.env)
	env["COLLECTOR_LISTEN"] = freeAddress(t)
	other := s.launch(env)
	defer other.kill()
	s.caughtUp("logs", "groups")
	s.eventually("both have looked at all", func() bool { return s.decisions().Of("groups") != nil && s.decisions().Of("logs") != nil })
	require.False(t, s.exists("users"))
	require.Equal(t, workflows.Stopped, s.decisions().Of("users").Decision)
	d, err := s.client.DescribeWorkflowExecution(t.Context(), s.id("apps"), "")
	require.NoError(t, err)
	require.Equal(t, "Completed", d.GetWorkflowExecutionInfo().GetStatus().String())
	started := func() int { return strings.Count(s.out.String(), "started a service that was never started") }
	s.eventually("both are said to be started", func() bool { return started() >= 2 })
	require.Equal(t, 2, started(), "each by one of the two")
}

func TestDecisionsSurviveThatTheTenantsWorkflowContinuesAsNew(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 74, Counts: map[string]int{"logs": 500}, Unlimited: true})
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	out, code := s.starter("stop", s.id("logs"))
	require.Zero(t, code, out)
	id := workflows.TenantID(s.tenant)
	first := s.firstRun(id)
	decide := func() {
		require.NoError(t, s.client.SignalWorkflow(t.Context(), id, "", workflows.SignalDecide,
			workflows.Decision{Service: "apps", Decision: workflows.Stopped, At: time.Now()}))
	}
	for range 110 { // Temporal suggests to continue as new after 100 events
		decide()
	}
	run := func() *workflow.WorkflowExecutionInfo {
		d, err := s.client.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		return d.GetWorkflowExecutionInfo()
	}
	s.eventually("the run is a minute old", func() bool { return time.Since(run().GetStartTime().AsTime()) > time.Minute })
	s.eventually("it continues as new", func() bool {
		decide()
		return run().GetExecution().GetRunId() != first
	})
	ended, err := s.client.DescribeWorkflowExecution(t.Context(), id, first)
	require.NoError(t, err)
	info := ended.GetWorkflowExecutionInfo()
	require.GreaterOrEqual(t, info.GetCloseTime().AsTime().Sub(info.GetStartTime().AsTime()), time.Minute, "at most one a minute")
	require.EqualValues(t, 500, s.decisions().Of("logs").State.Checkpoint.Totals.Events)
	require.Equal(t, workflows.Stopped, s.decisions().Of("apps").Decision)
	value, err := s.client.QueryWorkflow(t.Context(), id, "", workflows.QueryStatus)
	require.NoError(t, err)
	var status workflows.TenantStatus
	require.NoError(t, value.Get(&status))
	require.Len(t, status.Services, 2)
	require.Empty(t, status.Warnings)

	_, err = s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "nobody's",
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING}, "Payroll")
	require.NoError(t, err)
	s.gone("logs")
	out, code = s.starter("start", s.id("logs"))
	require.Equal(t, 1, code, "it is not known where logs was")
	require.Contains(t, out, `is a workflow of type "Payroll"`)
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), id, "", "as the message says"))
	out, code = s.starter("start", s.id("logs"))
	require.Zero(t, code, out)
	require.Contains(t, out, "started after 500 events")
	s.eventually("it is remembered", func() bool { return s.decisions().Of("logs").Decision == workflows.Started })
	require.NotNil(t, s.decisions().Of("apps"), "as is what the workflow knew that was terminated")

	require.NoError(t, s.client.TerminateWorkflow(t.Context(), id, "", "as nobody should"))
	s.worker.kill()
	s.startWorker() // which looks at once
	s.eventually("it runs again", func() bool { return run().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING })
	require.NotNil(t, s.decisions().Of("apps"))
}
