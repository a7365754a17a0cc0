package starter

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	temporalsdk "go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	users = "okta/acme/users"
	logs  = "okta/acme/logs"
	run   = "run-1"

	// dayID is the backfill of the day before [noon].
	dayID = "okta/acme/logs/backfill/2026-11-21T12:00:00.000Z--2026-11-22T12:00:00.000Z"
)

var data = converter.GetDefaultDataConverter()

// fakeTemporal has what a test says about the collectors.
type fakeTemporal struct {
	*mocks.Client
	t *testing.T
}

func newTemporal(t *testing.T) fakeTemporal {
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		if strings.HasPrefix(name, "OKTA_") || strings.HasPrefix(name, "DEVO_") || strings.HasPrefix(name, "COLLECTOR_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("OKTA_SERVICES", "logs,users")
	c := &mocks.Client{}
	c.On("Close").Maybe()
	t.Cleanup(func() { c.AssertExpectations(t) })
	return fakeTemporal{c, t}
}

// newAcme has settings for the tenant acme.
func newAcme(t *testing.T) fakeTemporal {
	f := newTemporal(t)
	t.Setenv("COLLECTOR_TENANTS", "acme")
	return f
}

// call runs the command line and returns what it wrote.
func (f fakeTemporal) call(args ...string) (code int, stdout, stderr string) {
	f.t.Helper()
	return f.callUntil(f.t.Context(), args...)
}

// callUntil is a call that is interrupted when ctx ends.
func (f fakeTemporal) callUntil(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	f.t.Helper()
	// Unless the test has said something else, a worker is there, and the namespace has all that is needed.
	f.On("DescribeTaskQueue", mock.Anything, mock.Anything, mock.Anything).Return(polledAt(time.Now()), nil).Maybe()
	f.On("OperatorService").Return(&operator{have: allAttributes()}).Maybe()
	f.On("WorkflowService").Return(&frontend{retention: 90 * 24 * time.Hour}).Maybe()
	ofTenant := mock.MatchedBy(func(id string) bool { _, ok := workflows.ParseTenantID(id); return ok })
	f.On("DescribeWorkflowExecution", mock.Anything, ofTenant, "").Return(nil, serviceerror.NewNotFound("nothing was decided")).Maybe()
	f.On("ListWorkflow", mock.Anything, mock.MatchedBy(func(r *workflowservice.ListWorkflowExecutionsRequest) bool {
		return strings.HasPrefix(r.Query, `WorkflowType = "Tenant"`)
	})).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil).Maybe()
	f.On("SignalWithStartWorkflow", mock.Anything, ofTenant, workflows.SignalDecide, mock.Anything, mock.Anything, workflows.TenantName, mock.Anything).
		Return(&mocks.WorkflowRun{}, nil).Maybe()
	root := newRoot(f.connect)
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	code = execute(ctx, root)
	return code, out.String(), errs.String()
}

// connect is a connector.
func (f fakeTemporal) connect(context.Context) (*status.Reader, error) {
	return &status.Reader{Client: f.Client, Namespace: "prod", Data: data}, nil
}

// polledAt is a task queue that a worker has asked at a time.
func polledAt(at time.Time) *workflowservice.DescribeTaskQueueResponse {
	return polledBy(temporalclient.WorkerIdentity(), at)
}

// polledBy is a task queue that somebody has asked at a time.
func polledBy(identity string, at time.Time) *workflowservice.DescribeTaskQueueResponse {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueue.PollerInfo{{Identity: identity, LastAccessTime: timestamppb.New(at)}}}
}

// has makes an id's latest run known.
func (f fakeTemporal) has(id string, status enums.WorkflowExecutionStatus, pending ...*workflow.PendingActivityInfo) {
	f.describes(id, &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: status},
		PendingActivities:     pending,
	})
}

// describes makes Temporal say this of an id's latest run.
func (f fakeTemporal) describes(id string, d *workflowservice.DescribeWorkflowExecutionResponse) {
	d.WorkflowExecutionInfo.Execution = &common.WorkflowExecution{WorkflowId: id, RunId: run}
	f.On("DescribeWorkflowExecution", mock.Anything, id, "").Return(d, nil).Maybe()
}

// endsWhenCancelled makes a run known that ends so when it is told to.
func (f fakeTemporal) endsWhenCancelled(id string, status enums.WorkflowExecutionStatus) {
	running := &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}}
	f.On("DescribeWorkflowExecution", mock.Anything, id, "").Return(running, nil).Once()
	f.has(id, status)
	f.On("CancelWorkflow", mock.Anything, id, "").Return(nil).Once()
}

func (f fakeTemporal) hasNever(id string) {
	f.On("DescribeWorkflowExecution", mock.Anything, id, "").Return(nil, serviceerror.NewNotFound("no such workflow"))
}

// answers makes a run answer the status query.
func (f fakeTemporal) answers(id string, status workflows.Status) {
	value := mocks.NewEncodedValue(f.t)
	value.On("Get", mock.Anything).Run(func(args mock.Arguments) { *args.Get(0).(*workflows.Status) = status }).Return(nil)
	f.On("QueryWorkflow", mock.Anything, id, run, workflows.QueryStatus).Return(value, nil)
}

