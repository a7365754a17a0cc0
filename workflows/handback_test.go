package workflows_test

import (
	"time"

	"okta-collector/workflows"
)

func handedBack(in workflows.SliceInput) workflows.SliceResult {
	return workflows.SliceResult{End: workflows.EndHandedBack, Checkpoint: in.Checkpoint,
		Warnings: workflows.Warnings{}.With(workflows.Warning{Kind: "peer not reached", Message: "worker 7@host has not reached acme's Devo"})}
}

func (s *collectSuite) TestASliceThatIsHandedBackIsStartedAgainAtOnceForAnotherWorkerToTake() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n <= 3 {
			return handedBack(in), nil
		}
		return workflows.SliceResult{End: workflows.EndCaughtUp, Checkpoint: moved(in), Wait: time.Hour}, nil
	}
	state := s.run(input, time.Minute)
	s.Len(s.slices, 4)
	s.Zero(s.at(3))
	s.Zero(state.Problems)
	s.Equal("worker 7@host has not reached acme's Devo", state.LastWarning.Message)
	s.Equal(3, state.LastWarning.Count)
}

func (s *collectSuite) TestAfterAFailureWhereNoWorkerWasWellASliceIsHandedBackOnce() {
	var allowed []int
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		allowed = append(allowed, in.HandBacks)
		switch {
		case in.HandBacks > 0:
			return handedBack(in), nil
		case len(allowed) < 14:
			return workflows.SliceResult{}, fails(workflows.ClassPassing, in.Checkpoint)
		}
		return workflows.SliceResult{End: workflows.EndCaughtUp, Checkpoint: moved(in), Wait: time.Hour}, nil
	}
	s.run(input, 70*time.Minute)
	s.Equal([]int{8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 0, 1, 0, 1, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0}, allowed)
}

func (s *collectSuite) TestASliceIsHandedBackAFewTimesAtMostAndThenBegins() {
	var allowed []int
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		allowed = append(allowed, in.HandBacks)
		if in.HandBacks > 0 {
			return handedBack(in), nil
		}
		return workflows.SliceResult{End: workflows.EndCaughtUp, Checkpoint: moved(in), Wait: time.Hour}, nil
	}
	s.run(input, 90*time.Minute)
	once := []int{8, 7, 6, 5, 4, 3, 2, 1, 0}
	s.Equal(append(once, once...), allowed, "anew for each slice that begins")
}
