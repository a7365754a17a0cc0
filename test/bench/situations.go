package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

const (
	// warmUp: then the polls of an idle System Log are as far apart as they get, and the first pulls of a few services are over.
	warmUp = 3 * time.Minute
	// warmUpOfMany: then the first pulls of dozens of services are over, which begin two seconds apart.
	warmUpOfMany = 8 * time.Minute
	// day is what actions are counted for.
	day = 24 * time.Hour
	// eventsADay are those of a busy org, and changesADay how often one user and one group change there.
	eventsADay, changesADay = 1_000_000, 10_000
)

// situation is an org whose actions are counted. Each has a worker and a namespace of Temporal.
type situation struct {
	name, services string
	namespace      string // without any character that a metric's label would replace
	org            oktasim.Config
	settings       []string
	// faster is how many times more often than by default the services are pulled, so that little time shows much.
	faster float64
	// warmUp is the time before anything is counted; default [warmUp].
	warmUp time.Duration
	// begin starts what is counted; nil starts all services.
	begin func(context.Context, *counting) error
	// done waits until everything that is counted has happened. If done is nil, the actions of a span of time are counted,
	// and shown for a day.
	done func(context.Context, *counting) error
}

// sharing are the ten services that share windows: apps with what is listed below them, and groups with their members.
const sharing = "logs,users,groups,apps,clients,idps,zones,app_users,app_groups,group_members"

// few are objects of which the first pull of all that is below them takes less than warmUp within the limits.
var few = map[string]int{"logs": 8000, "users": 200, "groups": 20, "apps": 20, "clients": 50, "idps": 50, "zones": 100,
	"app_users": 10, "app_groups": 5, "group_members": 10}

// hundred are as many apps and groups as the figures below are for.
var hundred = map[string]int{"logs": 8000, "users": 200, "groups": 100, "apps": 100, "clients": 50, "idps": 50, "zones": 100,
	"app_users": 10, "app_groups": 5, "group_members": 10}

// onOneWindow are the services that share the window of apps. No window of the catalog has more.
const onOneWindow = "apps,app_users,app_groups,app_grants,app_keys,app_jwks,app_features,app_push_groups,app_tokens"

var situations = []situation{
	{name: "logs, idle", namespace: "idlelogs", services: "logs", faster: 1},
	{name: "logs, a million events a day", namespace: "busylogs", services: "logs", faster: 1,
		org: oktasim.Config{LiveEvery: day / eventsADay}},
	{name: "the six others, idle", namespace: "idlelists", services: "users,groups,apps,clients,idps,zones", faster: 15,
		settings: []string{"OKTA_POLL_RESOURCES=1m"}},
	{name: "the six others, 10,000 changes a day", namespace: "busylists", services: "users,groups,apps,clients,idps,zones", faster: 15,
		org: oktasim.Config{ChangeEvery: day / changesADay}, settings: []string{"OKTA_POLL_RESOURCES=1m"}},
	// Without logs, which are polled as often as by default.
	{name: "nine on shared windows, idle", namespace: "idlesharing", services: strings.TrimPrefix(sharing, "logs,"), faster: 15,
		org: oktasim.Config{Counts: few}, settings: []string{"OKTA_POLL_RESOURCES=1m"}},
	{name: "their daily pull of 100 apps and groups", namespace: "dailypull", services: strings.TrimPrefix(sharing, "logs,"),
		org: oktasim.Config{Counts: hundred}, done: pulled("app_users", "app_groups", "group_members")},
	{name: "apps and all below, on one window, idle", namespace: "idleonewindow", services: onOneWindow, faster: 15, warmUp: warmUpOfMany,
		org: oktasim.Config{Counts: few}, settings: fifteenTimesAsOften(strings.Split(onOneWindow, ",")...)},
	{name: "one pull of apps and all below", namespace: "pullonewindow", services: onOneWindow,
		org: oktasim.Config{Counts: few}, done: pulled(strings.Split(onOneWindow, ",")...)},
	// What is pulled once a day is in the pull of all only.
	{name: "identity, idle", namespace: "idleidentity", services: "identity", faster: 15, warmUp: warmUpOfMany,
		org: oktasim.Config{Counts: few}, settings: fifteenTimesAsOften("identity")},
	{name: "all without logs, idle", namespace: "idleall", services: "all,-logs", faster: 15, warmUp: warmUpOfMany,
		org: oktasim.Config{Counts: few}, settings: fifteenTimesAsOften("all")},
	{name: "one pull of all", namespace: "pullofall", services: "all,-logs",
		org: oktasim.Config{Counts: hundred}, done: pulled(without("logs", "all")...)},
	{name: "a backfill of a million events", namespace: "backfill", services: "logs",
		org:   oktasim.Config{Counts: map[string]int{"logs": 1_000_000}, Limits: map[string]int{"/api/v1/logs": backfillLimit}},
		begin: beginBackfill, done: backfilled},
}

