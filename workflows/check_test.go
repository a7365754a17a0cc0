package workflows_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// largest is the largest state that can be: every list is full, and every text is as long as it may be and of characters
// that JSON writes with six bytes.
func largest(now time.Time) workflows.State {
	text := func(n int) string { return strings.Repeat("<", n) }
	cursor, id := "/"+text(4095), text(256)
	part, levels := checkpoint.Part{Objects: 1 << 20, IDs: math.MaxUint64}, slices.Repeat([]checkpoint.Level{{
		Cursor: cursor, ID: id, Done: id, Refused: 3, Seeking: true, Guard: checkpoint.Guard{Cursor: math.MaxUint64, Content: math.MaxUint64, Power: math.MaxUint64, Steps: math.MaxUint64},
	}}, 3)
	hashes := make(checkpoint.Hashes, 8*2000)
	warning := workflows.Warning{At: now, Message: text(1000), Count: 1 << 50}
	var warnings workflows.Warnings
	for i := range 16 {
		warning.Kind = fmt.Sprint(i) + text(190)
		warnings = append(warnings, warning)
	}
	return workflows.State{
		Checkpoint: checkpoint.Checkpoint{
			Position: checkpoint.Position{
				Pull: &checkpoint.Pull{ID: now.UnixMilli(), Kind: checkpoint.PullPoll, Since: now, Began: now, Events: 1 << 50, Missing: 1 << 20,
					MissingOf: slices.Repeat([]string{text(800)}, 3)},
				Cursor: cursor, Part: part, Levels: levels, Listed: 1 << 50,
				Failing: checkpoint.Failing{Like: text(1000), Times: 1 << 20},
				Aside:   slices.Repeat([]checkpoint.Aside{{Under: []string{id, id, id}, Cursor: "/" + text(383), Part: part, Listed: 1 << 50}}, 64),
				Row:     &checkpoint.Row{Parents: 4, Levels: levels, Cursor: cursor, Part: part, Listed: 1 << 50, Aside: 60, Missing: 1 << 20},
				Limit:   1 << 20, Steady: 1 << 20, LastPullID: now.UnixMilli(), FullObjects: 1 << 50, ChangedSince: now, LastFull: now,
				Newest: now, ByTime: true, Seen: hashes, Visited: hashes[:8*16], IdlePolls: 1000,
			},
			Offset: new(int64(1) << 50), OffsetOf: text(1024),
			Proven: checkpoint.Proven{Proof: checkpoint.ProofCloseNotify, ProofOf: text(1024), ProofReset: now},
			Due:    now, Totals: checkpoint.Totals{Pages: 1 << 50, Events: 1 << 50, Bytes: 1 << 50, Pulls: 1 << 50, Cut: 1 << 50},
			Windows: slices.Repeat([]checkpoint.Window{{Name: "/" + text(200), Limit: 1 << 20, Remaining: 1 << 20, Used: 1 << 20, Reset: now.Unix(), Ends: now}}, 8),
		},
		Problems: 1 << 30, Slices: 1 << 50, Began: now, CaughtUpAt: now, Since: &now,
		LastProblem: &workflows.Problem{At: now, Class: workflows.ClassCursorRefused, Message: text(1000), Remedy: text(1000), Endpoint: text(200), RequestID: text(200)},
		LastWarning: &warning, Warnings: warnings,
	}
}

func (s *collectSuite) TestTheLargestStateGoesFromRunToRunWithoutALoss() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
		s.env.SetContinueAsNewSuggested(true)
		return workflows.SliceResult{Checkpoint: in.Checkpoint, End: workflows.EndRateLimited, Wait: time.Second}, nil
	}
	in := input
	in.State = new(largest(s.env.Now().UTC()))
	s.execute(workflows.Collect, in)
	var again *workflow.ContinueAsNewError
	s.Require().True(errors.As(s.env.GetWorkflowError(), &again), "%v", s.env.GetWorkflowError())
	var next workflows.CollectInput
	s.Require().NoError(workflows.DataConverter().FromPayloads(again.Input, &next))
	s.Require().Len(s.slices, 1)
	s.Equal(in.State.Checkpoint, s.slices[0].in.Checkpoint)
	s.Equal(in.State.Checkpoint, next.State.Checkpoint)
	s.Equal(in.State.Warnings, next.State.Warnings, "of none was there anything to drop")
	s.Equal(in.State.LastProblem, next.State.LastProblem)
	data, err := json.Marshal(next)
	s.Require().NoError(err)
	s.Less(len(data), 1<<20)
}

