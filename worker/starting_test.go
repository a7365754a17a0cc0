package worker

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/config"
	"okta-collector/internal/control"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// newStarting starts services of acme in a Temporal in which only these are known: runs by id, and decisions.
func newStarting(t *testing.T, services string, runs map[string]enums.WorkflowExecutionStatus, known workflows.Decisions) (s starting, started *[]string, logs *observer.ObservedLogs) {
	memo := &common.Memo{Fields: map[string]*common.Payload{}}
	for key, value := range known.Memo() {
		payload, err := workflows.DataConverter().ToPayload(value)
		require.NoError(t, err)
		memo.Fields[key] = payload
	}
	temporal := &mocks.Client{}
	started = &[]string{}
	temporal.On("DescribeWorkflowExecution", mock.Anything, mock.Anything, "").Return(
		func(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			info := &workflow.WorkflowExecutionInfo{Type: &common.WorkflowType{Name: workflows.CollectName}, Execution: &common.WorkflowExecution{WorkflowId: id, RunId: "run"}}
			if id == "okta/acme" && known != nil {
				info.Type.Name, info.Memo, info.Status = workflows.TenantName, memo, enums.WORKFLOW_EXECUTION_STATUS_RUNNING
			} else if info.Status = runs[id]; info.Status == enums.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED {
				return nil, serviceerror.NewNotFound("no such workflow")
			}
			return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
		}).Maybe()
	run := &mocks.WorkflowRun{}
	run.On("GetRunID").Return("run")
	run.On("Get", mock.Anything, mock.Anything).Return(nil)
	temporal.On("GetWorkflow", mock.Anything, mock.Anything, mock.Anything).Return(run).Maybe()
	temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflows.CollectName, mock.Anything).Run(func(args mock.Arguments) {
		options := args.Get(1).(client.StartWorkflowOptions)
		require.Equal(t, enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, options.WorkflowIDReusePolicy, "also of a run that has ended meanwhile")
		*started = append(*started, options.ID)
	}).Return(run, nil).Maybe()
	temporal.On("SignalWithStartWorkflow", mock.Anything, "okta/acme", workflows.SignalDecide, mock.Anything, mock.Anything, workflows.TenantName, mock.Anything).
		Return(run, nil).Maybe()
	core, logs := observer.New(zap.InfoLevel)
	reader := &status.Reader{Client: temporal, Namespace: "prod", Data: workflows.DataConverter()}
	return starting{control.Control{Reader: reader, TaskQueue: "queue"}, []config.Tenant{{Name: "acme", Services: strings.Split(services, ",")}}, zap.New(core)}, started, logs
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestOnlyWhatWasNeverStartedIsStarted(t *testing.T) {
	s, started, logs := newStarting(t, "logs,users,groups,apps,zones", map[string]enums.WorkflowExecutionStatus{
		"okta/acme/users": enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		"okta/acme/zones": enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
	}, workflows.Decisions{
		{Service: "apps", Decision: workflows.Started, At: noon},
		{Service: "groups", Decision: workflows.Stopped, At: noon},
	})
	s.startNew(t.Context())
	require.Equal(t, []string{"okta/acme/logs"}, *started)
	require.Equal(t, 1, logs.Len())
}

// silent is a Temporal that does not say what was decided until it is back.
type silent struct {
	client.Client
	back atomic.Bool
}

func (s *silent) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if id == "okta/acme" && !s.back.Load() {
		return nil, serviceerror.NewUnavailable("no shard")
	}
	return s.Client.DescribeWorkflowExecution(ctx, id, run)
}

func TestNothingIsStartedUntilWhatWasDecidedCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, started, logs := newStarting(t, "logs,users", nil, nil)
		temporal := &silent{Client: s.Client}
		s.Reader.Client = temporal
		go s.startNew(t.Context())
		for range 3 {
			time.Sleep(startPause)
			synctest.Wait()
			require.Empty(t, *started)
		}
		temporal.back.Store(true)
		time.Sleep(startPause)
		synctest.Wait()
		require.Equal(t, []string{"okta/acme/logs", "okta/acme/users"}, *started)
		require.Len(t, logs.FilterMessage("cannot start what was never started, and tries again").All(), 1, "it is said once")
		require.Contains(t, logs.All()[0].ContextMap()["error"], "no shard")
	})
}
