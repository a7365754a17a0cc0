package starter

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

// frontend is the part of Temporal that knows the namespace. Without a retention it does not exist.
type frontend struct {
	workflowservice.WorkflowServiceClient
	retention time.Duration
	err       error // of every request
}

func (f *frontend) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	if f.err == nil && f.retention == 0 {
		return nil, serviceerror.NewNamespaceNotFound(r.Namespace)
	}
	return &workflowservice.DescribeNamespaceResponse{Config: &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(f.retention)}}, f.err
}

func (f *frontend) RegisterNamespace(_ context.Context, r *workflowservice.RegisterNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.RegisterNamespaceResponse, error) {
	f.retention = r.WorkflowExecutionRetentionPeriod.AsDuration()
	return &workflowservice.RegisterNamespaceResponse{}, f.err
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest, ...grpc.CallOption) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{ServerVersion: "1.32.1"}, f.err
}

// operator is the part of Temporal that knows the search attributes of the namespace.
type operator struct {
	operatorservice.OperatorServiceClient
	have    map[string]enums.IndexedValueType
	err     error // of adding
	listErr error
}

func (o *operator) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: o.have}, o.listErr
}

func (o *operator) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	if o.err == nil {
		o.have = r.SearchAttributes
	}
	return &operatorservice.AddSearchAttributesResponse{}, o.err
}

func allAttributes() map[string]enums.IndexedValueType {
	all := make(map[string]enums.IndexedValueType)
	for _, name := range workflows.Attributes() {
		all[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	return all
}

var noRoom = serviceerror.NewInvalidArgument("cannot have more than 10 search attribute of type Keyword")

func TestSetupMakesTheNamespaceAndItsSearchAttributesOnce(t *testing.T) {
	o := newTemporal(t)
	f, op := &frontend{}, &operator{}
	o.On("WorkflowService").Return(f)
	o.On("OperatorService").Return(op)
	code, stdout, stderr := o.call("setup")
	require.Zero(t, code, stderr)
	require.Equal(t, "namespace prod: made; it keeps closed workflows for 90 days\nsearch attributes: registered OktaTenant, OktaService, CollectorState\n", stdout)
	require.Equal(t, 90*24*time.Hour, f.retention)
	require.Equal(t, allAttributes(), op.have)

	code, stdout, _ = o.call("setup")
	require.Zero(t, code)
	require.Equal(t, "namespace prod: is there already; it keeps closed workflows for 90 days\nsearch attributes: are there already\n", stdout)

	code, stdout, _ = o.call("setup", "--retention", "7d")
	require.Zero(t, code)
	require.Contains(t, stdout, "which was left alone. To change that: temporal operator namespace update --retention 168h --namespace prod")
	require.Equal(t, 90*24*time.Hour, f.retention)
}

func TestSetupWithoutThePermissionSaysWhatSomebodyElseHasToRun(t *testing.T) {
	o := newTemporal(t)
	o.On("WorkflowService").Return(&frontend{err: serviceerror.NewPermissionDenied("Request unauthorized.", "")})
	code, _, stderr := o.call("setup")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "Request unauthorized.")
	require.Contains(t, stderr, "lacks a permission")
}

func TestSetupSaysThatThereIsNoRoomForSearchAttributes(t *testing.T) {
	o := newTemporal(t)
	o.On("OperatorService").Return(&operator{err: noRoom})
	code, _, stderr := o.call("setup")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "remove some that nobody uses")
	require.Contains(t, stderr, temporalclient.WithoutAttributes)
}

func TestEveryCommandNamesSetupWhereTheNamespaceDoesNotExist(t *testing.T) {
	for _, args := range [][]string{{"start", users}, {"status"}, {"pause"}, {"resume"}, {"poll"}, {"stop"}, {"backfill", users}} {
		o := newAcme(t)
		o.On("WorkflowService").Return(&frontend{})
		code, stdout, stderr := o.call(args...)
		require.Equal(t, 1, code, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, `"prod"`, args)
		require.Contains(t, stderr, "make it with 'starter setup'", args)
	}
}

func TestStartRegistersTheSearchAttributesThatAreMissing(t *testing.T) {
	o := newAcme(t)
	op := &operator{}
	o.On("OperatorService").Return(op)
	o.hasNever(users)
	options, _ := o.starts(nil)
	code, stdout, stderr := o.call("start", users)
	require.Zero(t, code, stdout+stderr)
	require.Equal(t, allAttributes(), op.have)
	require.Equal(t, 3, options.TypedSearchAttributes.Size())
}

func TestStartGoesOnWithoutSearchAttributesWhereThereIsNoRoom(t *testing.T) {
	o := newAcme(t)
	o.On("OperatorService").Return(&operator{err: noRoom})
	o.hasNever(users)
	options, _ := o.starts(nil)
	code, stdout, stderr := o.call("start", users)
	require.Zero(t, code, stdout+stderr)
	require.Zero(t, options.TypedSearchAttributes.Size())
	require.Contains(t, stderr, "remove some that nobody uses")
	require.Contains(t, stderr, temporalclient.WithoutAttributes)
}

func TestStartGoesOnWithoutSearchAttributesThatTemporalDoesNotKnowYet(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	o.starts(serviceerror.NewInvalidArgument("Namespace prod has no mapping defined for search attribute OktaTenant"))
	options, _ := o.starts(nil)
	code, stdout, stderr := o.call("start", users)
	require.Zero(t, code, stdout+stderr)
	require.Zero(t, options.TypedSearchAttributes.Size())
}

