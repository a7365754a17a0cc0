package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/ledger"
	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
	"okta-collector/workflows"
)

// BenchmarkAClaim claims requests of a window that two services share, as a slice does: an update of the tenant's workflow,
// which a real worker answers, on the development server. So long does the first request of a slice wait.
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
	defer func() {
		_ = c.TerminateWorkflow(context.Background(), workflows.TenantID(tenant), "", "the benchmark is over")
	}()
	claims := 0
	claim := func() {
		claims++
		service := []string{"app_users", "app_groups"}[claims%2]
		path := "/api/v1/apps/{id}/" + strings.TrimPrefix(service, "app_")
		id := fmt.Sprint("claim", claims)
		handle, err := c.UpdateWithStartWorkflow(b.Context(), client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
				ID: workflows.TenantID(tenant), TaskQueue: tenant, WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			}, workflows.TenantName, workflows.TenantInput{Tenant: tenant}),
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateID: id, UpdateName: workflows.UpdateClaim, WaitForStage: client.WorkflowUpdateStageCompleted,
				Args: []any{ledger.Claim{ID: id, Member: workflows.WorkflowID(tenant, service), Priority: ledger.LivePerObject, Path: path, Home: "/api/v1/apps", Share: 0.5}},
			},
		})
		require.NoError(b, err)
		var grant ledger.Grant
		require.NoError(b, handle.Get(b.Context(), &grant))
	}
	claim() // the worker is there
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
