package activities_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/activities"
	"okta-collector/internal/ledger"
	"okta-collector/workflows"
)

var claimant = activity.Info{
	WorkflowExecution: workflow.Execution{ID: "okta/acme/apps", RunID: "run"}, ActivityID: "7", TaskQueue: "queue",
}

var acmeApps = workflows.SliceInput{Tenant: "acme", Service: "apps", Shares: true}

// tenants is a Temporal whose workflows of tenants answer claims, one after another.
type tenants struct {
	*mocks.Client
	sent []client.UpdateWithStartWorkflowOptions
}

func newTenants(answers ...error) *tenants {
	t := &tenants{Client: &mocks.Client{}}
	t.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	t.On("UpdateWithStartWorkflow", mock.Anything, mock.Anything).Return(
		func(ctx context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
			t.sent = append(t.sent, o)
			if err := answers[min(len(t.sent), len(answers))-1]; err != nil {
				return nil, err
			}
			handle := &mocks.WorkflowUpdateHandle{}
			handle.On("Get", mock.Anything, mock.Anything).Return(nil).Run(func(args mock.Arguments) {
				*args.Get(1).(*ledger.Grant) = ledger.Grant{Requests: 3}
			})
			return handle, nil
		})
	return t
}

func startTenant(context.Context, string, string) (client.StartWorkflowOptions, workflows.TenantInput, error) {
	return client.StartWorkflowOptions{ID: "okta/acme", TaskQueue: "queue"}, workflows.TenantInput{Tenant: "acme"}, nil
}

func TestAClaimIsAnUpdateOfTheTenantsWorkflowWhichItStarts(t *testing.T) {
	temporal := newTenants(nil)
	claim := activities.Claims(temporal, startTenant, claimant, acmeApps)
	grant, err := claim(t.Context(), ledger.Claim{Path: "/api/v1/apps"})
	require.NoError(t, err)
	require.Equal(t, 3, grant.Requests)
	started := temporal.Calls[0].Arguments
	require.Equal(t, client.StartWorkflowOptions{
		ID: "okta/acme", TaskQueue: "queue", WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, started.Get(0))
	require.Equal(t, workflows.TenantName, started.Get(1))
	require.Equal(t, workflows.TenantInput{Tenant: "acme"}, started.Get(2))
	sent := temporal.sent[0].UpdateOptions.Args[0].(ledger.Claim)
	require.Equal(t, "okta/acme/apps", sent.Member)
	require.False(t, sent.Always)
	require.Equal(t, client.WorkflowUpdateStageCompleted, temporal.sent[0].UpdateOptions.WaitForStage)

	_, err = claim(t.Context(), ledger.Claim{Path: "/api/v1/apps"})
	require.NoError(t, err)
	require.NotEqual(t, sent.ID, temporal.sent[1].UpdateOptions.UpdateID, "another claim has another id")
}

func TestASliceOfARunThatCannotBeToldToShareAlwaysClaims(t *testing.T) {
	temporal := newTenants(nil)
	_, err := activities.Claims(temporal, startTenant, claimant, workflows.SliceInput{Tenant: "acme", Service: "apps"})(t.Context(), ledger.Claim{})
	require.NoError(t, err)
	require.True(t, temporal.sent[0].UpdateOptions.Args[0].(ledger.Claim).Always)
}

func TestAClaimThatGetsNoAnswerIsSentAgainWithTheSameID(t *testing.T) {
	for name, lost := range map[string]error{
		"unavailable": serviceerror.NewUnavailable("no way"),
		"too much":    serviceerror.NewResourceExhausted(enums.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, "10 updates in flight"),
		"no worker":   context.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := newTenants(lost, lost, nil)
				grant, err := activities.Claims(temporal, startTenant, claimant, acmeApps)(t.Context(), ledger.Claim{})
				require.NoError(t, err)
				require.Equal(t, 3, grant.Requests)
				require.Len(t, temporal.sent, 3)
				require.Equal(t, temporal.sent[0].UpdateOptions.UpdateID, temporal.sent[2].UpdateOptions.UpdateID)
			})
		})
	}
}

func TestAClaimThatIsRefusedIsNotSentAgain(t *testing.T) {
	temporal := newTenants(temporal.NewApplicationError("the share is 2", ""))
	_, err := activities.Claims(temporal, startTenant, claimant, acmeApps)(t.Context(), ledger.Claim{})
	require.ErrorContains(t, err, "okta/acme")
	require.ErrorContains(t, err, "the share is 2")
	require.Len(t, temporal.sent, 1)
}

