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
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

func newStart(connect connector) *cobra.Command {
	s := starting{queues: make(map[string]bool)}
	var since string
	cmd := &cobra.Command{
		Use:   "start [okta/<tenant>/<service>...]",
		Short: "Start collecting, from where it was stopped; what runs already is left alone",
		Long: `Starts the collection of the ids given, or of all services in OKTA_SERVICES. It is safe to repeat.
A service that was stopped goes on from its position; --fresh forgets the position and begins anew.
Nothing is collected until a worker runs, which may be later.`,
		Example: `  starter start
  starter start --tenant acme --since 7d
  starter start --fresh okta/default/users`,
		Args: cobra.MatchAll(checkIDs(false), func(cmd *cobra.Command, args []string) (err error) {
			now := time.Now()
			if s.since, err = parseTime("--since", since, now); err == nil && since != "" {
				until := now.Add(time.Millisecond) // so that --since may be now
				err = workflows.CheckRange("logs", checkpoint.Range{Since: s.since, Until: until}, until)
			}
			if err != nil {
				return err
			}
			plan, err := loadPlan(cmd)
			if err != nil {
				return err
			}
			s.taskQueue = plan.TaskQueue
			s.ids, err = startIDs(plan, args, tenantFlag(cmd))
			return err
		}),
		RunE: connect.run(func(cmd *cobra.Command, c *status.Reader, _ []string) error {
			s.c, s.attributes = c, true
			if _, err := temporalclient.RegisterAttributes(cmd.Context(), c.OperatorService(), c.Namespace); err != nil {
				s.attributes = false
				warn(cmd, err.Error()+"\n"+temporalclient.WithoutAttributes)
			}
			err := each(cmd, s.ids, 1, s.one)
			if text := s.forgotten(); text != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "starter:", text)
			}
			for _, queue := range slices.Sorted(maps.Keys(s.queues)) {
				if workers, err := c.Workers(cmd.Context(), queue); err == nil && len(workers) == 0 {
					warn(cmd, fmt.Sprintf("no worker answers on task queue %s of namespace %s: nothing is collected until one does; "+
						"is COLLECTOR_TASK_QUEUE the same as the worker's?", queue, c.Namespace))
				}
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&s.fresh, "fresh", false, "forget where it was stopped and begin anew")
	cmd.Flags().StringVar(&since, "since", "", "where logs begin in a first or fresh run: an RFC 3339 time, or how long ago (7d); default OKTA_LOGS_HISTORY")
	return cmd
}

// parseTime reads a time, or how long ago it was, and truncates it to milliseconds as Okta's. An empty text is the zero
// time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil && text != "" {
		ago, err := config.ParseDuration(text)
		if err != nil {
			return t, fmt.Errorf("%s is %q; want a time such as 2026-11-01T00:00:00Z or how long ago, such as 7d", flag, text)
		}
		t = now.Add(-ago)
	}
	return t.UTC().Truncate(time.Millisecond), nil
}

func loadPlan(cmd *cobra.Command) (config.Plan, error) {
	plan, warnings, err := config.LoadPlan()
	warn(cmd, warnings...)
	if err != nil {
		return plan, usage(err)
	}
	return plan, nil
}

func warn(cmd *cobra.Command, warnings ...string) {
	for _, warning := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "starter: warning:", warning)
	}
}

