package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	sdk "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// Time is skipped in these tests: an hour of waiting takes no time.
type collectSuite struct {
	suite.Suite
	testsuite.WorkflowTestSuite
	env    *testsuite.TestWorkflowEnvironment
	acts   map[time.Time]bool // the moments at which the test does something
	slices []sliceRun
	told   []workflows.Decision // what the tenant's workflow was told
	tenant error                // what Temporal answers to that
	next   func(n int, in workflows.SliceInput) (workflows.SliceResult, error)
}

type sliceRun struct {
	at time.Time
	in workflows.SliceInput
}

func TestCollect(t *testing.T) { suite.Run(t, new(collectSuite)) }

var input = workflows.CollectInput{Tenant: "acme", Service: "logs"}

func (s *collectSuite) SetupTest() {
	s.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s.env = s.NewTestWorkflowEnvironment()
	s.env.SetStartWorkflowOptions(workflowOptions("okta/acme/logs"))
	s.env.SetTestTimeout(time.Minute)
	s.env.SetDataConverter(workflows.DataConverter())
	s.env.SetFailureConverter(workflows.FailureConverter())
	s.env.SetWorkerOptions(worker.Options{
		Interceptors: workflows.Interceptors(registered),
		// The default of 1 s takes a busy machine for a deadlock.
		DeadlockDetectionTimeout: time.Minute,
	})
	s.acts = map[time.Time]bool{}
	s.env.SetOnTimerFiredListener(func(string) { s.nothingElse(s.env.Now()) })
	s.slices, s.told, s.tenant = nil, nil, nil
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in workflows.SliceInput) (workflows.SliceResult, error) {
		s.slices = append(s.slices, sliceRun{s.env.Now(), in})
		return s.next(len(s.slices), in)
	}, activity.RegisterOptions{Name: workflows.CollectSliceName})
}

// execute runs a workflow in a bubble, whose clock stands still while a slice runs: the environment lets real time
// pass meanwhile, and on a busy machine that is more than between two things that a test does.
func (s *collectSuite) execute(run, in any) {
	s.env.OnSignalExternalWorkflow(mock.Anything, "okta/acme", "", workflows.SignalReleased, mock.Anything).Return(nil).Maybe()
	s.env.OnSignalExternalWorkflow(mock.Anything, "okta/acme", "", workflows.SignalDecide, mock.Anything).
		Return(func(_, _, _, _ string, d any) error {
			s.told = append(s.told, d.(workflows.Decision))
			return s.tenant
		}).Maybe()
	t := s.T()
	defer s.SetT(t)
	synctest.Test(t, func(t *testing.T) {
		s.SetT(t)
		s.env.ExecuteWorkflow(run, in)
	})
}

// run collects until stopAfter, in skipped time, and returns the final state.
func (s *collectSuite) run(in workflows.CollectInput, stopAfter time.Duration) workflows.State {
	s.after(stopAfter, s.env.CancelWorkflow)
	s.execute(workflows.Collect, in)
	s.Require().True(s.env.IsWorkflowCompleted())
	s.Require().NoError(s.env.GetWorkflowError())
	var state workflows.State
	s.Require().NoError(s.env.GetWorkflowResult(&state))
	return state
}

// after has the test do something at a moment of its own, counted from the workflow's start. No timer of the workflow may
// fire at that moment: the environment runs the slice that a timer starts in a goroutine of its own. A test that stops the
// workflow then would see that slice or not, depending on the scheduler.
func (s *collectSuite) after(d time.Duration, do func()) {
	at := s.env.Now().Add(d)
	s.nothingElse(at)
	s.acts[at] = true
	s.env.RegisterDelayedCallback(do, d)
}

// nothingElse fails the test if it does something at this moment.
func (s *collectSuite) nothingElse(at time.Time) {
	s.False(s.acts[at], "the order of two things that happen at the same moment is not determined: %s", at)
}

func (s *collectSuite) signal(after time.Duration, name string) {
	s.after(after, func() { s.env.SignalWorkflow(name, nil) })
}

func (s *collectSuite) status() workflows.Status {
	value, err := s.env.QueryWorkflow(workflows.QueryStatus)
	s.Require().NoError(err)
	var status workflows.Status
	s.Require().NoError(value.Get(&status))
	return status
}

