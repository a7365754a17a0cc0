package worker

import (
	"context"
	"sync"

	"go.uber.org/zap"

	"okta-collector/internal/buildinfo"
	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/report"
)

// reporters report about the worker to Devo, one for each tenant; nil for a tenant that wants no reports.
type reporters []*report.Reporter

// newReporter makes a tenant's reporter. workerID is the worker's identity in Temporal.
func newReporter(t config.Tenant, workerID string, log *zap.Logger) (*report.Reporter, error) {
	if !t.Report {
		return nil, nil
	}
	// Reports have a sink of their own, so that events never wait for them. It has no metrics, because those count
	// events.
	sink, err := devo.New(t.Devo)
	if err != nil {
		return nil, err
	}
	return report.New(report.Config{Sink: sink, Tenant: t.Name, Version: buildinfo.Version(), ID: workerID, Log: log}), nil
}

// start reports the worker's start, why metrics and health are not served, if they are not, and the risks of its settings
// to those whom they are about.
func (all reporters) start(cfg config.Config, notServed error) {
	for i, r := range all {
		r.Start(cfg.TaskQueue)
		if notServed != nil {
			r.Warning(report.Source{}, notServed.Error())
		}
		for _, risk := range cfg.Risks {
			if risk.Tenant == "" || risk.Tenant == cfg.Tenants[i].Name {
				r.Warning(report.Source{}, "a setting is a risk: "+risk.String())
			}
		}
	}
}

// stop delivers the last reports of all tenants at once, until ctx ends.
func (all reporters) stop(ctx context.Context, failed bool) {
	var stopping sync.WaitGroup
	for _, r := range all {
		stopping.Go(func() { r.Stop(ctx, failed) })
	}
	stopping.Wait()
}