// ended makes a run's result known.
func (f fakeTemporal) ended(id string, state workflows.State) {
	result := mocks.NewWorkflowRun(f.t)
	result.On("Get", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		if into, ok := args.Get(1).(*workflows.State); ok {
			*into = state
		}
	}).Return(nil)
	f.On("GetWorkflow", mock.Anything, id, mock.Anything).Return(result)
}

// stopped makes a backfill's state known, when it was cancelled.
func (f fakeTemporal) stopped(id string, state workflows.State) {
	result := mocks.NewWorkflowRun(f.t)
	result.On("Get", mock.Anything, mock.Anything).Return(temporalsdk.NewCanceledError(state))
	f.On("GetWorkflow", mock.Anything, id, mock.Anything).Return(result)
}

// failed makes a run known that has failed before it had a position.
func (f fakeTemporal) failed(id, why string, at time.Time) {
	f.describes(id, &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_FAILED, CloseTime: timestamppb.New(at)},
	})
	result := mocks.NewWorkflowRun(f.t)
	result.On("Get", mock.Anything, mock.Anything).Return(temporalsdk.NewApplicationError(why, ""))
	f.On("GetWorkflow", mock.Anything, id, mock.Anything).Return(result)
	f.history(&history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED}, started(f.t, workflows.CollectInput{}))
	f.On("ListWorkflow", mock.Anything, mock.MatchedBy(func(r *workflowservice.ListWorkflowExecutionsRequest) bool {
		return strings.HasPrefix(r.Query, "WorkflowId = ")
	})).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil).Maybe()
}

// starts expects one start and returns what was started.
func (f fakeTemporal) starts(err error) (options *client.StartWorkflowOptions, in *workflows.CollectInput) {
	options, in = new(client.StartWorkflowOptions), new(workflows.CollectInput)
	f.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflows.CollectName, mock.Anything).Run(func(args mock.Arguments) {
		*options = args.Get(1).(client.StartWorkflowOptions)
		*in = args.Get(3).(workflows.CollectInput)
	}).Return(startedRun(), err).Once()
	return options, in
}

// startedRun is a run that was started.
func startedRun() client.WorkflowRun {
	r := &mocks.WorkflowRun{}
	r.On("GetRunID").Return("run-of-the-start").Maybe()
	return r
}

func payloads(t *testing.T, values ...any) *common.Payloads {
	t.Helper()
	p, err := data.ToPayloads(values...)
	require.NoError(t, err)
	return p
}

// day is the range of [dayID].
var day = checkpoint.Range{Since: noon.Add(-24 * time.Hour), Until: noon}

// halfway is a checkpoint in the middle of [day].
func halfway() checkpoint.Checkpoint {
	c := events(500)
	c.Position.Newest = noon.Add(-12 * time.Hour)
	return c
}

// wholeDay is the checkpoint of a backfill of [day] that is done.
func wholeDay() checkpoint.Checkpoint {
	c := halfway()
	c.Totals.Pulls = 1
	return c
}

// theRest fetches what is missing of [day] after [halfway].
const theRest = "fetch the rest with: starter backfill okta/acme/logs --since 2026-11-22T00:00:00Z --until 2026-11-22T12:00:00Z"

func events(n int64) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Totals: checkpoint.Totals{Pages: n / 100, Events: n}}
}

func TestStartStartsWhatNeverRanWithAllThatFindsItAgain(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	options, in := o.starts(nil)
	code, stdout, stderr := o.call("start", users)

	require.Zero(t, code, stderr)
	require.Equal(t, users+"  started from the beginning\n", stdout)
	require.Equal(t, users, options.ID)
	require.Equal(t, "okta-collector", options.TaskQueue)
	require.True(t, options.WorkflowExecutionErrorWhenAlreadyStarted)
	require.Equal(t, enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, options.WorkflowIDConflictPolicy)
	require.Equal(t, 3, options.TypedSearchAttributes.Size())
	require.NotEmpty(t, options.StaticSummary)
	require.Equal(t, workflows.CollectInput{Tenant: "acme", Service: "users"}, *in)
}

func TestStartWithoutIdsStartsTheConfiguredServices(t *testing.T) {
	o := newTemporal(t)
	o.hasNever("okta/default/logs")
	o.hasNever("okta/default/users")
	o.starts(nil)
	o.starts(nil)
	code, stdout, _ := o.call("start")

	require.Zero(t, code)
	require.Equal(t, "okta/default/logs   started from the beginning\nokta/default/users  started from the beginning\n", stdout)
}

func TestStartLeavesAloneWhatRuns(t *testing.T) {
	t.Run("already", func(t *testing.T) {
		o := newAcme(t)
		o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		code, stdout, _ := o.call("start", "--fresh", users)

		require.Zero(t, code)
		require.Contains(t, stdout, "running already")
	})
	t.Run("since a moment ago", func(t *testing.T) {
		o := newAcme(t)
		o.hasNever(users)
		o.starts(serviceerror.NewWorkflowExecutionAlreadyStarted("started", "", run))
		code, stdout, _ := o.call("start", users)

		require.Zero(t, code)
		require.Contains(t, stdout, "running already")
	})
}

