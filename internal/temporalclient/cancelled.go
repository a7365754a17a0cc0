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
// The request keeps its id, so it takes effect once.
//
// A server knows the caller's deadline. If it cannot answer by then, it cancels the request a moment before. repeatCancelled
// then returns DeadlineExceeded, because the caller's time ends before the request is repeated.
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
