package starter

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

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/config"
	"okta-collector/internal/control"
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
			if s.how.Since, err = parseTime("--since", since, now); err == nil && since != "" {
				until := now.Add(time.Millisecond) // so that --since may be now
				err = workflows.CheckRange("logs", checkpoint.Range{Since: s.how.Since, Until: until}, until)
			}
			if err != nil {
				return err
			}
			plan, err := loadPlan(cmd)
			if err != nil {
				return err
			}
			s.TaskQueue = plan.TaskQueue
			s.ids, err = startIDs(plan, args, tenantFlag(cmd))
			return err
		}),
		RunE: connect.run(func(cmd *cobra.Command, c *status.Reader, _ []string) error {
			s.Reader, s.Attributes = c, true
			if _, err := temporalclient.RegisterAttributes(cmd.Context(), c.OperatorService(), c.Namespace); err != nil {
				s.Attributes = false
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
	cmd.Flags().BoolVar(&s.how.Fresh, "fresh", false, "forget where it was stopped and begin anew")
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
	control.Control
	how control.How
	ids []string
	// unknown are the services that were started from the beginning because nothing is known of an earlier run.
	unknown []string
	// queues are the task queues of all collectors that run now.
	queues map[string]bool
}

// one starts a service unless it runs, and returns what it did.
func (s *starting) one(ctx context.Context, id string) (done string, err error) {
	started, err := s.Start(ctx, id, s.how)
	last := started.Last
	switch unreadable, foreign := new(control.UnreadableError), new(status.ForeignError); {
	case errors.As(err, &foreign) && foreign.ID == id:
		return "", errors.New(row{Collector: last}.stranger() + " " + endingOf(id))
	case errors.As(err, &unreadable):
		return "", fmt.Errorf("%s: begin anew with: starter start --fresh %s", ending(last), quoted(id))
	case err != nil:
		return "", err
	}
	running, queue := !last.HasEnded(), s.TaskQueue
	if running {
		queue = cmp.Or(last.TaskQueue, queue)
	}
	switch {
	case queue != s.TaskQueue:
		done = fmt.Sprintf("running already, on task queue %s and not on %s (stop it and start it again)", queue, s.TaskQueue)
	case running && s.how.Fresh:
		done = "running already; --fresh is not used (stop it first)"
	case started.Left:
		done = "running already"
	case started.Collected():
		done = fmt.Sprintf("started after %s events", humanize.Comma(started.In.State.Checkpoint.Totals.Events))
	case started.In.Delay > 0:
		done = fmt.Sprintf("starts from the beginning in %v", started.In.Delay)
	default:
		done = "started from the beginning"
	}
	switch {
	case s.how.Since.IsZero():
	case !workflows.HasRange(last.Service):
		done += "; --since is for logs only"
	case started.Left || started.Collected():
		done += "; --since is not used (stop it and start it with --fresh)"
	default:
		done = "started from " + s.how.Since.UTC().Format(time.RFC3339)
	}
	s.queues[queue] = true
	if !started.Left && !started.Collected() && !s.how.Fresh && last.State == status.Missing && last.Decision == nil {
		s.unknown = append(s.unknown, id)
	}
	return done, nil
}

// forgotten says what it means that nothing is known of an earlier run of services that were started; empty if something
// is. Nobody knows whether there ever was one.
func (s *starting) forgotten() string {
	if s.unknown == nil {
		return ""
	}
	text := fmt.Sprintf("%s: from the beginning, because namespace %s knows of no earlier run. That is right for a first start. "+
		"Otherwise the position is gone: Temporal has lost its data, or an earlier version stopped it more than %s ago.", enumeration(s.unknown), s.Namespace, days(s.Retention))
	for _, id := range s.unknown {
		switch _, service, _ := workflows.ParseWorkflowID(id); {
		case !workflows.HasRange(service):
		case !s.how.Since.IsZero():
			text += fmt.Sprintf(" Events between the stop and %s are then missing.", s.how.Since.Format(time.RFC3339))
		default:
			text += fmt.Sprintf(" Events since the stop are then missing, but for the last OKTA_LOGS_HISTORY (24h by default). To fetch them:\n"+
				"  starter stop %[1]s && starter start --fresh --since <time of the stop, or of the newest event in Devo> %[1]s", id)
		}
	}
	return text
}
