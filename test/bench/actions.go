package main

import (
	"cmp"
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
	"go.temporal.io/sdk/client"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
)

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
	cmd.Flags().DurationVar(&span, "for", 5*time.Minute, "how long actions are counted, after some minutes without")
	cmd.Flags().StringVar(&only, "only", "", "count those situations alone whose name contains this")
	return cmd
}

// counting is a situation whose actions are counted.
type counting struct {
	*stage
	situation
	tenant string
	sim    *oktasim.Org
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
		c := &counting{stage: s, situation: situation, tenant: s.newTenant(), sim: sim.Org}
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
	} else if err = pass(ctx, cmp.Or(c.warmUp, warmUp)); err == nil {
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
	requests := float64(after.requests - before.requests)
	what := fmt.Sprintf("%-40s %6.0f actions and %.0f requests in all, and %.0f CPU seconds of the worker", c.name, actions, requests, cpu)
	if c.done == nil {
		spans := float64(day) / float64(span) / c.faster // in a day
		what = fmt.Sprintf("%-40s %6.0f actions in %s: %s and %s requests a day, and %.0f CPU seconds of the worker", c.name, actions, span,
			humanize.Comma(int64(actions*spans)), humanize.Comma(int64(requests*spans)), cpu*spans)
	}
	return fmt.Sprintf("%s\n    %s\n", what, strings.Join(kinds, ", ")), nil
}

// starter runs bin/starter with the situation's settings.
func (c *counting) starter(ctx context.Context, args ...string) error {
	_, err := c.output(ctx, program{name: "starter-" + c.namespace, path: c.path("starter"), args: args, env: c.env})
	return err
}

// spent is what a situation has cost.
type spent struct {
	actions  map[string]float64 // by their kind
	requests int                // to the org, as far as it remembers them
	cpu      time.Duration      // of its worker
}

// spent is what the situation has cost by now.
func (c *counting) spent(ctx context.Context) (spent, error) {
	actions, err := c.actions(ctx, c.namespace)
	if err != nil {
		return spent{}, err
	}
	used, err := usageOf(c.worker.pid)
	return spent{actions, len(c.sim.Requests()), used.CPU}, err
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
