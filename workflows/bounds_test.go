package workflows_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/printable"
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

// Okta, Devo and whoever may write to the namespace say what the Web UI then shows as Markdown.
func (s *collectSuite) TestTheWebUIShowsNeitherControlCharactersNorLinksNorImages() {
	hostile := "\x1b]0;owned\x07 \u202E ![x](https://evil.example/a.png) <img src=x onerror=y> [click](javascript:1) www.evil.example " +
		"http://evil.example &#91;x&#93; a@evil.example `code`\n# title\n| a | b |"
	shown := func(text string) {
		s.Equal(printable.Text(text), text)
		for _, markup := range []string{"![", "](", "<img", "://evil", "www.evil", "a@evil", "&#91;", "\n# title", "| a |"} {
			s.NotContains(text, markup)
		}
	}
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
		c := moved(in)
		c.Position.Pull = &checkpoint.Pull{Kind: checkpoint.PullKind(hostile)}
		c.Windows = []checkpoint.Window{{Name: hostile, Limit: 60, Used: 60}}
		if n == 1 {
			return workflows.SliceResult{Checkpoint: c, End: workflows.EndRateLimited, Wait: time.Minute, Warnings: workflows.Warnings{{Kind: hostile, Message: hostile}}}, nil
		}
		return workflows.SliceResult{}, temporal.NewApplicationErrorWithOptions(hostile, string(workflows.ClassPerson),
			temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{workflows.Failure{
				Checkpoint: c, Problem: workflows.Problem{Class: workflows.Class(hostile), Message: hostile, Endpoint: hostile, RequestID: hostile, Remedy: hostile}}}})
	}
	s.after(33*time.Second, func() { shown(s.details()) })
	s.after(95500*time.Millisecond, func() {
		shown(s.details())
		status := s.status()
		for _, text := range []string{status.LastProblem.String(), status.LastWarning.Message, status.Warnings[0].Kind} {
			s.Equal(printable.Line(text), text, "what an error or a status says is printable before Temporal has it")
		}
	})
	s.run(input, 157500*time.Millisecond)
}
