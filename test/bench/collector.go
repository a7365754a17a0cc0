package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/workflows"
)

// namespace is that of the workers that are measured.
const namespace = "default"

// collect measures a worker of its own, with a tenant of its own that it ships by the settings given.
func (s *stage) collect(ctx context.Context, tenant string, o *org, settings ...string) (m measurement, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	env := append(append(tenantSettings(tenant, o.url), settings...), "TEMPORAL_NAMESPACE="+namespace)
	worker, env, err := s.startWorker(ctx, env, []string{tenant}, asItIs)
	if err != nil {
		return m, err
	}
	defer func() {
		stop()
		<-worker.exited
	}()

	actionsBefore, err := s.actionsInAll(ctx)
	if err != nil {
		return m, err
	}
	before, err := usageOfAll(worker.pid, s.temporal.pid, os.Getpid())
	if err != nil {
		return m, err
	}
	peaks, err := watchPeaks(worker.pid)
	if err != nil {
		return m, err
	}
	defer peaks.stop()
	id := workflows.WorkflowID(tenant, "logs")
	if _, err := s.output(ctx, program{name: "starter", path: s.path("okta-collector"), args: []string{"start", id}, env: env}); err != nil {
		return m, err
	}
	if m.Took, m.History, err = s.caughtUp(ctx, id); err != nil {
		return m, failure("worker", worker.log, err)
	}
	after, err := usageOfAll(worker.pid, s.temporal.pid, os.Getpid())
	if err != nil {
		return m, err
	}
	if m.Peaks, err = peaks.stop(); err != nil {
		return m, err
	}
	actions, err := s.actionsInAll(ctx)
	if err != nil {
		return m, err
	}
	m.Usage = usage{CPU: after[0].CPU - before[0].CPU, Peak: slices.Max(m.Peaks)}
	m.Temporal, m.Bench, m.Actions = after[1].CPU-before[1].CPU, after[2].CPU-before[2].CPU, actions-actionsBefore
	// It would go on polling, and nobody would be there to do it.
	return m, s.client.TerminateWorkflow(ctx, id, "", "it is measured")
}

// actionsInAll is how many billable actions Temporal's server has counted by now for the workers that are measured.
func (s *stage) actionsInAll(ctx context.Context) (total float64, err error) {
	kinds, err := s.actions(ctx, namespace)
	for _, n := range kinds {
		total += n
	}
	return total, err
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

// collectOverTLS measures the collector over an address that leads to what stands for Devo, and looks whether everything
// has arrived there.
func (b *bench) collectOverTLS(ctx context.Context, o *org, address string) (measurement, error) {
	settings, err := b.devo.settings(address)
	if err != nil {
		return measurement{}, err
	}
	b.devo.clear()
	m, err := b.collect(ctx, b.newTenant(), o, settings...)
	if err != nil {
		return m, err
	}
	m.Repeated, err = b.devo.verify(ctx, o)
	return m, err
}