// details is what the Web UI shows above the history.
func (s *collectSuite) details() string {
	value, err := s.env.QueryWorkflow("__temporal_workflow_metadata")
	s.Require().NoError(err)
	var metadata sdk.WorkflowMetadata
	s.Require().NoError(value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

// at says when the n-th slice ran, in seconds after the first.
func (s *collectSuite) at(n int) float64 {
	return s.slices[n].at.Sub(s.slices[0].at).Seconds()
}

// moved is the input's checkpoint, some events on.
func moved(in workflows.SliceInput) checkpoint.Checkpoint {
	c := in.Checkpoint
	c.Totals.Pages++
	c.Totals.Events += 10
	c.Position.Cursor = fmt.Sprintf("/api/v1/logs?after=%d", c.Totals.Events)
	return c
}

func caughtUp(in workflows.SliceInput, wait time.Duration) (workflows.SliceResult, error) {
	return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndCaughtUp, Wait: wait}, nil
}

func fails(class workflows.Class, c checkpoint.Checkpoint) error {
	return temporal.NewApplicationErrorWithOptions("acme/logs: it went wrong", string(class),
		temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{workflows.Failure{Checkpoint: c, Problem: workflows.Problem{Class: class, Message: "it went wrong"}}}})
}

func workflowOptions(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue}
}

func (s *collectSuite) TestEachSliceGoesOnFromTheLastOnesCheckpoint() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n < 4 {
			return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndMore}, nil
		}
		return caughtUp(in, 10*time.Second)
	}
	state := s.run(input, 5*time.Second)
	s.Len(s.slices, 4)
	for i, slice := range s.slices {
		s.EqualValues(10*i, slice.in.Checkpoint.Totals.Events)
	}
	s.EqualValues(40, state.Checkpoint.Totals.Events)
	s.Equal("/api/v1/logs?after=40", state.Checkpoint.Position.Cursor)
	s.True(state.CaughtUp)
}

func (s *collectSuite) TestCaughtUpWaitsForTheNextPoll() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return caughtUp(in, 10*time.Second)
	}
	s.after(5*time.Second, func() {
		status := s.status()
		s.Equal(workflows.StateWaiting, status.State)
		s.Equal(workflows.WaitPoll, status.Reason)
		s.Contains(s.details(), "caught up; next poll")
		s.Zero(status.BehindSince)
		s.WithinDuration(s.slices[0].at.Add(10*time.Second), *status.WakeAt, time.Second)
	})
	s.run(input, 25*time.Second)
	s.Len(s.slices, 3)
	s.InDelta(10, s.at(1), 1)
	s.InDelta(20, s.at(2), 1)
}

func (s *collectSuite) TestPollDoesNotWaitForTheTimer() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
	s.signal(5*time.Minute, workflows.SignalPoll)
	s.run(input, 30*time.Minute)
	s.Len(s.slices, 2)
	s.InDelta(300, s.at(1), 1)
}

func (s *collectSuite) TestARateLimitIsWaitedOutWhateverIsSignalled() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndRateLimited, Wait: 42 * time.Second}, nil
		}
		return caughtUp(in, time.Hour)
	}
	s.signal(5*time.Second, workflows.SignalPoll)
	s.signal(6*time.Second, workflows.SignalPause)
	s.signal(7*time.Second, workflows.SignalResume)
	s.after(10*time.Second, func() {
		s.Equal(workflows.WaitRateLimit, s.status().Reason)
		s.Contains(s.details(), "rate limited until")
	})
	s.run(input, time.Minute)
	s.Len(s.slices, 2)
	s.InDelta(42, s.at(1), 1)
}

func (s *collectSuite) TestPauseKeepsThePositionAndResumeGoesOn() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return caughtUp(in, 10*time.Second)
	}
	s.signal(5*time.Second, workflows.SignalPause)
	s.after(12*time.Hour, func() {
		status := s.status()
		s.Equal(workflows.StatePaused, status.State)
		s.EqualValues(10, status.Checkpoint.Totals.Events)
		s.Nil(status.WakeAt)
	})
	s.signal(24*time.Hour, workflows.SignalResume)
	s.run(input, 24*time.Hour+5*time.Second)
	s.Len(s.slices, 2)
	s.EqualValues(10, s.slices[1].in.Checkpoint.Totals.Events)
	s.InDelta(24*3600, s.at(1), 1)
}