func TestStartGoesOnFromTheResultOfTheLastRun(t *testing.T) {
	o := newAcme(t)
	due := time.Now().Add(time.Hour).UTC()
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	o.ended(users, workflows.State{Checkpoint: events(12300), Paused: true, Slices: 7, WakeAt: due, WakeReason: workflows.WaitPoll})
	_, in := o.starts(nil)
	code, stdout, _ := o.call("start", users)

	require.Zero(t, code)
	require.Contains(t, stdout, "12,300 events")
	require.Equal(t, events(12300), in.State.Checkpoint)
	require.Equal(t, int64(7), in.State.Slices)
	require.Equal(t, due, in.State.WakeAt, "the next poll is due when it was")
	require.False(t, in.State.Paused, "whoever starts a collector wants it to collect")
}

func TestStartTriesAtOnceWhatWasBlockedOrNotInTheOrg(t *testing.T) {
	for reason, blocked := range map[workflows.WaitReason]bool{workflows.WaitBlocked: true, workflows.WaitNotInOrg: false} {
		o := newAcme(t)
		o.has(users, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		o.ended(users, workflows.State{Checkpoint: events(100), Blocked: blocked, Failures: 3, WakeAt: time.Now().Add(time.Hour), WakeReason: reason})
		_, in := o.starts(nil)
		code, _, _ := o.call("start", users)

		require.Zero(t, code)
		require.Equal(t, &workflows.State{Checkpoint: events(100)}, in.State)
	}
}

func TestStartGoesOnFromTheHistoryOfARunThatWasTerminated(t *testing.T) {
	o := newAcme(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	o.history(&history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED}, sliceEnded(t, events(500)), started(t, workflows.CollectInput{}))
	_, in := o.starts(nil)
	code, stdout, _ := o.call("start", users)

	require.Zero(t, code)
	require.Equal(t, users+"  started after 500 events\n", stdout)
	require.Equal(t, &workflows.State{Checkpoint: events(500), Began: noon}, in.State)
}

func TestStartBeginsWhereARunWasToBeginThatWasTerminatedBeforeItHadAPosition(t *testing.T) {
	weekAgo := noon.Add(-7 * 24 * time.Hour)
	waited := checkpoint.Checkpoint{Windows: []checkpoint.Window{{Name: "/api/v1/logs"}}} // for a permission
	for name, test := range map[string]struct {
		in   workflows.CollectInput
		ends []*history.HistoryEvent // before it was terminated
		want workflows.State
	}{
		"no worker was there": {in: workflows.CollectInput{}, want: workflows.State{Began: noon}},
		"it was told where":   {in: workflows.CollectInput{Since: &weekAgo}, want: workflows.State{Began: noon, Since: &weekAgo}},
		"it waited":           {workflows.CollectInput{Since: &weekAgo}, []*history.HistoryEvent{sliceEnded(t, waited)}, workflows.State{Checkpoint: waited, Began: noon, Since: &weekAgo}},
		"one before it was told where": {
			in:   workflows.CollectInput{State: &workflows.State{Began: weekAgo, Since: &weekAgo}},
			want: workflows.State{Began: weekAgo, Since: &weekAgo},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			o.has(logs, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED)
			o.history(append(append([]*history.HistoryEvent{{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED}}, test.ends...), started(t, test.in))...)
			o.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil).Maybe()
			_, in := o.starts(nil)
			code, stdout, _ := o.call("start", logs)

			require.Zero(t, code)
			require.Equal(t, logs+"  started from the beginning\n", stdout)
			require.Equal(t, &test.want, in.State)
		})
	}
}

func TestStartBeginsAnewWhatEndedBeforeItHadBegun(t *testing.T) {
	began := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	o := newAcme(t)
	o.has("okta/acme/logs", enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	o.ended("okta/acme/logs", workflows.State{Began: began, Checkpoint: checkpoint.Checkpoint{Windows: []checkpoint.Window{{Name: "/api/v1/logs"}}}})
	_, in := o.starts(nil)
	code, stdout, _ := o.call("start", "--since", "2d", "okta/acme/logs")

	require.Zero(t, code)
	require.Regexp(t, `^okta/acme/logs  started from \d{4}-\d\d-\d\dT\S+Z\n$`, stdout)
	require.Equal(t, began, in.State.Began, "its history counts from when it was first started")
	require.NotNil(t, in.Since)
}

func TestStartRefusesToForgetAPositionUnlessTold(t *testing.T) {
	o := newAcme(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	o.history(&history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED}) // the rest is gone
	code, stdout, stderr := o.call("start", users)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "starter start --fresh "+users)
	require.Equal(t, "starter: failed for 1 of 1\n", stderr)

	_, in := o.starts(nil)
	code, stdout, _ = o.call("start", "--fresh", users)
	require.Zero(t, code)
	require.Contains(t, stdout, "started")
	require.Nil(t, in.State)
}

