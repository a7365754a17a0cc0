package workflows_test

import (
	"time"

	"okta-collector/workflows"
)

func (s *collectSuite) TestWhatTheOrgHasNotGotIsLookedForDailyAndIsNoFailure() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
		}
		return workflows.SliceResult{}, fails(workflows.ClassNotInOrg, in.Checkpoint)
	}
	s.after(time.Minute, func() {
		status := s.status()
		s.Equal(workflows.StateWaiting, status.State)
		s.Equal(workflows.WaitNotInOrg, status.Reason)
		s.Zero(status.Failures)
		s.Equal("it went wrong", status.LastProblem.Message)
		s.Contains(s.details(), "not in this org, looks again")
	})
	state := s.run(input, 49*time.Hour)
	s.Len(s.slices, 4)
	s.InDelta(24*3600, s.at(2), 10)
	s.InDelta(48*3600, s.at(3), 10)
	s.False(state.Blocked)
}

func (s *collectSuite) TestResumeAndPollLookAtOnceForWhatTheOrgHasNotGot() {
	for _, name := range []string{workflows.SignalResume, workflows.SignalPoll} {
		s.Run(name, func() {
			s.SetupTest()
			s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
				if n == 1 {
					return workflows.SliceResult{}, fails(workflows.ClassNotInOrg, in.Checkpoint)
				}
				return caughtUp(in, time.Hour)
			}
			s.signal(time.Minute, name)
			s.True(s.run(input, 2*time.Minute).CaughtUp)
			s.Len(s.slices, 2)
		})
	}
}