func (s *collectSuite) TestPassingProblemsBackOffAndStartAgainAfterProgress() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		switch {
		case n == 5: // some pages, then the same problem
			return workflows.SliceResult{}, fails(workflows.ClassPassing, moved(in))
		case n < 14:
			return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
		}
		return caughtUp(in, time.Hour)
	}
	state := s.run(input, 20*time.Minute)
	var gaps []float64
	for i := 1; i < len(s.slices); i++ {
		gaps = append(gaps, s.slices[i].at.Sub(s.slices[i-1].at).Round(time.Second).Seconds())
	}
	s.Equal([]float64{1, 2, 4, 8, 1, 2, 4, 8, 16, 32, 60, 60, 60}, gaps)
	s.EqualValues(10, s.slices[5].in.Checkpoint.Totals.Events, "the failure's checkpoint is gone on from")
	s.Equal(13, state.Problems)
	s.Zero(state.Failures)
	s.Equal("it went wrong", state.LastProblem.Message)
}

func (s *collectSuite) TestAProblemForAPersonBlocksAndIsLookedAtEverLessOften() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{}, fails(workflows.ClassPerson, in.Checkpoint)
	}
	s.signal(20*time.Second, workflows.SignalPoll) // does not unblock
	s.after(30*time.Second, func() {
		status := s.status()
		s.Equal(workflows.StateBlocked, status.State)
		s.Equal(workflows.WaitBlocked, status.Reason)
		s.Contains(s.details(), "it went wrong")
	})
	s.True(s.run(input, time.Hour+time.Minute).Blocked)
	var gaps []float64
	for i := 1; i < len(s.slices); i++ {
		gaps = append(gaps, s.slices[i].at.Sub(s.slices[i-1].at).Minutes())
	}
	s.Equal([]float64{1, 2, 4, 8, 15, 15, 15}, gaps)
}

func (s *collectSuite) TestAProblemForAPersonIsLookedAtSoonAlsoAfterPassingOnes() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n <= 6 {
			return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
		}
		return workflows.SliceResult{}, fails(workflows.ClassPerson, in.Checkpoint)
	}
	s.run(input, 10*time.Minute)
	s.Len(s.slices, 10)
	for i, gap := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		s.Equal(gap, s.slices[7+i].at.Sub(s.slices[6+i].at).Round(time.Second))
	}
}

func (s *collectSuite) TestResumeUnblocksAtOnce() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{}, fails(workflows.ClassPerson, in.Checkpoint)
		}
		return caughtUp(in, time.Hour)
	}
	s.signal(30*time.Second, workflows.SignalResume)
	s.False(s.run(input, time.Minute).Blocked)
	s.Len(s.slices, 2)
	s.InDelta(30, s.at(1), 1)
}

func (s *collectSuite) TestAnUnknownTenantIsBlockedButAnotherWorkerMayKnowIt() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n < 4 {
			return workflows.SliceResult{}, fails(workflows.ClassUnknownTenant, in.Checkpoint)
		}
		return caughtUp(in, time.Hour)
	}
	s.after(30*time.Second, func() { s.Equal(workflows.StateBlocked, s.status().State) })
	s.run(input, 10*time.Minute)
	s.Len(s.slices, 4)
	s.InDelta(180, s.at(3), 2)
}

func (s *collectSuite) TestSignalsAreHandledInTheOrderInWhichTheyCame() {
	const pause, resume, poll = workflows.SignalPause, workflows.SignalResume, workflows.SignalPoll
	for _, test := range []struct {
		sent   []string
		paused bool
	}{
		{[]string{pause, resume}, false},
		{[]string{resume, pause}, true},
		{[]string{pause, resume, pause}, true},
		{[]string{poll, resume, pause}, true},
		{[]string{pause, "unknown", poll, resume}, false},
		{[]string{pause, pause, resume}, false},
	} {
		s.Run(strings.Join(test.sent, " "), func() {
			s.SetupTest()
			s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
			s.after(time.Minute, func() {
				for _, name := range test.sent { // all in one workflow task
					s.env.SignalWorkflow(name, nil)
				}
			})
			s.Equal(test.paused, s.run(input, 2*time.Minute).Paused)
		})
	}
}

