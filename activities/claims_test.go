package activities_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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
	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
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
	mu sync.Mutex
	// sent are the claims that were sent, started those that were sent with a start of the workflow.
	sent    []client.UpdateWorkflowOptions
	started []client.UpdateWithStartWorkflowOptions
	// meanwhile is what happens while a claim is under way.
	meanwhile func(ledger.Claim)
}

// newTenants returns a Temporal whose answers to claims are these errors. The last one is the answer to all that follow.
func newTenants(answers ...error) *tenants {
	t := &tenants{Client: &mocks.Client{}, meanwhile: func(ledger.Claim) {}}
	answer := func(o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
		t.mu.Lock()
		t.sent = append(t.sent, o)
		n := len(t.sent)
		t.mu.Unlock()
		t.meanwhile(o.Args[0].(ledger.Claim))
		if err := answers[min(n, len(answers))-1]; err != nil {
			return nil, err
		}
		return granted(), nil
	}
	t.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(
		func(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
			return answer(o)
		})
	t.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	t.On("UpdateWithStartWorkflow", mock.Anything, mock.Anything).Return(
		func(_ context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
			t.started = append(t.started, o)
			return answer(o.UpdateOptions)
		})
	return t
}

// granted is the answer to a claim.
func granted() client.WorkflowUpdateHandle {
	handle := &mocks.WorkflowUpdateHandle{}
	handle.On("Get", mock.Anything, mock.Anything).Return(nil).Run(func(args mock.Arguments) {
		*args.Get(1).(*ledger.Grant) = ledger.Grant{Requests: 3, Left: time.Minute}
	})
	return handle
}

func startTenant(context.Context, string, string) (client.StartWorkflowOptions, workflows.TenantInput, error) {
	return client.StartWorkflowOptions{ID: "okta/acme", TaskQueue: "queue"}, workflows.TenantInput{Tenant: "acme"}, nil
}

// unreadable is an [activities.StartTenant] that fails with an error.
func unreadable(err error) activities.StartTenant {
	return func(context.Context, string, string) (o client.StartWorkflowOptions, in workflows.TenantInput, _ error) {
		return o, in, err
	}
}

// notFound is what Temporal answers to an update of a workflow that does not run.
var notFound = serviceerror.NewNotFound("workflow execution already completed")

// claimsOf returns how a slice claims requests. No other slice of the tenant runs.
func claimsOf(c client.Client, start activities.StartTenant, in workflows.SliceInput) budget.Claim {
	return activities.NewClaims(start).Of(c, claimant, in)
}

func TestAClaimIsAnUpdateOfTheTenantsWorkflow(t *testing.T) {
	temporal := newTenants(nil)
	claim := claimsOf(temporal, unreadable(errors.New("nothing is read while the workflow runs")), acmeApps)
	grant, err := claim(t.Context(), ledger.Claim{Path: "/api/v1/apps"})
	require.NoError(t, err)
	require.Equal(t, 3, grant.Requests)
	sent := temporal.sent[0].Args[0].(ledger.Claim)
	require.Equal(t, sent.ID, grant.Claim, "so that a grant which came too late can be given back")
	require.Equal(t, client.UpdateWorkflowOptions{
		WorkflowID: "okta/acme", UpdateID: sent.ID, UpdateName: workflows.UpdateClaim, Args: []any{sent}, WaitForStage: client.WorkflowUpdateStageCompleted,
	}, temporal.sent[0])
	require.Equal(t, "okta/acme/apps", sent.Member)
	require.False(t, sent.Always)
	require.Empty(t, temporal.started)

	_, err = claim(t.Context(), ledger.Claim{Path: "/api/v1/apps"})
	require.NoError(t, err)
	require.NotEqual(t, sent.ID, temporal.sent[1].UpdateID, "another claim has another id")
}

