package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
	"okta-collector/workflows"
)

// claimed is the answer to a claim, and when it came.
type claimed struct {
	grant    ledger.Grant
	rejected error
	at       time.Time
}

// claim lets a service claim after a time.
func (r *tenantRun) claim(after time.Duration, member string, change ...func(*ledger.Claim)) *claimed {
	got := &claimed{}
	r.env.RegisterDelayedCallback(func() { r.claimNow(got, fmt.Sprint(member, after), member, change...) }, after)
	return got
}

func (r *tenantRun) claimNow(got *claimed, id, member string, change ...func(*ledger.Claim)) {
	c := ledger.Claim{ID: id, Member: member, Path: "/api/v1/logs", Home: "/api/v1/logs", Share: 0.5}
	for _, f := range change {
		f(&c)
	}
	r.env.UpdateWorkflow(workflows.UpdateClaim, c.ID, &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { got.rejected, got.at = err, r.env.Now() },
		OnComplete: func(answer any, err error) {
			require.NoError(r.t, err)
			got.grant, got.at = answer.(ledger.Grant), r.env.Now()
		},
	}, c)
}

func (r *tenantRun) released(after time.Duration, in workflows.ReleaseInput) {
	r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(workflows.SignalReleased, in) }, after)
}

const (
	live     = "okta/acme/logs"
	backfill = "okta/acme/logs/backfill/2026-11-27T00:00:00.000Z--2026-11-28T00:00:00.000Z"
)

// half is a window of which half of the collector's share is used.
func half(left time.Duration) []ledger.Seen {
	return []ledger.Seen{{Path: "/api/v1/logs", Home: "/api/v1/logs", Limit: 12, Remaining: 9, Used: 3, Reset: 1_800_000_000, Left: left}}
}

func TestASecondServiceOfAWindowWaitsUntilTheFirstClaimsToo(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	told := workflows.ShareInput{}
	r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, mock.Anything).Return(
		func(_, _, _, _ string, in any) error { told = in.(workflows.ShareInput); return nil }).Once()
	first := r.claim(time.Minute, live)
	second := r.claim(2*time.Minute, backfill)
	r.released(2*time.Minute+3*time.Second, workflows.ReleaseInput{Member: live, Home: "/api/v1/logs", Number: 1, Seen: half(30 * time.Second), Next: 15 * time.Minute})
	status := r.execute(workflows.TenantInput{Tenant: "acme"})
	require.EqualValues(t, 1, first.grant.Alone)
	require.Equal(t, workflows.ShareInput{Home: "/api/v1/logs", Number: 1}, told)
	require.Equal(t, 3, second.grant.Requests)
	require.InDelta(t, 63, second.at.Sub(first.at).Seconds(), 0.1)
	require.Equal(t, "/api/v1/logs", status.Windows[0].Name)
	require.Equal(t, 12, status.Windows[0].Limit)
	require.Equal(t, 6, status.Windows[0].Share)
}

func TestAClaimIsAnsweredThoughTheFirstServiceDoesNotAnswer(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, mock.Anything).Return(nil)
	r.claim(time.Minute, live)
	second := r.claim(2*time.Minute, backfill)
	r.execute(workflows.TenantInput{Tenant: "acme"})
	require.Zero(t, second.grant.Requests)
	require.Zero(t, second.grant.Alone)
	require.Positive(t, second.grant.Wait)
}

// Two backfills wait, and a live list wants all that there is.
func TestARunThatAnEarlierVersionBeganDividesAsItDid(t *testing.T) {
	for version, want := range map[workflow.Version][]int{workflow.DefaultVersion: {1, 1, 4}, 1: {0, 1, 5}} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			r := newTenantRun(t, "okta/acme")
			r.env.OnGetVersion("priorities are parties", workflow.DefaultVersion, workflow.Version(1)).Return(version)
			always := func(p ledger.Priority) func(*ledger.Claim) {
				return func(c *ledger.Claim) {
					c.Always, c.Priority = true, p
					c.Seen = []ledger.Seen{{Path: "/api/v1/logs", Home: "/api/v1/logs", Limit: 12, Remaining: 12, Left: -time.Second, Reset: 1}}
				}
			}
			another := strings.Replace(backfill, "-28T", "-27T", 1)
			claims := func(after time.Duration) (got []*claimed) {
				for i, member := range []string{backfill, another, live} {
					got = append(got, r.claim(after+time.Duration(i)*time.Second, member, always([]ledger.Priority{ledger.BackfillList, ledger.BackfillList, ledger.LiveList}[i])))
				}
				return got
			}
			claims(time.Minute)
			claims(3 * time.Minute)
			got := claims(5 * time.Minute)
			r.execute(workflows.TenantInput{Tenant: "acme"})
			require.Equal(t, want, []int{got[0].grant.Requests, got[1].grant.Requests, got[2].grant.Requests})
		})
	}
}