func TestSinceIsForLogsThatBeginAnew(t *testing.T) {
	since := time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Second)
	t.Run("first run", func(t *testing.T) {
		o := newAcme(t)
		o.hasNever(logs)
		_, in := o.starts(nil)
		code, _, _ := o.call("start", "--since", since.Format(time.RFC3339), logs)
		require.Zero(t, code)
		require.Equal(t, since, *in.Since)
	})
	t.Run("a run with a position", func(t *testing.T) {
		o := newAcme(t)
		o.has(logs, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		o.ended(logs, workflows.State{Checkpoint: events(100)})
		_, in := o.starts(nil)
		code, stdout, _ := o.call("start", "--since", "2d", logs)
		require.Zero(t, code)
		require.Contains(t, stdout, "--since is not used")
		require.Nil(t, in.Since)
	})
	t.Run("other services", func(t *testing.T) {
		o := newAcme(t)
		o.hasNever(users)
		_, in := o.starts(nil)
		code, stdout, _ := o.call("start", "--since", "2d", users)
		require.Zero(t, code)
		require.Equal(t, users+"  started from the beginning; --since is for logs only\n", stdout)
		require.Nil(t, in.Since)
	})
	t.Run("other services that run", func(t *testing.T) {
		o := newAcme(t)
		o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		_, stdout, _ := o.call("start", "--since", "2d", users)
		require.Equal(t, users+"  running already; --since is for logs only\n", stdout)
	})
}

func TestStartWithoutAnySettingsIsRefusedUnlessItIsSaidWhatToStart(t *testing.T) {
	o := newTemporal(t)
	t.Setenv("OKTA_SERVICES", "")
	code, _, stderr := o.call("start")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "neither OKTA_URL nor COLLECTOR_TENANTS: set what the worker has, or say what to start: starter start --tenant default,")

	for _, args := range []string{"okta/default/logs", "--tenant default"} {
		o := newTemporal(t)
		t.Setenv("OKTA_SERVICES", "")
		o.On("DescribeWorkflowExecution", mock.Anything, mock.Anything, "").Return(nil, serviceerror.NewNotFound("no such workflow"))
		o.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflows.CollectName, mock.Anything).Return(startedRun(), nil)
		code, _, stderr := o.call(append([]string{"start"}, strings.Fields(args)...)...)
		require.Zero(t, code, stderr)
	}
}

func TestStartWarnsWhereNoWorkerAsksForWork(t *testing.T) {
	const warning = "no worker answers on task queue typo of namespace prod"
	for name, test := range map[string]struct {
		queue  *workflowservice.DescribeTaskQueueResponse
		warned bool
	}{
		"never":              {&workflowservice.DescribeTaskQueueResponse{}, true},
		"any more":           {polledAt(time.Now().Add(-2 * time.Minute)), true},
		"but where one does": {polledAt(time.Now().Add(-time.Minute)), false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			t.Setenv("COLLECTOR_TASK_QUEUE", "typo")
			o.hasNever(users)
			o.starts(nil)
			o.On("DescribeTaskQueue", mock.Anything, "typo", enums.TASK_QUEUE_TYPE_WORKFLOW).Return(test.queue, nil)
			code, _, stderr := o.call("start", users)

			require.Zero(t, code)
			require.Equal(t, test.warned, strings.Contains(stderr, warning), stderr)
		})
	}
}

func TestStartSaysThatWhatRunsIsOnAnotherTaskQueue(t *testing.T) {
	o := newAcme(t)
	o.describes(users, &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING},
		ExecutionConfig:       &workflow.WorkflowExecutionConfig{TaskQueue: &taskqueue.TaskQueue{Name: "typo"}},
	})
	o.On("DescribeTaskQueue", mock.Anything, "typo", enums.TASK_QUEUE_TYPE_WORKFLOW).Return(&workflowservice.DescribeTaskQueueResponse{}, nil)
	_, stdout, stderr := o.call("start", users)

	require.Contains(t, stdout, "running already, on task queue typo and not on okta-collector (stop it and start it again)")
	require.Contains(t, stderr, "no worker answers on task queue typo")
}

