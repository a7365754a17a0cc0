package workflows_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// tenantRun is a run of the workflow of the tenant acme, in skipped time, until its last message.
type tenantRun struct {
	t      *testing.T
	env    *testsuite.TestWorkflowEnvironment
	memo   map[string]any // the upserted decisions
	status workflows.TenantStatus
}

func newTenantRun(t *testing.T, id string) *tenantRun {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	r := &tenantRun{t: t, env: suite.NewTestWorkflowEnvironment(), memo: map[string]any{}}
	r.env.SetStartWorkflowOptions(workflowOptions(id))
	r.env.SetDataConverter(workflows.DataConverter())
	r.env.SetFailureConverter(workflows.FailureConverter())
	r.env.SetTestTimeout(time.Minute)
	r.env.SetWorkerOptions(worker.Options{Interceptors: workflows.Interceptors(registered), DeadlockDetectionTimeout: time.Minute})
	r.env.OnUpsertMemo(mock.Anything).Return(nil).Run(func(args mock.Arguments) {
		for key, value := range args.Get(0).(map[string]any) {
			r.memo[key] = value
		}
	}).Maybe()
	r.env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Maybe()
	return r
}

// execute runs the workflow, and asks it for its status after all messages. It never ends by itself, so the test ends it by
// its timeout.
func (r *tenantRun) execute(in workflows.TenantInput) workflows.TenantStatus {
	r.env.RegisterDelayedCallback(func() {
		value, err := r.env.QueryWorkflow(workflows.QueryStatus)
		require.NoError(r.t, err)
		require.NoError(r.t, value.Get(&r.status))
	}, 24*time.Hour)
	r.env.SetWorkflowRunTimeout(25 * time.Hour)
	r.env.ExecuteWorkflow(workflows.Tenant, in)
	return r.status
}