func TestAClaimIsGivenUpAfterAMinuteOrWithItsSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := newTenants(serviceerror.NewUnavailable("no way"))
		began := time.Now()
		_, err := activities.Claims(temporal, startTenant, claimant, acmeApps)(t.Context(), ledger.Claim{})
		require.ErrorContains(t, err, "okta/acme has not answered")
		require.InDelta(t, 66, time.Since(began).Seconds(), 8, "a minute, and the last pause")

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began = time.Now()
		_, err = activities.Claims(temporal, startTenant, claimant, acmeApps)(ctx, ledger.Claim{})
		require.Error(t, err)
		require.LessOrEqual(t, time.Since(began), 15*time.Second)
	})
}

func TestNothingIsClaimedOfATenantOfWhichNothingCanBeRead(t *testing.T) {
	temporal := newTenants(nil)
	unreadable := func(context.Context, string, string) (o client.StartWorkflowOptions, in workflows.TenantInput, err error) {
		return o, in, serviceerror.NewPermissionDenied("no", "")
	}
	_, err := activities.Claims(temporal, unreadable, claimant, acmeApps)(t.Context(), ledger.Claim{})
	require.ErrorContains(t, err, "tenant acme")
	require.Empty(t, temporal.sent)
}

func TestASliceSendsOnlyWhatItHasClaimed(t *testing.T) {
	b := newBench(t, 5)
	b.claims = func(_ context.Context, c ledger.Claim) (ledger.Grant, error) {
		b.note("claim")
		require.Equal(t, "/api/v1/users", c.Home)
		require.InDelta(t, 0.5, c.Share, 0)
		return ledger.Grant{Window: "/api/v1/users", Requests: 2, Begin: 5 * time.Second, Left: time.Minute, Limit: 600}, nil
	}
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, workflows.EndRateLimited, result.End)
	require.Equal(t, "claim", b.diary[0])
	require.EqualValues(t, 2, result.Checkpoint.Totals.Pages)
	w := result.Checkpoint.Windows[0]
	require.Equal(t, 2, w.Granted)
	require.False(t, w.Open)

	b.diary = nil
	again, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: result.Checkpoint})
	require.NoError(t, err)
	require.Equal(t, workflows.EndRateLimited, again.End, "the next slice knows that nothing is left")
	require.NotContains(t, b.diary, "claim")
}

func TestTheCheckpointsOfASliceCountAllThatItHasClaimed(t *testing.T) {
	b := newBench(t, 3)
	b.claims = func(context.Context, ledger.Claim) (ledger.Grant, error) {
		return ledger.Grant{Window: "/api/v1/users", Requests: 100, Left: time.Minute, Limit: 600}, nil
	}
	_, err := b.run()
	require.NoError(t, err)
	require.NotEmpty(t, b.saved)
	for _, c := range b.saved {
		for _, w := range c.Windows {
			require.True(t, w.Open)
			require.Equal(t, 100, w.Used)
		}
	}
}

func TestASliceThatIsAloneSaysSoInItsCheckpoint(t *testing.T) {
	b := newBench(t, 2)
	claims := 0
	b.claims = func(context.Context, ledger.Claim) (ledger.Grant, error) {
		claims++
		return ledger.Grant{Alone: 7, Left: time.Hour}, nil
	}
	result, err := b.run()
	require.NoError(t, err)
	require.Len(t, result.Checkpoint.Alone, 1)
	alone := result.Checkpoint.Alone[0]
	require.Equal(t, "/api/v1/users", alone.Home)
	require.EqualValues(t, 7, alone.Number)
	require.WithinDuration(t, time.Now().Add(time.Hour), alone.Until, time.Minute)
	_, err = b.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: result.Checkpoint})
	require.NoError(t, err)
	require.Equal(t, 1, claims)
}

func TestAnAnswerThatGrantsNothingIsNotAskedForForEver(t *testing.T) {
	b := newBench(t, 1)
	b.claims = func(context.Context, ledger.Claim) (ledger.Grant, error) { return ledger.Grant{}, nil }
	_, err := b.run()
	require.ErrorContains(t, err, "grants nothing")
	require.Empty(t, b.diary)
}

func TestAClaimWithoutAnAnswerIsAPassingProblemThatSaysWhatToDo(t *testing.T) {
	b := newBench(t, 1)
	b.claims = func(context.Context, ledger.Claim) (ledger.Grant, error) {
		return ledger.Grant{}, errors.New("the workflow okta/acme has not answered: no way")
	}
	_, err := b.run()
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, string(workflows.ClassPassing), failed.Type())
	require.ErrorContains(t, err, "acme/users: asking Okta for /api/v1/users: claiming requests: the workflow okta/acme has not answered")
	require.ErrorContains(t, err, "nothing is sent to Okta meanwhile")
	require.Empty(t, b.diary)
}