func (s *collectSuite) TestASignalThatIsNotKnownIsAWarningAtOnce() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, 24*time.Hour) }
	s.signal(time.Minute, workflows.SignalPause)
	s.signal(time.Hour, "resmue")
	s.after(2*time.Hour, func() {
		status := s.status()
		s.Equal(workflows.StatePaused, status.State)
		s.Require().NotNil(status.LastWarning)
		s.Equal(`the signal "resmue" is not known and did nothing; there are pause, resume, poll, backfill`, status.LastWarning.Message)
	})
	s.run(input, 3*time.Hour)
}

func (s *collectSuite) TestAPauseIsLagUntilWhatItHeldUpIsDone() {
	for name, test := range map[string]struct {
		resumed  time.Duration
		caughtUp bool
	}{
		"resumed before the next poll was due": {30 * time.Minute, true},
		"resumed later":                        {90 * time.Minute, false},
	} {
		s.Run(name, func() {
			s.SetupTest()
			s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
				if n > 1 {
					return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
				}
				return caughtUp(in, time.Hour)
			}
			s.signal(time.Minute, workflows.SignalPause)
			s.after(2*time.Minute, func() { s.False(s.status().CaughtUp) })
			s.signal(test.resumed, workflows.SignalResume)
			s.after(test.resumed+time.Minute, func() { s.Equal(test.caughtUp, s.status().CaughtUp) })
			s.run(input, test.resumed+2*time.Minute)
		})
	}
}

func (s *collectSuite) TestAWorkerLostBehindThePullsLastPageDoesNotPullAgainAtOnce() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			c := moved(in)
			c.Totals.Pulls++
			c.Due = s.env.Now().Add(15 * time.Minute)
			return workflows.SliceResult{}, temporal.NewHeartbeatTimeoutError(c)
		}
		return caughtUp(in, time.Hour)
	}
	s.run(input, 20*time.Minute)
	s.Len(s.slices, 2)
	s.InDelta(15*60, s.at(1), 1)
}

func (s *collectSuite) TestAPullThatWasAskedForAndFailsIsTriedAgain() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			c := moved(in)
			c.Totals.Pulls++
			c.Due = s.env.Now().Add(24 * time.Hour)
			return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp, Wait: 24 * time.Hour}, nil
		}
		return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
	}
	s.signal(time.Hour, workflows.SignalPoll)
	s.after(2*time.Hour, func() {
		status := s.status()
		s.False(status.CaughtUp)
		s.WithinDuration(s.slices[0].at, status.BehindSince, time.Second)
		s.Equal(workflows.WaitBackoff, status.Reason)
		s.Contains(s.details(), "tries again")
		s.Greater(status.Failures, 6)
	})
	s.run(input, 3*time.Hour)
}

func (s *collectSuite) TestARateLimitForgetsNoFailures() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n%3 == 0 {
			return workflows.SliceResult{Checkpoint: in.Checkpoint, End: workflows.EndRateLimited, Wait: time.Minute}, nil
		}
		return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
	}
	state := s.run(input, time.Hour)
	s.Equal(state.Problems, state.Failures)
	s.Greater(state.Failures, 6)
}

func (s *collectSuite) TestAPullThatCameToItsEndUnblocksAlsoWhenItsSliceFailsThen() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{}, fails(workflows.ClassPerson, in.Checkpoint)
		}
		c := moved(in)
		c.Totals.Pulls++
		c.Due = s.env.Now().Add(time.Hour)
		return workflows.SliceResult{}, fails(workflows.ClassPassing, c)
	}
	s.after(2*time.Minute, func() {
		s.Equal(workflows.StateWaiting, s.status().State)
		s.True(s.status().CaughtUp)
	})
	s.False(s.run(input, 10*time.Minute).Blocked)
	s.Len(s.slices, 2)
}

func (s *collectSuite) TestARateLimitUnblocksNothing() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		switch n {
		case 1:
			return workflows.SliceResult{}, fails(workflows.ClassPerson, in.Checkpoint)
		case 2:
			return workflows.SliceResult{Checkpoint: in.Checkpoint, End: workflows.EndRateLimited, Wait: time.Minute}, nil
		}
		return caughtUp(in, time.Hour)
	}
	s.signal(45*time.Second, workflows.SignalResume)
	s.after(90*time.Second, func() {
		s.Len(s.slices, 2)
		s.Equal(workflows.StateBlocked, s.status().State)
		s.Equal(workflows.WaitBlocked, s.status().Reason)
		s.Contains(s.details(), "it went wrong")
	})
	s.False(s.run(input, 10*time.Minute).Blocked)
}

