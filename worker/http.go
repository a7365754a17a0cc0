package worker

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

// newServer makes the server of /metrics, /healthz and /readyz at an address.
func newServer(listen string, registry *prometheus.Registry, ready, live http.Handler, log *zap.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", live)
	mux.Handle("GET /readyz", ready)
	return &http.Server{
		Addr:              listen,
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(log),
	}
}

// listenPause is the time between two attempts to listen.
var listenPause = 15 * time.Second

// serve serves in the background until the server is closed. If it cannot listen, because another process has the port or
// the address is not this machine's, it returns why, and tries again until ctx ends: the worker collects all the same. If
// the server's Addr has port 0, serve replaces it by the port that was chosen.
func serve(ctx context.Context, server *http.Server, log *zap.Logger) error {
	listener, err := net.Listen("tcp", server.Addr)
	if err == nil {
		server.Addr = listener.Addr().String()
		go serveOn(server, listener, log)
		return nil
	}
	err = fmt.Errorf("metrics and health are not served, but events are collected: cannot listen on COLLECTOR_LISTEN, %q; "+
		"free the port, or set another address and restart the worker: %w", server.Addr, err)
	log.Warn("trying again to listen", zap.Duration("every", listenPause), zap.Error(err))
	go func() {
		if listener := awaitPort(ctx, server.Addr); listener != nil {
			log.Info("metrics and health are served now", zap.Stringer("address", listener.Addr()))
			serveOn(server, listener, log)
		}
	}()
	return err
}

// awaitPort tries to listen until it can. It returns nil when ctx ends.
func awaitPort(ctx context.Context, listen string) net.Listener {
	for sleep(ctx, listenPause) == nil {
		if listener, err := net.Listen("tcp", listen); err == nil {
			return listener
		}
	}
	return nil
}

func serveOn(server *http.Server, listener net.Listener, log *zap.Logger) {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Error("metrics and health are no longer served", zap.Error(err))
	}
}

// askTimeout bounds a question to Temporal for an answer of /readyz or /healthz.
const askTimeout = 2 * time.Second

// readiness answers /readyz with 200 if the worker works and reaches Temporal, otherwise with 503 and the reason. It also
// says which Okta or Devo the worker does not reach. That is no reason for 503: a restart does not help, and the worker
// still collects for its other tenants.
type readiness struct {
	atomic.Pointer[phase]
	contact   *contact
	unreached func() []string // used while there is a phase.temporal
}

// phase is what the worker does at the moment.
type phase struct {
	temporal client.Client // nil if the worker is not ready
	reason   string        // why it is not
}

// ServeHTTP implements http.Handler.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if problem := r.problem(req.Context()); problem != "" {
		unavailable(w, problem)
		return
	}
	fmt.Fprintln(w, printable.Text(r.reached()))
}

// problem returns why the worker does not work or does not reach Temporal; empty if it does.
func (r *readiness) problem(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p := r.Load()
	if p.temporal == nil {
		return p.reason
	}
	if _, err := p.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return "Temporal cannot be reached: " + temporalclient.Explain(err).Error()
	}
	if err := r.contact.failure(); err != nil {
		return err.Error()
	}
	return ""
}

// reached returns ok, and below it each Okta or Devo that the worker does not reach.
func (r *readiness) reached() string {
	return strings.Join(append([]string{"ok"}, r.unreached()...), "\n")
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
	if failure := l.failure(req.Context()); failure != "" {
		unavailable(w, failure)
		return
	}
	fmt.Fprintln(w, "ok")
}

// failure returns why a restart may help; empty if it would not.
func (l *liveness) failure(ctx context.Context) string {
	silence := l.ready.contact.silence()
	if silence < maxSilence {
		return ""
	}
	problem := l.problem(ctx)
	if problem == "" {
		return ""
	}
	return fmt.Sprintf("Temporal has not answered for %v; a restart may help. Last problem: %s", silence.Round(time.Second), problem)
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