func TestAServiceThatHasEndedHoldsNobodyUp(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.OnSignalExternalWorkflow(mock.Anything, backfill, "", workflows.SignalShare, mock.Anything).Return(errors.New("not found"))
	first := r.claim(time.Minute, backfill)
	second := r.claim(time.Hour, live)
	third := r.claim(time.Hour+2*time.Minute, live)
	r.execute(workflows.TenantInput{Tenant: "acme"})
	require.NotZero(t, first.grant.Alone)
	require.Less(t, second.at.Sub(first.at), time.Hour)
	require.NotZero(t, third.grant.Alone)
}

func TestABackfillThatHasEndedSharesNoMore(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, mock.Anything).Return(nil)
	r.claim(time.Minute, live)
	r.claim(2*time.Minute, backfill)
	r.released(2*time.Minute+time.Second, workflows.ReleaseInput{Member: live, Home: "/api/v1/logs", Number: 1, Seen: half(30 * time.Second)})
	shared := r.claim(4*time.Minute, live)
	r.released(5*time.Minute, workflows.ReleaseInput{Member: backfill})
	alone := r.claim(6*time.Minute, live)
	r.execute(workflows.TenantInput{Tenant: "acme"})
	require.NotZero(t, shared.grant.Requests)
	require.EqualValues(t, 2, alone.grant.Alone)
}

func TestAStoppedServiceSharesNoMore(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.claim(time.Minute, live)
	r.decide(2*time.Minute, stopped(1, 10))
	soon := r.claim(2*time.Minute+time.Second, backfill)
	later := r.claim(4*time.Minute, backfill)
	r.execute(workflows.TenantInput{Tenant: "acme"})
	require.Zero(t, soon.grant.Alone+int64(soon.grant.Requests), "nobody knows how much of the window it has used")
	require.NotZero(t, later.grant.Alone)
}

func TestTheWebUIShowsTheWindowsOfATenant(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, mock.Anything).Return(nil)
	r.claim(time.Minute, live)
	r.claim(time.Minute, "okta/acme/users", func(c *ledger.Claim) { c.Path, c.Home = "/api/v1/users", "/api/v1/users" })
	var alone string
	r.env.RegisterDelayedCallback(func() { alone = r.details() }, 90*time.Second)
	second := r.claim(2*time.Minute, backfill)
	r.released(2*time.Minute+3*time.Second, workflows.ReleaseInput{Member: live, Home: "/api/v1/logs", Number: 1, Seen: half(30 * time.Second), Next: 15 * time.Minute})
	var shared string
	r.env.RegisterDelayedCallback(func() { shared = r.details() }, 10*time.Minute)
	status := r.execute(workflows.TenantInput{Tenant: "acme"})
	for _, window := range []string{"logs", "users"} {
		require.Contains(t, alone, fmt.Sprintf("| /api/v1/%s | – | – | – | %s alone, which has the numbers | – |\n", window, window))
	}
	ends := status.Windows[0].Ends
	require.InDelta(t, 27, ends.Sub(second.at).Seconds(), 4)
	until := ends.UTC().Format("Jan 2 15:04:05Z")
	require.Contains(t, shared, "| /api/v1/logs | 12 | 6 | 6 | logs 3, logs backfill 2026-11-27T00:00:00.000Z--2026-11-28T00:00:00.000Z 3 | "+until+" |\n",
		"it says that the window is over")
}