func (s *collectSuite) TestEachSliceKnowsWhenTheServiceWasFirstStarted() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{}, fails(workflows.ClassPerson, in.Checkpoint)
	}
	state := s.run(input, 50*time.Minute)
	s.NotEmpty(s.slices)
	for _, slice := range s.slices {
		s.Equal(s.slices[0].at.UTC(), slice.in.Began)
	}

	s.SetupTest()
	again := input
	again.State = &state
	s.run(again, 70*time.Minute)
	s.Equal(state.Began, s.slices[0].in.Began, "also when it was stopped in between")
}

func (s *collectSuite) TestAServiceBeginsWhenItIsStartedAlsoBeforeThereIsAWorker() {
	const alone = 3 * 24 * time.Hour
	s.env.SetWorkerOptions(worker.Options{Interceptors: append(workflows.Interceptors(registered), &startedBefore{ago: alone}), DeadlockDetectionTimeout: time.Minute})
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return caughtUp(in, time.Minute)
	}
	s.run(input, 30*time.Second)
	s.Equal(s.slices[0].at.Add(-alone).UTC(), s.slices[0].in.Began)
}

// startedBefore makes a workflow one that waited so long for its first worker.
type startedBefore struct {
	interceptor.WorkerInterceptorBase
	ago time.Duration
}

func (b *startedBefore) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	i := &startedBeforeInbound{ago: b.ago}
	i.Next = next
	return i
}

type startedBeforeInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	ago time.Duration
}

func (i *startedBeforeInbound) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	info := workflow.GetInfo(ctx)
	info.WorkflowStartTime = workflow.Now(ctx).Add(-i.ago)
	return i.Next.ExecuteWorkflow(ctx, in)
}

func (s *collectSuite) TestTheStatusSaysWhatWasShippedLately() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return caughtUp(in, 30*time.Second)
	}
	s.after(15*time.Second, func() {
		s.Equal([]workflows.Sample{{At: s.slices[0].at.UTC()}}, s.status().Recent, "nothing yet when it began")
	})
	s.after(time.Hour+15*time.Second, func() {
		recent := s.status().Recent
		s.Len(recent, 8)
		for i, sample := range recent[1:] {
			s.Equal(time.Minute, sample.At.Sub(recent[i].At))
			s.EqualValues(20, sample.Events-recent[i].Events)
		}
		s.Less(s.env.Now().Sub(recent[7].At), 2*time.Minute)
	})
	s.run(input, time.Hour+time.Minute+15*time.Second)
}

func (s *collectSuite) TestACursorThatIsRefusedAgainAndAgainBlocks() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n%2 == 1 { // it moves in between
			return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndMore}, nil
		}
		return workflows.SliceResult{}, fails(workflows.ClassCursorRefused, moved(in))
	}
	s.after(14*time.Minute, func() { s.Equal(workflows.StateBlocked, s.status().State) })
	s.run(input, 14*time.Minute+30*time.Second)
	s.Len(s.slices, 12)
}

func (s *collectSuite) TestAnOutageShowsAsLag() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return caughtUp(in, time.Minute)
		}
		return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
	}
	began := s.env.Now()
	s.after(24*time.Hour, func() {
		status := s.status()
		s.False(status.CaughtUp)
		s.WithinDuration(began, status.BehindSince, time.Second)
	})
	s.run(input, 24*time.Hour+time.Minute)
}

func (s *collectSuite) TestAWarningHidesNoProblem() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
		}
		return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndCaughtUp, Wait: time.Hour, Warning: "asked again"}, nil
	}
	state := s.run(input, time.Minute)
	s.Equal("it went wrong", state.LastProblem.Message)
	s.Equal("asked again", state.LastWarning.Message)
	s.Equal(1, state.Problems)
}

func (s *collectSuite) TestARefusedCursorStartsThePullAgain() {
	newest := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			c := moved(in)
			c.Position.Newest = newest
			c.Position.Pull = &checkpoint.Pull{ID: 7}
			return workflows.SliceResult{}, fails(workflows.ClassCursorRefused, c)
		}
		return caughtUp(in, time.Hour)
	}
	state := s.run(input, time.Minute)
	s.Len(s.slices, 2)
	again := s.slices[1].in.Checkpoint
	s.Empty(again.Position.Cursor)
	s.Nil(again.Position.Pull)
	s.Equal(newest, again.Position.Newest)
	s.EqualValues(10, again.Totals.Events)
	s.Equal(1, state.Problems)
}

