package temporalclient

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// resourceHeader is a header in which the SDK repeats the id of the request's workflow or the name of its task queue, for
// proxies that route by it.
const resourceHeader = "temporal-resource-id"

// anyID takes that header out of a request if it is not printable ASCII. gRPC sends no other values, so that a workflow
// with such an id could be neither described nor stopped, and its worker could not answer for it. The request has the id
// too.
func anyID(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if headers, _ := metadata.FromOutgoingContext(ctx); strings.ContainsFunc(strings.Join(headers[resourceHeader], ""), notInHeader) {
		headers.Delete(resourceHeader) // FromOutgoingContext returned a copy
		ctx = metadata.NewOutgoingContext(ctx, headers)
	}
	return invoke(ctx, method, request, reply, conn, options...)
}

func notInHeader(r rune) bool { return r < ' ' || r > '~' }
