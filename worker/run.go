package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"okta-collector/activities"
	"okta-collector/internal/buildinfo"
	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

const (
	// sliceStop is how long a slice may take to confirm what it has shipped when the worker stops. The SDK's default is
	// 0: then the next slice would ship it again.
	sliceStop = 8 * time.Second
	// wholeStop bounds the whole stop. Docker sends SIGKILL 10 s after SIGTERM.
	wholeStop = 9500 * time.Millisecond
	// reportStop bounds the delivery of the last reports to Devo, within wholeStop.
	reportStop = 3 * time.Second

	// maxSlices is how many slices run at once. It is more than all services of a few tenants: a slice that has to wait
	// for the end of another one falls behind.
	maxSlices = 100
	// maxWorkflowTasks is small because workflow code only decides; it never waits.
	maxWorkflowTasks = 50
)

// run works until ctx ends, which is no error, or something fails for good.
func run(ctx context.Context, cfg config.Config, options client.Options, log *zap.Logger) error {
	names := make([]string, len(cfg.Tenants))
	for i, t := range cfg.Tenants {
		names[i] = t.Name
	}
	log.Info("starting", zap.String("version", buildinfo.Version()), zap.Strings("tenants", names), zap.String("taskQueue", cfg.TaskQueue))
	registry, err := newRegistry(log, &options)
	if err != nil {
		return err
	}
	// The identity tells workers apart in the Web UI and in reports.
	host, _ := os.Hostname()
	options.Identity = cmp.Or(options.Identity, fmt.Sprintf("%d@%s", os.Getpid(), cmp.Or(host, "unknown")))
	collector, reporters, err := newCollector(cfg.Tenants, options.Identity, registry, log)
	if err != nil {
		return err
	}
	ready := &readiness{}
	ready.Store(&phase{reason: "connecting to Temporal"})
	running := &services{}
	registry.MustRegister(running)
	server, err := serve(cfg.Listen, registry, ready, log)
	if err != nil {
		return err
	}
	defer server.Close()

	options.Logger = sdkLogger{log.Sugar()}
	temporal, err := dial(ctx, options, log)
	if err == nil {
		defer temporal.Close()
		err = registerAttributes(ctx, temporal.OperatorService(), options.Namespace, log)
	}
	if ctx.Err() != nil {
		return nil // told to stop before it had begun
	}
	if err != nil {
		return err
	}

	failed := make(chan error, 1)
	w := newWorker(temporal, cfg.TaskQueue, collector, func(err error) { failed <- err })
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	ready.Store(&phase{temporal: temporal})
	for _, reporter := range reporters {
		reporter.Start(cfg.TaskQueue)
	}
	go running.watch(ctx, temporal, cfg.TaskQueue, log)
	log.Info("working", zap.String("metrics", "http://"+server.Addr+"/metrics"))

	select {
	case <-ctx.Done():
		log.Info("stopping: what is under way is being delivered")
	case err = <-failed:
		err = fmt.Errorf("the worker cannot go on: %w", err)
	}
	ready.Store(&phase{reason: "stopping"})
	deadline := time.Now().Add(wholeStop)
	failure := errors.Join(err, stopWithin(wholeStop, w))
	reporting, cancel := context.WithTimeout(context.Background(), min(reportStop, time.Until(deadline)))
	defer cancel()
	reporters.stop(reporting, failure != nil)
	return failure
}

// newCollector makes the activities with every tenant's org, sink and reporter. It connects to nothing.
func newCollector(tenants []config.Tenant, workerID string, registry prometheus.Registerer, log *zap.Logger) (*activities.Collector, reporters, error) {
	oktaMetrics := okta.NewMetrics(registry)
	collected := make(map[string]activities.Tenant, len(tenants))
	var all reporters
	for _, t := range tenants {
		log := log.With(zap.String("tenant", t.Name))
		reporter, reporterErr := newReporter(t, workerID, log)
		t.Okta.Log, t.Okta.Metrics = log, oktaMetrics
		t.Devo.Log, t.Devo.Metrics = log, devo.NewMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"tenant": t.Name}, registry))
		org, orgErr := okta.New(t.Okta)
		sink, sinkErr := devo.New(t.Devo)
		if err := errors.Join(reporterErr, orgErr, sinkErr); err != nil {
			return nil, nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		all = append(all, reporter)
		collected[t.Name] = activities.Tenant{Org: org, Sink: sink, Tables: t.Tables, Reports: reporter}
	}
	return activities.New(collected, log, activities.NewMetrics(registry)), all, nil
}

func newWorker(temporal client.Client, taskQueue string, collector *activities.Collector, onFatal func(error)) worker.Worker {
	w := worker.New(temporal, taskQueue, worker.Options{
		WorkerStopTimeout:                      sliceStop,
		MaxConcurrentActivityExecutionSize:     maxSlices,
		MaxConcurrentWorkflowTaskExecutionSize: maxWorkflowTasks,
		DisableRegistrationAliasing:            true,
		OnFatalError:                           onFatal,
		Interceptors:                           workflows.Interceptors(),
	})
	w.RegisterWorkflowWithOptions(workflows.Collect, workflow.RegisterOptions{Name: workflows.CollectName})
	w.RegisterWorkflowWithOptions(workflows.Backfill, workflow.RegisterOptions{Name: workflows.BackfillName})
	w.RegisterActivityWithOptions(collector.CollectSlice, activity.RegisterOptions{Name: workflows.CollectSliceName})
	return w
}

// stopWithin stops the worker. Its slices end with a checkpoint. If a slice takes longer than limit, another worker goes
// on from its last checkpoint.
func stopWithin(limit time.Duration, w worker.Worker) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.Stop()
	}()
	select {
	case <-stopped:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("did not stop within %v; what was going on is taken up from its last checkpoint", limit)
	}
}