// details is the Markdown that the Web UI shows.
func (r *tenantRun) details() string {
	value, err := r.env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(r.t, err)
	var metadata sdk.WorkflowMetadata
	require.NoError(r.t, value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

func (r *tenantRun) decide(after time.Duration, decisions ...workflows.Decision) {
	r.env.RegisterDelayedCallback(func() {
		for _, d := range decisions {
			r.env.SignalWorkflow(workflows.SignalDecide, d)
		}
	}, after)
}

// at is a moment of the tests, long before their run.
func at(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }

func stopped(hour int, events int64) workflows.Decision {
	return workflows.Decision{Service: "logs", Decision: workflows.Stopped, At: at(hour), State: position(events)}
}

func position(events int64) *workflows.State {
	return &workflows.State{Checkpoint: checkpoint.Checkpoint{Totals: checkpoint.Totals{Events: events}}}
}

func TestTheNewestDecisionAboutAServiceCounts(t *testing.T) {
	started := workflows.Decision{Service: "logs", Decision: workflows.Started, At: at(3)}
	forgotten := workflows.Decision{Service: "logs", Decision: workflows.Forgotten, At: at(4)}
	for name, test := range map[string]struct {
		told   []workflows.Decision
		want   workflows.Decided
		events int64 // of the position that is kept; 0 if none is
	}{
		"stopped":                                          {[]workflows.Decision{stopped(1, 10)}, workflows.Stopped, 10},
		"an older one is ignored":                          {[]workflows.Decision{stopped(2, 20), stopped(1, 10)}, workflows.Stopped, 20},
		"of the same moment the last one counts":           {[]workflows.Decision{stopped(2, 20), stopped(2, 30)}, workflows.Stopped, 30},
		"a start keeps the position that was known":        {[]workflows.Decision{stopped(1, 10), started}, workflows.Started, 10},
		"a stop without a position keeps the one known":    {[]workflows.Decision{stopped(1, 10), {Service: "logs", Decision: workflows.Stopped, At: at(2)}}, workflows.Stopped, 10},
		"what was forgotten has no position":               {[]workflows.Decision{stopped(1, 10), forgotten}, workflows.Forgotten, 0},
		"what was forgotten stays so when it is started":   {[]workflows.Decision{stopped(1, 10), forgotten, {Service: "logs", Decision: workflows.Started, At: at(5)}}, workflows.Started, 0},
		"one that is told before what it follows counts":   {[]workflows.Decision{started, stopped(1, 10)}, workflows.Started, 0},
		"a clock that is ahead makes nothing else older":   {[]workflows.Decision{{Service: "logs", Decision: workflows.Started, At: at(0).AddDate(100, 0, 0)}, {Service: "logs", Decision: workflows.Stopped}}, workflows.Stopped, 0},
		"what cannot be is ignored":                        {[]workflows.Decision{stopped(1, 10), {Service: "logs", Decision: "paused", At: at(2)}, {Service: "a/b", Decision: workflows.Started, At: at(2)}}, workflows.Stopped, 10},
		"a position that cannot be is dropped in its part": {[]workflows.Decision{stopped(1, -10)}, workflows.Stopped, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTenantRun(t, "okta/acme")
			r.decide(time.Minute, test.told...)
			status := r.execute(workflows.TenantInput{Tenant: "acme"})
			require.Len(t, status.Services, 1)
			require.Equal(t, test.want, status.Services[0].Decision)
			require.Nil(t, status.Services[0].State, "the answer to a query is small")
			kept := r.memo["decision.logs"].(workflows.Decision)
			require.Equal(t, test.want, kept.Decision)
			var events int64
			if kept.State != nil {
				events = kept.State.Checkpoint.Totals.Events
			}
			require.Equal(t, test.events, events)
		})
	}
}

func TestAPositionThatDoesNotFitIsRefusedWithAWarning(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	large := stopped(1, 10)
	large.State.Checkpoint.Position.Seen = make(checkpoint.Hashes, 8*checkpoint.MaxHashes)
	large.State.Checkpoint.Position.Visited = large.State.Checkpoint.Position.Seen
	for i := range 40 {
		d := large
		d.Service = "s" + strings.Repeat("x", i)
		r.decide(time.Minute, d)
	}
	status := r.execute(workflows.TenantInput{Tenant: "acme"})
	require.Len(t, status.Services, 40, "the decision itself is kept")
	require.Contains(t, status.Warnings[0].Message, "too large to be kept")
	positions := 0
	for _, d := range r.memo {
		if d.(workflows.Decision).State != nil {
			positions++
		}
	}
	require.Greater(t, positions, 10)
	require.Less(t, positions, 40)
}

func TestADecisionThatIsNotUnderstoodIsAWarning(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.RegisterDelayedCallback(func() {
		r.env.SignalWorkflow(workflows.SignalDecide, "stop all")
		r.env.SignalWorkflow("pause", nil)
	}, time.Minute)
	status := r.execute(workflows.TenantInput{Tenant: "acme"})
	require.Empty(t, status.Services)
	require.Len(t, status.Warnings, 2)
	require.Contains(t, status.Warnings[0].Message, "was not understood")
	require.Contains(t, status.Warnings[1].Message, "not known and did nothing; there are decide")
}

func TestATenantIsNotEndedByACancellation(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.RegisterDelayedCallback(r.env.CancelWorkflow, time.Minute)
	r.decide(2*time.Minute, stopped(1, 10))
	require.Len(t, r.execute(workflows.TenantInput{Tenant: "acme"}).Services, 1)
}

func TestATenantContinuesAsNewWithItsState(t *testing.T) {
	for name, test := range map[string]struct {
		after     time.Duration // after the start of the run
		continues bool
	}{"after a minute": {2 * time.Minute, true}, "not before": {30 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			r := newTenantRun(t, "okta/acme")
			r.env.SetContinueAsNewSuggested(true)
			r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(workflows.SignalDecide, "not understood") }, test.after)
			r.execute(workflows.TenantInput{Tenant: "acme"})
			var next *workflow.ContinueAsNewError
			require.Equal(t, test.continues, errors.As(r.env.GetWorkflowError(), &next))
			if !test.continues {
				return
			}
			require.Equal(t, workflows.TenantName, next.WorkflowType.Name)
			var in workflows.TenantInput
			require.NoError(t, workflows.DataConverter().FromPayloads(next.Input, &in))
			require.Equal(t, "acme", in.Tenant)
			require.Len(t, in.State.Warnings, 1)
		})
	}
}

