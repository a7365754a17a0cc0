package workflows_test

import (
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

func warned(in workflows.SliceInput, warnings ...workflows.Warning) workflows.SliceResult {
	return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndCaughtUp, Wait: time.Hour, Warnings: warnings}
}

func (s *collectSuite) TestTheNewestWarningOfEachKindIsKeptWithHowOftenThatKindCame() {
	aside := workflows.Warning{Kind: "put aside", Message: "the app 0oa1 answers 403"}
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		switch n {
		case 1:
			return warned(in, aside, workflows.Warning{Kind: "unreadable", Message: "a page has a null", Count: 3}), nil
		case 2:
			return warned(in, workflows.Warning{Kind: "put aside", Message: "the app 0oa2 answers 500"}), nil
		}
		return warned(in), nil
	}
	s.signal(2*time.Hour+time.Minute, "resmue")
	s.after(3*time.Hour+time.Minute, func() {
		began, status := s.slices[0].at.UTC(), s.status()
		s.Equal(workflows.Warnings{
			{At: began, Kind: "unreadable", Message: "a page has a null", Count: 3},
			{At: began.Add(time.Hour), Kind: "put aside", Message: "the app 0oa2 answers 500", Count: 2},
			{At: began.Add(2*time.Hour + time.Minute), Kind: "signal", Message: status.LastWarning.Message, Count: 1},
		}, status.Warnings)
		s.Equal(status.Warnings[2], *status.LastWarning)
	})
	s.Len(s.run(input, 3*time.Hour+2*time.Minute).Warnings, 3)
}

func (s *collectSuite) TestTheOneWarningOfAWorkerOfAnEarlierVersionIsKept() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndCaughtUp, Wait: time.Hour, Warning: "asked again"}, nil
	}
	state := s.run(input, time.Hour+time.Minute)
	s.Require().Len(state.Warnings, 1)
	s.Equal("asked again", state.Warnings[0].Message)
	s.Equal(2, state.Warnings[0].Count)
	s.Equal(state.Warnings[0], *state.LastWarning)
}

func (s *collectSuite) TestOdditiesAreInTheDetails() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		c := moved(in)
		if n > 1 {
			c.Totals.Oddities = checkpoint.Oddities{Unreadable: 1, Aside: 12}
		}
		return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp, Wait: time.Hour}, nil
	}
	s.after(time.Minute, func() { s.NotContains(s.details(), "oddities") })
	s.after(time.Hour+time.Minute, func() { s.Contains(s.details(), "| oddities | 1 unreadable, 12 aside |") })
	s.run(input, 2*time.Hour-time.Minute)
}
