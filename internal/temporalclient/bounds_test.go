package temporalclient

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/protocol/v1"
	"go.temporal.io/api/query/v1"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Ten updates may be in flight, of 2 MiB each, and Temporal takes 4 MiB.
func TestTheAnswerToAWorkflowTaskRepeatsNeitherUpdatesNorQueries(t *testing.T) {
	long := strings.Repeat("x", 2_000_000)
	request := &workflowservice.RespondWorkflowTaskCompletedRequest{QueryResults: map[string]*query.WorkflowQueryResult{"1": {ErrorMessage: "unknown queryType " + long}}}
	for range 10 {
		body, err := anypb.New(&update.Rejection{
			RejectedRequestMessageId: "1/request", Failure: &failure.Failure{Message: "it has 2000000 bytes"},
			RejectedRequest: &update.Request{Input: &update.Input{Name: "backfill", Args: &common.Payloads{Payloads: []*common.Payload{{Data: []byte(long)}}}}},
		})
		require.NoError(t, err)
		request.Messages = append(request.Messages, &protocol.Message{Id: "1/reject", Body: body})
	}
	accepted, err := anypb.New(&update.Acceptance{AcceptedRequest: &update.Request{Input: &update.Input{Name: "backfill"}}})
	require.NoError(t, err)
	request.Messages = append(request.Messages, &protocol.Message{Id: "2/accept", Body: accepted})

	require.NoError(t, sent(t, request))
	require.Less(t, proto.Size(request), 10_000)
	var rejection update.Rejection
	require.NoError(t, request.Messages[0].Body.UnmarshalTo(&rejection))
	require.Equal(t, "it has 2000000 bytes", rejection.Failure.Message)
	require.Equal(t, "1/request", rejection.RejectedRequestMessageId)
	require.Equal(t, accepted, request.Messages[10].Body, "one that is accepted is kept")
	require.Len(t, request.QueryResults["1"].ErrorMessage, 200)

	answer := &workflowservice.RespondQueryTaskCompletedRequest{ErrorMessage: "unknown queryType " + long}
	require.NoError(t, sent(t, answer))
	require.Len(t, answer.ErrorMessage, 200)
}

// sent sends a request, as far as the wire.
func sent(t *testing.T, request any) error {
	return intercept(t.Context(), "", request, nil, nil, func(_ context.Context, _ string, r, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		require.Same(t, request, r)
		return nil
	})
}