func TestAClaimStartsATenantsWorkflowThatDoesNotRun(t *testing.T) {
	for name, ended := range map[string]error{
		"not found":                     notFound,
		"ended while the update waited": temporal.NewNonRetryableApplicationError("the workflow completed", "AcceptedUpdateCompletedWorkflow", nil),
	} {
		t.Run(name, func(t *testing.T) {
			temporal := newTenants(ended, nil)
			grant, err := claimsOf(temporal, startTenant, acmeApps)(t.Context(), ledger.Claim{Path: "/api/v1/apps"})
			require.NoError(t, err)
			require.Equal(t, 3, grant.Requests)
			require.Len(t, temporal.started, 1)
			require.Equal(t, temporal.sent[0], temporal.sent[1], "it is the same claim")
			started := temporal.Calls[1].Arguments
			require.Equal(t, client.StartWorkflowOptions{
				ID: "okta/acme", TaskQueue: "queue", WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			}, started.Get(0))
			require.Equal(t, workflows.TenantName, started.Get(1))
			require.Equal(t, workflows.TenantInput{Tenant: "acme"}, started.Get(2))
		})
	}
}

func TestAClaimWhoseStartGetsNoAnswerIsSentAgainWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := newTenants(notFound, serviceerror.NewUnavailable("no way"), nil)
		_, err := claimsOf(temporal, startTenant, acmeApps)(t.Context(), ledger.Claim{})
		require.NoError(t, err)
		require.Len(t, temporal.sent, 3)
		require.Len(t, temporal.started, 1, "it may run by now")
		require.Equal(t, temporal.sent[0].UpdateID, temporal.sent[2].UpdateID)
	})
}

func TestASliceOfARunThatCannotBeToldToShareAlwaysClaims(t *testing.T) {
	temporal := newTenants(nil)
	_, err := claimsOf(temporal, startTenant, workflows.SliceInput{Tenant: "acme", Service: "apps"})(t.Context(), ledger.Claim{})
	require.NoError(t, err)
	require.True(t, temporal.sent[0].Args[0].(ledger.Claim).Always)
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
				began := time.Now()
				grant, err := claimsOf(temporal, startTenant, acmeApps)(t.Context(), ledger.Claim{Seen: []ledger.Seen{{Left: time.Minute}}})
				require.NoError(t, err)
				require.Equal(t, 3, grant.Requests)
				require.Len(t, temporal.sent, 3)
				require.Equal(t, temporal.sent[0].UpdateID, temporal.sent[2].UpdateID)
				require.Equal(t, time.Minute-time.Since(began), temporal.sent[2].Args[0].(ledger.Claim).Seen[0].Left, "what is left of the window by then")
				require.Equal(t, time.Minute, grant.Left, "the first may have been answered")
			})
		})
	}
}

func TestAClaimThatIsRefusedIsNotSentAgain(t *testing.T) {
	temporal := newTenants(temporal.NewApplicationError("the share is 2", ""))
	_, err := claimsOf(temporal, startTenant, acmeApps)(t.Context(), ledger.Claim{})
	require.ErrorContains(t, err, "okta/acme")
	require.ErrorContains(t, err, "the share is 2")
	require.Len(t, temporal.sent, 1)
}

func TestAClaimIsGivenUpAfterAMinuteOrWithItsSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := newTenants(serviceerror.NewUnavailable("no way"))
		began := time.Now()
		_, err := claimsOf(temporal, startTenant, acmeApps)(t.Context(), ledger.Claim{})
		require.ErrorContains(t, err, "okta/acme has not answered")
		require.Equal(t, time.Minute, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began = time.Now()
		_, err = claimsOf(temporal, startTenant, acmeApps)(ctx, ledger.Claim{})
		require.Error(t, err)
		require.LessOrEqual(t, time.Since(began), 15*time.Second)
	})
}

