package temporalclient

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

func TestARequestAboutAnyIDCanBeSent(t *testing.T) {
	for id, sent := range map[string][]string{
		"workflow:okta/acme/logs":      {"workflow:okta/acme/logs"},
		"workflow:okta/caf\u00e9/logs": nil,
		"workflow:okta/\x1b[2J/logs":   nil,
		"taskqueue:orgs\n":             nil,
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "temporal-namespace", "prod", resourceHeader, id)
		err := anyID(ctx, "describe", nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			headers, _ := metadata.FromOutgoingContext(ctx)
			require.Equal(t, sent, headers.Get(resourceHeader), id)
			require.Equal(t, []string{"prod"}, headers.Get("temporal-namespace"))
			return nil
		})
		require.NoError(t, err)
		headers, _ := metadata.FromOutgoingContext(ctx)
		require.Equal(t, []string{id}, headers.Get(resourceHeader), "a caller's headers stay as they are")
	}
}
