package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"okta-collector/activities"
	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

const (
	// sliceStop is how long a slice may take to confirm what it has shipped when the worker stops. With Temporal's
	// default of 0 that would be shipped again.
	sliceStop = 8 * time.Second
	// wholeStop bounds the whole stop. Docker and others send SIGKILL 10 s after SIGTERM.
	wholeStop = 9500 * time.Millisecond
	// reportStop is how much of wholeStop the last reports to Devo may take.
	reportStop = 3 * time.Second

	// maxSlices is how many slices run at the same time. It is more than a few tenants have services: a service that had
	// to wait for another one's slice would fall behind.
	maxSlices = 100
	// maxWorkflowTasks is small because a workflow task takes milliseconds.
	maxWorkflowTasks = 50
)

// run works until ctx ends, which is no error, or something fails permanently.
func run(ctx context.Context, cfg config.Config, options client.Options, log *zap.Logger) error {
	logStart(log, cfg)
	registry, err := newRegistry(log, &options)
	if err != nil {
		return err
	}
	if options.Identity == "" {
		options.Identity = workerID()
	}
	reporters, err := newReporters(cfg.Tenants, options.Identity, log)
	if err != nil {
		return err
	}
	collector, err := newCollector(cfg.Tenants, reporters, registry, log)
	if err != nil {
		return err
	}
	ready := &readiness{reason: "connecting to Temporal"}
	running := &services{}
	registry.MustRegister(running)
	server, err := serve(cfg.Listen, registry, ready, log)
	if err != nil {
		return err
	}
	defer server.close()

	options.Logger = temporalLogger(log)
	temporal, err := dial(ctx, options, log)
	if err == nil {
		defer temporal.Close()
		err = registerAttributes(ctx, temporal.OperatorService(), options.Namespace, log)
	}
	if ctx.Err() != nil {
		return nil // it was told to stop before it had begun
	}
	if err != nil {
		return err
	}

	failed := make(chan error, 1)
	w := newWorker(temporal, cfg.TaskQueue, collector, func(err error) { failed <- err })
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	ready.set(temporal)
	reporters.start(cfg.TaskQueue)
	go running.watch(ctx, temporal, cfg.TaskQueue, log)
	log.Info("working", zap.String("metrics", "http://"+server.address+"/metrics"))

	select {
	case <-ctx.Done():
		log.Info("stopping: what is under way is being delivered")
	case err = <-failed:
		err = fmt.Errorf("the worker cannot go on: %w", err)
	}
	ready.unset("stopping")
	over := time.Now().Add(wholeStop)
	failure := errors.Join(err, stopWithin(wholeStop, w))
	reporting, cancel := context.WithTimeout(context.Background(), min(reportStop, time.Until(over)))
	defer cancel()
	reporters.stop(reporting, failure != nil)
	return failure
}

// newCollector makes the activities, with the source and the sink of each tenant. It does not connect.
func newCollector(tenants []config.Tenant, reporters reporters, registry prometheus.Registerer, log *zap.Logger) (*activities.Collector, error) {
	oktaMetrics := okta.NewMetrics(registry)
	collected := make(map[string]activities.Tenant, len(tenants))
	for _, t := range tenants {
		log := log.With(zap.String("tenant", t.Name))
		t.Okta.Log, t.Okta.Metrics = log, oktaMetrics
		t.Devo.Log, t.Devo.Metrics = log, devo.NewMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"tenant": t.Name}, registry))
		org, err := okta.New(t.Okta)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		sink, err := devo.New(t.Devo)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		collected[t.Name] = activities.Tenant{Org: org, Sink: sink, Tables: t.Tables, Reports: reporters[t.Name]}
	}
	return activities.New(collected, log, activities.NewMetrics(registry)), nil
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

// stopWithin stops the worker. Its slices end with a checkpoint. If a slice takes too long, another worker goes on from its
// last checkpoint.
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