func TestClaimsThatCannotBeAreNotInTheHistory(t *testing.T) {
	for name, test := range map[string]struct {
		member string
		change func(*ledger.Claim)
	}{
		"of another tenant": {"okta/other/logs", func(*ledger.Claim) {}},
		"of no service":     {"okta/acme", func(*ledger.Claim) {}},
		"of more than all":  {live, func(c *ledger.Claim) { c.Share = 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTenantRun(t, "okta/acme")
			got := r.claim(time.Minute, test.member, test.change)
			status := r.execute(workflows.TenantInput{Tenant: "acme"})
			require.Error(t, got.rejected)
			require.Empty(t, status.Windows)
		})
	}
}

func TestAStopSaysWhatTheServiceHasUsed(t *testing.T) {
	for name, test := range map[string]struct{ made, ends time.Duration }{ // from the stop
		"of its present window": {0, 30 * time.Second},
		"of one that seemed to end early, since its slice came to the worker late": {-9 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTenantRun(t, "okta/acme")
			r.claim(time.Minute, live)
			r.env.RegisterDelayedCallback(func() {
				d := stopped(1, 10)
				d.State.Checkpoint.Windows = []checkpoint.Window{{
					Name: "/api/v1/logs", Limit: 12, Remaining: 8, Used: 4, Reset: 1_800_000_000, Ends: r.env.Now().Add(test.ends), Made: r.env.Now().Add(test.made),
				}}
				r.env.SignalWorkflow(workflows.SignalDecide, d)
			}, 2*time.Minute)
			soon := r.claim(2*time.Minute+time.Second, backfill)
			r.execute(workflows.TenantInput{Tenant: "acme"})
			require.Equal(t, 2, soon.grant.Requests)
		})
	}
}

func TestAReleaseThatIsOnlyUnderstoodInPartHoldsNobodyUp(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, mock.Anything).Return(nil)
	r.claim(time.Minute, live)
	r.released(2*time.Minute, workflows.ReleaseInput{Member: live, Home: "/api/v1/logs", Number: 1, Next: -1, Seen: []ledger.Seen{{}}})
	other := r.claim(4*time.Minute, backfill)
	require.Len(t, r.execute(workflows.TenantInput{Tenant: "acme"}).Warnings, 1)
	require.NotZero(t, other.grant.Requests)
}

func TestAReleaseThatCannotBeIsAWarning(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.released(time.Minute, workflows.ReleaseInput{Member: "okta/other/logs", Home: "/api/v1/logs"})
	r.released(time.Minute, workflows.ReleaseInput{Member: live, Home: "/api/v1/logs", Seen: []ledger.Seen{{}}})
	require.EqualValues(t, 2, r.execute(workflows.TenantInput{Tenant: "acme"}).Warnings[0].Count)
}

// Somebody has terminated the workflow of the tenant. The services that were alone go on, and do not know.
func TestATenantThatIsStartedAgainKnowsWhoIsAlone(t *testing.T) {
	before := newTenantRun(t, "okta/acme")
	before.claim(time.Minute, live)
	before.execute(workflows.TenantInput{Tenant: "acme"})
	payload, err := workflows.DataConverter().ToPayload(before.memo["alone"])
	require.NoError(t, err)
	state := workflows.ReadMemo(&common.Memo{Fields: map[string]*common.Payload{"alone": payload}}, workflows.DataConverter())
	require.Len(t, state.Ledger.Members, 1)
	require.Contains(t, state.Memo(), "alone", "for the next one")

	r := newTenantRun(t, "okta/acme")
	told := 0
	r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, workflows.ShareInput{Home: "/api/v1/logs", Number: 1}).Return(
		func(_, _, _, _ string, _ any) error { told++; return nil })
	soon := r.claim(time.Second, backfill)
	later := r.claim(2*time.Minute, backfill)
	r.execute(workflows.TenantInput{Tenant: "acme", State: &state})
	require.Zero(t, soon.grant.Alone+int64(soon.grant.Requests), "nobody knows what was claimed of the present window")
	require.InDelta(t, 65, soon.grant.Wait.Seconds(), 1)
	require.Zero(t, later.grant.Alone)
	require.Equal(t, 1, told)
}