// startIDs checks the ids given. Without any it returns those in the settings, of one tenant or of all.
func startIDs(plan config.Plan, given []string, tenant string) ([]string, error) {
	if !plan.Given && len(given) == 0 && tenant == "" {
		return nil, errors.New("there are no settings of an org here, neither OKTA_URL nor COLLECTOR_TENANTS: set what the worker has, " +
			"or say what to start: starter start --tenant default, or starter start okta/default/logs")
	}
	var ids, known []string
	for _, t := range plan.Targets {
		known = append(known, t.Tenant)
		if tenant == "" || t.Tenant == tenant {
			ids = append(ids, workflows.WorkflowID(t.Tenant, t.Service))
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("tenant %q is not in COLLECTOR_TENANTS", tenant)
	}
	if len(given) == 0 {
		return ids, nil
	}
	for _, id := range given {
		tenant, service, _ := workflows.ParseWorkflowID(id)
		if err := checkService(service); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		if !slices.Contains(known, tenant) {
			return nil, fmt.Errorf("%s: no settings are for tenant %q; COLLECTOR_TENANTS has %s", id, tenant, strings.Join(slices.Compact(known), ", "))
		}
	}
	return given, nil
}

type starting struct {
	c         *status.Reader
	ids       []string
	taskQueue string
	fresh     bool
	since     time.Time
	// attributes: the namespace has the search attributes.
	attributes bool
	// unknown are the services that were started from the beginning because the namespace has no earlier run.
	unknown []string
	// queues are the task queues of all collectors that run now.
	queues map[string]bool
}

// one starts a service unless it runs, and returns what it did.
func (s *starting) one(ctx context.Context, id string) (done string, err error) {
	last, err := s.c.Ended(ctx, id)
	if err != nil {
		return "", err
	}
	if last.ForeignType != "" {
		return "", errors.New(row{Collector: last}.stranger() + " " + endingOf(id))
	}
	in := workflows.CollectInput{Tenant: last.Tenant, Service: last.Service}
	running, queue := !last.HasEnded(), cmp.Or(last.TaskQueue, s.taskQueue)
	switch {
	case running || s.fresh:
	case last.Unanswered != "":
		return "", fmt.Errorf("%s: begin anew with: starter start --fresh %s", ending(last), quoted(id))
	default:
		in.State = last.Last
	}
	collected := in.State != nil && in.State.Checkpoint.HasCollected()
	switch {
	case running && queue != s.taskQueue:
		done = fmt.Sprintf("running already, on task queue %s and not on %s (stop it and start it again)", queue, s.taskQueue)
	case running && s.fresh:
		done = "running already; --fresh is not used (stop it first)"
	case running:
		done = "running already"
	case collected:
		done = fmt.Sprintf("started after %s events", humanize.Comma(in.State.Checkpoint.Totals.Events))
	default:
		done = "started from the beginning"
	}
	switch {
	case s.since.IsZero():
	case !workflows.HasRange(last.Service):
		done += "; --since is for logs only"
	case running || collected:
		done += "; --since is not used (stop it and start it with --fresh)"
	default:
		in.Since = &s.since
		done = "started from " + s.since.UTC().Format(time.RFC3339)
	}
	if !running {
		if err = s.execute(ctx, id, in); temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			done, err = "running already", nil // another start was faster
		}
	}
	if err == nil {
		s.queues[queue] = true
		if !collected && !running && !s.fresh && last.State == status.Missing {
			s.unknown = append(s.unknown, id)
		}
	}
	return done, err
}

// forgotten says what it means that the namespace has no earlier run of services that were started; empty if it has. Nobody
// knows whether there ever was one.
func (s *starting) forgotten() string {
	if s.unknown == nil {
		return ""
	}
	text := fmt.Sprintf("%s: from the beginning, because namespace %s has no earlier run. That is right for a first start. "+
		"After a stop it means that the position is gone: the namespace keeps closed workflows for %s.", enumeration(s.unknown), s.c.Namespace, days(s.c.Retention))
	for _, id := range s.unknown {
		switch _, service, _ := workflows.ParseWorkflowID(id); {
		case !workflows.HasRange(service):
		case !s.since.IsZero():
			text += fmt.Sprintf(" Events between the stop and %s are then missing.", s.since.Format(time.RFC3339))
		default:
			text += fmt.Sprintf(" Events since the stop are then missing, but for the last OKTA_LOGS_HISTORY (24h by default). To fetch them:\n"+
				"  starter stop %[1]s && starter start --fresh --since <time of the stop, or of the newest event in Devo> %[1]s", id)
		}
	}
	return text
}

// execute starts the workflow. It sets the search attributes that the workflow would set itself, which saves an action.
func (s *starting) execute(ctx context.Context, id string, in workflows.CollectInput) error {
	options := client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                s.taskQueue,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("%s of %s into Devo", in.Service, in.Tenant),
	}
	if s.attributes {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeTenant).ValueSet(in.Tenant),
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeService).ValueSet(in.Service),
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeState).ValueSet(workflows.AttributeCollecting),
		)
	}
	_, err := s.c.ExecuteWorkflow(ctx, options, workflows.CollectName, in)
	if s.attributes && errors.As(err, new(*serviceerror.InvalidArgument)) {
		s.attributes = false // a part of Temporal does not know new ones yet: the workflow sets them later
		return s.execute(ctx, id, in)
	}
	if err != nil {
		return temporalclient.Explain(fmt.Errorf("starting: %w", err))
	}
	return nil
}
