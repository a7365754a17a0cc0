package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/buildinfo"
)

// health is a Temporal that is there, or not.
type health struct {
	client.Client
	err error
}

func (h health) CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	return &client.CheckHealthResponse{}, h.err
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestReadyIsSaidWhileTheWorkerWorksAndReachesTemporal(t *testing.T) {
	var options client.Options
	registry, err := newRegistry(zap.NewNop(), &options)
	require.NoError(t, err)
	ready := &readiness{contact: newContact(zap.NewNop()), unreached: func() []string { return nil }}
	ready.Store(&phase{reason: "connecting to Temporal"})
	server := newServer("127.0.0.1:0", registry, ready, &liveness{ready, "prod"}, zap.NewNop())
	require.NoError(t, serve(t.Context(), server, zap.NewNop()))
	defer server.Close()
	url := "http://" + server.Addr

	code, body := get(t, url+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "connecting to Temporal")

	ready.Store(&phase{temporal: health{}})
	code, _ = get(t, url+"/readyz")
	require.Equal(t, http.StatusOK, code)

	ready.Store(&phase{temporal: health{err: errors.New("connection refused")}})
	code, body = get(t, url+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "connection refused")

	ready.Store(&phase{reason: "x509: certificate is valid for \x1b]0;owned\x07, not temporal"})
	_, body = get(t, url+"/readyz")
	require.Equal(t, `x509: certificate is valid for \u001b]0;owned\u0007, not temporal`, strings.TrimSpace(body))

	ready.Store(&phase{reason: "stopping"})
	code, body = get(t, url+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "stopping")

	code, _ = get(t, url+"/healthz")
	require.Equal(t, http.StatusOK, code, "the process is alive all the same")
	code, _ = get(t, url+"/elsewhere")
	require.Equal(t, http.StatusNotFound, code)
}

// TestMain is the tests, or a process that holds a port until it is killed.
func TestMain(m *testing.M) {
	if address := os.Getenv("HOLD_PORT"); address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(listener.Addr())
		select {}
	}
	listenPause = 10 * time.Millisecond
	os.Exit(m.Run())
}

func TestAPortThatAnotherProcessHasIsTriedAgainUntilItIsFree(t *testing.T) {
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), "HOLD_PORT=127.0.0.1:0")
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address = strings.TrimSpace(address)

	core, logs := observer.New(zap.InfoLevel)
	server := newServer(address, prometheus.NewRegistry(), http.NotFoundHandler(), http.NotFoundHandler(), zap.NewNop())
	defer server.Close()
	err = serve(t.Context(), server, zap.New(core))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "COLLECTOR_LISTEN")
	require.ErrorContains(t, err, address)
	require.Len(t, logs.FilterMessage("trying again to listen").All(), 1, "it is said once")

	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait()
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + address + "/metrics")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	require.Len(t, logs.All(), 2)
	require.Equal(t, "metrics and health are served now", logs.All()[1].Message)
}

func TestAnAddressThatIsNotThisMachinesDoesNotKeepTheWorkerFromWorking(t *testing.T) {
	for _, listen := range []string{"192.0.2.1:9464", "no-such-host.invalid:9464"} {
		ctx, cancel := context.WithCancel(t.Context())
		server := newServer(listen, prometheus.NewRegistry(), http.NotFoundHandler(), http.NotFoundHandler(), zap.NewNop())
		require.ErrorContains(t, serve(ctx, server, zap.NewNop()), "COLLECTOR_LISTEN", listen)
		require.NoError(t, server.Close())
		cancel()
	}
}

func TestMetricsAreThoseOfTheProcessAndOfTemporalsSDK(t *testing.T) {
	var options client.Options
	registry, err := newRegistry(zap.NewNop(), &options)
	require.NoError(t, err)
	server := newServer("127.0.0.1:0", registry, http.NotFoundHandler(), http.NotFoundHandler(), zap.NewNop())
	require.NoError(t, serve(t.Context(), server, zap.NewNop()))
	defer server.Close()

	options.MetricsHandler.Counter("temporal_test").Inc(2)
	options.MetricsHandler.Timer("temporal_test_latency").Record(30_000_000)

	code, body := get(t, "http://"+server.Addr+"/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "go_goroutines")
	require.Contains(t, body, `okta_collector_build_info{version="`+buildinfo.Version()+`"} 1`)
	require.Contains(t, body, "temporal_test_total 2")
	require.Contains(t, body, `temporal_test_latency_seconds_bucket{le="0.05"} 1`)
	require.Contains(t, body, `temporal_test_latency_seconds_bucket{le="0.025"} 0`)
}

func TestWhatAClientMaySendIsBounded(t *testing.T) {
	var options client.Options
	registry, err := newRegistry(zap.NewNop(), &options)
	require.NoError(t, err)
	server := newServer("127.0.0.1:0", registry, http.NotFoundHandler(), http.NotFoundHandler(), zap.NewNop())
	require.NoError(t, serve(t.Context(), server, zap.NewNop()))
	defer server.Close()

	request, err := http.NewRequest(http.MethodGet, "http://"+server.Addr+"/healthz", nil)
	require.NoError(t, err)
	request.Header.Set("X-Long", strings.Repeat("x", 32<<10))
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)

	response, err = http.Post("http://"+server.Addr+"/metrics", "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)

	for what, timeout := range map[string]time.Duration{
		"header": server.ReadHeaderTimeout, "request": server.ReadTimeout, "answer": server.WriteTimeout, "pause between two": server.IdleTimeout,
	} {
		require.Positive(t, timeout, "nobody holds a connection forever: "+what)
		require.LessOrEqual(t, timeout, 2*time.Minute, what)
	}
}
