package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/budget"
	"okta-collector/internal/ledger"
	"okta-collector/workflows"
)

const (
	// claimAttempt bounds one attempt to claim requests. A workflow task that was given to a lost worker is repeated after 10 s.
	claimAttempt = 15 * time.Second
	// claimPatience bounds the attempts together. Then the slice fails, so that its workflow shows why.
	claimPatience = time.Minute
)

// StartTenant returns with what the workflow of a tenant is started if it does not run.
type StartTenant func(ctx context.Context, tenant, taskQueue string) (client.StartWorkflowOptions, workflows.TenantInput, error)

// claims returns how a slice claims requests: with an update of the tenant's workflow, which it starts if there is none. The
// update is answered when it is on Temporal's disk. A claim that gets no answer is sent again with the same id, until the
// slice ends or the patience is over.
func claims(c client.Client, start StartTenant, info activity.Info, in workflows.SliceInput) budget.Claim {
	sent := 0
	return func(ctx context.Context, claim ledger.Claim) (ledger.Grant, error) {
		sent++
		claim.Member, claim.Always = info.WorkflowExecution.ID, !in.Shares
		claim.ID = fmt.Sprintf("%s/%s/%d", info.WorkflowExecution.RunID, info.ActivityID, sent)
		began := time.Now()
		for pause := 200 * time.Millisecond; ; pause = min(2*pause, 8*time.Second) {
			grant, err := claimOnce(ctx, c, start, info.TaskQueue, in.Tenant, claim)
			if err == nil || ctx.Err() != nil || !passes(err) || time.Since(began) > claimPatience {
				return grant, err
			}
			select {
			case <-time.After(pause/2 + rand.N(pause)): // random, because Temporal takes ten updates of a workflow at once
			case <-ctx.Done():
			}
		}
	}
}

// claimOnce sends a claim, and returns the answer.
func claimOnce(ctx context.Context, c client.Client, start StartTenant, queue, tenant string, claim ledger.Claim) (grant ledger.Grant, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimAttempt)
	defer cancel()
	options, in, err := start(ctx, tenant, queue)
	if err != nil {
		return grant, fmt.Errorf("reading what is known of tenant %s: %w", tenant, err)
	}
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: c.NewWithStartWorkflowOperation(options, workflows.TenantName, in),
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: claim.ID, UpdateName: workflows.UpdateClaim, Args: []any{claim}, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err == nil {
		err = handle.Get(ctx, &grant)
	}
	if err != nil {
		return grant, fmt.Errorf("the workflow %s has not answered: %w", options.ID, err)
	}
	return grant, nil
}

// passes reports whether the same claim may be answered later.
func passes(err error) bool {
	return !errors.As(err, new(*temporal.ApplicationError)) && !errors.As(err, new(*serviceerror.InvalidArgument)) &&
		!errors.As(err, new(*serviceerror.PermissionDenied)) && !errors.As(err, new(*serviceerror.NamespaceNotFound))
}
