package temporalclient

import (
	"context"

	"go.temporal.io/api/protocol/v1"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"okta-collector/workflows"
)

// intercept sends a request to Temporal without what the SDK repeats in it of an update or a query. Ten updates of 2 MiB
// may be in flight. With all of them in its answer, a workflow task would be larger than the 4 MiB that Temporal takes,
// and be repeated forever.
func intercept(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	switch r := request.(type) {
	case *workflowservice.RespondWorkflowTaskCompletedRequest:
		for _, message := range r.Messages {
			if err := withoutRequest(message); err != nil {
				return err
			}
		}
		for _, result := range r.QueryResults {
			result.ErrorMessage = workflows.Cut(result.ErrorMessage, workflows.MaxRepeated)
		}
	case *workflowservice.RespondQueryTaskCompletedRequest:
		r.ErrorMessage = workflows.Cut(r.ErrorMessage, workflows.MaxRepeated)
	}
	return invoke(ctx, method, request, answer, conn, options...)
}

// withoutRequest removes the update from the message that rejects it. Temporal uses it only to find an update again that
// it has forgotten, and one that is rejected may be forgotten.
func withoutRequest(message *protocol.Message) error {
	var rejection update.Rejection
	if !message.GetBody().MessageIs(&rejection) {
		return nil
	}
	if err := message.Body.UnmarshalTo(&rejection); err != nil {
		return err
	}
	rejection.RejectedRequest = nil
	body, err := anypb.New(proto.Message(&rejection))
	message.Body = body
	return err
}
