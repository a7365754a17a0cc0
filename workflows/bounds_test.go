package workflows_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"okta-collector/workflows"
)

// What somebody sends with a signal, up to the 2 MiB that Temporal takes, means nothing.
func (s *collectSuite) TestWhatASignalBearsIsNotRead() {
	for what, bears := range map[string]any{
		"two megabytes": strings.Repeat("x", 2_000_000), "a number": 7, "an object": map[string]any{"tenant": "globex", "paused": false}, "no JSON": []byte{0xff, 0x00},
	} {
		s.Run(what, func() {
			s.SetupTest()
			s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
			s.after(time.Minute, func() {
				s.env.SignalWorkflow("unknown", bears)
				s.env.SignalWorkflow(workflows.SignalPause, bears)
			})
			state := s.run(input, 2*time.Minute)
			s.True(state.Paused)
			s.Len(s.slices, 1)
			data, err := json.Marshal(state)
			s.Require().NoError(err)
			s.Less(len(data), 1000, "nothing of it is kept")
		})
	}
}

// The Web UI takes 20 KB of details; a status is answered to a query, and goes along to the next run.
func (s *collectSuite) TestWhatASliceSaysIsBoundedInTheStatusAndTheDetails() {
	long := strings.Repeat("<", 2<<10) // shown as another character, of three bytes
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		if n == 1 {
			var warnings workflows.Warnings // more than a slice would send
			for i := range 20 {
				warnings = append(warnings, workflows.Warning{Kind: fmt.Sprint(i, long), Message: long})
			}
			return workflows.SliceResult{Checkpoint: moved(in), End: workflows.EndMore, Warnings: warnings}, nil
		}
		return workflows.SliceResult{}, temporal.NewApplicationErrorWithOptions(long, string(workflows.ClassPerson),
			temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{workflows.Failure{
				Checkpoint: in.Checkpoint, Problem: workflows.Problem{Class: workflows.ClassPerson, Message: long, Endpoint: long, Remedy: long}}}})
	}
	s.after(30*time.Second, func() {
		status := s.status()
		s.Equal(workflows.StateBlocked, status.State)
		s.LessOrEqual(len(status.LastProblem.Message), 1000)
		s.LessOrEqual(len(status.LastProblem.Endpoint), 200)
		s.LessOrEqual(len(status.LastProblem.Remedy), 1000)
		s.LessOrEqual(len(status.LastWarning.Message), 1000)
		s.Len(status.Warnings, 16)
		for _, w := range status.Warnings {
			s.LessOrEqual(len(w.Kind)+len(w.Message), 1200)
		}
		s.Contains(s.details(), "Last problem")
		s.Less(len(s.details()), 20_000)
	})
	data, err := json.Marshal(s.run(input, 2*time.Minute))
	s.Require().NoError(err)
	s.Less(len(data), 160_000, "JSON has six bytes for each of these characters")
}
