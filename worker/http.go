package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
)

// readyTimeout bounds the health check of Temporal for /readyz.
const readyTimeout = 2 * time.Second

// httpServer serves /metrics, /healthz and /readyz.
type httpServer struct {
	address string // host:port
	server  *http.Server
}

// serve serves in the background. It listens first, so that a port in use is an error here.
func serve(listen string, registry *prometheus.Registry, ready *readiness, log *zap.Logger) (*httpServer, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("COLLECTOR_LISTEN is %q, which cannot be listened at; is another worker running? %w", listen, err)
	}
	s := &httpServer{
		address: listener.Addr().String(),
		server: &http.Server{
			Handler:           newHandler(registry, ready),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       5 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          zap.NewStdLog(log),
		},
	}
	go func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and health are no longer served", zap.Error(err))
		}
	}()
	return s, nil
}

// close ends the server, and cuts off answers that are being written.
func (s *httpServer) close() { _ = s.server.Close() }

func newHandler(registry *prometheus.Registry, ready *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /readyz", ready)
	return mux
}

// healthChecker is the part of Temporal's client that checks whether Temporal answers.
type healthChecker interface {
	CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error)
}

// readiness answers /readyz with 200 while the worker runs and reaches Temporal, and otherwise with 503 and the reason.
type readiness struct {
	mu       sync.Mutex
	reason   string        // why it is not ready
	temporal healthChecker // nil while it is not ready
}

func (r *readiness) set(temporal healthChecker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.temporal = temporal
}

func (r *readiness) unset(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason, r.temporal = reason, nil
}

// ServeHTTP implements http.Handler.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	reason, temporal := r.reason, r.temporal
	r.mu.Unlock()
	if temporal == nil {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), readyTimeout)
	defer cancel()
	if _, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		http.Error(w, "Temporal cannot be reached: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
