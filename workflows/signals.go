package workflows

import (
	"slices"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// The SDK gives each signal name a channel of its own, and keeps no order between channels. After an hour without a worker,
// `pause, resume` and `resume, pause` would look the same. This interceptor sees signals in the order of the history, and
// records their names.

// Interceptors must be in the options of a worker or replayer that runs this package's workflows.
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

// workflowSignalOrder has the names of one run's signals that were not handled yet.
type workflowSignalOrder struct {
	interceptor.WorkflowInboundInterceptorBase
	names   []string
	arrived func() // called after each signal, unless it is nil
}

type signalOrderKey struct{}

func (o *workflowSignalOrder) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	return o.Next.ExecuteWorkflow(workflow.WithValue(ctx, signalOrderKey{}, o), in)
}

func (o *workflowSignalOrder) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	o.names = append(o.names, in.SignalName)
	if o.arrived != nil {
		o.arrived()
	}
	return o.Next.HandleSignal(ctx, in)
}

// signals are the signals that a workflow handles.
type signals struct {
	order *workflowSignalOrder
	known map[string]signal
	names []string // of known, in a fixed order
	// unknown is called for a signal that is not known.
	unknown func(name string)
}

type signal struct {
	channel workflow.ReceiveChannel
	// handle gets a function that reads the signal's input, and returns false if it cannot be read.
	handle func(receive func(input any) bool)
}

func newSignals(ctx workflow.Context, unknown func(name string)) *signals {
	order, _ := ctx.Value(signalOrderKey{}).(*workflowSignalOrder)
	if order == nil {
		panic("workflows.Interceptors are not in the worker's options")
	}
	return &signals{order: order, known: map[string]signal{}, unknown: unknown}
}

// ignoringInput handles a signal that needs no input.
func ignoringInput(handle func()) func(receive func(any) bool) {
	return func(receive func(any) bool) {
		if receive(nil) {
			handle()
		}
	}
}

// on registers a signal. The Web UI shows the description.
func (s *signals) on(ctx workflow.Context, name, description string, handle func(receive func(any) bool)) {
	channel := workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	s.known[name] = signal{channel, handle}
	s.names = append(s.names, name)
}

// wakes makes a selector wake up for each signal. handleAll then handles it.
func (s *signals) wakes(selector workflow.Selector) {
	for _, name := range s.names {
		selector.AddReceive(s.known[name].channel, func(workflow.ReceiveChannel, bool) {})
	}
}

// handleAll handles all signals that have arrived, in their order. Every signal must be registered before.
func (s *signals) handleAll() {
	s.dismiss()
	s.order.arrived = s.dismiss // no selector wakes up for a signal that is not known
	for len(s.order.names) > 0 {
		known := s.known[s.order.names[0]]
		s.order.names = s.order.names[1:]
		known.handle(func(input any) bool { return known.channel.ReceiveAsync(input) })
	}
}

// dismiss drops signals that are not known. They stay in channels of their own that nobody reads.
func (s *signals) dismiss() {
	s.order.names = slices.DeleteFunc(s.order.names, func(name string) bool {
		_, known := s.known[name]
		if !known {
			s.unknown(name)
		}
		return !known
	})
}