func TestWrongCallsExitWith2AndOneLine(t *testing.T) {
	for _, args := range []string{
		"strat", "start --frsh", "start users", "start okta/acme/user", "start --since tomorrow", "start --since 91d", "start --since 2099-01-01T00:00:00Z",
		"start --tenant nobody", "start okta/acme/users", "start " + dayID, "status -o yaml", "status -w -o json", "pause users", "poll " + dayID,
		"stop --tenant acme okta/acme/users", "check logs", "check -o yaml",
		"backfill", "backfill users", "backfill okta/acme/user", "backfill okta/acme/logs", "backfill okta/acme/logs --since yesterday", "backfill --since 1d " + dayID, "backfill " + dayID, "backfill --tenant acme okta/acme/users",
	} {
		t.Run(args, func(t *testing.T) {
			code, _, stderr := newTemporal(t).call(strings.Fields(args)...)
			require.Equal(t, 2, code)
			require.True(t, strings.HasPrefix(stderr, "starter: "))
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
}

func TestWrongSettingsExitWith2(t *testing.T) {
	code, _, stderr := newTemporal(t).call("check") // there is no OKTA_URL

	require.Equal(t, 2, code)
	require.Contains(t, stderr, "OKTA_URL is missing")
}

func TestStartKnowsOnlyTheTenantsOfTheSettings(t *testing.T) {
	o := newTemporal(t)
	t.Setenv("COLLECTOR_TENANTS", "acme,globex")
	code, _, stderr := o.call("start", "okta/amce/users")

	require.Equal(t, 2, code)
	require.Contains(t, stderr, `okta/amce/users: no settings are for tenant "amce"; COLLECTOR_TENANTS has acme, globex`)
}

func TestSignalsGoToTheIdsGiven(t *testing.T) {
	for command, signal := range map[string]string{"pause": workflows.SignalPause, "resume": workflows.SignalResume, "poll": workflows.SignalPoll} {
		t.Run(command, func(t *testing.T) {
			o := newTemporal(t)
			o.On("SignalWorkflow", mock.Anything, users, "", signal, nil).Return(nil)
			o.On("SignalWorkflow", mock.Anything, "okta/acme/gone", "", signal, nil).Return(serviceerror.NewNotFound("not there"))
			o.hasNever("okta/acme/gone")
			code, stdout, stderr := o.call(command, users, "okta/acme/gone")

			require.Equal(t, 1, code)
			require.Contains(t, stdout, users+" ")
			require.Contains(t, stdout, command+" sent")
			require.Contains(t, stdout, "okta/acme/gone   FAILED: not running")
			require.Contains(t, stderr, "failed for 1 of 2")
		})
	}
}

func TestResumeCanResetTheProofOfDelivery(t *testing.T) {
	o := newTemporal(t)
	o.On("SignalWorkflow", mock.Anything, users, "", workflows.SignalResume, workflows.ResumeInput{ResetProof: true}).Return(nil)
	code, _, stderr := o.call("resume", "--reset-proof", users)
	require.Zero(t, code, stderr)
}

// lists makes what is running known, in pages of one.
func (f fakeTemporal) lists(ids ...string) {
	if len(ids) == 0 {
		f.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil)
	}
	for i, id := range ids {
		page := &workflowservice.ListWorkflowExecutionsResponse{
			Executions: []*workflow.WorkflowExecutionInfo{{Execution: &common.WorkflowExecution{WorkflowId: id}}},
		}
		if i < len(ids)-1 {
			page.NextPageToken = []byte{byte(i + 1)}
		}
		f.On("ListWorkflow", mock.Anything, mock.Anything).Return(page, nil).Once()
	}
}

func TestSignalsGoToAllThatRunOrThoseOfATenant(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		o := newTemporal(t)
		o.lists("okta/globex/apps", users, "somebody/else", users)
		o.On("SignalWorkflow", mock.Anything, users, "", "pause", nil).Return(nil).Once()
		o.On("SignalWorkflow", mock.Anything, "okta/globex/apps", "", "pause", nil).Return(nil).Once()
		code, _, _ := o.call("pause")
		require.Zero(t, code)
	})
	t.Run("one tenant", func(t *testing.T) {
		o := newTemporal(t)
		o.lists("okta/globex/apps", users)
		o.On("SignalWorkflow", mock.Anything, users, "", "pause", nil).Return(nil).Once()
		code, _, _ := o.call("pause", "--tenant", "acme")
		require.Zero(t, code)
	})
	t.Run("none", func(t *testing.T) {
		o := newTemporal(t)
		o.lists()
		code, _, stderr := o.call("pause", "--tenant", "acme")
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "no collector of tenant acme is running")
	})
}

