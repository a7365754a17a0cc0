package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// turn is the time in which a slice of a service was a worker's, by Temporal's record.
type turn struct {
	worker   int
	from, to time.Time
	// interrupted says that the slice did not come to an end of its own, so that what it had under way is sent again.
	interrupted bool
}

// overdue are the requests of a worker that reached the org after a turn of its own and before the next.
type overdue struct {
	requests []oktasim.Request
	// places are those in the listings that they asked for.
	places map[string]bool
}

// everyTurn returns the turns of each service, and of all backfills together.
func (s *stage) everyTurn(ctx context.Context) (map[string][]turn, error) {
	pids := map[int]int{}
	for n, w := range s.workers {
		had, _ := w.life()
		for _, pid := range had {
			pids[pid] = n
		}
	}
	turns := map[string][]turn{}
	var err error
	for _, service := range services {
		if turns[service], err = s.turns(ctx, workflowID(service), pids); err != nil {
			return nil, err
		}
	}
	for _, id := range s.backfills {
		more, err := s.turns(ctx, id, pids)
		if err != nil {
			return nil, err
		}
		turns[backfill] = append(turns[backfill], more...)
	}
	return turns, nil
}

// readTwice finds workers that went on reading a service when it was not their turn any more, so that there
// were two at it. A request that comes late is no proof: it may have been on its way for long, since
// roads stall. One that asks for what follows it is: its worker had an answer and went on. It returns how
// many came late.
func (s *stage) readTwice(turns map[string][]turn, requests []oktasim.Request) (count int, err error) {
	hosts := map[string]int{}
	for n, w := range s.workers {
		hosts[w.okta.address] = n
	}
	turns = maps.Clone(turns)
	turns[listers] = slices.Concat(turns["apps"], turns["app_users"], turns["app_groups"])
	type after struct {
		service string
		worker  int
		turn    int // -1: before its first
	}
	lates := map[after]*overdue{}
	slices.SortFunc(requests, func(a, b oktasim.Request) int { return a.Start.Compare(b.Start) })
	for _, r := range requests {
		key := after{service: readerOf(r), worker: hosts[r.Host]}
		var own bool
		if key.turn, own = lastTurn(turns[key.service], key.worker, r.Start); own {
			continue
		}
		if lates[key] == nil {
			lates[key] = &overdue{places: map[string]bool{}}
		}
		lates[key].requests = append(lates[key].requests, r)
		lates[key].places[placeOf(r.Target)] = true
		count++
	}
	var errs []error
	for key, l := range lates {
		if len(l.places) == 1 {
			continue
		}
		over := "before its first"
		if key.turn >= 0 {
			over = "after it ended at " + turns[key.service][key.turn].to.Format(stamp)
		}
		said := fmt.Sprintf("worker %d read %s when it was not its turn, %s:", key.worker+1, key.service, over)
		for _, r := range l.requests {
			said += fmt.Sprintf("\n  %s %s", r.Start.UTC().Format(stamp), r.Target)
		}
		errs = append(errs, errors.New(said))
	}
	return count, errors.Join(errs...)
}

// listers are those that list the apps. A request does not say which of them it is from.
const listers = "apps, app_users or app_groups"

// readerOf is who a request is from.
func readerOf(r oktasim.Request) string {
	switch {
	case r.Service == "apps":
		return listers
	case r.Service == "logs" && strings.Contains(r.Target, "until="):
		return backfill
	}
	return r.Service
}

const stamp = "15:04:05.000"

// lastTurn is the last turn of a worker that began before a time, and whether it was under way then.
func lastTurn(turns []turn, worker int, at time.Time) (last int, own bool) {
	last = -1
	for i, t := range turns {
		if t.worker != worker || t.from.After(at) {
			continue
		}
		if last < 0 || t.to.After(turns[last].to) {
			last = i
		}
	}
	return last, last >= 0 && !at.After(turns[last].to)
}

// placeOf is what a request asks for, but for how many.
func placeOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	return u.Path + " after " + u.Query().Get("after")
}

// workerOf returns the worker that a slice was given to, by the identity that Temporal knows it by.
func workerOf(identity string, pids map[int]int) (worker int, err error) {
	pid, _, _ := strings.Cut(identity, "@")
	n, _ := strconv.Atoi(pid)
	worker, ok := pids[n]
	if !ok {
		return 0, fmt.Errorf("a slice was started by %q, which is no worker of this run", identity)
	}
	return worker, nil
}

// endless is the end of a turn that is under way.
var endless = time.Unix(1<<40, 0)

// underWay returns the turns that have begun and not ended. Temporal writes the start of a slice into the history only
// when the slice ends.
func underWay(pending []*workflow.PendingActivityInfo, pids map[int]int) (all []turn, err error) {
	for _, p := range pending {
		if p.LastStartedTime == nil || p.State == enums.PENDING_ACTIVITY_STATE_SCHEDULED {
			continue
		}
		worker, err := workerOf(p.LastWorkerIdentity, pids)
		if err != nil {
			return nil, err
		}
		all = append(all, turn{worker: worker, from: p.LastStartedTime.AsTime(), to: endless})
	}
	return all, nil
}

// turns are whose turn it was to run the slices of a workflow, by the histories of all its runs, and whose it is now. Now is
// asked for first: a slice that ends meanwhile is in the history.
func (s *stage) turns(ctx context.Context, id string, pids map[int]int) (all []turn, err error) {
	now, err := s.client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", id, err)
	}
	if all, err = underWay(now.PendingActivities, pids); err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	for run := ""; ; {
		h := s.client.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		run = ""
		open := map[int64]turn{} // by the number of the event that scheduled the slice
		for h.HasNext() {
			event, err := h.Next()
			if err != nil {
				return nil, fmt.Errorf("reading the history of %s: %w", id, err)
			}
			scheduled, interrupted := int64(0), true
			switch event.EventType {
			case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
				run = event.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
				continue
			case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
				started := event.GetActivityTaskStartedEventAttributes()
				worker, err := workerOf(started.GetIdentity(), pids)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", id, err)
				}
				open[started.GetScheduledEventId()] = turn{worker: worker, from: event.EventTime.AsTime()}
				continue
			case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
				completed := event.GetActivityTaskCompletedEventAttributes()
				scheduled = completed.GetScheduledEventId()
				if interrupted, err = wasStopped(completed); err != nil {
					return nil, fmt.Errorf("%s: %w", id, err)
				}
			case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
				scheduled = event.GetActivityTaskFailedEventAttributes().GetScheduledEventId()
			case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
				scheduled = event.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId()
			case enums.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
				scheduled = event.GetActivityTaskCanceledEventAttributes().GetScheduledEventId()
			default:
				continue
			}
			if t, ok := open[scheduled]; ok {
				t.to, t.interrupted = event.EventTime.AsTime(), interrupted
				all = append(all, t)
				delete(open, scheduled)
			}
		}
		if run == "" {
			return all, nil
		}
	}
}

// wasStopped says whether a slice returned because its worker stopped, or it was cancelled.
func wasStopped(completed *history.ActivityTaskCompletedEventAttributes) (bool, error) {
	var result workflows.SliceResult
	err := converter.GetDefaultDataConverter().FromPayloads(completed.GetResult(), &result)
	return result.End == workflows.EndStopped, err
}
