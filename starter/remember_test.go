package starter

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// decided is a decision about users at noon, with a position after some events; 0 is none.
func decided(d workflows.Decided, n int64) workflows.Decision {
	decision := workflows.Decision{Service: "users", Decision: d, At: noon}
	if n > 0 {
		decision.State = &workflows.State{Checkpoint: events(n), Blocked: true, WakeReason: workflows.WaitBlocked}
	}
	return decision
}

// remembers makes the workflow of the tenant acme known, with these decisions in its memo, and others that no worker has
// handled yet.
func (f fakeTemporal) remembers(all workflows.Decisions, untold ...workflows.Decision) {
	memo := &common.Memo{Fields: map[string]*common.Payload{}}
	for key, value := range all.Memo() {
		memo.Fields[key] = payloads(f.t, value).Payloads[0]
	}
	d := &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING, Type: &common.WorkflowType{Name: workflows.TenantName}, Memo: memo}}
	if untold != nil {
		d.PendingWorkflowTask = &workflow.PendingWorkflowTaskInfo{}
		backwards := []*history.HistoryEvent{{EventType: enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED}}
		for _, told := range untold {
			backwards = append([]*history.HistoryEvent{{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, EventTime: timestamppb.New(noon.Add(time.Hour)),
				Attributes: &history.HistoryEvent_WorkflowExecutionSignaledEventAttributes{WorkflowExecutionSignaledEventAttributes: &history.WorkflowExecutionSignaledEventAttributes{
					SignalName: workflows.SignalDecide, Input: payloads(f.t, told)}}}}, backwards...)
		}
		f.history(backwards...)
	}
	f.describes("okta/acme", d)
}

// tells returns what the workflow of the tenant acme is told from now on.
func (f fakeTemporal) tells() *[]workflows.Decision {
	told := &[]workflows.Decision{}
	f.On("SignalWithStartWorkflow", mock.Anything, "okta/acme", workflows.SignalDecide, mock.Anything, mock.Anything, workflows.TenantName, mock.Anything).
		Run(func(args mock.Arguments) { *told = append(*told, args.Get(3).(workflows.Decision)) }).Return(&mocks.WorkflowRun{}, nil).Maybe()
	return told
}

func TestStartGoesOnFromWhatTheTenantsWorkflowRemembers(t *testing.T) {
	for name, test := range map[string]struct {
		memo   workflows.Decisions
		untold []workflows.Decision
		want   string
	}{
		"in its memo":                            {workflows.Decisions{decided(workflows.Stopped, 700)}, nil, "started after 700 events"},
		"what ended unasked too":                 {workflows.Decisions{decided(workflows.Started, 700)}, nil, "started after 700 events"},
		"what no worker has handled":             {nil, []workflows.Decision{decided(workflows.Stopped, 800)}, "started after 800 events"},
		"of the newest":                          {workflows.Decisions{decided(workflows.Stopped, 700)}, []workflows.Decision{decided(workflows.Stopped, 800)}, "started after 800 events"},
		"but not what somebody wanted forgotten": {workflows.Decisions{decided(workflows.Stopped, 700)}, []workflows.Decision{decided(workflows.Forgotten, 0)}, "started from the beginning"},
		"nor a position that nobody knows":       {workflows.Decisions{decided(workflows.Stopped, 0)}, nil, "started from the beginning"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			o.hasNever(users)
			o.remembers(test.memo, test.untold...)
			o.starts(nil)
			told := o.tells()
			code, stdout, stderr := o.call("start", users)
			require.Zero(t, code, stdout+stderr)
			require.Equal(t, users+"  "+test.want+"\n", stdout)
			require.Empty(t, stderr, "it is no first start")
			require.Equal(t, workflows.Started, (*told)[0].Decision)
			require.Equal(t, "run-of-the-start", (*told)[0].Run)
		})
	}
}

func TestAPositionThatIsRememberedInheritsNoBlock(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	o.remembers(workflows.Decisions{decided(workflows.Stopped, 700)})
	_, in := o.starts(nil)
	o.call("start", users)
	require.False(t, in.State.Blocked)
	require.Empty(t, in.State.WakeReason)
}

