package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/config"
	"okta-collector/internal/okta"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

func newStart(connect connector) *cobra.Command {
	var fresh bool
	var since string
	cmd := &cobra.Command{
		Use:   "start [okta/<tenant>/<service>...]",
		Short: "Start collecting, from where it was stopped; what runs already is left alone",
		Long: `Starts the collection of the ids given, or of all services in OKTA_SERVICES.

It is safe to repeat: what runs already is left alone. A service that was stopped goes on
from its position; --fresh forgets the position and begins anew. It needs no worker but for the
first time in a namespace, where one registers the search attributes, and warns when none is there:
nothing is collected until one is.`,
		Example: `  starter start
  starter start --tenant acme --since 7d
  starter start --fresh okta/default/users`,
		Args: checkCollectors,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseSince(since, time.Now())
			if err != nil {
				return usage(err)
			}
			plan, err := loadPlan(cmd)
			if err != nil {
				return err
			}
			if !plan.Given && len(args) == 0 && tenantFlag(cmd) == "" {
				return usagef("there are no settings of an org here, neither OKTA_URL nor COLLECTOR_TENANTS: set what the worker has, or say what to start: " +
					"starter start --tenant default, or starter start okta/default/logs")
			}
			targets, err := startTargets(plan, args, tenantFlag(cmd))
			if err != nil {
				return err
			}
			c, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			s := starting{c: c, taskQueue: plan.TaskQueue, fresh: fresh, since: from, queues: make(map[string]bool)}
			return s.all(cmd, targets)
		},
	}
	cmd.Flags().BoolVar(&fresh, "fresh", false, "forget where it was stopped and begin anew")
	cmd.Flags().StringVar(&since, "since", "", "where logs begin in a first or fresh run: an RFC 3339 time, or how long ago (7d); default OKTA_LOGS_HISTORY")
	return cmd
}

// parseSince reads where logs begin. An empty text is the zero time.
func parseSince(text string, now time.Time) (since time.Time, err error) {
	if text == "" {
		return since, nil
	}
	if since, err = parseTime("--since", text, now); err == nil {
		until := now.Add(time.Millisecond) // from now on is allowed
		err = workflows.CheckRange("logs", checkpoint.Range{Since: since, Until: until}, until)
	}
	return since, err
}

// parseTime reads a time or how long ago it was.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		ago, err := config.ParseDuration(text)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s is %q; want a time such as 2026-11-01T00:00:00Z or how long ago, such as 7d", flag, text)
		}
		t = now.Add(-ago)
	}
	return t.UTC(), nil
}

// loadPlan reads the settings and prints their warnings.
func loadPlan(cmd *cobra.Command) (config.Plan, error) {
	plan, warnings, err := config.LoadPlan()
	for _, warning := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "starter: warning:", warning)
	}
	if err != nil {
		return plan, usage(err)
	}
	return plan, nil
}

// startTargets are the services of the ids or, without any, of the settings.
func startTargets(plan config.Plan, ids []string, tenant string) ([]config.Target, error) {
	if len(ids) == 0 {
		targets := slices.DeleteFunc(slices.Clone(plan.Targets), func(t config.Target) bool { return tenant != "" && t.Tenant != tenant })
		if len(targets) == 0 {
			return nil, usagef("tenant %q is not in COLLECTOR_TENANTS", tenant)
		}
		return targets, nil
	}
	var known []string
	for _, t := range plan.Targets {
		known = append(known, t.Tenant)
	}
	known = slices.Compact(known)
	var targets []config.Target
	for _, id := range ids {
		tenant, service, _ := workflows.ParseWorkflowID(id)
		if err := checkService(service); err != nil {
			return nil, usagef("%s: %w", id, err)
		}
		if !slices.Contains(known, tenant) {
			return nil, usagef("%s: no settings are for tenant %q; COLLECTOR_TENANTS has %s", id, tenant, strings.Join(known, ", "))
		}
		targets = append(targets, config.Target{Tenant: tenant, Service: service})
	}
	return targets, nil
}

