package worker

import (
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestHealthIsThatOfTheWorkerWhichRuns(t *testing.T) {
	ready := &readiness{contact: newContact(zap.NewNop()), unreached: func() []string { return nil }}
	ready.Store(&phase{reason: "connecting to Temporal"})
	server := newServer("127.0.0.1:0", prometheus.NewRegistry(), ready, &liveness{ready: ready}, zap.NewNop())
	require.NoError(t, serve(t.Context(), server, zap.NewNop()))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")

	// Nothing but the address is needed.
	code, stdout, stderr := call(t, map[string]string{"COLLECTOR_LISTEN": server.Addr}, "--health")
	require.Zero(t, code, stderr)
	require.Empty(t, stdout+stderr)

	require.NoError(t, server.Close())
	code, _, stderr = call(t, map[string]string{"COLLECTOR_LISTEN": server.Addr}, "--health")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, server.Addr)
	require.Contains(t, stderr, "COLLECTOR_LISTEN")
}

func TestHealthReachesAWorkerThatListensEverywhere(t *testing.T) {
	listener, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/healthz", r.URL.Path)
		http.Error(w, "a restart may help", http.StatusServiceUnavailable)
	})}
	go server.Serve(listener)
	defer server.Close()

	code, _, stderr := call(t, map[string]string{"COLLECTOR_LISTEN": ":" + port}, "--health")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "a restart may help")
}

func TestHealthNamesAnAddressThatIsNone(t *testing.T) {
	code, _, stderr := call(t, map[string]string{"COLLECTOR_LISTEN": "9464"}, "--health")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "COLLECTOR_LISTEN is")
}
