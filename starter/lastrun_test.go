package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// ranBefore makes all runs of users known, the newest first.
func (f fakeTemporal) ranBefore(statuses ...enums.WorkflowExecutionStatus) {
	page, runs := &workflowservice.ListWorkflowExecutionsResponse{}, map[string][]*history.HistoryEvent{}
	for i, status := range statuses {
		id := fmt.Sprintf("run-%d", i+1)
		page.Executions = append(page.Executions, &workflow.WorkflowExecutionInfo{Status: status, Execution: &common.WorkflowExecution{WorkflowId: users, RunId: id}})
		runs[id] = []*history.HistoryEvent{{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED}, started(f.t, workflows.CollectInput{})}
		if status == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED {
			runs[id] = []*history.HistoryEvent{sliceEnded(f.t, events(500))}
		}
	}
	f.has(users, statuses[0])
	f.On("ListWorkflow", mock.Anything, mock.MatchedBy(func(r *workflowservice.ListWorkflowExecutionsRequest) bool {
		return r.Query == `WorkflowId = "okta/acme/users" AND ExecutionStatus != "ContinuedAsNew"`
	})).Return(page, nil).Maybe()
	f.On("WorkflowService").Return(backwards{runs: runs})
}

func TestARunThatFailedAtOnceHidesNoPosition(t *testing.T) {
	const (
		mistake    = enums.WORKFLOW_EXECUTION_STATUS_FAILED
		stopped    = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		terminated = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	)
	for name, test := range map[string]struct {
		runs []enums.WorkflowExecutionStatus // the newest first
		// end is what a run returned that was stopped.
		end  checkpoint.Checkpoint
		want string
	}{
		"behind a mistake":                        {[]enums.WorkflowExecutionStatus{mistake, stopped}, events(700), "started after 700 events"},
		"behind several":                          {[]enums.WorkflowExecutionStatus{mistake, mistake, mistake, terminated, stopped}, events(700), "started after 500 events"},
		"but one that was stopped first has none": {[]enums.WorkflowExecutionStatus{mistake, stopped, terminated}, checkpoint.Checkpoint{}, "started from the beginning"},
		"nor has a first mistake":                 {[]enums.WorkflowExecutionStatus{mistake}, checkpoint.Checkpoint{}, "started from the beginning"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			o.ranBefore(test.runs...)
			if len(test.runs) > 1 && test.runs[1] == stopped {
				o.ended(users, workflows.State{Checkpoint: test.end})
			}
			o.starts(nil)
			code, stdout, _ := o.call("start", users)

			require.Zero(t, code, stdout)
			require.Equal(t, users+"  "+test.want+"\n", stdout)
		})
	}
}

func TestStartDoesNotLookForAPositionBehindAnyNumberOfMistakes(t *testing.T) {
	o := newAcme(t)
	mistakes := make([]enums.WorkflowExecutionStatus, maxRuns+1)
	for i := range mistakes {
		mistakes[i] = enums.WORKFLOW_EXECUTION_STATUS_FAILED
	}
	o.ranBefore(mistakes...)
	code, stdout, _ := o.call("start", users)

	require.Equal(t, 1, code)
	require.Contains(t, stdout, "none of the last 20 runs had a position: begin anew with: starter start --fresh "+users)
}
