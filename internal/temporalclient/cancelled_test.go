package temporalclient

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestARequestThatTheServerCancelsIsRepeated(t *testing.T) {
	cancelled := status.Error(codes.Canceled, "stream terminated by RST_STREAM with error code: CANCEL")
	for name, row := range map[string]struct {
		failures int // so many in a row
		failure  error
		patience time.Duration // of the caller
		asked    int
		code     codes.Code
	}{
		"once":                             {1, cancelled, time.Minute, 2, codes.OK},
		"always":                           {100, cancelled, time.Minute, 6, codes.Canceled},
		"until nobody waits any more":      {100, cancelled, time.Second, 4, codes.DeadlineExceeded},
		"and not one that fails otherwise": {100, status.Error(codes.Unavailable, "down"), time.Minute, 1, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithTimeout(t.Context(), row.patience)
				defer end()
				asked := 0
				err := repeatCancelled(ctx, "list", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					if asked++; asked <= row.failures {
						return row.failure
					}
					return nil
				})
				require.Equal(t, row.code, status.Code(err))
				require.Equal(t, row.asked, asked)
			})
		})
	}
}