// TestClaimsOfATenantThatAreUnderWayAtOnceAreFewerThanTemporalTakes: a Temporal that is asked for more than ten updates of a
// workflow at once drops the others too.
func TestClaimsOfATenantThatAreUnderWayAtOnceAreFewerThanTemporalTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		underWay, most, answered := map[bool]int{}, map[bool]int{}, map[bool]int{} // by whether it is a backfill's
		count := func(backfill bool, n int) {
			mu.Lock()
			defer mu.Unlock()
			underWay[backfill] += n
			most[backfill] = max(most[backfill], underWay[backfill])
			if n < 0 {
				answered[backfill]++
			}
		}
		temporal := newTenants(nil)
		temporal.meanwhile = func(claim ledger.Claim) {
			_, backfill := workflows.RangeOf(claim.Member)
			count(backfill, 1)
			time.Sleep(100 * time.Millisecond)
			count(backfill, -1)
		}
		claims := activities.NewClaims(startTenant)
		r := checkpoint.Range{Since: time.Now().Add(-time.Hour), Until: time.Now()}
		var all sync.WaitGroup
		for n := range 60 {
			in, info := acmeApps, claimant
			info.ActivityID = fmt.Sprint(n)
			if n%2 == 0 {
				in.Backfill = &r
				info.WorkflowExecution.ID = workflows.BackfillID("acme", "logs", r)
			}
			all.Go(func() {
				_, err := claims.Of(temporal, info, in)(t.Context(), ledger.Claim{Path: "/api/v1/logs"})
				assert.NoError(t, err)
			})
		}
		time.Sleep(850 * time.Millisecond)
		mu.Lock()
		require.Equal(t, map[bool]int{false: 30, true: 8}, answered, "many backfills keep no service waiting")
		mu.Unlock()
		all.Wait()
		require.Equal(t, map[bool]int{false: 30, true: 30}, answered)
		require.Equal(t, map[bool]int{false: 4, true: 1}, most)
	})
}

// TestAClaimWaitsForItsPlaceAsLongAsItsSliceLasts: others hold all places meanwhile. What the claim says and is granted
// counts from its sending.
func TestAClaimWaitsForItsPlaceAsLongAsItsSliceLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const held = 5 * time.Minute
		temporal := newTenants(nil)
		var last ledger.Claim
		temporal.meanwhile = func(claim ledger.Claim) {
			if claim.Path == "" {
				time.Sleep(held)
			} else {
				last = claim
			}
		}
		claims := activities.NewClaims(startTenant)
		for range 4 {
			go func() { _, _ = claims.Of(temporal, claimant, acmeApps)(t.Context(), ledger.Claim{}) }()
		}
		synctest.Wait()

		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, errors.New("the slice ends"))
		defer cancel()
		began := time.Now()
		_, err := claims.Of(temporal, claimant, acmeApps)(ctx, ledger.Claim{Path: "/api/v1/apps"})
		require.EqualError(t, err, "the slice ends")
		require.Equal(t, 2*time.Minute, time.Since(began))
		require.Len(t, temporal.sent, 4)

		asked := ledger.Claim{
			Path: "/api/v1/apps", Seen: []ledger.Seen{{Left: time.Minute}, {Left: math.MinInt64}}, Answers: []ledger.Answer{{Age: time.Second}, {Age: math.MaxInt64}},
		}
		grant, err := claims.Of(temporal, claimant, acmeApps)(t.Context(), asked)
		require.NoError(t, err)
		require.Equal(t, held, time.Since(began))
		waited := held - 2*time.Minute
		require.Equal(t, ledger.Grant{Claim: last.ID, Requests: 3, Left: time.Minute + waited}, grant)
		require.Equal(t, time.Minute-waited, last.Seen[0].Left)
		require.Negative(t, last.Seen[1].Left)
		require.Equal(t, time.Second+waited, last.Answers[0].Age)
		require.Positive(t, last.Answers[1].Age)
		require.Equal(t, time.Minute, asked.Seen[0].Left)
	})
}

// TestManyClaimsThatNothingAnswersAllSayWhy: a claim that waited for those before it fails for the same reason as they do.
func TestManyClaimsThatNothingAnswersAllSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := newTenants(context.DeadlineExceeded)
		temporal.meanwhile = func(ledger.Claim) { time.Sleep(15 * time.Second) }
		claims := activities.NewClaims(startTenant)
		began := time.Now()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				_, err := claims.Of(temporal, claimant, acmeApps)(t.Context(), ledger.Claim{})
				assert.EqualError(t, err, "the workflow okta/acme has not answered: context deadline exceeded")
			})
		}
		all.Wait()
		require.LessOrEqual(t, time.Since(began), 40/4*15*time.Second+time.Minute+15*time.Second)
	})
}

func TestAClaimThatPanicsLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := newTenants(nil)
		temporal.meanwhile = func(claim ledger.Claim) {
			if claim.Path == "" {
				panic("a bug")
			}
		}
		claims := activities.NewClaims(startTenant)
		for range 10 {
			require.Panics(t, func() { _, _ = claims.Of(temporal, claimant, acmeApps)(t.Context(), ledger.Claim{}) })
		}
		_, err := claims.Of(temporal, claimant, acmeApps)(t.Context(), ledger.Claim{Path: "/api/v1/apps"})
		require.NoError(t, err)
	})
}

// crowded is a Temporal that takes ten updates of a workflow at once. If an eleventh comes it drops all of them.
type crowded struct {
	*mocks.Client
	mu       sync.Mutex
	underWay int
	drop     chan struct{} // closed when those under way are dropped
	dropped  int           // how many times
}

func newCrowded() *crowded {
	c := &crowded{Client: &mocks.Client{}, drop: make(chan struct{})}
	c.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(
		func(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
			return c.answer()
		})
	return c
}

func (c *crowded) answer() (client.WorkflowUpdateHandle, error) {
	c.mu.Lock()
	if c.underWay == 10 {
		c.underWay = 0
		c.dropped++
		close(c.drop)
		c.drop = make(chan struct{})
		c.mu.Unlock()
		return nil, serviceerror.NewResourceExhausted(enums.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, "10 updates in flight")
	}
	c.underWay++
	drop := c.drop
	c.mu.Unlock()
	select {
	case <-drop:
		return nil, serviceerror.NewUnavailable("the update was aborted")
	case <-time.After(20 * time.Millisecond):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-drop:
		return nil, serviceerror.NewUnavailable("the update was aborted")
	default:
	}
	c.underWay--
	return granted(), nil
}

// TestWhereManyClaimAtOnceAllAreAnswered: 40 claims on each of several workers, of which every fourth is a backfill's. Two
// workers never send more than Temporal takes.
func TestWhereManyClaimAtOnceAllAreAnswered(t *testing.T) {
	for workers, within := range map[int]time.Duration{2: 250 * time.Millisecond, 3: 5 * time.Second} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := newCrowded()
				r := checkpoint.Range{Since: time.Now().Add(-time.Hour), Until: time.Now()}
				began := time.Now()
				var all sync.WaitGroup
				for range workers {
					claims := activities.NewClaims(startTenant)
					for n := range 40 {
						in, info := acmeApps, claimant
						info.ActivityID = fmt.Sprint(n)
						if n%4 == 0 {
							in.Backfill = &r
						}
						all.Go(func() {
							_, err := claims.Of(temporal, info, in)(t.Context(), ledger.Claim{})
							assert.NoError(t, err)
						})
					}
				}
				all.Wait()
				require.LessOrEqual(t, time.Since(began), within)
				require.Equal(t, workers > 2, temporal.dropped > 0)
				t.Logf("after %s, Temporal dropped those under way %d times", time.Since(began), temporal.dropped)
			})
		})
	}
}

func TestNoWorkflowIsStartedOfATenantOfWhichNothingCanBeRead(t *testing.T) {
	temporal := newTenants(notFound)
	_, err := claimsOf(temporal, unreadable(serviceerror.NewPermissionDenied("no", "")), acmeApps)(t.Context(), ledger.Claim{})
	require.ErrorContains(t, err, "tenant acme")
	require.Empty(t, temporal.started)
}

func TestAClaimThatAnotherProgramsWorkflowRefusesSaysWhoseItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := newTenants(temporal.NewApplicationError("unknown update claim", ""))
		_, err := claimsOf(temporal, unreadable(errors.New(`okta/acme is a workflow of type "Other"`)), acmeApps)(t.Context(), ledger.Claim{})
		require.ErrorContains(t, err, `okta/acme is a workflow of type "Other"`)
		require.Empty(t, temporal.started)
	})
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
	require.False(t, w.Made.IsZero(), "its end is by the estimate of the slice")
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
			require.True(t, !w.Open || w.Used == 100, "while it may send more")
		}
	}
	require.True(t, b.saved[0].Windows[0].Open)
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