// starting is one call of start.
type starting struct {
	c         *status.Reader
	taskQueue string
	fresh     bool
	since     time.Time
	// queues are the task queues of all collectors that run now.
	queues map[string]bool
}

func (s starting) all(cmd *cobra.Command, targets []config.Target) error {
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = workflows.WorkflowID(t.Tenant, t.Service)
	}
	results := newResults(cmd, ids)
	for i, t := range targets {
		done, err := s.one(cmd.Context(), ids[i], t)
		results.print(ids[i], done, err)
	}
	for _, queue := range slices.Sorted(maps.Keys(s.queues)) {
		if !s.c.Polled(cmd.Context(), queue) {
			fmt.Fprintf(cmd.ErrOrStderr(), "starter: warning: no worker answers on task queue %s of namespace %s: "+
				"nothing is collected until one does; is COLLECTOR_TASK_QUEUE the same as the worker's?\n", queue, s.c.Namespace)
		}
	}
	return results.err()
}

// one starts a service unless it runs, and returns what it did.
func (s starting) one(ctx context.Context, id string, t config.Target) (string, error) {
	const already = "running already"
	last, err := s.c.LastRun(ctx, id, !s.fresh)
	if errors.As(err, new(status.UnreadableError)) {
		err = fmt.Errorf("%w: begin anew with: starter start --fresh %s", err, id)
	}
	if err != nil {
		return "", err
	}
	service, _ := okta.Lookup(t.Service)
	sinceApplies := service.Polled && !s.since.IsZero()
	aside := "" // about a --since that does nothing
	if !service.Polled && !s.since.IsZero() {
		aside = "; --since is for logs only"
	}
	if last.Running {
		s.queues[cmp.Or(last.TaskQueue, s.taskQueue)] = true
		switch {
		case last.TaskQueue != "" && last.TaskQueue != s.taskQueue:
			return fmt.Sprintf("%s, on task queue %s and not on %s (stop it and start it again)", already, last.TaskQueue, s.taskQueue), nil
		case sinceApplies:
			return already + "; --since is not used (stop it and start it with --fresh)", nil
		case s.fresh:
			return already + "; --fresh is not used (stop it first)" + aside, nil
		}
		return already + aside, nil
	}
	in := workflows.CollectInput{Tenant: t.Tenant, Service: t.Service, State: last.State}
	if sinceApplies && !last.HasCollected() {
		in.Since = &s.since
	}
	err = s.execute(ctx, id, in)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return already + aside, nil
	case err != nil:
		return "", err
	}
	s.queues[s.taskQueue] = true
	switch {
	case !last.HasCollected():
		return "started from the beginning" + aside, nil
	case sinceApplies:
		aside = "; --since is not used (--fresh would)"
	}
	return fmt.Sprintf("started after %s events", humanize.Comma(last.State.Checkpoint.Totals.Events)) + aside, nil
}

// execute starts the workflow. If another start was faster, that one counts.
func (s starting) execute(ctx context.Context, id string, in workflows.CollectInput) error {
	_, err := s.c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                s.taskQueue,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeTenant).ValueSet(in.Tenant),
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeService).ValueSet(in.Service),
		),
		StaticSummary: fmt.Sprintf("%s of %s into Devo", in.Service, in.Tenant),
	}, workflows.CollectName, in)
	if err == nil {
		return nil
	}
	if errors.As(err, new(*serviceerror.InvalidArgument)) {
		if missing, listErr := temporalclient.MissingAttributes(ctx, s.c.OperatorService(), s.c.Namespace); listErr == nil && len(missing) > 0 {
			return fmt.Errorf("the namespace does not have the search attributes yet: start a worker, which registers them, and try again (%w)", err)
		}
	}
	return fmt.Errorf("starting: %w", err)
}