func (s *collectSuite) TestAListingThatStartsAgainCountsWhatIsShippedTwice() {
	for _, test := range []struct {
		pull     *checkpoint.Pull
		repeated int64
	}{
		{&checkpoint.Pull{Kind: checkpoint.PullFull, Events: 30}, 30},
		{&checkpoint.Pull{Kind: checkpoint.PullChanges, Events: 4}, 4},
		{&checkpoint.Pull{Kind: checkpoint.PullPoll, Events: 9}, 0}, // goes on from the newest event
		{nil, 0},
	} {
		s.SetupTest()
		s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
			if n == 1 {
				c := moved(in)
				c.Position.Pull = test.pull
				return workflows.SliceResult{}, fails(workflows.ClassCursorRefused, c)
			}
			return caughtUp(in, time.Hour)
		}
		s.Equal(test.repeated, s.run(input, time.Minute).Checkpoint.Totals.Repeated)
	}
}

func (s *collectSuite) TestAWorkerLostBehindThePageThatEndsAPullIncompleteDoesNotPullAgainAtOnce() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			c := moved(in)
			c.Due = s.env.Now().Add(15 * time.Minute)
			return workflows.SliceResult{}, temporal.NewHeartbeatTimeoutError(c)
		}
		return caughtUp(in, time.Hour)
	}
	s.run(input, 20*time.Minute)
	s.InDelta(15*60, s.at(1), 1)
}

func (s *collectSuite) TestAWorkerThatDiesLeavesItsLastCheckpoint() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{}, temporal.NewHeartbeatTimeoutError(moved(in))
		}
		return caughtUp(in, time.Hour)
	}
	s.run(input, time.Minute)
	s.Len(s.slices, 2)
	s.EqualValues(10, s.slices[1].in.Checkpoint.Totals.Events)
}

// A slice knows Temporal's clock from when Temporal gave it away. If it took long to its worker, its times are early.
func (s *collectSuite) TestAWindowDoesNotEndEarlyIfItsSliceCameToTheWorkerLate() {
	for name, test := range map[string]struct {
		behind, want time.Duration
		ends         func(c checkpoint.Checkpoint) (workflows.SliceResult, error)
	}{
		"of a slice that ended": {6 * time.Second, 6 * time.Second, func(c checkpoint.Checkpoint) (workflows.SliceResult, error) {
			return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp, Wait: time.Hour}, nil
		}},
		"of a slice that failed": {6 * time.Second, 6 * time.Second, func(c checkpoint.Checkpoint) (workflows.SliceResult, error) {
			return workflows.SliceResult{}, fails(workflows.ClassPerson, c)
		}},
		"of a slice that was lost: it can be behind by the heartbeat timeout": {25 * time.Second, 10 * time.Second, func(c checkpoint.Checkpoint) (workflows.SliceResult, error) {
			return workflows.SliceResult{}, temporal.NewHeartbeatTimeoutError(c)
		}},
		"of one whose clock is ahead": {-time.Minute, 0, func(c checkpoint.Checkpoint) (workflows.SliceResult, error) {
			return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp, Wait: time.Hour}, nil
		}},
	} {
		s.Run(name, func() {
			s.SetupTest()
			ends := time.Time{}
			s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
				c := moved(in)
				made := s.env.Now().Add(-test.behind).UTC()
				ends = made.Add(50 * time.Second)
				c.Windows = []checkpoint.Window{{Name: "/api/v1/logs", Limit: 50, Remaining: 49, Used: 1, Ends: ends, Made: made}}
				return test.ends(c)
			}
			state := s.run(input, time.Second/2)
			s.Len(s.slices, 1)
			s.Equal(test.want, state.Checkpoint.Windows[0].Ends.Sub(ends))
			s.Zero(state.Checkpoint.Windows[0].Made, "it is right from now on")
		})
	}
}