// without are the names of the services of a group but one.
func without(service, group string) (names []string) {
	for _, c := range okta.Services().Choose(group) {
		if c.Name != service {
			names = append(names, c.Name)
		}
	}
	return names
}

// fifteenTimesAsOften returns settings. With them services are pulled fifteen times as often as by default. Those that are pulled
// once a day are not. A name may also be that of a group of services.
func fifteenTimesAsOften(services ...string) []string {
	usual := okta.Config{PollResources: 15 * time.Minute, FullSync: day}
	var polls []string
	for _, c := range okta.Services().Choose(services...) {
		if every := usual.Interval(c); !c.Polled && every != usual.PollResources && every < day {
			polls = append(polls, fmt.Sprintf("%s=%s", c.Name, model.Duration(every/15)))
		}
	}
	settings := []string{"OKTA_POLL_RESOURCES=1m"}
	if polls != nil {
		settings = append(settings, "OKTA_POLL="+strings.Join(polls, ","))
	}
	return settings
}

// backfillLimit is more than Okta's own limit of the System Log, so that a million events take minutes and not an hour.
const backfillLimit = 600

// pulled waits until services have come to the end of their first pull. To look at a history costs no action.
func pulled(services ...string) func(context.Context, *counting) error {
	return func(ctx context.Context, c *counting) error {
		for _, service := range services {
			if err := caughtUp(ctx, c.client, workflows.WorkflowID(c.tenant, service)); err != nil {
				return err
			}
		}
		return nil
	}
}

// caughtUp waits until a slice of a workflow has found the end.
func caughtUp(ctx context.Context, in client.Client, id string) error {
	for h := in.GetWorkflowHistory(ctx, id, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); h.HasNext(); {
		event, err := h.Next()
		if err != nil {
			return fmt.Errorf("reading the history of %s: %w", id, err)
		}
		if event.EventType == enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED {
			if end, err := endOf(event); err != nil || end == workflows.EndCaughtUp {
				return err
			}
		}
	}
	return fmt.Errorf("the run of %s ended before it had caught up", id)
}

// beginBackfill starts the live collection from now on, and a backfill of the backlog beside it.
func beginBackfill(ctx context.Context, c *counting) error {
	now := time.Now().UTC().Truncate(time.Second)
	if err := c.starter(ctx, "start", "--since", now.Format(time.RFC3339)); err != nil {
		return err
	}
	c.backlog = checkpoint.Range{Since: now.Add(-backlogSpan - time.Hour), Until: now}
	r := c.backlog
	return c.starter(ctx, "backfill", workflows.WorkflowID(c.tenant, "logs"), "--since", r.Since.Format(time.RFC3339), "--until", r.Until.Format(time.RFC3339))
}

// backfilled waits until the backfill has ended.
func backfilled(ctx context.Context, c *counting) error {
	var state workflows.State
	err := c.client.GetWorkflow(ctx, workflows.BackfillID(c.tenant, "logs", c.backlog), "").Get(ctx, &state)
	if want := int64(c.org.Counts["logs"]); err == nil && state.Checkpoint.Totals.Events < want {
		err = fmt.Errorf("the backfill had %d events of %d", state.Checkpoint.Totals.Events, want)
	}
	return err
}