func (s *collectSuite) TestWhatCannotBeIsDroppedFromAState() {
	for name, test := range map[string]struct {
		state string
		want  func(workflows.State)
	}{
		"negative failures, which were a shift by less than nothing": {`{"failures":-3,"restarts":-1}`, func(state workflows.State) { s.Zero(state.Restarts) }},
		"a wait until the year 9999":                                 {`{"wakeAt":"9999-12-31T23:59:59Z","wakeReason":"poll"}`, func(state workflows.State) { s.EqualValues(1, state.Problems) }},
		"a wait for what nobody waits for":                           {`{"wakeAt":"2100-01-01T00:00:00Z","wakeReason":"forever"}`, func(state workflows.State) { s.EqualValues(1, state.Problems) }},
		"years 0 and 9999": {`{"began":"0000-01-01T00:00:00Z","since":"9999-12-31T23:59:59-23:59","checkpoint":{"due":"9999-12-31T23:59:59-23:59","totals":{},"position":{"newest":"0001-01-02T00:00:00Z"}}}`,
			func(state workflows.State) {
				s.Nil(state.Since)
				s.Zero(state.Checkpoint.Due)
				s.Equal(2026, max(state.Began.Year(), 2026))
			}},
		"negative counts":       {`{"slices":-5,"problems":-5,"checkpoint":{"totals":{"events":-7,"bytes":9223372036854775807,"missing":-1},"position":{"idlePolls":-9}}}`, func(state workflows.State) { s.Zero(state.Checkpoint.Totals) }},
		"a class of no problem": {`{"lastProblem":{"class":"haunted","message":"x"}}`, func(workflows.State) {}},
		"a name of 200 KB": {`{"checkpoint":{"totals":{},"position":{},"windows":[{"name":"/` + strings.Repeat("x", 200_000) + `","limit":1,"remaining":1,"used":1,"ends":"2026-01-01T00:00:00Z"}]}}`,
			func(state workflows.State) { s.Empty(state.Checkpoint.Windows) }},
	} {
		s.Run(name, func() {
			s.SetupTest()
			s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
				return workflows.SliceResult{}, errors.New("connection reset")
			}
			in := input
			in.State = &workflows.State{}
			s.Require().NoError(json.Unmarshal([]byte(test.state), in.State))
			state := s.run(in, 500*time.Millisecond)
			test.want(state)
			s.Len(s.slices, 1, "it collects at once")
			s.Equal("state", state.LastWarning.Kind)
			s.Contains(state.LastWarning.Message, "had values that cannot be")
			s.Less(len(state.LastWarning.Message), 400)
		})
	}
}

func (s *collectSuite) TestWhatCannotBeIsDroppedFromTheCheckpointOfASlice() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		c := in.Checkpoint
		if n == 1 {
			c.Totals.Events, c.Position.Levels = -1, make([]checkpoint.Level, 100)
		}
		return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp, Wait: 1<<63 - 1}, nil
	}
	state := s.run(input, time.Minute)
	s.Zero(state.Checkpoint.Totals)
	s.Empty(state.Checkpoint.Position.Levels)
	s.Contains(state.LastWarning.Message, "the checkpoint of a slice")
	s.Less(state.WakeAt.Sub(s.slices[0].at), 32*24*time.Hour, "nobody waits for centuries")
}

func (s *collectSuite) TestABackfillOfARangeThatCannotBeEndsWhateverItsStateSays() {
	at := func(text string) time.Time {
		t, err := time.Parse(time.RFC3339, text)
		s.Require().NoError(err)
		return t
	}
	for name, r := range map[string]checkpoint.Range{
		"reversed":     {Since: s.env.Now(), Until: s.env.Now().Add(-time.Hour)},
		"empty":        {Since: s.env.Now(), Until: s.env.Now()},
		"a year 10000": {Since: s.env.Now(), Until: at("9999-12-31T23:59:59-23:59")},
		"of nothing":   {},
	} {
		s.Run(name, func() {
			s.SetupTest()
			whole := checkpoint.Range{Since: r.Since.UTC().Truncate(time.Millisecond), Until: r.Until.UTC().Truncate(time.Millisecond)}
			s.env.SetStartWorkflowOptions(workflowOptions(workflows.BackfillID("acme", "logs", whole)))
			s.execute(workflows.Backfill, workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: r, State: &workflows.State{}})
			s.ErrorContains(s.env.GetWorkflowError(), "range that cannot be")
			s.Empty(s.slices)
		})
	}
}

func (s *collectSuite) TestAResultThatIsTooLargeIsAFailureAndTriedAgain() {
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			c := moved(in)
			c.Position.Cursor = "/" + strings.Repeat("x", 1_500_000)
			return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp}, nil
		}
		return caughtUp(in, time.Hour)
	}
	state := s.run(input, time.Minute)
	s.Len(s.slices, 2)
	s.Contains(state.LastProblem.Message, "at most 1048576 are read")
	s.Less(len(state.LastProblem.Message), 300)
	s.Zero(s.slices[1].in.Checkpoint, "nothing of it is kept")
}

func (s *collectSuite) TestARunWithALargeHeaderIsRefused() {
	s.env.SetHeader(&common.Header{Fields: map[string]*common.Payload{"x": {Data: make([]byte, 1_500_000)}}})
	s.execute(workflows.Collect, input)
	s.ErrorContains(s.env.GetWorkflowError(), "at most 4096 are taken")
	s.Empty(s.slices)
}

func (s *collectSuite) TestNamesThatCannotBeInAnIDAreRefused() {
	for name, in := range map[string]workflows.CollectInput{
		"long":          {Tenant: strings.Repeat("x", 500_000), Service: "logs"},
		"with a slash":  {Tenant: "acme/logs", Service: "backfill/full"},
		"with escapes":  {Tenant: strings.Repeat("\x1b", 100_000), Service: "logs"},
		"of no service": {Tenant: "acme", Service: "logs/backfill/full"},
	} {
		s.Run(name, func() {
			s.SetupTest()
			s.env.SetStartWorkflowOptions(workflowOptions("okta/" + workflows.Cut(in.Tenant, 500) + "/" + in.Service))
			s.execute(workflows.Collect, in)
			var refused *temporal.ApplicationError
			s.Require().ErrorAs(s.env.GetWorkflowError(), &refused)
			s.Contains(refused.Message(), "want names of at most 100 bytes without a slash")
			s.Less(len(refused.Message()), 350, "at most 200 of the input")
			s.Empty(s.slices)
		})
	}
}
