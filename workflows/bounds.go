package workflows

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
)

// What arrives through Temporal is bounded before it is decoded, and what goes back is bounded too. Whoever may write to
// the namespace can send anything of up to 2 MiB. An error that repeats it makes the answer to a workflow task larger than
// the 4 MiB that Temporal takes. Temporal then repeats that task forever.

const (
	// maxMessage limits the input of a signal or an update, with its metadata, in bytes.
	maxMessage = 4 << 10
	// maxState limits an input or a result that may have a state in it, in bytes. The largest legal state is smaller.
	maxState = 1 << 20
	// MaxRepeated limits what an error repeats of an input, in bytes.
	MaxRepeated = 200
)

// DataConverter returns the converter that clients and workers use. It decodes nothing that is too large, and its errors
// are short.
func DataConverter() converter.DataConverter {
	return boundedData{converter.GetDefaultDataConverter()}
}

type boundedData struct{ converter.DataConverter }

// FromPayload implements converter.DataConverter.
func (b boundedData) FromPayload(payload *common.Payload, into any) error {
	if err := checkSize(payload, into); err != nil {
		return err
	}
	return short(b.DataConverter.FromPayload(payload, into))
}

// FromPayloads implements converter.DataConverter. Payloads that nobody reads count too.
func (b boundedData) FromPayloads(payloads *common.Payloads, into ...any) error {
	if err := checkSize(payloads, into...); err != nil {
		return err
	}
	return short(b.DataConverter.FromPayloads(payloads, into...))
}

// checkSize returns an error if a message is too large for these values.
func checkSize(m proto.Message, into ...any) error {
	limit := maxMessage
	for _, value := range into {
		switch value.(type) {
		case *CollectInput, *BackfillInput, *State, *SliceInput, *SliceResult, *Failure, *Status, *checkpoint.Checkpoint,
			*TenantInput, *TenantStatus, *Decision, *ledger.Ledger, *sdk.WorkflowMetadata: // what the Web UI shows
			limit = maxState
		}
	}
	if size := proto.Size(m); size > limit {
		return fmt.Errorf("it has %d bytes, and at most %d are read", size, limit)
	}
	return nil
}

// headerBound refuses runs and updates with a large header, which the SDK repeats in all that they start.
type headerBound struct {
	interceptor.WorkerInterceptorBase
}

func (*headerBound) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	run := &headerBoundOfRun{}
	run.Next = next
	return run
}

type headerBoundOfRun struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (b *headerBoundOfRun) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	if err := checkHeader(ctx); err != nil {
		return nil, err
	}
	return b.Next.ExecuteWorkflow(ctx, in)
}

func (b *headerBoundOfRun) ValidateUpdate(ctx workflow.Context, in *interceptor.UpdateInput) error {
	if err := checkHeader(ctx); err != nil {
		return err
	}
	return b.Next.ValidateUpdate(ctx, in)
}

func checkHeader(ctx workflow.Context) error {
	if size := proto.Size(&common.Header{Fields: interceptor.WorkflowHeader(ctx)}); size > maxMessage {
		return invalid(fmt.Sprintf("its header has %d bytes, and at most %d are taken", size, maxMessage))
	}
	return nil
}

// short returns an error without what it repeats of an input beyond [MaxRepeated]. It wraps nothing: a cause repeats the
// input as well.
func short(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(Cut(err.Error(), MaxRepeated))
}

// FailureConverter returns the converter of errors that clients and workers use. The texts of a failure are bounded,
// those of its causes too.
func FailureConverter() converter.FailureConverter {
	return boundedFailures{temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: DataConverter()})}
}

type boundedFailures struct{ converter.FailureConverter }

// ruleOfSDK begins the SDK's messages about the code of workflows. They repeat no input, and are worth reading whole.
const ruleOfSDK = "[TMPRL"

// ErrorToFailure implements converter.FailureConverter.
func (b boundedFailures) ErrorToFailure(err error) *failure.Failure {
	first := b.FailureConverter.ErrorToFailure(err)
	for f, cause := first, err; f != nil; f, cause = f.Cause, errors.Unwrap(cause) {
		limit := MaxRepeated
		// The collector's own errors are bounded where they are made.
		if _, own := cause.(*temporal.ApplicationError); own || strings.Contains(Cut(f.Message, MaxRepeated), ruleOfSDK) {
			limit = MaxText
		}
		f.Message, f.StackTrace = Cut(f.Message, limit), Cut(f.StackTrace, maxMessage)
	}
	return first
}