func (s *collectSuite) TestAWindowDoesNotEndEarlyIfItsPositionIsHandedOver() {
	in := input
	ends := s.env.Now().Add(time.Minute).UTC()
	in.State = &workflows.State{Checkpoint: moved(workflows.SliceInput{})}
	in.State.Checkpoint.Windows = []checkpoint.Window{{Name: "/api/v1/logs", Limit: 50, Remaining: 49, Used: 1, Ends: ends, Made: s.env.Now().Add(-time.Hour)}}
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
	s.run(in, time.Second/2)
	s.Equal(ends.Add(10*time.Second), s.slices[0].in.Checkpoint.Windows[0].Ends)
}

func (s *collectSuite) TestAPanicInASliceIsAPassingProblem() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			panic("boom")
		}
		return caughtUp(in, time.Hour)
	}
	state := s.run(input, time.Minute)
	s.Len(s.slices, 2)
	s.Equal(workflows.ClassPassing, state.LastProblem.Class)
}

func (s *collectSuite) TestAFreshWorkflowOfAnUnknownServiceFailsAtOnce() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{}, fails(workflows.ClassUnknownService, in.Checkpoint)
	}
	s.execute(workflows.Collect, input)
	s.Require().ErrorContains(s.env.GetWorkflowError(), "it went wrong")
	s.Len(s.slices, 1)
}

func (s *collectSuite) TestAnUnknownServiceWithAPositionIsBlockedAndKeepsIt() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{}, fails(workflows.ClassUnknownService, in.Checkpoint)
	}
	in := input
	in.State = &workflows.State{Checkpoint: moved(workflows.SliceInput{})}
	state := s.run(in, 30*time.Second)
	s.True(state.Blocked)
	s.EqualValues(10, state.Checkpoint.Totals.Events)
}

func (s *collectSuite) TestInputsThatCannotWorkFailAtOnce() {
	for name, test := range map[string]struct {
		id   string
		in   workflows.CollectInput
		want string
	}{
		"no tenant":        {"okta/acme/logs", workflows.CollectInput{Service: "logs"}, "no tenant"},
		"no service":       {"okta/acme/logs", workflows.CollectInput{Tenant: "acme"}, "no service"},
		"another id":       {"mine", input, `must be "okta/acme/logs"`},
		"another services": {"okta/acme/users", input, `must be "okta/acme/logs"`},
	} {
		s.Run(name, func() {
			s.SetupTest()
			s.env.SetStartWorkflowOptions(workflowOptions(test.id))
			s.execute(workflows.Collect, test.in)
			s.Require().ErrorContains(s.env.GetWorkflowError(), test.want)
			s.Empty(s.slices)
		})
	}
}

func (s *collectSuite) TestContinuingAsNewTakesEverythingAlong() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 2 {
			s.env.SetContinueAsNewSuggested(true)
		}
		return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndRateLimited, Wait: time.Second}, nil
	}
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	in := input
	in.Since = &since
	s.execute(workflows.Collect, in)
	var again *workflow.ContinueAsNewError
	s.Require().True(errors.As(s.env.GetWorkflowError(), &again))
	s.Equal(workflows.CollectName, again.WorkflowType.Name)
	var next workflows.CollectInput
	s.Require().NoError(converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	s.Equal("acme", next.Tenant)
	s.Equal("logs", next.Service)
	s.Equal(since, *next.State.Since)
	s.EqualValues(20, next.State.Checkpoint.Totals.Events)
	s.Equal(workflows.WaitRateLimit, next.State.WakeReason, "the wait goes on")
	s.False(next.State.WakeAt.IsZero())
}

func (s *collectSuite) TestSearchAttributesChangeOnlyWithTheState() {
	upserts := 0
	s.env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Run(func(mock.Arguments) { upserts++ })
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Minute) }
	s.signal(30*time.Minute+30*time.Second, workflows.SignalPause)
	s.signal(time.Hour+30*time.Second, workflows.SignalResume)
	s.run(input, 2*time.Hour)
	s.Equal(3, upserts, "collecting, paused, collecting")
}

func TestWorkflowIDsAreWhatTheyWereMadeOf(t *testing.T) {
	tenant, service, err := workflows.ParseWorkflowID(workflows.WorkflowID("acme", "app_users"))
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "app_users"}, []string{tenant, service})
	for _, id := range []string{"", "okta", "okta/acme", "okta//logs", "okta/acme/", "x/acme/logs", "okta/acme/logs/backfill", strings.Repeat("/", 9)} {
		_, _, err := workflows.ParseWorkflowID(id)
		require.ErrorContains(t, err, "okta/<tenant>/<service>", id)
	}
}