func TestStopWaitsForTheEndAndSaysWhereItStopped(t *testing.T) {
	const apps = "okta/acme/apps"
	o := newTemporal(t)
	o.endsWhenCancelled(users, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	o.ended(users, workflows.State{Checkpoint: events(12300)})
	o.has(apps, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	o.ended(apps, workflows.State{Checkpoint: events(700)})
	code, stdout, _ := o.call("stop", users, apps)

	require.Zero(t, code)
	// Each line comes when it is known.
	require.ElementsMatch(t, []string{
		apps + "   not running; stopped after 700 events, 0 B; its position is kept; start it with: starter start " + apps,
		users + "  stopped after 12,300 events, 0 B; its position is kept", "",
	}, strings.Split(stdout, "\n"))
}

func TestStopThatIsInterruptedSaysThatItWasToldToEndAllTheSame(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.On("CancelWorkflow", mock.Anything, users, "").Return(nil)
	result := mocks.NewWorkflowRun(t)
	result.On("Get", mock.Anything, mock.Anything).Run(func(mock.Arguments) { interrupt() }).Return(context.Canceled)
	o.On("GetWorkflow", mock.Anything, users, mock.Anything).Return(result)
	code, stdout, _ := o.callUntil(ctx, "stop", users)

	require.Equal(t, 130, code)
	require.Equal(t, users+"  FAILED: not waited for; it stops as soon as a worker runs\n", stdout)
}

func TestFirstPullsOfServicesBeyondTheDefaultTakeTurns(t *testing.T) {
	o := newAcme(t)
	ids := []string{logs, "okta/acme/devices", users, "okta/acme/policies", "okta/acme/roles"}
	delays := map[string]time.Duration{}
	for _, id := range ids {
		o.hasNever(id)
	}
	o.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflows.CollectName, mock.Anything).Run(func(args mock.Arguments) {
		delays[args.Get(1).(client.StartWorkflowOptions).ID] = args.Get(3).(workflows.CollectInput).Delay
	}).Return(startedRun(), nil)
	code, stdout, stderr := o.call(append([]string{"start"}, ids...)...)

	require.Zero(t, code, stderr)
	require.Equal(t, map[string]time.Duration{
		logs: 0, users: 0, "okta/acme/devices": 0, "okta/acme/policies": 2 * time.Second, "okta/acme/roles": 4 * time.Second,
	}, delays)
	require.Contains(t, stdout, "okta/acme/devices   started from the beginning\n")
	require.Contains(t, stdout, "okta/acme/roles     starts from the beginning in 4s\n")
}

func TestStopOfABackfillSaysHowToFetchTheRest(t *testing.T) {
	o := newTemporal(t)
	o.endsWhenCancelled(dayID, enums.WORKFLOW_EXECUTION_STATUS_CANCELED)
	o.stopped(dayID, workflows.State{Checkpoint: halfway()})
	code, stdout, _ := o.call("stop", dayID)

	require.Zero(t, code)
	require.Equal(t, dayID+"  stopped at 50.0 %, after 500 events, 0 B; "+theRest+"\n", stdout)
}

func TestStopOfWhatHasFailedSaysWhy(t *testing.T) {
	o := newTemporal(t)
	o.failed("okta/acme/user", "the input is wrong", time.Now())
	code, stdout, _ := o.call("stop", "okta/acme/user")

	require.Zero(t, code)
	require.Equal(t, "okta/acme/user  not running; failed: the input is wrong\n", stdout)
}

func TestStopOfWhatWasNeverThereFails(t *testing.T) {
	t.Run("an id", func(t *testing.T) {
		o := newTemporal(t)
		o.hasNever("okta/acme/user")
		code, stdout, _ := o.call("stop", "okta/acme/user")
		require.Equal(t, 1, code)
		require.Contains(t, stdout, `FAILED: no service is named "user"; did you mean users`)
	})
	t.Run("a tenant", func(t *testing.T) {
		o := newTemporal(t)
		o.lists()
		code, _, stderr := o.call("stop", "--tenant", "amce")
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "no collector of tenant amce was ever started")
	})
}

func TestStopThatIsNotAnsweredSaysHowToEndItAllTheSame(t *testing.T) {
	var s stopping
	s.waiting.Store(users, true)
	s.waiting.Store(logs, true)
	require.Contains(t, s.hint(), "still waiting for 2; is a worker running?")
	require.Contains(t, s.hint(), "'starter start' goes on from its last checkpoint:\n"+
		"  temporal workflow terminate --workflow-id "+logs+"\n  temporal workflow terminate --workflow-id "+users+"\n")
	require.Empty(t, (&stopping{}).hint())
}

func TestSignalsToABackfillThatHasEndedSayHow(t *testing.T) {
	const command = "starter backfill okta/acme/logs"
	for name, test := range map[string]struct {
		end  func(o fakeTemporal)
		want string
	}{
		"done": {func(o fakeTemporal) {
			o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
			o.ended(dayID, workflows.State{Checkpoint: wholeDay()})
		}, "done: 500 events, 0 B"},
		"stopped": {func(o fakeTemporal) {
			o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_CANCELED)
			o.stopped(dayID, workflows.State{Checkpoint: halfway()})
		}, "stopped at 50.0 %, after 500 events, 0 B; " + theRest},
		"never there": {func(o fakeTemporal) { o.hasNever(dayID) },
			"never started, or ended longer ago than the namespace keeps closed workflows; start it with: " + command + " " + strings.Join(theDay, " ")},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTemporal(t)
			o.On("SignalWorkflow", mock.Anything, dayID, "", workflows.SignalResume, nil).Return(serviceerror.NewNotFound("not there"))
			test.end(o)
			code, stdout, _ := o.call("resume", dayID)

			require.Equal(t, 1, code)
			require.Equal(t, dayID+"  FAILED: not running; "+test.want+"\n", stdout)
		})
	}
}

func TestStopIsDoneWhenNothingRuns(t *testing.T) {
	o := newTemporal(t)
	o.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil).Once()
	o.lists(users)
	code, _, stderr := o.call("stop")

	require.Zero(t, code)
	require.Contains(t, stderr, "no collector is running")
}

// status calls status -o json for one id.
func (f fakeTemporal) status(id string) (code int, got row) {
	f.t.Helper()
	code, stdout, _ := f.call("status", "-o", "json", id)
	var rows []row
	require.NoError(f.t, json.Unmarshal([]byte(stdout), &rows))
	require.Len(f.t, rows, 1)
	require.Equal(f.t, id, rows[0].ID)
	return code, rows[0]
}

func heartbeat(t *testing.T, c checkpoint.Checkpoint) *workflow.PendingActivityInfo {
	return &workflow.PendingActivityInfo{
		ActivityType:     &common.ActivityType{Name: workflows.CollectSliceName},
		State:            enums.PENDING_ACTIVITY_STATE_STARTED,
		HeartbeatDetails: payloads(t, c),
	}
}

