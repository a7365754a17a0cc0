package test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/query/v1"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// rawPayloads are payloads as somebody sends them who does not use the SDK.
func rawPayloads(documents ...string) *common.Payloads {
	all := &common.Payloads{}
	for _, document := range documents {
		all.Payloads = append(all.Payloads, &common.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(document)})
	}
	return all
}

// update sends an update, and returns why it was refused.
func (s *stack) update(id string, input *update.Input) (refusal string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := s.client.WorkflowService().UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
		WaitPolicy: &update.WaitPolicy{LifecycleStage: enums.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		Request:    &update.Request{Meta: &update.Meta{}, Input: input},
	})
	return answer.GetOutcome().GetFailure().GetMessage(), err
}

// signalRaw sends a signal.
func (s *stack) signalRaw(id, name string, input *common.Payloads) error {
	_, err := s.client.WorkflowService().SignalWorkflowExecution(context.Background(), &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id}, SignalName: name, Input: input,
	})
	return err
}

// queryRaw asks a workflow.
func (s *stack) queryRaw(id, kind string, args *common.Payloads, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := s.client.WorkflowService().QueryWorkflow(ctx, &workflowservice.QueryWorkflowRequest{
		Namespace: client.DefaultNamespace, Execution: &common.WorkflowExecution{WorkflowId: id}, Query: &query.WorkflowQuery{QueryType: kind, QueryArgs: args},
	})
	return err
}

// TestMessagesOfMegabytesAreRefusedWithASentenceAndHoldUpNothing sends all kinds of messages to a running service. Several
// large ones at once once made its workflow task too large for Temporal, which repeated it forever.
func TestMessagesOfMegabytesAreRefusedWithASentenceAndHoldUpNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 320, Counts: map[string]int{"logs": 300, "users": 10}, LiveEvery: 100 * time.Millisecond, Unlimited: true})
	s.setOkta("POLL_LOGS", "1s")
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	id, long := s.id("logs"), strings.Repeat("x", 1_500_000)
	large := rawPayloads(`{"since":"` + long + `"}`)
	good := `{"since":"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `","until":"` + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) + `"}`

	// No worker runs meanwhile, so that all arrive in one workflow task.
	s.worker.kill()
	var sending sync.WaitGroup
	for _, input := range []*update.Input{
		{Name: "backfill", Args: large}, {Name: "backfill", Args: large}, {Name: "backfill", Args: large},
		{Name: "backfill", Args: rawPayloads(good, `"`+long+`"`)}, // what nobody decodes
		{Name: long, Args: rawPayloads(`{}`)},
		{Name: "backfill", Args: rawPayloads(good), Header: &common.Header{Fields: map[string]*common.Payload{"x": large.Payloads[0]}}},
		{Name: "backfill", Args: rawPayloads(good), Header: &common.Header{Fields: map[string]*common.Payload{"x": large.Payloads[0]}}},
	} {
		sending.Go(func() {
			var refusal string
			s.eventually("the update is answered", func() (answered bool) {
				var err error
				refusal, err = s.update(id, input)
				return err == nil
			})
			if sentence := "unknown update"; !strings.HasPrefix(refusal, sentence) {
				if !strings.Contains(refusal, "at most 4096 are") {
					t.Errorf("not refused with a sentence: %.300q", refusal)
				}
			}
			if len(refusal) > 300 {
				t.Errorf("the refusal has %d bytes: %.300q", len(refusal), refusal)
			}
		})
	}
	for _, name := range []string{"pause", "resume", "poll", "backfill", "unknown"} {
		require.NoError(t, s.signalRaw(id, name, large))
	}
	s.startWorker()
	sending.Wait()
	require.ErrorContains(t, s.queryRaw(id, workflows.QueryStatus, large, 30*time.Second), "at most 4096 are read")
	if err := s.queryRaw(id, long, nil, 30*time.Second); err == nil || len(err.Error()) > 400 {
		t.Errorf("the answer to an unknown query: %.300v", err)
	}

	// An input that is too large ends its run with a sentence.
	_, err := s.client.WorkflowService().StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowId: s.id("users"), WorkflowType: &common.WorkflowType{Name: workflows.CollectName}, RequestId: "1",
		TaskQueue: taskQueue(s), Input: rawPayloads(`{"tenant":"` + s.tenant + `","service":"users","since":"` + long + `"}`),
	})
	require.NoError(t, err)
	err = s.client.GetWorkflow(t.Context(), s.id("users"), "").Get(t.Context(), nil)
	require.ErrorContains(t, err, "at most 1048576 are read")
	require.Less(t, len(err.Error()), 800)

	before := s.shipped(tables["logs"])
	s.wait(tables["logs"], before+10)
	status, err := s.status("logs")
	require.NoError(t, err)
	data, err := json.Marshal(status)
	require.NoError(t, err)
	require.Less(t, len(data), 10_000, "nothing of them is kept")
	require.Empty(t, s.failedTasks(id))
	s.wedgedNothing()
}
