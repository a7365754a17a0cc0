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

// reporters tell the tenants' Devo domains about the worker. A tenant with DEVO_REPORT=off has none.
type reporters map[string]*report.Reporter

// newReporters makes the tenants' reporters. id is the worker's identity in Temporal.
func newReporters(tenants []config.Tenant, id string, log *zap.Logger) (reporters, error) {
	all := reporters{}
	for _, t := range tenants {
		if !t.Report {
			continue
		}
		// The reports have a sink of their own, without metrics, so that no event waits for a report.
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

// stop delivers the remaining reports, to all tenants at the same time, until ctx ends.
func (all reporters) stop(ctx context.Context, failed bool) {
	var stopping sync.WaitGroup
	for _, r := range all {
		stopping.Go(func() { r.Stop(ctx, failed) })
	}
	stopping.Wait()
}

// workerID identifies the worker, also in Temporal's Web UI.
func workerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}