// endedAt makes a run of users known that ended at a time.
func (f fakeTemporal) endedAt(how enums.WorkflowExecutionStatus, at time.Time) {
	f.describes(users, &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: how, CloseTime: timestamppb.New(at)}})
}

func TestStartGoesOnFromTheNewestOfTheLastRunAndWhatIsRemembered(t *testing.T) {
	for name, test := range map[string]struct {
		memo  workflows.Decision
		ended time.Time
		want  string
	}{
		"the run":            {decided(workflows.Stopped, 700), noon.Add(time.Minute), "started after 900 events"},
		"what is remembered": {decided(workflows.Stopped, 700), noon.Add(-time.Minute), "started after 700 events"},
		"what was forgotten": {decided(workflows.Forgotten, 0), noon.Add(-time.Minute), "started from the beginning"},
		"what was run since": {decided(workflows.Forgotten, 0), noon.Add(time.Minute), "started after 900 events"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			o.endedAt(enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, test.ended)
			o.ended(users, workflows.State{Checkpoint: events(900)})
			o.remembers(workflows.Decisions{test.memo})
			o.starts(nil)
			_, stdout, _ := o.call("start", users)
			require.Equal(t, users+"  "+test.want+"\n", stdout)
		})
	}
}

func TestAFreshStartIsRememberedToo(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	known := decided(workflows.Stopped, 700)
	known.At = time.Now().Add(time.Minute) // of a clock that is ahead
	o.remembers(workflows.Decisions{known})
	_, in := o.starts(nil)
	told := o.tells()
	code, stdout, _ := o.call("start", "--fresh", users)
	require.Zero(t, code)
	require.Equal(t, users+"  started from the beginning\n", stdout)
	require.Nil(t, in.State)
	require.Len(t, *told, 2)
	require.Equal(t, workflows.Forgotten, (*told)[0].Decision)
	require.Equal(t, workflows.Started, (*told)[1].Decision)
	require.True(t, (*told)[0].At.After(known.At), "or it would be ignored")
}

func TestNothingIsStartedWhileTheTenantsWorkflowCannotBeRead(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	o.describes("okta/acme", &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING, Type: &common.WorkflowType{Name: "Payroll"}}})
	code, stdout, _ := o.call("start", users)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, `okta/acme is a workflow of type "Payroll"`)
}

func TestTheWorkflowOfATenantThatWasEndedGoesOnWithWhatItKnew(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	o.remembers(workflows.Decisions{decided(workflows.Stopped, 700)})
	o.starts(nil)
	var options client.StartWorkflowOptions
	var in workflows.TenantInput
	o.On("SignalWithStartWorkflow", mock.Anything, "okta/acme", workflows.SignalDecide, mock.Anything, mock.Anything, workflows.TenantName, mock.Anything).
		Run(func(args mock.Arguments) {
			options, in = args.Get(4).(client.StartWorkflowOptions), args.Get(6).(workflows.TenantInput)
		}).Return(&mocks.WorkflowRun{}, nil).Once()
	o.call("start", users)
	require.Equal(t, "okta/acme", options.ID)
	require.Equal(t, "okta-collector", options.TaskQueue)
	require.Equal(t, "acme", in.Tenant)
	require.EqualValues(t, 700, in.State.Decisions[0].State.Checkpoint.Totals.Events)
	require.Contains(t, options.Memo, "decision.users")
}

func TestTheNextLookHandsOverHowARunHasEnded(t *testing.T) {
	const (
		completed  = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		terminated = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	)
	own := decided(workflows.Stopped, 900)
	own.Run, own.At = run, noon.Add(-time.Millisecond)
	for name, test := range map[string]struct {
		how  enums.WorkflowExecutionStatus
		memo workflows.Decisions
		want []workflows.Decided
	}{
		"that was stopped":             {completed, nil, []workflows.Decided{workflows.Stopped}},
		"that was terminated":          {terminated, nil, []workflows.Decided{workflows.Started}},
		"unless the run has done that": {completed, workflows.Decisions{own}, nil},
		"unless somebody else has":     {terminated, workflows.Decisions{decided(workflows.Started, 900)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			o.endedAt(test.how, noon)
			if test.how == completed {
				o.ended(users, workflows.State{Checkpoint: events(900)})
			}
			o.history(sliceEnded(t, events(900)), started(t, workflows.CollectInput{}))
			o.remembers(test.memo)
			told := o.tells()
			o.call("status", users)
			var got []workflows.Decided
			for _, d := range *told {
				got = append(got, d.Decision)
				require.Equal(t, noon, d.At)
				require.EqualValues(t, 900, d.State.Checkpoint.Totals.Events)
			}
			require.Equal(t, test.want, got)
		})
	}
}

