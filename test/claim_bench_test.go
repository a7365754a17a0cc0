package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"okta-collector/activities"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
	"okta-collector/workflows"
)

// BenchmarkAClaim claims requests of a window that two services share, with the code of the slices. A real worker answers on
// the development server. The memo of the tenant's workflow has seven positions. So long does the first request of a slice wait.
func BenchmarkAClaim(b *testing.B) {
	setUp()
	require.NoError(b, environment.err)
	org, err := oktasim.Start(oktasim.Config{Seed: 1, Token: "token"})
	require.NoError(b, err)
	defer org.Close()
	listen, err := loopback.FreeAddress()
	require.NoError(b, err)
	tenant := fmt.Sprintf("bench%d", tenants.Add(1))
	worker := exec.Command(workerProgram())
	worker.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.TempDir(), "TEMPORAL_ADDRESS=" + environment.temporal.FrontendHostPort(),
		"COLLECTOR_TENANTS=" + tenant, "COLLECTOR_TASK_QUEUE=" + tenant, "COLLECTOR_LISTEN=" + listen, "DEVO_URL=file://" + b.TempDir(),
		strings.ToUpper(tenant) + "_OKTA_URL=" + org.URL, strings.ToUpper(tenant) + "_OKTA_API_TOKEN=token",
	}
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(b, worker.Start())
	defer func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	}()

	c := environment.temporal.Client()
	knowsPositions(b, c, tenant)
	defer func() {
		_ = c.TerminateWorkflow(context.Background(), workflows.TenantID(tenant), "", "the benchmark is over")
	}()
	require.Eventually(b, func() bool { // the worker is there
		d, err := c.DescribeWorkflowExecution(b.Context(), workflows.TenantID(tenant), "")
		known := workflows.ReadMemo(d.GetWorkflowExecutionInfo().GetMemo(), workflows.DataConverter()).Decisions
		return err == nil && len(known) == 7 && !slices.ContainsFunc(known, func(d workflows.Decision) bool { return d.State.Checkpoint.Position.Cursor == "" })
	}, time.Minute, 100*time.Millisecond)

	claims := activities.NewClaims(func(context.Context, string, string) (o client.StartWorkflowOptions, in workflows.TenantInput, err error) {
		return o, in, errors.New("a claim reads nothing while the workflow runs")
	})
	slice := 0
	claim := func() {
		slice++
		service := []string{"app_users", "app_groups"}[slice%2]
		claim := claims.Of(c, activity.Info{
			WorkflowExecution: workflow.Execution{ID: workflows.WorkflowID(tenant, service), RunID: "run"}, ActivityID: fmt.Sprint(slice), TaskQueue: tenant,
		}, workflows.SliceInput{Tenant: tenant, Service: service, Shares: true})
		_, err := claim(b.Context(), ledger.Claim{
			Priority: ledger.LivePerObject, Path: "/api/v1/apps/{id}/" + strings.TrimPrefix(service, "app_"), Home: "/api/v1/apps", Share: 0.5,
		})
		require.NoError(b, err)
	}
	claim()
	claim() // both have joined
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		claim()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-worst")
}

// knowsPositions starts the tenant's workflow, and tells it the positions of seven services that were stopped in a pull.
func knowsPositions(b *testing.B, c client.Client, tenant string) {
	cursor := "/api/v1/apps?limit=200&after=" + strings.Repeat("0oa1b2c3d4", 45)
	for _, service := range []string{"logs", "users", "groups", "apps", "app_users", "app_groups", "group_members"} {
		now := time.Now().UTC()
		_, err := c.SignalWithStartWorkflow(b.Context(), workflows.TenantID(tenant), workflows.SignalDecide, workflows.Decision{
			Service: service, Decision: workflows.Stopped, At: now, Run: "run",
			State: &workflows.State{Began: now, Checkpoint: checkpoint.Checkpoint{Position: checkpoint.Position{
				Pull: &checkpoint.Pull{ID: now.UnixMilli(), Kind: checkpoint.PullFull, Began: now}, Cursor: cursor,
				Levels: []checkpoint.Level{{Cursor: cursor, ID: "0oa1b2c3d4e5f6g7h8i9"}},
			}}},
		}, client.StartWorkflowOptions{TaskQueue: tenant}, workflows.TenantName, workflows.TenantInput{Tenant: tenant})
		require.NoError(b, err)
	}
}
