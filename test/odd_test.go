package test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// Whoever has access to the namespace can start workflows of any id, type, input, memo and attributes.
func TestOddWorkflowsInTheNamespaceStopNoCommand(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 70, Counts: map[string]int{"users": 100}, Unlimited: true})
	temporal := newTemporal(t, "")
	s.on(temporal, "default")
	s.startWorker()
	s.start("users")
	s.caughtUp("users")

	conn, err := grpc.NewClient(temporal.FrontendHostPort(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	service := workflowservice.NewWorkflowServiceClient(conn) // Temporal's own client refuses some of these ids
	begin := func(id, workflowType, queue string) {
		junk := &common.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`[7]`)}
		input, err := converter.GetDefaultDataConverter().ToPayloads(workflows.CollectInput{Tenant: "café", Service: "logs"})
		require.NoError(t, err)
		_, err = service.StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
			Namespace: "default", WorkflowId: id, RequestId: id, WorkflowType: &common.WorkflowType{Name: workflowType}, Input: input,
			TaskQueue: &taskqueue.TaskQueue{Name: queue}, Memo: &common.Memo{Fields: map[string]*common.Payload{workflows.AttributeState: junk}},
		})
		require.NoError(t, err)
	}
	begin("okta/café/logs", workflows.CollectName, s.tenant) // a worker has it
	odd := []string{"okta/a b/logs", "okta/\x1b[2J/logs", "okta/a\nb/logs", "okta/acme", "okta/a/b/c/d"}
	for _, id := range odd {
		begin(id, workflows.CollectName, "nobody")
	}
	begin("okta/acme/apps", "OrderWorkflow", "nobody")

	shown := func() (ids map[string]map[string]any) {
		cmd := exec.Command(filepath.Join(environment.dir, "okta-collector"), "status", "-o", "json")
		cmd.Env = environ(s.env)
		out, _ := cmd.Output() // it fails, because these need attention
		var rows []map[string]any
		if json.Unmarshal(out, &rows) != nil {
			return nil // Temporal did not answer in time
		}
		ids = make(map[string]map[string]any)
		for _, row := range rows {
			ids[row["id"].(string)] = row
		}
		return ids
	}
	s.eventually("every workflow is listed", func() bool { return len(shown()) == len(odd)+3 })
	var rows map[string]map[string]any
	s.eventually("the worker answers for any id", func() bool {
		rows = shown()
		return rows["okta/café/logs"] != nil && rows["okta/café/logs"]["unanswered"] == nil
	})
	require.Equal(t, true, rows[s.id("users")]["healthy"])
	require.Equal(t, "OrderWorkflow", rows["okta/acme/apps"]["foreignType"])
	for _, id := range odd {
		require.Equal(t, false, rows[id]["healthy"], id)
	}

	out, code := s.starter("pause")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, `"okta/acme" is not a workflow id of this collector`)
	s.inState("users", workflows.StatePaused)
	out, code = s.starter("stop", "okta/café/logs", s.id("users"))
	require.Zero(t, code, out)
}