// Somebody else may hand over the same run while the next one begins. What the start has told is newer, so the tenant's workflow
// ignores that, and the ledger keeps the service.
func TestAStartHandsOverTheStoppedRunBeforeTheNextOneBegins(t *testing.T) {
	o := newAcme(t)
	o.endedAt(enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, noon)
	o.ended(users, workflows.State{Checkpoint: events(900)})
	o.remembers(nil)
	told := o.tells()
	var before []workflows.Decision
	o.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflows.CollectName, mock.Anything).
		Run(func(mock.Arguments) { before = *told }).Return(startedRun(), nil)
	o.call("start", users)
	require.Len(t, before, 1)
	require.Equal(t, workflows.Stopped, before[0].Decision)
	late := before[0]
	late.At = noon // of Temporal
	_, _, taken := late.Taken(&before[0], time.Now())
	require.False(t, taken)
	require.Equal(t, workflows.Started, (*told)[1].Decision)
	_, _, taken = (*told)[1].Taken(&before[0], time.Now())
	require.True(t, taken)
}

func TestStatusShowsWhatIsRememberedOfServicesWithoutARun(t *testing.T) {
	const apps = "okta/acme/apps"
	o := newAcme(t)
	o.hasNever(users)
	o.hasNever(apps)
	o.lists()
	o.remembers(workflows.Decisions{{Service: "apps", Decision: workflows.Started, At: noon}, decided(workflows.Stopped, 700)})
	code, stdout, stderr := o.call("status", "--tenant", "acme", "-o", "json")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "needs attention: "+apps)
	require.NotContains(t, stderr, users, "an operator stopped it")
	var rows []row
	require.NoError(t, json.Unmarshal([]byte(stdout), &rows))
	require.Len(t, rows, 2)
	require.Equal(t, users, rows[0].ID)
	require.Equal(t, status.Stopped, rows[0].State)
	require.Equal(t, noon, rows[0].Ended)
	require.EqualValues(t, 700, rows[0].Checkpoint.Totals.Events)
	require.Equal(t, status.Missing, rows[1].State)

	code, stdout, _ = o.call("status", "okta/acme")
	require.Equal(t, 1, code, "the id of a tenant means all its services")
	require.Regexp(t, users+` +stopped +700`, stdout)
	require.Contains(t, stdout, apps)
}

func TestStoppingWhatEndedUnaskedIsADecision(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	o.remembers(workflows.Decisions{decided(workflows.Started, 700)})
	told := o.tells()
	code, stdout, _ := o.call("stop", users)
	require.Zero(t, code, stdout)
	require.Contains(t, stdout, "not running; it was started and not stopped, and Temporal has no run of it any more")
	require.Equal(t, workflows.Stopped, (*told)[0].Decision)
}

func TestWhatWasTerminatedAndThenStoppedNeedsNobody(t *testing.T) {
	o := newAcme(t)
	o.endedAt(enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, noon.Add(-time.Minute))
	o.history(sliceEnded(t, events(900)), started(t, workflows.CollectInput{}))
	o.remembers(workflows.Decisions{decided(workflows.Stopped, 0)})
	code, stdout, stderr := o.call("status", users)
	require.Zero(t, code, stderr)
	require.Regexp(t, users+` +stopped +900`, stdout)
}

