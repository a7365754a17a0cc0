package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/devosim"
	"okta-collector/test/loopback"
	"okta-collector/workflows"
)

// collect measures a worker of its own, with a tenant of its own that it ships by the settings given.
func (s *stage) collect(ctx context.Context, tenant string, o *org, settings ...string) (m measurement, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	env := append(append(tenantSettings(tenant, o.url), settings...), "TEMPORAL_NAMESPACE=default")
	worker, env, err := s.startWorker(ctx, env, []string{tenant}, asItIs)
	if err != nil {
		return m, err
	}
	defer func() {
		stop()
		<-worker.exited
	}()

	if err := resetPeak(worker.pid); err != nil {
		return m, err
	}
	before, err := usageOf(worker.pid)
	if err != nil {
		return m, err
	}
	temporalBefore, err := usageOf(s.temporal.pid)
	if err != nil {
		return m, err
	}
	id := workflows.WorkflowID(tenant, "logs")
	if _, err := s.output(ctx, program{name: "starter", path: s.path("okta-collector"), args: []string{"start", id}, env: env}); err != nil {
		return m, err
	}
	if m.Took, m.History, err = s.caughtUp(ctx, id); err != nil {
		return m, failure("worker", worker.log, err)
	}
	if m.Usage, err = usageOf(worker.pid); err != nil {
		return m, err
	}
	temporal, err := usageOf(s.temporal.pid)
	if err != nil {
		return m, err
	}
	m.Usage.CPU -= before.CPU
	m.Temporal = temporal.CPU - temporalBefore.CPU
	// It would go on polling, and nobody would be there to do it.
	return m, s.client.TerminateWorkflow(ctx, id, "", "it is measured")
}

// caughtUp waits until a slice has found the end of the log, and says how long that took since the workflow's
// start, by the times that Temporal recorded, and how many events its history has by then. It long-polls the
// history, which costs the worker nothing.
func (s *stage) caughtUp(ctx context.Context, id string) (took time.Duration, events int, err error) {
	var began time.Time
	for h := s.client.GetWorkflowHistory(ctx, id, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); h.HasNext(); {
		event, err := h.Next()
		if err != nil {
			return 0, 0, fmt.Errorf("reading the history of %s: %w", id, err)
		}
		events++
		switch event.EventType {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
			began = event.EventTime.AsTime()
		case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			end, err := endOf(event)
			if err != nil {
				return 0, 0, err
			}
			if end == workflows.EndCaughtUp {
				return event.EventTime.AsTime().Sub(began), events, nil
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
			// It would be tried again, but its time would say nothing.
			return 0, 0, fmt.Errorf("a slice failed: %s", event.GetActivityTaskFailedEventAttributes().GetFailure().GetMessage())
		case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
			return 0, 0, errors.New("a slice was lost")
		}
	}
	return 0, 0, fmt.Errorf("%s ended before it had caught up", id)
}

// endOf says how a slice ended.
func endOf(event *history.HistoryEvent) (workflows.End, error) {
	var result workflows.SliceResult
	err := converter.GetDefaultDataConverter().FromPayloads(event.GetActivityTaskCompletedEventAttributes().GetResult(), &result)
	if err != nil {
		return "", fmt.Errorf("reading a slice's result: %w", err)
	}
	return result.End, nil
}

// collectIntoFile measures the collector with the file sink, and compares what it wrote.
func (s *stage) collectIntoFile(ctx context.Context, o *org) (measurement, error) {
	tenant := s.newTenant()
	dir := filepath.Join(s.dir, "collected")
	defer os.RemoveAll(dir)
	m, err := s.collect(ctx, tenant, o, "DEVO_URL=file://"+dir)
	if err != nil {
		return m, err
	}
	return m, compare(filepath.Join(dir, workflows.WorkflowID(tenant, "logs")+".jsonl"), o.lines)
}

// collectOverTLS measures the collector with the stand-in for Devo, which checks every record, and asks it
// whether all have arrived.
func (s *stage) collectOverTLS(ctx context.Context, o *org) (measurement, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	devo, err := s.start(ctx, program{name: "devosim", path: s.path("devosim"), args: []string{
		"--listen-tls", "127.0.0.1:0", "--listen-tcp", "127.0.0.1:0", "--listen-http", "127.0.0.1:0", "--stats-listen", "127.0.0.1:0",
		"--dir", filepath.Join(s.dir, "certificates"),
	}})
	if err != nil {
		return measurement{}, err
	}
	line, err := devo.announced(ctx)
	if err != nil {
		return measurement{}, err
	}
	said := map[string]string{}
	for _, field := range strings.Fields(line) {
		name, value, _ := strings.Cut(field, "=")
		said[name] = value
	}
	pki, err := devosim.NewPKI(said["certificates"])
	if err != nil {
		return measurement{}, err
	}
	m, err := s.collect(ctx, s.newTenant(), o, "DEVO_URL="+said["tls"],
		"DEVO_CHAIN_FILE="+pki.ChainFile, "DEVO_CERT_FILE="+pki.ClientCertFile, "DEVO_KEY_FILE="+pki.ClientKeyFile)
	if err != nil {
		return m, err
	}
	var report devosim.Report
	if err := loopback.Get(ctx, said["stats"], &report); err != nil {
		return m, err
	}
	got := report.Tags["auth.okta.system"]
	if want := int64(o.Count("logs")); got.Records != want || got.Distinct != want || report.Malformed > 0 {
		return m, fmt.Errorf("over TLS %d records arrived, %d of them distinct, %d malformed; want %d", got.Records, got.Distinct, report.Malformed, want)
	}
	return m, nil
}
