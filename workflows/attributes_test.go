package workflows_test

import (
	"maps"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// namespace makes the worker know whether there are search attributes, and returns the states that the workflow then
// sets: in search attributes, and in its memo.
func (s *collectSuite) namespace(has func() bool) (attributes *int, memos *[]any) {
	attributes, memos = new(int), new([]any)
	s.env.SetWorkerOptions(worker.Options{Interceptors: workflows.Interceptors(has), DeadlockDetectionTimeout: time.Minute})
	s.env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Run(func(args mock.Arguments) { *attributes++ }).Maybe()
	s.env.OnUpsertMemo(mock.Anything).Return(nil).Run(func(args mock.Arguments) {
		for state := range maps.Values(args.Get(0).(map[string]any)) {
			*memos = append(*memos, state)
		}
	}).Maybe()
	return attributes, memos
}

func (s *collectSuite) TestWithoutSearchAttributesTheStateIsInTheMemo() {
	attributes, memos := s.namespace(func() bool { return false })
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Minute) }
	s.signal(30*time.Minute+30*time.Second, workflows.SignalPause)
	s.signal(time.Hour+30*time.Second, workflows.SignalResume)
	s.run(input, 2*time.Hour)

	s.Zero(*attributes)
	s.Equal([]any{workflows.AttributeCollecting, workflows.AttributePaused, workflows.AttributeCollecting}, *memos)
	s.Greater(len(s.slices), 60, "it collects all the same")
}

func (s *collectSuite) TestSearchAttributesThatAreRegisteredLaterAreSet() {
	has := false
	attributes, memos := s.namespace(func() bool { return has })
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Minute) }
	s.after(30*time.Minute+30*time.Second, func() { has = true })
	s.run(input, time.Hour+30*time.Second)

	s.Equal(1, *attributes)
	s.Equal([]any{workflows.AttributeCollecting, nil}, *memos, "then the memo is removed, so that it says nothing old")
}

func (s *collectSuite) TestABackfillStartsWithoutSearchAttributes() {
	attributes := -1
	s.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ workflows.BackfillInput) (*workflows.State, error) {
		attributes = workflow.GetTypedSearchAttributes(ctx).Size()
		return nil, nil
	}, workflow.RegisterOptions{Name: workflows.BackfillName})
	s.namespace(func() bool { return false })
	s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Minute) }
	s.after(90*time.Second, func() {
		now := s.env.Now()
		s.env.SignalWorkflow(workflows.SignalBackfill, checkpoint.Range{Since: now.Add(-time.Hour), Until: now.Add(-time.Minute)})
	})
	s.run(input, time.Hour+30*time.Second)
	s.Zero(attributes, "it was started, and with none")
}
