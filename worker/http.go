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

	"okta-collector/internal/printable"
	"okta-collector/internal/temporalclient"
)

// serve serves /metrics, /healthz and /readyz in the background. It listens before it returns, so that a port in use is
// an error here. If listen has port 0, the server's Addr has the port that was chosen.
func serve(listen string, registry *prometheus.Registry, ready, live http.Handler, log *zap.Logger) (*http.Server, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on COLLECTOR_LISTEN, %q; is another worker running? %w", listen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", live)
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

// askTimeout bounds a question to Temporal for an answer of /readyz or /healthz.
const askTimeout = 2 * time.Second

// readiness answers /readyz with 200 if the worker works and reaches Temporal, otherwise with 503 and the reason. It also
// says which Okta or Devo the worker does not reach. That is no reason for 503: a restart does not help, and the worker
// still collects for its other tenants.
type readiness struct {
	atomic.Pointer[phase]
	contact *contact
	lost    func() []string
}

// phase is what the worker does at the moment.
type phase struct {
	temporal client.Client // nil if the worker is not ready
	reason   string        // why it is not
}

// ServeHTTP implements http.Handler.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), askTimeout)
	defer cancel()
	p := r.Load()
	if p.temporal == nil {
		unavailable(w, p.reason)
	} else if err := r.contact.refusal(); err != nil {
		unavailable(w, err.Error())
	} else if _, err := p.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		unavailable(w, "Temporal cannot be reached: "+err.Error())
	} else {
		fmt.Fprintln(w, printable.Text(strings.Join(append([]string{"ok"}, r.lost()...), "\n")))
	}
}

// unavailable answers 503 with a reason, which may be an error from anywhere.
func unavailable(w http.ResponseWriter, reason string) {
	http.Error(w, printable.Text(reason), http.StatusServiceUnavailable)
}

// liveness answers /healthz with 200, or with 503 if a restart may help: Temporal has not answered for ten minutes, and
// does not now.
type liveness struct {
	ready     *readiness
	namespace string
}

// ServeHTTP implements http.Handler.
func (l *liveness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if silence := l.ready.contact.silence(); silence >= maxSilence {
		if problem := l.problem(req.Context()); problem != "" {
			unavailable(w, fmt.Sprintf("Temporal has not answered for %v, although the files of certificates and keys were read again for each attempt; "+
				"a restart may help. Last problem: %s", silence.Round(time.Second), problem))
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// problem asks Temporal once more, and returns why it does not answer; empty if it does.
func (l *liveness) problem(ctx context.Context) string {
	p := l.ready.Load()
	if p.temporal == nil {
		return p.reason
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if _, err := temporalclient.Retention(ctx, p.temporal.WorkflowService(), l.namespace); err != nil {
		return err.Error()
	}
	return ""
}
