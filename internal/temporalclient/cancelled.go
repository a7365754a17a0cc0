package temporalclient

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// longestRepeatPause is the pause before a request is repeated for the last time.
const longestRepeatPause = 1600 * time.Millisecond

// repeatCancelled repeats a request if the server has cancelled it and the caller still waits. An overloaded server cancels
// requests. The SDK repeats a request after most failures, but not after this one: it believes that the caller has cancelled.
// The request keeps its id, so it takes effect once. A server cancels also what it could not answer in the caller's time,
// a moment before the caller gives up: then the error says that the time was over.
func repeatCancelled(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		err := invoke(ctx, method, request, reply, conn, options...)
		if status.Code(err) != codes.Canceled || pause > longestRepeatPause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}
