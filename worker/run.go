package worker

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
	"google.golang.org/grpc"

	"okta-collector/activities"
	"okta-collector/internal/buildinfo"
	"okta-collector/internal/config"
	"okta-collector/internal/control"
	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
	"okta-collector/internal/memory"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	// sliceStopTimeout is how long a slice may take to confirm what it has shipped when the worker stops. With the SDK's
	// default, 0, the next slice would ship it again.
	sliceStopTimeout = 8 * time.Second
	// stopTimeout bounds the whole stop. Docker sends SIGKILL 10 s after SIGTERM.
	stopTimeout = 9500 * time.Millisecond
	// reportStopTimeout bounds the delivery of the last reports to Devo, within stopTimeout.
	reportStopTimeout = 3 * time.Second

	// maxSlices is how many slices of live collection run at once, whatever the number of backfills. It is more than all
	// services of a few tenants, because a service falls behind while its slice waits for the end of another one.
	maxSlices = 100
	// maxWorkflowTasks is small because workflow code only decides; it never waits.
	maxWorkflowTasks = 50
)

// run runs the worker until ctx ends, and then returns nil, or until it fails for good.
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
	options.Identity = temporalclient.WorkerIdentity()
	contact := newContact(log)
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(contact.intercept))
	ready := &readiness{contact: contact}
	ready.Store(&phase{reason: "connecting to Temporal"})
	running := &services{tenants: names}
	strangers := &strangers{}
	registry.MustRegister(running, strangers)
	live := &liveness{ready, options.Namespace}
	server := newServer(cfg.Listen, registry, ready, live, log)
	defer server.Close()
	notServed := serve(ctx, server, log)
	go notifySystemd(ctx, ready, live, log)

	options.Logger = sdkLogger{log.Sugar()}
	dialLog := log.With(zap.String("address", secret.ShownName(options.HostPort)), zap.String("namespace", secret.ShownName(options.Namespace)))
	temporal, namespace, err := dial(ctx, options, func(err error) {
		ready.Store(&phase{reason: err.Error()})
		dialLog.Warn("waiting for Temporal", zap.Error(err))
	})
	if ctx.Err() != nil {
		return nil // told to stop before it had begun
	}
	if err != nil {
		return err
	}
	defer temporal.Close()
	dialLog.Info("connected to Temporal")
	ready.Store(&phase{reason: "connected to Temporal; registering search attributes"})
	for i := range cfg.Tenants {
		cfg.Tenants[i].Devo.Owner = namespace
	}
	controls := control.Control{Reader: &status.Reader{Client: temporal, Namespace: options.Namespace, Data: options.DataConverter}, TaskQueue: cfg.TaskQueue}
	collector, reporters, err := newCollector(cfg.Tenants, controls.Tenant, options.Identity, registry, log)
	if err != nil {
		return err
	}
	ready.unreached = collector.Unreached
	attributes := &attributes{operator: temporal.OperatorService(), namespace: options.Namespace, log: log}
	if attributes.ensure(ctx); ctx.Err() != nil {
		return nil
	}

	failed := make(chan error, 1)
	w := newWorker(temporal, cfg.TaskQueue, collector, attributes.registered.Load, func(err error) { failed <- err })
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", temporalclient.Explain(err))
	}
	ready.Store(&phase{temporal: temporal})
	reporters.start(cfg, notServed)
	go attributes.watch(ctx)
	go collector.ProbePeers(ctx)
	go running.watch(ctx, temporal, cfg.TaskQueue, log)
	go strangers.watch(ctx, temporal, cfg.TaskQueue, log)
	starting := starting{controls, cfg.Tenants, log} // a copy: what slices start sets the search attributes itself
	starting.Attributes = attributes.registered.Load()
	go starting.handOver(ctx)
	if cfg.StartNew {
		go starting.startNew(ctx)
	}
	log.Info("working", zap.String("metrics", "http://"+server.Addr+"/metrics"))

	select {
	case <-ctx.Done():
		log.Info("stopping: what is under way is being delivered")
	case err = <-failed:
		err = fmt.Errorf("the worker cannot go on: %w", temporalclient.Explain(err))
	}
	ready.Store(&phase{reason: "stopping"})
	deadline := time.Now().Add(stopTimeout)
	failure := errors.Join(err, stopWithin(stopTimeout, w))
	reporting, cancel := context.WithTimeout(context.Background(), min(reportStopTimeout, time.Until(deadline)))
	defer cancel()
	reporters.stop(reporting, failure != nil)
	return failure
}

// newCollector makes the activities with every tenant's org, sink and reporter. It connects to nothing.
func newCollector(tenants []config.Tenant, start activities.StartTenant, workerID string, registry prometheus.Registerer, log *zap.Logger) (*activities.Collector, reporters, error) {
	oktaMetrics, pages := okta.NewMetrics(registry), memory.New(limitMemory(log))
	registry.MustRegister(pages)
	collected := make(map[string]activities.Tenant, len(tenants))
	certificates := expiry.Metrics{"": temporalclient.Certificates}
	limits := devo.NewLimits()
	var all reporters
	for _, t := range tenants {
		log := log.With(zap.String("tenant", t.Name))
		t.Devo.Limits = limits
		reporter, reporterErr := newReporter(t, workerID, log)
		t.Okta.Log, t.Okta.Metrics, t.Okta.Memory = log, oktaMetrics, pages
		t.Devo.Log, t.Devo.Metrics = log, devo.NewMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"tenant": t.Name}, registry))
		org, orgErr := okta.New(t.Okta)
		sink, sinkErr := devo.New(t.Devo)
		if err := errors.Join(reporterErr, orgErr, sinkErr); err != nil {
			return nil, nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		all = append(all, reporter)
		collected[t.Name] = activities.Tenant{Org: org, Sink: sink, Tables: t.Tables, Reports: reporter, Certificates: func() []expiry.Certificate {
			return append(temporalclient.Certificates(), sink.Certificates()...)
		}}
		certificates[t.Name] = sink.Certificates
	}
	registry.MustRegister(certificates)
	return activities.New(collected, start, workerID, log, activities.NewMetrics(registry)), all, nil
}

func newWorker(temporal client.Client, taskQueue string, collector *activities.Collector, attributes func() bool, onFatal func(error)) worker.Worker {
	w := worker.New(temporal, taskQueue, worker.Options{
		WorkerStopTimeout:                      sliceStopTimeout,
		MaxConcurrentActivityExecutionSize:     maxSlices + activities.MaxBackfills,
		MaxConcurrentWorkflowTaskExecutionSize: maxWorkflowTasks,
		DisableRegistrationAliasing:            true,
		// An eager slice runs on the worker that ran the workflow's code. One that is handed back must be free to go to another.
		DisableEagerActivities: true,
		OnFatalError:           onFatal,
		Interceptors:           workflows.Interceptors(attributes),
	})
	w.RegisterWorkflowWithOptions(workflows.Collect, workflow.RegisterOptions{Name: workflows.CollectName})
	w.RegisterWorkflowWithOptions(workflows.Backfill, workflow.RegisterOptions{Name: workflows.BackfillName})
	w.RegisterWorkflowWithOptions(workflows.Tenant, workflow.RegisterOptions{Name: workflows.TenantName})
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
		return fmt.Errorf("the worker did not stop within %v; its slices go on from their last checkpoints", limit)
	}
}
