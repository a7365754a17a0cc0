package workflows_test

import (
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// yesterday is the day before the tests' clock says it is.
func (s *collectSuite) yesterday() checkpoint.Range {
	until := s.env.Now().UTC().Truncate(24 * time.Hour)
	return checkpoint.Range{Since: until.Add(-24 * time.Hour), Until: until}
}

// backfill runs one to its end.
func (s *collectSuite) backfill(in workflows.BackfillInput) (workflows.State, error) {
	s.env.SetStartWorkflowOptions(workflowOptions(workflows.BackfillID(in.Tenant, in.Service, in.Range)))
	s.execute(workflows.Backfill, in)
	s.Require().True(s.env.IsWorkflowCompleted())
	var state workflows.State
	if err := s.env.GetWorkflowError(); err != nil {
		return state, err
	}
	return state, s.env.GetWorkflowResult(&state)
}

// halfway is a result in the middle of a range.
func halfway(in workflows.SliceInput) workflows.SliceResult {
	c := moved(in)
	c.Position.Newest = in.Backfill.Since.Add(in.Backfill.Until.Sub(in.Backfill.Since) / 2)
	return workflows.SliceResult{Checkpoint: c, End: workflows.EndMore}
}

// ended is the result of the last slice.
func ended(in workflows.SliceInput) workflows.SliceResult {
	c := moved(in)
	c.Totals.Pulls = 1
	return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp}
}

func (s *collectSuite) TestABackfillWhosePullWasIncompleteWaitsAndPullsAgain() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndCaughtUp, Wait: 15 * time.Minute}, nil
		}
		return ended(in), nil
	}
	s.after(time.Minute, func() {
		s.Equal(workflows.StateWaiting, s.status().State)
		s.Contains(s.details(), "the pull was incomplete and begins again")
	})
	state, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "users"})
	s.NoError(err)
	s.InDelta(15*60, s.at(1), 1)
	s.EqualValues(1, state.Checkpoint.Totals.Pulls)
}

func (s *collectSuite) TestABackfillEndsWithItsPull() {
	r := s.yesterday()
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		s.Equal(&r, in.Backfill)
		if n == 1 {
			return halfway(in), nil
		}
		status := s.status()
		s.Equal(workflows.StateRunning, status.State)
		s.InDelta(0.5, *status.Backfill.Progress, 0.001)
		s.Equal(r, status.Backfill.Range)
		return ended(in), nil
	}
	state, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: r})
	s.NoError(err)
	s.Len(s.slices, 2)
	s.EqualValues(20, state.Checkpoint.Totals.Events)
	status := s.status()
	s.Equal(workflows.StateDone, status.State)
	s.Empty(status.Reason)
	s.InDelta(1, *status.Backfill.Progress, 0)
}

func (s *collectSuite) TestABackfillOfAnythingElseHasNoRange() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
		s.Equal(&checkpoint.Range{}, in.Backfill)
		return ended(in), nil
	}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "users"})
	s.NoError(err)
	s.Nil(s.status().Backfill.Progress)
}

func (s *collectSuite) TestABackfillThatWasDoneWhenItsWorkerWasLostEnds() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{}, fails(workflows.ClassPassing, ended(in).Checkpoint)
	}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: s.yesterday()})
	s.NoError(err)
	s.Len(s.slices, 1)
}

func (s *collectSuite) TestABackfillIsPausedAndResumed() {
	s.signal(time.Second, workflows.SignalPause)
	s.after(time.Hour, func() { s.Equal(workflows.StatePaused, s.status().State) })
	s.signal(2*time.Hour, workflows.SignalResume)
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			r := halfway(in)
			r.End, r.Wait = workflows.EndRateLimited, time.Minute
			return r, nil
		}
		return ended(in), nil
	}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: s.yesterday()})
	s.NoError(err)
	s.InDelta(2*3600, s.at(1), 2)
}

func (s *collectSuite) TestABackfillSaysThatItYields() {
	s.after(time.Second, func() {
		status := s.status()
		s.Equal(workflows.StateWaiting, status.State)
		s.Equal(workflows.WaitYield, status.Reason)
		s.Contains(s.details(), "live collection first until")
	})
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{Checkpoint: in.Checkpoint, End: workflows.EndYielded, Wait: 15 * time.Second}, nil
		}
		return ended(in), nil
	}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: s.yesterday()})
	s.NoError(err)
	s.InDelta(15, s.at(1), 1)
}

func (s *collectSuite) TestABackfillThatIsStoppedIsCancelled() {
	s.after(time.Second, s.env.CancelWorkflow)
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
		r := halfway(in)
		r.End, r.Wait = workflows.EndRateLimited, time.Minute
		return r, nil
	}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: s.yesterday()})
	var cancelled *temporal.CanceledError
	s.Require().ErrorAs(err, &cancelled)
	var state workflows.State
	s.NoError(cancelled.Details(&state))
	s.EqualValues(10, state.Checkpoint.Totals.Events)
}

