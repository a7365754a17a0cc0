package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
)

// serve serves /metrics, /healthz and /readyz in the background. It listens before it returns, so that a port in use is
// an error here. If listen has port 0, the server's Addr has the port that was chosen.
func serve(listen string, registry *prometheus.Registry, ready *readiness, log *zap.Logger) (*http.Server, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on COLLECTOR_LISTEN, %q; is another worker running? %w", listen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /readyz", ready)
	server := &http.Server{
		Addr:              listener.Addr().String(),
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(log),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and health are no longer served", zap.Error(err))
		}
	}()
	return server, nil
}

// readiness answers /readyz with 200 if the worker works and reaches Temporal, otherwise with 503 and the reason. It also
// says which Okta or Devo the worker does not reach. That is no reason for 503: a restart does not help, and the worker
// still collects for its other tenants.
type readiness struct {
	atomic.Pointer[phase]
	lost func() []string
}

// phase is what the worker does at the moment.
type phase struct {
	temporal client.Client // nil if the worker is not ready
	reason   string        // why it is not
}

// ServeHTTP implements http.Handler.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p := r.Load()
	if p.temporal == nil {
		http.Error(w, p.reason, http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), 2*time.Second)
	defer cancel()
	if _, err := p.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		http.Error(w, "Temporal cannot be reached: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, strings.Join(append([]string{"ok"}, r.lost()...), "\n"))
}
