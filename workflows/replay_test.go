package workflows_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/workflows"
)

// registered is the answer of a worker whose namespace has the search attributes.
func registered() bool { return true }

// TestRecordedHistoriesReplay holds every change of the workflow against the histories of real
// runs in testdata: a worker with the new code takes up workflows that the old code began.
//
// A history is recorded by `go test -C test . -run TestRecordHistories -record`. One that was released
// is never recorded anew: what no longer replays needs workflow.GetVersion.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			replays(t, text)
		})
	}
}

// replays replays a history.
func replays(t *testing.T, text []byte) {
	t.Helper()
	answers := &answers{of: map[string]any{}}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter:            workflows.DataConverter(),
		FailureConverter:         workflows.FailureConverter(),
		Interceptors:             append(workflows.Interceptors(registered), answers),
		DisableDeadlockDetection: true, // which takes a machine that stands still for a second for one
	})
	require.NoError(t, err)
	replayer.RegisterWorkflowWithOptions(workflows.Collect, workflow.RegisterOptions{Name: workflows.CollectName})
	replayer.RegisterWorkflowWithOptions(workflows.Backfill, workflow.RegisterOptions{Name: workflows.BackfillName})
	replayer.RegisterWorkflowWithOptions(workflows.Tenant, workflow.RegisterOptions{Name: workflows.TenantName})
	history, err := client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
	require.NoError(t, err)
	// The workflows look at their id.
	id := history.Events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
	require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history,
		worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id}}))
	answers.requireSame(t, history)
}

// answers are those of the updates that a replay has handled. Temporal compares commands only, so a replay does not notice that
// it answers otherwise. But whoever was answered goes on with what was said then.
type answers struct {
	interceptor.WorkerInterceptorBase
	of map[string]any // by the update's id
}

func (a *answers) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	run := &answersOfRun{answers: a}
	run.Next = next
	return run
}

type answersOfRun struct {
	interceptor.WorkflowInboundInterceptorBase
	answers *answers
}

func (r *answersOfRun) ExecuteUpdate(ctx workflow.Context, in *interceptor.UpdateInput) (any, error) {
	answer, err := r.Next.ExecuteUpdate(ctx, in)
	r.answers.of[workflow.GetCurrentUpdateInfo(ctx).ID] = answer
	return answer, err
}

func (a *answers) requireSame(t *testing.T, recorded *history.History) {
	t.Helper()
	for _, event := range recorded.Events {
		completed := event.GetWorkflowExecutionUpdateCompletedEventAttributes()
		if completed.GetOutcome().GetSuccess() == nil {
			continue
		}
		id := completed.GetMeta().GetUpdateId()
		answer, err := workflows.DataConverter().ToPayloads(a.of[id])
		require.NoError(t, err)
		require.JSONEq(t, string(completed.GetOutcome().GetSuccess().GetPayloads()[0].GetData()), string(answer.GetPayloads()[0].GetData()),
			"the update %s is answered otherwise than it was", id)
	}
}

// During an upgrade a worker of the version before takes the signal share for an unknown one, and does nothing. A worker of
// this version replays that.
func TestARunToWhichAnEarlierVersionWasToldToShareReplays(t *testing.T) {
	text, err := os.ReadFile("testdata/polls_pauses_and_stops.json")
	require.NoError(t, err)
	var history struct {
		Events []map[string]any `json:"events"`
	}
	require.NoError(t, json.Unmarshal(text, &history))
	const paused = 29 // the last event before the workflow waits, without a timer
	told := []map[string]any{
		{"eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED", "workflowExecutionSignaledEventAttributes": map[string]any{
			"signalName": workflows.SignalShare, "input": inHistory(t, workflows.ShareInput{Home: "/api/v1/logs", Number: 1}),
		}},
		{"eventType": "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED", "workflowTaskScheduledEventAttributes": map[string]any{"attempt": 1}},
		{"eventType": "EVENT_TYPE_WORKFLOW_TASK_STARTED", "workflowTaskStartedEventAttributes": map[string]any{"scheduledEventId": "31"}},
		{"eventType": "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", "workflowTaskCompletedEventAttributes": map[string]any{"scheduledEventId": "31", "startedEventId": "32"}},
	}
	shift := func(of map[string]any) { // the ids of events, and what the SDK names after them
		for key, value := range of {
			isID := strings.HasSuffix(key, "ventId") || key == "activityId" || key == "timerId"
			if n, err := strconv.Atoi(fmt.Sprint(value)); isID && err == nil && n > paused {
				of[key] = strconv.Itoa(n + len(told))
			}
		}
	}
	for _, event := range history.Events[paused:] {
		shift(event)
		for _, attributes := range event {
			if of, ok := attributes.(map[string]any); ok {
				shift(of)
			}
		}
	}
	for i, event := range told {
		event["eventId"], event["eventTime"] = strconv.Itoa(paused+1+i), history.Events[paused]["eventTime"]
	}
	history.Events = slices.Insert(history.Events, paused, told...)
	text, err = json.Marshal(history)
	require.NoError(t, err)
	replays(t, text)
}

// inHistory is an input as it is in a history.
func inHistory(t *testing.T, input any) map[string]any {
	t.Helper()
	payload, err := workflows.DataConverter().ToPayload(input)
	require.NoError(t, err)
	return map[string]any{"payloads": []map[string]any{{
		"metadata": map[string]any{"encoding": payload.GetMetadata()["encoding"]}, "data": payload.GetData(),
	}}}
}
