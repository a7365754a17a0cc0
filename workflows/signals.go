package workflows

import (
	"slices"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// The SDK gives each signal name a channel of its own, and keeps no order between them: after an
// hour without a worker, `pause, resume` and `resume, pause` would look the same. This interceptor
// sees signals in the order of the history and writes their names down.

// Interceptors are what a worker, and a replayer, must have in its options to run this package's
// workflows.
func Interceptors() []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&signalOrder{}}
}

type signalOrder struct {
	interceptor.WorkerInterceptorBase
}

func (*signalOrder) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	o := &workflowSignalOrder{}
	o.Next = next
	return o
}

// workflowSignalOrder holds the names of one run's signals that were not handled yet.
type workflowSignalOrder struct {
	interceptor.WorkflowInboundInterceptorBase
	names []string
	came  func() // unless nil, called when one has come
}

type signalOrderKey struct{}

func (o *workflowSignalOrder) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	return o.Next.ExecuteWorkflow(workflow.WithValue(ctx, signalOrderKey{}, o), in)
}

func (o *workflowSignalOrder) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	o.names = append(o.names, in.SignalName)
	if o.came != nil {
		o.came()
	}
	return o.Next.HandleSignal(ctx, in)
}

// signals are the signals that a workflow knows, each with what it does.
type signals struct {
	order *workflowSignalOrder
	known map[string]signal
	names []string // of known, in a fixed order
	// unknown is told of a signal that does nothing.
	unknown func(name string)
}

type signal struct {
	channel workflow.ReceiveChannel
	// handle is given what reads the signal's input; it says false if that cannot be read.
	handle func(receive func(input any) bool)
}

func newSignals(ctx workflow.Context, unknown func(name string)) *signals {
	order, _ := ctx.Value(signalOrderKey{}).(*workflowSignalOrder)
	if order == nil {
		panic("workflows.Interceptors are not in the worker's options")
	}
	return &signals{order: order, known: map[string]signal{}, unknown: unknown}
}

// ignoringInput handles a signal that needs none.
func ignoringInput(handle func()) func(receive func(any) bool) {
	return func(receive func(any) bool) {
		if receive(nil) {
			handle()
		}
	}
}

// on says what a signal does. description is what the Web UI shows.
func (s *signals) on(ctx workflow.Context, name, description string, handle func(receive func(any) bool)) {
	channel := workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	s.known[name] = signal{channel, handle}
	s.names = append(s.names, name)
}

// wakes makes a selector wake up when there is a signal; handleAll then handles it.
func (s *signals) wakes(selector workflow.Selector) {
	for _, name := range s.names {
		selector.AddReceive(s.known[name].channel, func(workflow.ReceiveChannel, bool) {})
	}
}

// handleAll handles all signals that are there, in the order in which they came. All that are known have
// been named before.
func (s *signals) handleAll() {
	s.dismiss()
	s.order.came = s.dismiss // nothing wakes up for a signal that is not known
	for len(s.order.names) > 0 {
		known := s.known[s.order.names[0]]
		s.order.names = s.order.names[1:]
		known.handle(func(input any) bool { return known.channel.ReceiveAsync(input) })
	}
}

// dismiss leaves signals that are not known in their own channels, where they do nothing.
func (s *signals) dismiss() {
	s.order.names = slices.DeleteFunc(s.order.names, func(name string) bool {
		_, known := s.known[name]
		if !known {
			s.unknown(name)
		}
		return !known
	})
}