func TestStatusPrefersTheCheckpointOfTheRunningSlice(t *testing.T) {
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, heartbeat(t, events(700)))
	o.answers(users, workflows.Status{Tenant: "acme", Service: "users", State: workflows.StateRunning, Checkpoint: events(100)})
	code, got := o.status(users)

	require.Zero(t, code)
	require.Equal(t, workflows.StateRunning, got.State)
	require.Equal(t, events(700), got.Checkpoint)
}

func TestStatusOfARunningSliceHasItsRate(t *testing.T) {
	o := newTemporal(t)
	pending := heartbeat(t, events(700))
	pending.LastStartedTime, pending.LastHeartbeatTime = timestamppb.New(noon), timestamppb.New(noon.Add(3*time.Second))
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, pending)
	o.answers(users, workflows.Status{State: workflows.StateRunning, Checkpoint: events(100)})
	_, got := o.status(users)

	require.Equal(t, &status.Rate{Events: 200, Seconds: 3}, got.Rate)
	require.Equal(t, &status.Slice{State: "started", Began: noon, Heartbeat: noon.Add(3 * time.Second)}, got.Slice)
}

func TestStatusSaysWhatWasShippedInTheLastMinutes(t *testing.T) {
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, heartbeat(t, events(700)))
	sixMinutesAgo := time.Now().Add(-6 * time.Minute)
	o.answers(users, workflows.Status{State: workflows.StateRunning, Checkpoint: events(500), Recent: []workflows.Sample{{At: sixMinutesAgo, Events: 100}}})
	_, got := o.status(users)

	require.EqualValues(t, 600, got.Lately.Events, "with what the running slice has shipped")
	require.InDelta(t, 360, got.Lately.Seconds, 60)
}

func TestStatusDoesNotGoBackToTheHeartbeatOfASliceThatHasEndedMeanwhile(t *testing.T) {
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, heartbeat(t, events(700)))
	o.answers(users, workflows.Status{State: workflows.StateWaiting, Checkpoint: events(900)})
	_, got := o.status(users)

	require.Equal(t, events(900), got.Checkpoint)
}

func TestStatusSaysHowFarBehindInSeconds(t *testing.T) {
	for name, test := range map[string]struct {
		status workflows.Status
		known  bool
	}{
		"caught up":      {workflows.Status{State: workflows.StateWaiting, CaughtUp: true}, true},
		"nothing is yet": {workflows.Status{State: workflows.StateRunning}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTemporal(t)
			o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
			o.answers(users, test.status)
			code, got := o.status(users)

			require.Zero(t, code)
			require.True(t, got.Healthy)
			if test.known {
				require.Equal(t, new(0.0), got.LagSeconds)
			} else {
				require.Nil(t, got.LagSeconds)
			}
		})
	}
}

func TestStatusOfABackfillIsAsFarAsItsRunningSlice(t *testing.T) {
	o := newTemporal(t)
	o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, heartbeat(t, halfway()))
	began := time.Now().Add(-time.Hour).UTC()
	o.answers(dayID, workflows.Status{Tenant: "acme", Service: "logs", State: workflows.StateRunning, Backfill: &workflows.BackfillStatus{Range: day, Began: began, Progress: new(0.1)}})
	code, got := o.status(dayID)

	require.Zero(t, code)
	require.Equal(t, 0.5, *got.Backfill.Progress)
	require.WithinDuration(t, began.Add(2*time.Hour), got.EstimatedEnd, time.Minute)
	require.Nil(t, got.LagSeconds)
}

func TestStatusOfABackfillThatHasEnded(t *testing.T) {
	t.Run("because it is done", func(t *testing.T) {
		o := newTemporal(t)
		o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		done := halfway()
		done.Totals.Pulls = 1
		o.ended(dayID, workflows.State{Checkpoint: done})
		code, got := o.status(dayID)

		require.Zero(t, code)
		require.Equal(t, workflows.StateDone, got.State)
		require.Equal(t, 1.0, *got.Backfill.Progress)
		require.Zero(t, got.EstimatedEnd)
	})
	t.Run("because it was stopped", func(t *testing.T) {
		o := newTemporal(t)
		o.has(dayID, enums.WORKFLOW_EXECUTION_STATUS_CANCELED)
		o.stopped(dayID, workflows.State{Checkpoint: halfway()})
		code, got := o.status(dayID)

		require.Zero(t, code)
		require.Equal(t, status.Stopped, got.State)
		require.Equal(t, 0.5, *got.Backfill.Progress)
		require.Equal(t, theRest, got.Remedy.String())

		_, stdout, _ := o.call("status", dayID)
		require.Contains(t, stdout, "\n  "+theRest+"\n", "a line of its own")
	})
}