func TestStatusShowsTheWindowsOfTenants(t *testing.T) {
	o := newAcme(t)
	value := mocks.NewEncodedValue(t)
	value.On("Get", mock.Anything).Run(func(args mock.Arguments) {
		args.Get(0).(*workflows.TenantStatus).Windows = []workflows.WindowStatus{
			{Name: "/api/v1/apps", Limit: 100, Share: 50, Used: 31, Ends: time.Now().Add(30 * time.Second), By: []workflows.UsedBy{
				{ID: "okta/acme/apps", Used: 1}, {ID: "okta/acme/app_users", Used: 30}}},
			{Name: "/api/v1/logs", RateShare: 0.5, By: []workflows.UsedBy{{ID: "okta/acme/logs", Alone: true}}},
			{Name: "/api/v1/idps", RateShare: 0.5, Share: 1, By: []workflows.UsedBy{{ID: "okta/acme/idps", Alone: true}}},
			{Name: "/api/v1/users", Limit: 100, Share: 50, Used: 31, Ends: time.Now().Add(-time.Second), By: []workflows.UsedBy{{ID: users, Used: 31}}},
			{Name: "/api/v1/zones", Share: 1, Used: 1, Ends: time.Now().Add(30 * time.Second), By: []workflows.UsedBy{{ID: "okta/acme/zones", Used: 1}}},
		}
	}).Return(nil)
	o.On("QueryWorkflow", mock.Anything, "okta/acme", "", workflows.QueryStatus).Return(value, nil)
	o.has("okta/acme/logs", enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.answers("okta/acme/logs", workflows.Status{State: workflows.StateWaiting, CaughtUp: true, Checkpoint: checkpoint.Checkpoint{Windows: []checkpoint.Window{
		{Name: "/api/v1/logs", Limit: 60, Used: 7, Ends: time.Now().Add(20 * time.Second)}}}})
	o.has("okta/acme/idps", enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.answers("okta/acme/idps", workflows.Status{State: workflows.StateWaiting, CaughtUp: true})
	for _, args := range [][]string{{"okta/acme"}, {"--tenant", "acme"}} {
		code, stdout, stderr := o.call(append([]string{"status", "--windows"}, args...)...)
		require.Zero(t, code, stderr)
		require.Regexp(t, `acme +/api/v1/apps +100 +50 +31 +(30|29)s +apps 1, app_users 30`, stdout)
		require.Regexp(t, `acme +/api/v1/logs +60 +30 +7 +(20|19)s +logs 7 alone`, stdout)
		require.Regexp(t, `acme +/api/v1/idps +- +- +- +- +idps alone`, stdout, "nothing is known of it yet")
		require.Regexp(t, `acme +/api/v1/users +100 +50 +0 +- +users 0`, stdout, "its last window is over")
		require.Regexp(t, `acme +/api/v1/zones +- +- +- +(30|29)s +zones 1`, stdout, "no answer has told the limit yet")
	}
	code, stdout, _ := o.call("status", "--windows", "-o", "json", "okta/acme")
	require.Zero(t, code)
	require.Contains(t, stdout, `"share": 50`)

	code, _, stderr := o.call("status", "--windows", users)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--windows is of whole tenants")
}

func TestStatusSaysThatNoWorkerKnowsTheWindows(t *testing.T) {
	o := newAcme(t)
	o.On("QueryWorkflow", mock.Anything, "okta/acme", "", workflows.QueryStatus).Return(nil, context.DeadlineExceeded)
	code, stdout, stderr := o.call("status", "--windows", "--tenant", "acme")
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "okta/acme: no worker answers")
}

func TestTheWorkflowOfATenantIsNoCollectorUnlessAnotherProgramHasItsID(t *testing.T) {
	for kind, shown := range map[string]bool{workflows.TenantName: false, "Payroll": true} {
		o := newTemporal(t)
		o.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{Executions: []*workflow.WorkflowExecutionInfo{
			{Execution: &common.WorkflowExecution{WorkflowId: users}, Type: &common.WorkflowType{Name: workflows.CollectName}},
			{Execution: &common.WorkflowExecution{WorkflowId: "okta/acme"}, Type: &common.WorkflowType{Name: kind}},
		}}, nil)
		o.describes("okta/acme", &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
			Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING, Type: &common.WorkflowType{Name: kind}}})
		o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		o.answers(users, workflows.Status{State: workflows.StateWaiting, CaughtUp: true})
		code, stdout, stderr := o.call("status", "-o", "json")
		var rows []row
		require.NoError(t, json.Unmarshal([]byte(stdout), &rows))
		require.Len(t, rows, map[bool]int{false: 1, true: 2}[shown])
		require.Equal(t, map[bool]int{false: 0, true: 1}[shown], code, stderr)
	}
}
