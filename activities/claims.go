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

// Temporal takes ten updates of a workflow at once. A server (1.29.1) that refuses one more also drops those that it has
// taken, and they are sent again too: where very many claim at once, nobody would be answered. So a worker sends only some
// claims of a tenant at once, and two workers never send more than ten. Three may: then random pauses part them.
const (
	// liveClaims is how many services of a tenant claim at once. If all of them wait for a release in [workflows.Tenant],
	// other services wait behind them for up to 8 s. That is rare: only a claim that joins a service that was alone waits.
	liveClaims = 4
	// backfillClaims is how many backfills of a tenant claim at once, beside the services: they never keep a service waiting.
	backfillClaims = 1
)

// Claims claims requests for the slices of a tenant that run on one worker.
type Claims struct {
	start           StartTenant
	live, backfills places
}

// NewClaims returns the Claims of a tenant.
func NewClaims(start StartTenant) *Claims {
	return &Claims{start: start, live: make(places, liveClaims), backfills: make(places, backfillClaims)}
}

// Of returns how a slice claims requests: with an update of the tenant's workflow, which it starts if there is none. The
// update is answered when it is on Temporal's disk. If an attempt gets no answer, the same claim is sent again, with the same
// id. It says what is left of the windows at that time. The durations of the grant count from the first attempt, because
// Temporal may have answered that one. The attempts end with the slice, or after claimPatience.
//
// The claim first waits for a place, as long as its slice lasts. The patience begins when it has one. So a claim that fails was
// sent, and its error says why there was no answer. A worker runs at most 100 live slices. If nothing is answered, the last
// one waits for 25 attempts, 375 s. That is less than a slice may last. One backfill claims at once, so among more than 40
// backfills of a tenant the last ones reach the end of their slices first.
func (q *Claims) Of(c client.Client, info activity.Info, in workflows.SliceInput) budget.Claim {
	places := q.live
	if in.Backfill != nil {
		places = q.backfills
	}
	sent := 0
	return func(ctx context.Context, claim ledger.Claim) (ledger.Grant, error) {
		sent++
		claim.Member, claim.Always = info.WorkflowExecution.ID, !in.Shares
		claim.ID = fmt.Sprintf("%s/%s/%d", info.WorkflowExecution.RunID, info.ActivityID, sent)
		asked := time.Now()
		if !places.take(ctx) {
			return ledger.Grant{}, context.Cause(ctx)
		}
		waited := time.Since(asked)
		attempt := func() (ledger.Grant, error) {
			defer places.leave() // also if it panics: the slice recovers
			return claimOnce(ctx, c, q.start, info.TaskQueue, in.Tenant, claim.Later(time.Since(asked)))
		}
		patience, cancel := context.WithTimeout(ctx, claimPatience)
		defer cancel()
		for pause := 200 * time.Millisecond; ; pause = min(2*pause, 8*time.Second) {
			grant, err := attempt()
			if err == nil {
				grant.Claim = claim.ID
				return grant.Later(waited), nil
			}
			if !passes(err) {
				return ledger.Grant{}, err
			}
			select {
			case <-time.After(pause/2 + rand.N(pause)):
			case <-patience.Done():
				return ledger.Grant{}, err
			}
			if !places.take(patience) {
				return ledger.Grant{}, err
			}
		}
	}
}

// places bounds the claims that are under way. Each takes a place, and leaves it.
type places chan struct{}

// take waits for a place, in the order in which the claims came. It returns false if ctx ends before.
func (p places) take(ctx context.Context) bool {
	select {
	case p <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p places) leave() { <-p }

// claimOnce sends a claim, and returns the answer. It reads what is known of the tenant only if the workflow does not run, or
// refuses the claim.
func claimOnce(ctx context.Context, c client.Client, start StartTenant, queue, tenant string, claim ledger.Claim) (ledger.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, claimAttempt)
	defer cancel()
	id := workflows.TenantID(tenant)
	update := client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateID: claim.ID, UpdateName: workflows.UpdateClaim, Args: []any{claim}, WaitForStage: client.WorkflowUpdateStageCompleted,
	}
	var grant ledger.Grant
	handle, err := c.UpdateWorkflow(ctx, update)
	if err == nil {
		err = handle.Get(ctx, &grant)
	}
	var refused *temporal.ApplicationError
	errors.As(err, &refused)
	missing := errors.As(err, new(*serviceerror.NotFound)) || refused != nil && refused.Type() == endedMeanwhile
	if !missing && refused == nil {
		return grant, unanswered(id, err)
	}
	// If the workflow that has refused the update is another program's, the error of start says so.
	options, in, unreadable := start(ctx, tenant, queue)
	if unreadable != nil {
		return grant, fmt.Errorf("reading what is known of tenant %s: %w", tenant, unreadable)
	}
	if missing {
		options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
		handle, err = c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: c.NewWithStartWorkflowOperation(options, workflows.TenantName, in), UpdateOptions: update,
		})
		if err == nil {
			err = handle.Get(ctx, &grant)
		}
	}
	return grant, unanswered(id, err)
}

// endedMeanwhile is the type of the error that Temporal gives to an update if its workflow ends before it has answered.
const endedMeanwhile = "AcceptedUpdateCompletedWorkflow"

// unanswered says which workflow has not answered; nil if it has.
func unanswered(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the workflow %s has not answered: %w", id, err)
}

// passes reports whether the same claim may be answered later.
func passes(err error) bool {
	return !errors.As(err, new(*temporal.ApplicationError)) && !errors.As(err, new(*serviceerror.InvalidArgument)) &&
		!errors.As(err, new(*serviceerror.PermissionDenied)) && !errors.As(err, new(*serviceerror.NamespaceNotFound))
}