func TestATenantThatContinuesAsNewKnowsAllThatWasClaimed(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	r.env.SetContinuedExecutionRunID("before")
	soon := r.claim(time.Second, live)
	r.execute(workflows.TenantInput{Tenant: "acme", State: &workflows.TenantState{}})
	require.NotZero(t, soon.grant.Alone)
}

func TestALedgerThatCannotBeIsDropped(t *testing.T) {
	r := newTenantRun(t, "okta/acme")
	status := r.execute(workflows.TenantInput{Tenant: "acme", State: &workflows.TenantState{Ledger: ledger.Ledger{Windows: []ledger.Window{{Name: "x"}}}}})
	require.Empty(t, status.Windows)
	require.Contains(t, status.Warnings[0].Message, "ledger")
}

// A ledger is never dropped in good order. The services that were alone go on, and do not know.
func TestATenantWhoseLedgerCannotBeKnowsWhoIsAloneAndGrantsNothingOfThePresentWindows(t *testing.T) {
	alone := ledger.Ledger{Members: []ledger.Member{{ID: live, Home: "/api/v1/logs", Alone: 7}}, Numbers: 7}
	for i, memo := range []map[string]any{{"alone": alone}, {"alone": "nothing that can be read"}, {}} {
		r := newTenantRun(t, "okta/acme")
		r.env.SetContinuedExecutionRunID("before")
		require.NoError(t, r.env.SetMemoOnStart(memo))
		var told []workflows.ShareInput
		r.env.OnSignalExternalWorkflow(mock.Anything, live, "", workflows.SignalShare, mock.Anything).Return(
			func(_, _, _, _ string, in any) error { told = append(told, in.(workflows.ShareInput)); return nil }).Maybe()
		soon := r.claim(time.Second, backfill)
		later := r.claim(2*time.Minute, backfill)
		r.execute(workflows.TenantInput{Tenant: "acme", State: &workflows.TenantState{Ledger: ledger.Ledger{Windows: []ledger.Window{{Name: "x"}}}}})
		require.Zero(t, soon.grant.Alone+int64(soon.grant.Requests), "nobody knows what was claimed of the present window")
		require.InDelta(t, 65, soon.grant.Wait.Seconds(), 1)
		if i == 0 {
			require.Equal(t, []workflows.ShareInput{{Home: "/api/v1/logs", Number: 7}}, told)
			require.Zero(t, later.grant.Alone)
		} else {
			require.NotZero(t, later.grant.Alone)
		}
	}
}

func TestATenantContinuesAsNewBeforeTemporalTakesNoMoreUpdates(t *testing.T) {
	for version, most := range map[workflow.Version]int{1: 1700, workflow.DefaultVersion: 1800} {
		r := newTenantRun(t, "okta/acme")
		r.env.OnGetVersion("priorities are parties", workflow.DefaultVersion, workflow.Version(1)).Return(version)
		sent := 0
		for minute := range 20 {
			r.env.RegisterDelayedCallback(func() {
				for i := range 100 {
					r.claimNow(&claimed{}, fmt.Sprint(minute, i), live)
					sent++
				}
			}, time.Duration(minute+1)*time.Minute)
		}
		r.env.SetWorkflowRunTimeout(25 * time.Hour)
		r.env.ExecuteWorkflow(workflows.Tenant, workflows.TenantInput{Tenant: "acme"})
		var again *workflow.ContinueAsNewError
		require.ErrorAs(t, r.env.GetWorkflowError(), &again)
		require.Equal(t, most, sent)
		var in workflows.TenantInput
		require.NoError(t, workflows.DataConverter().FromPayloads(again.Input, &in))
		require.Len(t, in.State.Ledger.Members, 1)
	}
}

// aloneOn is the result of a slice that was told that it is alone.
func aloneOn(in workflows.SliceInput, number int64, ends time.Time) (workflows.SliceResult, error) {
	result, err := caughtUp(in, time.Hour)
	result.Checkpoint.Alone = []checkpoint.Alone{{Home: "/api/v1/logs", Number: number, Until: ends.Add(24 * time.Hour), Want: 4}}
	result.Checkpoint.Windows = []checkpoint.Window{{Name: "/api/v1/logs", Limit: 12, Remaining: 9, Used: 3, Reset: 1_800_000_000, Ends: ends}}
	return result, err
}