func TestStatusShowsRunningBackfillsBelowTheirService(t *testing.T) {
	o := newTemporal(t)
	o.lists(dayID, users, logs)
	for _, id := range []string{dayID, users, logs} {
		o.has(id, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		o.answers(id, workflows.Status{State: workflows.StateRunning})
	}
	_, stdout, _ := o.call("status")

	require.Regexp(t, `(?s)okta/acme/logs .*\n  backfill .*\nokta/acme/users `, stdout)
	o.AssertCalled(t, "ListWorkflow", mock.Anything, mock.MatchedBy(func(r *workflowservice.ListWorkflowExecutionsRequest) bool {
		return strings.Contains(r.Query, `OR WorkflowId STARTS_WITH "okta/" AND ExecutionStatus = "Running"`)
	}))
}

func TestStatusOfABlockedCollectorExitsWith1(t *testing.T) {
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.answers(users, workflows.Status{State: workflows.StateBlocked, Reason: workflows.WaitBlocked, Failures: 1, LastProblem: &workflows.Problem{Message: "okta.users.read is missing"}})
	code, stdout, stderr := o.call("status", users)

	require.Equal(t, 1, code)
	require.Contains(t, stdout, "okta.users.read is missing")
	require.Equal(t, "starter: needs attention: "+users+"\n", stderr)
}

func TestStatusOfAStoppedCollectorIsItsResult(t *testing.T) {
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	o.ended(users, workflows.State{Checkpoint: events(700), CaughtUp: true})
	code, got := o.status(users)

	require.Zero(t, code)
	require.Equal(t, status.Stopped, got.State)
	require.Equal(t, events(700), got.Checkpoint)
}

func TestStatusOfWhatWasNeverStartedExitsWith1(t *testing.T) {
	o := newTemporal(t)
	o.hasNever(users)
	code, got := o.status(users)

	require.Equal(t, 1, code)
	require.Equal(t, status.Missing, got.State)
	require.Equal(t, remedy{"start it with", "starter start " + users}, got.Remedy)
}

func TestWhatCannotRunIsShownWithTheServicesThatCan(t *testing.T) {
	const nosuch, hint = "okta/acme/nosuch", `no service is named "nosuch"; bin/starter services lists all`
	o := newTemporal(t)
	o.hasNever(nosuch)
	code, stdout, _ := o.call("status", nosuch)
	require.Equal(t, 1, code)
	require.Contains(t, oneLine(stdout), hint)

	o.On("SignalWorkflow", mock.Anything, nosuch, "", workflows.SignalPause, nil).Return(serviceerror.NewNotFound("not there"))
	code, stdout, _ = o.call("pause", nosuch)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, hint)
}

func TestStatusOfNothingIsAnEmptyListAndExitsWith1(t *testing.T) {
	for args, want := range map[string]string{"status": "", "status -o json": "[]\n"} {
		o := newTemporal(t)
		o.lists()
		code, stdout, stderr := o.call(strings.Fields(args)...)

		require.Equal(t, 1, code)
		require.Equal(t, want, stdout)
		require.Equal(t, "starter: no collector is known in namespace prod: none was ever started, or Temporal has lost its data; 'starter start' starts them\n", stderr)
	}
}

func TestAMistypedStartIsNoAlarmButAServiceThatSomebodyMayWantIs(t *testing.T) {
	for name, test := range map[string]struct {
		id, tenants, services string
		healthy               bool
	}{
		"no service":                                 {"okta/acme/log", "", "", true},
		"none that is configured":                    {"okta/acme/zones", "acme", "logs,users", true},
		"one that is configured":                     {"okta/acme/users", "acme", "logs,users", false},
		"nothing is configured":                      {"okta/acme/zones", "", "", false},
		"one of a tenant that is configured nowhere": {"okta/globex/zones", "acme", "logs,users", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTemporal(t)
			t.Setenv("COLLECTOR_TENANTS", test.tenants)
			t.Setenv("OKTA_SERVICES", test.services)
			o.failed(test.id, "the input is wrong", time.Now())
			code, got := o.status(test.id)

			require.Equal(t, test.healthy, code == 0)
			require.Equal(t, test.healthy, got.Healthy)
			require.Equal(t, test.healthy, got.Mistake)
			require.Equal(t, "the input is wrong", got.Failure)
		})
	}
	t.Run("but one that has collected is", func(t *testing.T) {
		o := newTemporal(t)
		t.Setenv("COLLECTOR_TENANTS", "acme")
		t.Setenv("OKTA_SERVICES", "logs")
		o.has(users, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED)
		o.history(sliceEnded(t, events(500)))
		code, _ := o.status(users)
		require.Equal(t, 1, code)
	})
}

func TestAMistypedStartIsShownForAnHour(t *testing.T) {
	const mistyped = "okta/acme/log"
	for age, shown := range map[time.Duration]bool{time.Minute: true, warningAge: false} {
		o := newTemporal(t)
		o.lists(mistyped, users)
		o.failed(mistyped, "the input is wrong", time.Now().Add(-age))
		o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
		o.answers(users, workflows.Status{State: workflows.StateRunning})
		code, stdout, _ := o.call("status")

		require.Zero(t, code)
		require.Equal(t, shown, strings.Contains(stdout, mistyped+", failed, 1 minute ago:\n  the input is wrong; nothing was ever collected"), stdout)
		require.Equal(t, shown, strings.Contains(stdout, mistyped), stdout)
	}
}
