package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// signalOrder sees signals in the order of the history, and records their names. The SDK gives each signal name a channel
// of its own, and keeps no order between channels. After an hour without a worker, `pause, resume` and `resume, pause`
// would look the same.
type signalOrder struct {
	interceptor.WorkerInterceptorBase
}

func (*signalOrder) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	s := &signals{known: map[string]signal{}}
	s.Next = next
	return s
}

// signals are the signals of one run.
type signals struct {
	interceptor.WorkflowInboundInterceptorBase
	arrived []string // the names of signals that were not handled yet, in the order of the history
	known   map[string]signal
	names   []string          // the known ones, in the order of registration
	unknown func(name string) // reports any other signal; nil before the workflow's code has begun
}

type signal struct {
	channel workflow.ReceiveChannel
	// handle gets a function that reads the signal's input, and returns false if it cannot be read.
	handle func(receive func(input any) bool)
}

type signalsKey struct{}

func (s *signals) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	return s.Next.ExecuteWorkflow(workflow.WithValue(ctx, signalsKey{}, s), in)
}

// HandleSignal records a known signal, and reports any other one. What another one bears is not kept.
func (s *signals) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	if _, known := s.known[in.SignalName]; known || s.unknown == nil {
		s.arrived = append(s.arrived, in.SignalName)
	} else {
		s.unknown(in.SignalName)
		return nil
	}
	return s.Next.HandleSignal(ctx, in)
}

// signalsOf returns the signals of the run. It panics where [Interceptors] is not in the worker's options. Every signal
// must be registered before the workflow waits for anything.
func signalsOf(ctx workflow.Context, unknown func(name string)) *signals {
	s := ctx.Value(signalsKey{}).(*signals)
	s.unknown = unknown
	return s
}

// on registers a signal. The Web UI shows the description.
func (s *signals) on(ctx workflow.Context, name, description string, handle func(receive func(any) bool)) {
	channel := workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	s.known[name] = signal{channel, handle}
	s.names = append(s.names, name)
}

// ignoringInput handles a signal that needs no input.
func ignoringInput(handle func()) func(receive func(any) bool) {
	return func(receive func(any) bool) {
		receive(nil)
		handle()
	}
}

// pending reports whether signals have arrived that were not handled yet.
func (s *signals) pending() bool { return len(s.arrived) > 0 }

// handleAll handles all signals that have arrived, in their order.
func (s *signals) handleAll() {
	for s.pending() {
		name := s.arrived[0]
		s.arrived = s.arrived[1:]
		if signal, known := s.known[name]; known {
			signal.handle(signal.channel.ReceiveAsync)
		} else {
			s.unknown(name)
		}
	}
}

// unknownSignal is the warning about a signal that is none of those known.
func unknownSignal(name string, known []string) Warning {
	return Warning{Kind: warnSignal, Message: fmt.Sprintf("the signal %s is not known and did nothing; there are %s",
		Quoted(name), strings.Join(known, ", "))}
}
