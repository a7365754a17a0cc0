package worker

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// frontend is a Temporal that answers every request with err, through the worker's contact.
type frontend struct {
	client.Client
	contact *contact
	err     error
}

func (f *frontend) WorkflowService() workflowservice.WorkflowServiceClient {
	return service{frontend: f}
}

type service struct {
	workflowservice.WorkflowServiceClient
	frontend *frontend
}

func (f *frontend) CheckHealth(ctx context.Context, _ *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	return &client.CheckHealthResponse{}, f.ask(ctx, healthpb.Health_Check_FullMethodName, nil)
}

func (s service) DescribeNamespace(ctx context.Context, _ *workflowservice.DescribeNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, s.frontend.ask(ctx, workflowservice.WorkflowService_DescribeNamespace_FullMethodName, s.frontend.err)
}

func (f *frontend) ask(ctx context.Context, method string, err error) error {
	return f.contact.intercept(ctx, method, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err })
}

func asked(t *testing.T, handler http.Handler) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	return w.Code, w.Body.String()
}

func TestAWorkerThatTemporalDoesNotAnswerForTenMinutesSaysThatARestartMayHelp(t *testing.T) {
	for name, away := range map[string]error{
		"it cannot be reached":  status.Error(codes.Unavailable, "error reading server preface: remote error: tls: expired certificate"),
		"it refuses the worker": status.Error(codes.Unauthenticated, "expired key"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				contact := newContact(zap.NewNop())
				f := &frontend{contact: contact, err: away}
				ready := &readiness{contact: contact, unreached: func() []string { return nil }}
				ready.Store(&phase{temporal: f})
				live := &liveness{ready, "prod"}

				time.Sleep(maxSilence - time.Second)
				code, _ := asked(t, live)
				require.Equal(t, http.StatusOK, code, "a restart does not bring Temporal back")
				_, _ = f.CheckHealth(t.Context(), nil) // needs no credentials
				time.Sleep(time.Second)
				code, body := asked(t, live)
				require.Equal(t, http.StatusServiceUnavailable, code)
				require.Contains(t, body, "Temporal has not answered for 10m0s")
				require.Contains(t, body, "a restart may help")
				require.Contains(t, body, status.Convert(away).Message())

				f.err = nil // it is asked once more before that is said
				code, _ = asked(t, live)
				require.Equal(t, http.StatusOK, code)
				f.err = away
				code, _ = asked(t, live)
				require.Equal(t, http.StatusOK, code, "it has answered a moment ago")
			})
		})
	}
}

func TestAWorkerThatNeverReachedTemporalSaysThatARestartMayHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := &readiness{contact: newContact(zap.NewNop()), unreached: func() []string { return nil }}
		ready.Store(&phase{reason: "cannot reach Temporal at prod:7233"})
		time.Sleep(maxSilence)
		code, body := asked(t, &liveness{ready, "prod"})
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Contains(t, body, "cannot reach Temporal at prod:7233")
	})
}

func TestAWorkerThatGetsNoWorkSaysWhyOnceAndWhenItGetsSomeAgain(t *testing.T) {
	const poll = workflowservice.WorkflowService_PollActivityTaskQueue_FullMethodName
	for want, err := range map[string]error{
		"make it with 'starter setup'":    status.Error(codes.NotFound, "Namespace prod is not found."),
		"error reading server preface":    status.Error(codes.Unavailable, "connection error: error reading server preface: EOF"),
		"give it the permission to write": status.Error(codes.PermissionDenied, "Request unauthorized."),
	} {
		t.Run(want, func(t *testing.T) {
			core, logged := observer.New(zap.InfoLevel)
			contact := newContact(zap.New(core))
			f := &frontend{contact: contact}
			ready := &readiness{contact: contact, unreached: func() []string { return nil }}
			ready.Store(&phase{temporal: f})
			for range 100 {
				require.Error(t, f.ask(t.Context(), poll, err))
				_ = f.ask(t.Context(), poll, status.Error(codes.DeadlineExceeded, "a poll without work")) // says nothing
			}
			code, body := asked(t, ready)
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Contains(t, body, want)
			require.Equal(t, 1, logged.Len())
			require.Contains(t, logged.All()[0].ContextMap()["error"], want)

			require.NoError(t, f.ask(t.Context(), poll, nil))
			require.Len(t, logged.FilterMessage("this worker gets work from Temporal again").All(), 1)
			code, _ = asked(t, ready)
			require.Equal(t, http.StatusOK, code)
		})
	}
}
