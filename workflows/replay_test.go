package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
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
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
				DataConverter:            workflows.DataConverter(),
				FailureConverter:         workflows.FailureConverter(),
				Interceptors:             workflows.Interceptors(registered),
				DisableDeadlockDetection: true, // which takes a machine that stands still for a second for one
			})
			require.NoError(t, err)
			replayer.RegisterWorkflowWithOptions(workflows.Collect, workflow.RegisterOptions{Name: workflows.CollectName})
			replayer.RegisterWorkflowWithOptions(workflows.Backfill, workflow.RegisterOptions{Name: workflows.BackfillName})
			replayer.RegisterWorkflowWithOptions(workflows.Tenant, workflow.RegisterOptions{Name: workflows.TenantName})
			f, err := os.Open(file)
			require.NoError(t, err)
			defer f.Close()
			history, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
			require.NoError(t, err)
			// The workflows look at their id.
			id := history.Events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
			require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history,
				worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id}}))
		})
	}
}
