package workflows_test

import (
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/workflows"
)

func (s *collectSuite) TestTheFirstSliceWaitsForItsTurnAndSaysSo() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
	began := s.env.Now()
	s.after(5*time.Second, func() {
		status := s.status()
		s.Equal(workflows.StateWaiting, status.State)
		s.Equal(workflows.WaitTurn, status.Reason)
		s.Equal(began.Add(10*time.Second).UTC(), *status.WakeAt)
		s.Contains(s.details(), "the first pull begins")
	})
	delayed := input
	delayed.Delay = 10 * time.Second
	s.run(delayed, time.Minute)
	s.Require().Len(s.slices, 1)
	s.Equal(10*time.Second, s.slices[0].at.Sub(began))
}

func (s *collectSuite) TestPollDoesNotWaitForTheTurn() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
	began := s.env.Now()
	s.signal(time.Second, workflows.SignalPoll)
	delayed := input
	delayed.Delay = 10 * time.Second
	s.run(delayed, time.Minute)
	s.Require().Len(s.slices, 1)
	s.Equal(time.Second, s.slices[0].at.Sub(began))
}

func (s *collectSuite) TestAServiceThatIsPausedBeforeItsTurnDoesNotBegin() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
	began := s.env.Now()
	s.signal(time.Second, workflows.SignalPause)
	s.signal(30*time.Second, workflows.SignalResume)
	delayed := input
	delayed.Delay = 10 * time.Second
	s.run(delayed, time.Minute)
	s.Require().Len(s.slices, 1)
	s.Equal(30*time.Second, s.slices[0].at.Sub(began))
}

func (s *collectSuite) TestOnlyAFirstRunWaitsForItsTurn() {
	for name, in := range map[string]workflows.CollectInput{
		"no delay":       input,
		"a negative one": {Tenant: "acme", Service: "logs", Delay: -time.Hour},
		"an earlier run": {Tenant: "acme", Service: "logs", Delay: time.Hour, State: &workflows.State{}},
	} {
		s.Run(name, func() {
			s.SetupTest()
			s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
			began := s.env.Now()
			s.run(in, time.Minute)
			s.Require().Len(s.slices, 1)
			s.Equal(began, s.slices[0].at)
		})
	}
}

// priorities records the priorities of activities. The SDK's test environment does not tell activities theirs.
type priorities struct {
	interceptor.WorkerInterceptorBase
	seen []int
}

func (p *priorities) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &prioritiesIn{all: p}
	in.Next = next
	return in
}

type prioritiesIn struct {
	interceptor.WorkflowInboundInterceptorBase
	all *priorities
}

func (p *prioritiesIn) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &prioritiesOut{all: p.all}
	out.Next = next
	return p.Next.Init(out)
}

type prioritiesOut struct {
	interceptor.WorkflowOutboundInterceptorBase
	all *priorities
}

func (p *prioritiesOut) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	p.all.seen = append(p.all.seen, workflow.GetActivityOptions(ctx).Priority.PriorityKey)
	return p.Next.ExecuteActivity(ctx, name, args...)
}

func (s *collectSuite) TestTheSystemLogComesBeforeListsAndTheseBeforeBackfills() {
	const logs, lists, backfills = 1, 0, 5 // 0 is Temporal's default, which is 3
	var seen *priorities
	setUp := func() {
		s.SetupTest()
		seen = &priorities{}
		s.env.SetWorkerOptions(worker.Options{Interceptors: append(workflows.Interceptors(registered), seen), DeadlockDetectionTimeout: time.Minute})
	}
	for service, want := range map[string]int{"logs": logs, "users": lists} {
		setUp()
		s.env.SetStartWorkflowOptions(workflowOptions(workflows.WorkflowID("acme", service)))
		s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return caughtUp(in, time.Hour) }
		s.run(workflows.CollectInput{Tenant: "acme", Service: service}, time.Minute)
		s.Equal([]int{want}, seen.seen, service)
	}
	for _, in := range []workflows.BackfillInput{{Tenant: "acme", Service: "users"}, {Tenant: "acme", Service: "logs", Range: s.yesterday()}} {
		setUp()
		s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return ended(in), nil }
		_, err := s.backfill(in)
		s.NoError(err)
		s.Equal([]int{backfills}, seen.seen, "a backfill of %s", in.Service)
	}
}