func TestAStartThatTemporalRefusesForAnotherReasonSaysTheReason(t *testing.T) {
	for reason, want := range map[error]string{
		serviceerror.NewInvalidArgument("the id is too long"):             "the id is too long\n",
		serviceerror.NewPermissionDenied("Request unauthorized.", "none"): "Request unauthorized. (the API key or the client's certificate lacks a permission",
	} {
		o := newAcme(t)
		o.hasNever(users)
		o.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflows.CollectName, mock.Anything).Return(nil, reason)
		code, stdout, _ := o.call("start", users)
		require.Equal(t, 1, code)
		require.Contains(t, stdout, users+"  FAILED: starting: "+want)
	}
}

func TestStatusSaysWhatIsMissingWithoutSearchAttributes(t *testing.T) {
	o := newAcme(t)
	o.On("OperatorService").Return(&operator{})
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.answers(users, workflows.Status{State: workflows.StateRunning})
	code, _, stderr := o.call("status", users)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "lacks the search attributes OktaTenant, OktaService, CollectorState; 'starter setup' registers them")
	require.Contains(t, stderr, temporalclient.WithoutAttributes)
}

func TestStartSaysWhatItMeansThatThereIsNoEarlierRun(t *testing.T) {
	o := newAcme(t)
	o.On("WorkflowService").Return(&frontend{retention: 3 * 24 * time.Hour})
	o.hasNever(logs)
	o.hasNever(users)
	o.starts(nil)
	o.starts(nil)
	code, stdout, stderr := o.call("start", logs, users)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, logs+"   started from the beginning\n")
	require.Contains(t, stderr, "okta/acme/logs, users: from the beginning, because namespace prod knows of no earlier run")
	require.Contains(t, stderr, "an earlier version stopped it more than 3 days ago")
	require.Contains(t, stderr, "starter stop okta/acme/logs && starter start --fresh --since <time of the stop, or of the newest event in Devo> okta/acme/logs\n")
	require.NotContains(t, stderr, "--fresh --since <time of the stop, or of the newest event in Devo> okta/acme/users", "a list is pulled whole")

	o.starts(nil)
	_, _, stderr = o.call("start", "--since", "2026-11-20T00:00:00Z", logs)
	require.Contains(t, stderr, "Events between the stop and 2026-11-20T00:00:00Z are then missing")
}

func TestAFreshStartSaysNothingOfEarlierRuns(t *testing.T) {
	o := newAcme(t)
	o.hasNever(users)
	o.starts(nil)
	_, _, stderr := o.call("start", "--fresh", users)
	require.Empty(t, stderr)
}

func TestStopSaysThatThePositionIsKept(t *testing.T) {
	o := newAcme(t)
	o.describes(users, &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		Status: enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, CloseTime: timestamppb.New(noon),
	}})
	o.ended(users, workflows.State{Checkpoint: events(500)})
	code, stdout, _ := o.call("stop", users)
	require.Zero(t, code)
	require.Contains(t, stdout, "stopped after 500 events, 0 B; its position is kept; start it with:")
}

func TestCheckLooksAtTemporal(t *testing.T) {
	o := newAcme(t)
	o.On("WorkflowService").Return(&frontend{retention: 24 * time.Hour})
	o.On("OperatorService").Return(&operator{})
	o.On("DescribeTaskQueue", mock.Anything, "okta-collector", mock.Anything).Return(&workflowservice.DescribeTaskQueueResponse{}, nil)
	found := renderChecks(checkTemporal(t.Context(), o.connect, "okta-collector"), 200)
	require.Regexp(t, `temporal +ok +server 1\.32\.1\n +starter `, found)
	require.Regexp(t, `temporal namespace prod +ok +keeps closed workflows for 1 day`, found)
	require.Regexp(t, `temporal search attributes +ok, but see below`, found)
	require.Contains(t, found, "'starter setup' registers them")
	require.Regexp(t, `temporal task queue okta-collector +ok, but see below`, found)
	require.Contains(t, found, "no worker polls this task queue")
}

func TestCheckNamesWhatIsWrongWithTemporal(t *testing.T) {
	o := newAcme(t)
	o.On("WorkflowService").Return(&frontend{})
	results := checkTemporal(t.Context(), o.connect, "okta-collector")
	require.Len(t, results, 2)
	require.Contains(t, results[1].Error, "make it with 'starter setup'")

	o = newAcme(t)
	o.On("WorkflowService").Return(&frontend{retention: 90 * 24 * time.Hour})
	o.On("OperatorService").Return(&operator{listErr: serviceerror.NewUnavailable("the store is away")})
	o.On("DescribeTaskQueue", mock.Anything, "okta-collector", mock.Anything).Return(&workflowservice.DescribeTaskQueueResponse{}, nil)
	require.Contains(t, checkTemporal(t.Context(), o.connect, "okta-collector")[2].Error, "the store is away")

	results = checkTemporal(t.Context(), func(context.Context) (*status.Reader, error) { return nil, errors.New("cannot reach Temporal") }, "okta-collector")
	require.Len(t, results, 1)
	require.Equal(t, "cannot reach Temporal", results[0].Error)
}