// releases records what the workflow tells its tenant's.
func (s *collectSuite) releases() *[]workflows.ReleaseInput {
	all := &[]workflows.ReleaseInput{}
	s.env.OnSignalExternalWorkflow(mock.Anything, "okta/acme", "", workflows.SignalReleased, mock.Anything).
		Return(func(_, _, _, _ string, in any) error { *all = append(*all, in.(workflows.ReleaseInput)); return nil })
	return all
}

func (s *collectSuite) share(after time.Duration, number int64) {
	s.after(after, func() {
		s.env.SignalWorkflow(workflows.SignalShare, workflows.ShareInput{Home: "/api/v1/logs", Number: number})
	})
}

func (s *collectSuite) TestAServiceIsAloneUntilItIsToldOtherwise() {
	released := s.releases()
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return aloneOn(in, 7, s.env.Now().Add(10*time.Minute))
	}
	s.share(90*time.Minute, 7)
	s.run(input, 150*time.Minute)
	s.True(s.slices[0].in.Shares, "it can be told")
	s.Empty(s.slices[0].in.Checkpoint.Alone)
	s.Len(s.slices[1].in.Checkpoint.Alone, 1)
	s.Empty(s.slices[2].in.Checkpoint.Alone)
	s.Len(*released, 1)
	got := (*released)[0]
	s.Equal("okta/acme/logs", got.Member)
	s.EqualValues(7, got.Number)
	s.Equal(3, got.Seen[0].Used)
	s.InDelta(-20, got.Seen[0].Left.Minutes(), 0.1)
	s.InDelta(30, got.Next.Minutes(), 0.1)
	s.Equal(4, got.Want)
}

func (s *collectSuite) TestNobodyWaitsForAServiceThatIsPaused() {
	released := s.releases()
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return aloneOn(in, 7, s.env.Now())
	}
	s.signal(time.Minute, workflows.SignalPause)
	s.share(2*time.Minute, 7)
	s.run(input, 3*time.Minute)
	s.Len(*released, 1)
	s.Negative((*released)[0].Next)
}

func (s *collectSuite) TestABackfillThatEndsSaysSoAndWhatItHasUsed() {
	released := s.releases()
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		result, err := aloneOn(in, 7, s.env.Now().Add(time.Minute))
		result.Checkpoint.Totals.Pulls = 1
		return result, err
	}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: s.yesterday()})
	s.NoError(err)
	s.Len(*released, 1)
	s.Empty((*released)[0].Home)
	s.Contains((*released)[0].Member, "/backfill/")
	s.Equal(3, (*released)[0].Seen[0].Used)
}

func (s *collectSuite) TestWhatASliceIsToldLaterThanTheServiceCounts() {
	s.releases()
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return aloneOn(in, 8, s.env.Now())
	}
	s.share(90*time.Minute, 7)
	s.run(input, 150*time.Minute)
	s.Len(s.slices[2].in.Checkpoint.Alone, 1, "it is of an earlier time")
}

func (s *collectSuite) TestAServiceThatBeginsWithAKeptStateIsNotAloneAnyMore() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
	kept := workflows.State{Checkpoint: checkpoint.Checkpoint{Alone: []checkpoint.Alone{{Home: "/api/v1/logs", Number: 3}}}}
	s.run(workflows.CollectInput{Tenant: "acme", Service: "logs", State: &kept}, 5*time.Second)
	s.Empty(s.slices[0].in.Checkpoint.Alone)
}

func (s *collectSuite) TestAfterALostSliceAllThatItHadClaimedCountsAsUsed() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			result, err := aloneOn(in, 1, s.env.Now().Add(time.Minute))
			result.Checkpoint.Windows[0].Granted = 5
			return result, err
		}
		return workflows.SliceResult{}, errors.New("panic")
	}
	s.run(input, 90*time.Minute)
	w := s.slices[2].in.Checkpoint.Windows[0]
	s.True(w.Open)
	s.Equal(5, w.Used)
}
