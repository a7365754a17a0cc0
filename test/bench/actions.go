package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

const (
	// warmUp: then the polls of an idle System Log are as far apart as they get.
	warmUp = 3 * time.Minute
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
	{name: "a backfill of a million events", namespace: "backfill", services: "logs",
		org:   oktasim.Config{Counts: map[string]int{"logs": 1_000_000}, Limits: map[string]int{"/api/v1/logs": backfillLimit}},
		begin: beginBackfill, done: backfilled},
}

// backfillLimit is more than Okta's own limit of the System Log, so that a million events take minutes and not an hour.
const backfillLimit = 600

func actionsCommand() *cobra.Command {
	var span time.Duration
	var only string
	cmd := &cobra.Command{
		Use:   "actions",
		Short: "Count the billable actions of Temporal that one org takes a day",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onStage(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context, s *stage) error {
				return s.countActions(ctx, cmd.OutOrStdout(), span, only)
			})
		},
	}
	cmd.Flags().DurationVar(&span, "for", 5*time.Minute, "how long actions are counted, after three minutes without")
	cmd.Flags().StringVar(&only, "only", "", "count those situations alone whose name contains this")
	return cmd
}

// counting is a situation whose actions are counted.
type counting struct {
	*stage
	situation
	tenant string
	worker *process
	env    []string
	client client.Client // in its namespace
	// backlog is the range of its backfill, if it has one.
	backlog checkpoint.Range
}

// countActions counts what Temporal's server takes for billable actions, in all situations at once: over a span, and says how
// many that makes a day with the default settings; or of something that has an end. It says of which kinds they are.
func (s *stage) countActions(ctx context.Context, out io.Writer, span time.Duration, only string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	devo, toDevo, err := s.startDevo(false)
	if err != nil {
		return err
	}
	defer devo.Close()
	var all []*counting
	for _, situation := range situations {
		if !strings.Contains(situation.name, only) {
			continue
		}
		org := situation.org
		org.Seed, org.Token, org.BacklogSpan = 1, token, backlogSpan
		if org.Counts == nil {
			org.Counts = objects
		}
		sim, err := oktasim.Start(org)
		if err != nil {
			return err
		}
		defer sim.Close()
		c := &counting{stage: s, situation: situation, tenant: s.newTenant()}
		c.env = append(append(tenantSettings(c.tenant, sim.URL), toDevo...), situation.settings...)
		c.env = append(c.env, "TEMPORAL_NAMESPACE="+situation.namespace, "OKTA_SERVICES="+situation.services)
		if c.worker, c.env, err = s.startWorker(ctx, c.env, []string{c.tenant}, asItIs); err != nil {
			return err
		}
		defer func() {
			stop()
			<-c.worker.exited
		}()
		if c.client, err = client.NewClientFromExistingWithContext(ctx, s.client, client.Options{Namespace: situation.namespace}); err != nil {
			return err
		}
		all = append(all, c)
	}
	lines, errs := make([]string, len(all)), make([]error, len(all))
	var counted sync.WaitGroup
	for i, c := range all {
		counted.Go(func() { lines[i], errs[i] = c.count(ctx, span) })
	}
	counted.Wait()
	for _, line := range lines {
		fmt.Fprint(out, line)
	}
	return errors.Join(errs...)
}

// count counts the actions of the situation, and says how many there were.
func (c *counting) count(ctx context.Context, span time.Duration) (string, error) {
	before, err := c.spent(ctx)
	if err != nil {
		return "", err
	}
	begin := c.begin
	if begin == nil {
		begin = func(ctx context.Context, c *counting) error { return c.starter(ctx, "start") }
	}
	if err := begin(ctx, c); err != nil {
		return "", fmt.Errorf("%s: %w", c.name, err)
	}
	if c.done != nil {
		err = c.done(ctx, c)
	} else if err = pass(ctx, warmUp); err == nil {
		if before, err = c.spent(ctx); err == nil {
			err = pass(ctx, span)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.name, err)
	}
	after, err := c.spent(ctx)
	if err != nil {
		return "", err
	}
	actions, kinds := 0.0, []string(nil)
	for _, kind := range slices.Sorted(maps.Keys(after.actions)) {
		if n := after.actions[kind] - before.actions[kind]; n > 0 {
			actions += n
			kinds = append(kinds, fmt.Sprintf("%.0f %s", n, kind))
		}
	}
	if actions == 0 {
		return "", fmt.Errorf("%s: Temporal has counted nothing", c.name)
	}
	cpu := (after.cpu - before.cpu).Seconds()
	what := fmt.Sprintf("%-40s %6.0f actions in all, and %.0f CPU seconds of the worker", c.name, actions, cpu)
	if c.done == nil {
		spans := float64(day) / float64(span) / c.faster // in a day
		what = fmt.Sprintf("%-40s %6.0f actions in %s: %s a day, and %.0f CPU seconds of the worker", c.name, actions, span,
			humanize.Comma(int64(actions*spans)), cpu*spans)
	}
	return fmt.Sprintf("%s\n    %s\n", what, strings.Join(kinds, ", ")), nil
}

// starter runs bin/starter with the situation's settings.
func (c *counting) starter(ctx context.Context, args ...string) error {
	_, err := c.output(ctx, program{name: "starter-" + c.namespace, path: c.path("okta-collector"), args: args, env: c.env})
	return err
}

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

// spent is what a situation has cost.
type spent struct {
	actions map[string]float64 // by their kind
	cpu     time.Duration      // of its worker
}

// spent is what the situation has cost by now.
func (c *counting) spent(ctx context.Context) (spent, error) {
	actions, err := c.actions(ctx, c.namespace)
	if err != nil {
		return spent{}, err
	}
	used, err := usageOf(c.worker.pid)
	return spent{actions, used.CPU}, err
}

// asItIs runs a program as it is.
func asItIs(p program) program { return p }

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// actions are those that Temporal's server has counted by now in a namespace, by their kind. Its metric is what Temporal
// recommends to estimate the bill of Temporal Cloud: https://docs.temporal.io/cloud/migrate/estimate-actions.
func (s *stage) actions(ctx context.Context, namespace string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, fmt.Errorf("the metrics of Temporal's server: %w", err)
	}
	counted := map[string]float64{}
	for _, m := range families["action"].GetMetric() {
		labels := map[string]string{}
		for _, label := range m.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		if labels["namespace"] == namespace {
			counted[labels["action_type"]] += m.GetCounter().GetValue()
		}
	}
	return counted, nil
}
