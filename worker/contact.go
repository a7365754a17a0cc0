package worker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"okta-collector/internal/temporalclient"
)

// maxSilence is how long Temporal may be away before /healthz says so. All the while gRPC connects again, each time with
// what the files of certificates and keys have then.
const maxSilence = 10 * time.Minute

// contact knows when Temporal last answered the worker, and whether it gives the worker work.
type contact struct {
	log *zap.Logger

	mu     sync.Mutex
	last   time.Time
	failed error // of the last poll; nil if Temporal gives the worker work
}

func newContact(log *zap.Logger) *contact { return &contact{log: log, last: time.Now()} }

// intercept sees each request to Temporal and its answer.
func (c *contact) intercept(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, answer, conn, options...)
	if ctx.Err() == nil || err == nil { // a request that the worker gave up says nothing
		c.answered(method, err)
	}
	return err
}

func (c *contact) answered(method string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	code := status.Code(err)
	// Not found: the namespace, or a workflow that has ended. A health check needs no credentials.
	if (code == codes.OK || code == codes.NotFound) && method != healthpb.Health_Check_FullMethodName {
		c.last = time.Now()
	}
	if !strings.Contains(method, "/Poll") {
		return
	}
	switch code {
	case codes.OK:
		if c.failed != nil {
			c.log.Info("this worker gets work from Temporal again")
		}
		c.failed = nil
	case codes.Canceled, codes.DeadlineExceeded, codes.ResourceExhausted: // a poll that ended, or a busy Temporal
	default:
		if c.failed == nil || status.Code(c.failed) != code {
			c.log.Error("this worker gets no work from Temporal", zap.Error(explained(err)))
		}
		c.failed = err
	}
}

// failure is why the last poll failed; nil if Temporal gives the worker work.
func (c *contact) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		return nil
	}
	return fmt.Errorf("this worker gets no work from Temporal: %w", explained(c.failed))
}

// silence is how long Temporal has not answered.
func (c *contact) silence() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.last)
}

func explained(err error) error {
	return temporalclient.Explain(serviceerror.FromStatus(status.Convert(err)))
}
