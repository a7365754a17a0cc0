package worker

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/workflows"
)

// lister is a Temporal that lists these workflows, two on a page, or fails.
type lister struct {
	runs  []*workflow.WorkflowExecutionInfo
	down  atomic.Bool
	asked int
	query string
}

func (l *lister) ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	l.asked++
	l.query = r.Query
	if l.down.Load() {
		return nil, errors.New("connection refused")
	}
	from := len(r.NextPageToken)
	to := min(from+2, len(l.runs))
	response := &workflowservice.ListWorkflowExecutionsResponse{Executions: l.runs[from:to]}
	if to < len(l.runs) {
		response.NextPageToken = make([]byte, to)
	}
	return response, ctx.Err()
}

// running is a workflow with the attribute CollectorState, unless that is empty.
func running(t *testing.T, id, kind, state string) *workflow.WorkflowExecutionInfo {
	t.Helper()
	info := &workflow.WorkflowExecutionInfo{Execution: &common.WorkflowExecution{WorkflowId: id}, Type: &common.WorkflowType{Name: kind}}
	if state != "" {
		payload, err := converter.GetDefaultDataConverter().ToPayload(state)
		require.NoError(t, err)
		info.SearchAttributes = &common.SearchAttributes{IndexedFields: map[string]*common.Payload{workflows.AttributeState: payload}}
	}
	return info
}

func TestServicesAreCountedByState(t *testing.T) {
	l := &lister{runs: []*workflow.WorkflowExecutionInfo{
		running(t, "okta/acme/logs", workflows.CollectName, "collecting"),
		running(t, "okta/acme/logs/backfill/a", workflows.BackfillName, "paused"),
		running(t, "okta/acme/logs/backfill/b", workflows.BackfillName, "paused"),
		running(t, "okta/globex/users", workflows.CollectName, "blocked"),
		running(t, "okta/globex/apps", workflows.CollectName, ""), // no worker has run it yet
		running(t, "somebody's own", workflows.CollectName, "collecting"),
	}}
	counts, err := countServices(t.Context(), l, "queue", []string{"acme", "globex"})
	require.NoError(t, err)
	require.Contains(t, l.query, `TaskQueue = "queue"`)
	s := &services{}
	s.update(counts, nil)
	require.ElementsMatch(t, []string{
		`okta_collector_services{kind="backfill",service="logs",state="blocked",tenant="acme"} 0`,
		`okta_collector_services{kind="backfill",service="logs",state="collecting",tenant="acme"} 0`,
		`okta_collector_services{kind="backfill",service="logs",state="paused",tenant="acme"} 2`,
		`okta_collector_services{kind="live",service="apps",state="blocked",tenant="globex"} 0`,
		`okta_collector_services{kind="live",service="apps",state="collecting",tenant="globex"} 1`,
		`okta_collector_services{kind="live",service="apps",state="paused",tenant="globex"} 0`,
		`okta_collector_services{kind="live",service="logs",state="blocked",tenant="acme"} 0`,
		`okta_collector_services{kind="live",service="logs",state="collecting",tenant="acme"} 1`,
		`okta_collector_services{kind="live",service="logs",state="paused",tenant="acme"} 0`,
		`okta_collector_services{kind="live",service="users",state="blocked",tenant="globex"} 1`,
		`okta_collector_services{kind="live",service="users",state="collecting",tenant="globex"} 0`,
		`okta_collector_services{kind="live",service="users",state="paused",tenant="globex"} 0`,
		`okta_collector_temporal_up 1`,
	}, exported(t, s))
}

// exported are the samples of a collector, as /metrics shows them.
func exported(t *testing.T, c prometheus.Collector) (samples []string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	var text strings.Builder
	for _, family := range families {
		_, err := expfmt.MetricFamilyToText(&text, family)
		require.NoError(t, err)
	}
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, strings.TrimSpace(line))
		}
	}
	return samples
}

func TestTheStateIsThatOfTheMemoWhereThereAreNoSearchAttributes(t *testing.T) {
	run := running(t, "okta/acme/logs", workflows.CollectName, "blocked")
	run.Memo = &common.Memo{Fields: run.SearchAttributes.IndexedFields}
	run.SearchAttributes = nil
	counts, err := countServices(t.Context(), &lister{runs: []*workflow.WorkflowExecutionInfo{run}}, "queue", []string{"acme", "globex"})
	require.NoError(t, err)
	require.Equal(t, 1, counts[serviceState{"acme", "logs", "live", "blocked"}])
}

func TestATemporalThatIsAwayIsAskedOnAndMentionedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{runs: []*workflow.WorkflowExecutionInfo{running(t, "okta/acme/logs", workflows.CollectName, "collecting")}}
		core, logged := observer.New(zap.InfoLevel)
		s := &services{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.watch(ctx, l, "queue", zap.New(core))
		now := func() []string { synctest.Wait(); return exported(t, s) }

		require.Len(t, now(), 4)
		require.Contains(t, now(), "okta_collector_temporal_up 1")

		l.down.Store(true)
		time.Sleep(listEvery)
		require.Contains(t, now(), "okta_collector_temporal_up 0")
		require.Len(t, now(), 4, "what was known a moment ago still counts")
		time.Sleep(maxListAge + listEvery)
		require.Equal(t, []string{"okta_collector_temporal_up 0"}, now(), "and is forgotten in the end")
		require.Equal(t, 1, logged.Len(), "one line, however often it is asked")

		l.down.Store(false)
		time.Sleep(listEvery)
		require.Contains(t, now(), "okta_collector_temporal_up 1")
		require.Len(t, now(), 4)
		require.Equal(t, 2, logged.Len())
	})
}

func TestWhatIsReadOfTemporalIsBounded(t *testing.T) {
	l := &lister{}
	const most = 20_000
	for range most + 10 {
		l.runs = append(l.runs, running(t, "okta/acme/logs", workflows.CollectName, ""))
	}
	_, err := countServices(t.Context(), l, "queue", []string{"acme", "globex"})
	require.ErrorContains(t, err, "more than 20000")
	require.Equal(t, most/2, l.asked)
}