func TestATenantBeginsWithTheDecisionsOfTheRunBefore(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.decide(time.Minute, stopped(1, 10))
	status := r.execute(workflows.TenantInput{Tenant: "acme", State: &workflows.TenantState{Decisions: workflows.Decisions{stopped(3, 30)}}})
	require.Equal(t, at(3), status.Services[0].At)
	require.Empty(t, r.memo, "what is older changes nothing")
}

func TestATenantDropsOfItsStateWhatCannotBe(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	status := r.execute(workflows.TenantInput{Tenant: "acme", State: &workflows.TenantState{
		Decisions: workflows.Decisions{stopped(3, -1), {Service: "a/b", Decision: workflows.Started, At: at(1)}},
	}})
	require.Len(t, status.Services, 1)
	require.Contains(t, status.Warnings[0].Message, "events, decisions")
}

func TestATenantOfAnotherIDOrNameEnds(t *testing.T) {
	for id, tenant := range map[string]string{"okta/globex": "acme", "okta/": "", "okta/a/b": "a/b"} {
		r := newTenantRun(t, id)
		r.execute(workflows.TenantInput{Tenant: tenant})
		require.ErrorContains(t, r.env.GetWorkflowError(), "InvalidInput")
	}
}

func TestTheMemoIsReadAgainAsItWasWritten(t *testing.T) {
	all := workflows.Decisions{{Service: "apps", Decision: workflows.Started, At: at(2), Run: "run"}, stopped(1, 10)}
	memo := &common.Memo{Fields: map[string]*common.Payload{}}
	for key, value := range all.Memo() {
		payload, err := workflows.DataConverter().ToPayload(value)
		require.NoError(t, err)
		memo.Fields[key] = payload
	}
	require.Equal(t, all, workflows.ReadMemo(memo, workflows.DataConverter()).Decisions)
}

func (s *collectSuite) TestAServiceThatIsStoppedHandsItsPositionOver() {
	for _, answer := range []error{nil, errors.New("there is no such workflow")} {
		s.SetupTest()
		s.tenant = answer
		s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
		state := s.run(input, time.Minute)
		s.Require().Len(s.told, 1, "once")
		told := s.told[0]
		s.Equal("logs", told.Service)
		s.Equal(workflows.Stopped, told.Decision)
		s.NotEmpty(told.Run)
		s.False(told.At.IsZero())
		s.Equal(state.Checkpoint, told.State.Checkpoint)
	}
}

func (s *collectSuite) TestARunThatGoesOnHandsNothingOver() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Minute) }
	s.env.SetContinueAsNewSuggested(true)
	s.execute(workflows.Collect, input)
	s.True(workflow.IsContinueAsNewError(s.env.GetWorkflowError()))
	s.Empty(s.told)
}

func (s *collectSuite) TestABackfillThatIsStoppedIsNoDecision() {
	all := workflows.BackfillInput{Tenant: "acme", Service: "users"}
	s.env.SetStartWorkflowOptions(workflowOptions(workflows.BackfillID("acme", "users", checkpoint.Range{})))
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{End: workflows.EndRateLimited, Wait: time.Hour}, nil
	}
	s.after(time.Minute, s.env.CancelWorkflow)
	s.execute(workflows.Backfill, all)
	s.True(s.env.IsWorkflowCompleted())
	s.Empty(s.told)
}
