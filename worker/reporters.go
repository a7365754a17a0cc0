package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"go.uber.org/zap"

	"okta-collector/internal/buildinfo"
	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/report"
)

// reporters tell each tenant's Devo about the worker, where it is to be told.
type reporters map[string]*report.Reporter

// newReporters makes the tenants' reporters. id is how Temporal knows the worker.
func newReporters(tenants []config.Tenant, id string, log *zap.Logger) (reporters, error) {
	all := reporters{}
	for _, t := range tenants {
		if !t.Report {
			continue
		}
		// A sink of its own: what the reports wait for is nothing that the events wait for, and the
		// metrics are the events'.
		sink, err := devo.New(t.Devo)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		all[t.Name] = report.New(report.Config{
			Sink: sink, Tenant: t.Name, Version: buildinfo.Version(), ID: id, Log: log.With(zap.String("tenant", t.Name)),
		})
	}
	return all, nil
}

func (all reporters) start(taskQueue string) {
	for _, r := range all {
		r.Start(taskQueue)
	}
}

// stop delivers what is left, to all at once, until ctx ends.
func (all reporters) stop(ctx context.Context, failed bool) {
	var stopping sync.WaitGroup
	for _, r := range all {
		stopping.Go(func() { r.Stop(ctx, failed) })
	}
	stopping.Wait()
}

// workerID tells workers apart, in the Web UI too.
func workerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}