func (s *collectSuite) TestABackfillContinuesAsNew() {
	s.env.SetContinueAsNewSuggested(true)
	r := s.yesterday()
	state := workflows.State{Began: s.env.Now().Add(-time.Hour).UTC(), Slices: 7}
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: r, State: &state})
	var next *workflow.ContinueAsNewError
	s.Require().ErrorAs(err, &next)
	s.Equal(workflows.BackfillName, next.WorkflowType.Name)
	var in workflows.BackfillInput
	s.Require().NoError(converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	s.Equal(r, in.Range)
	s.Equal(state.Began, in.State.Began)
	s.EqualValues(7, in.State.Slices)
}

func (s *collectSuite) TestABackfillThatCannotBeIsRefused() {
	day := s.yesterday()
	for name, test := range map[string]struct {
		service string
		r       checkpoint.Range
		says    string
	}{
		"in a millisecond": {"logs", checkpoint.Range{Since: day.Since, Until: day.Since.Add(time.Microsecond)}, "is not before until"},
		"empty":            {"logs", checkpoint.Range{Since: day.Since, Until: day.Since}, "is not before until"},
		"reversed":         {"logs", checkpoint.Range{Since: day.Until, Until: day.Since}, "is not before until"},
		"without an end":   {"logs", checkpoint.Range{Since: day.Since}, "is missing"},
		"in the future":    {"logs", checkpoint.Range{Since: day.Since, Until: day.Until.Add(48 * time.Hour)}, "is in the future"},
		"too long ago":     {"logs", checkpoint.Range{Since: day.Since.Add(-91 * 24 * time.Hour), Until: day.Until}, "90 days"},
		"times for users":  {"users", day, "leave since and until away"},
	} {
		s.Run(name, func() {
			s.SetupTest()
			_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: test.service, Range: test.r})
			s.ErrorContains(err, test.says)
			s.Empty(s.slices)

			s.SetupTest()
			s.env.SetStartWorkflowOptions(workflowOptions("okta/acme/" + test.service))
			s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
			answer := s.update(time.Second, test.r)
			s.run(workflows.CollectInput{Tenant: "acme", Service: test.service}, 2*time.Second)
			s.ErrorContains(answer.rejected, test.says)
		})
	}
	s.Run("under another id", func() {
		s.SetupTest()
		s.env.SetStartWorkflowOptions(workflowOptions("okta/acme/logs/backfill/mine"))
		s.execute(workflows.Backfill, workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: day})
		s.ErrorContains(s.env.GetWorkflowError(), workflows.BackfillID("acme", "logs", day))
	})
}

// answer is what an update came to.
type answer struct {
	rejected, err error
	id            string
}

func (s *collectSuite) update(after time.Duration, r checkpoint.Range) *answer {
	a := &answer{}
	s.after(after, func() {
		s.env.UpdateWorkflow(workflows.UpdateBackfill, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { a.rejected = err },
			OnComplete: func(id any, err error) {
				a.id, _ = id.(string)
				a.err = err
			},
		}, r)
	})
	return a
}

func (s *collectSuite) TestLiveCollectionGoesOnBesideTheBackfillsThatItStarts() {
	day := s.yesterday()
	before := checkpoint.Range{Since: day.Since.Add(-24 * time.Hour), Until: day.Since}
	var backfills []string
	s.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.BackfillInput) (*workflows.State, error) {
		backfills = append(backfills, workflow.GetInfo(ctx).WorkflowExecution.ID)
		s.Equal("acme", in.Tenant)
		return &workflows.State{}, workflow.Sleep(ctx, 24*time.Hour)
	}, workflow.RegisterOptions{Name: workflows.BackfillName})
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Minute) }

	updated := s.update(90*time.Second, day)
	s.after(100*time.Second, func() { s.env.SignalWorkflow(workflows.SignalBackfill, before) })
	s.run(input, 4*time.Minute+30*time.Second)
	s.NoError(updated.rejected)
	s.NoError(updated.err)
	s.Equal(workflows.BackfillID("acme", "logs", day), updated.id)
	s.Equal([]string{updated.id, workflows.BackfillID("acme", "logs", before)}, backfills)
	s.Len(s.slices, 5, "polls go on")
}

func (s *collectSuite) TestASignalThatAsksForTheImpossibleIsAWarning() {
	for name, payload := range map[string]any{"no range": nil, "not a range": "yesterday", "reversed": map[string]string{"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}} {
		s.Run(name, func() {
			s.SetupTest()
			s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
			s.after(time.Minute, func() { s.env.SignalWorkflow(workflows.SignalBackfill, payload) })
			state := s.run(input, 2*time.Minute)
			s.Require().NotNil(state.LastWarning)
			s.True(strings.Contains(state.LastWarning.Message, "backfill"), state.LastWarning.Message)
			s.Zero(state.Problems)
		})
	}
}
