package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"okta-collector/internal/oktasim"
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
}

var situations = []situation{
	{name: "logs, idle", namespace: "idlelogs", services: "logs", faster: 1},
	{name: "logs, a million events a day", namespace: "busylogs", services: "logs", faster: 1,
		org: oktasim.Config{LiveEvery: day / eventsADay}},
	{name: "the six others, idle", namespace: "idlelists", services: "users,groups,apps,clients,idps,zones", faster: 15,
		settings: []string{"OKTA_POLL_RESOURCES=1m"}},
	{name: "the six others, 10,000 changes a day", namespace: "busylists", services: "users,groups,apps,clients,idps,zones", faster: 15,
		org: oktasim.Config{ChangeEvery: day / changesADay}, settings: []string{"OKTA_POLL_RESOURCES=1m"}},
}

func actionsCommand() *cobra.Command {
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "actions",
		Short: "Count the billable actions of Temporal that one org takes a day",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onStage(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context, s *stage) error {
				return s.countActions(ctx, cmd.OutOrStdout(), span)
			})
		},
	}
	cmd.Flags().DurationVar(&span, "for", 5*time.Minute, "how long actions are counted, after three minutes without")
	return cmd
}

// countActions counts what Temporal's server takes for billable actions over a span, in all situations at once, and says
// how many that makes a day with the default settings.
func (s *stage) countActions(ctx context.Context, out io.Writer, span time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	devo, toDevo, err := s.startDevo(false)
	if err != nil {
		return err
	}
	defer devo.Close()
	var workers []*process
	for _, situation := range situations {
		situation.org.Seed, situation.org.Token, situation.org.Counts, situation.org.BacklogSpan = 1, token, objects, backlogSpan
		sim, err := oktasim.Start(situation.org)
		if err != nil {
			return err
		}
		defer sim.Close()
		tenant := s.newTenant()
		env := append(append(tenantSettings(tenant, sim.URL), toDevo...), situation.settings...)
		env = append(env, "TEMPORAL_NAMESPACE="+situation.namespace, "OKTA_SERVICES="+situation.services)
		worker, env, err := s.startWorker(ctx, env, []string{tenant}, asItIs)
		if err != nil {
			return err
		}
		workers = append(workers, worker)
		defer func() {
			stop()
			<-worker.exited
		}()
		if _, err := s.output(ctx, program{name: "starter", path: s.path("starter"), args: []string{"start"}, env: env}); err != nil {
			return err
		}
	}
	if err := pass(ctx, warmUp); err != nil {
		return err
	}
	before, err := s.spent(ctx, workers)
	if err != nil {
		return err
	}
	if err := pass(ctx, span); err != nil {
		return err
	}
	after, err := s.spent(ctx, workers)
	if err != nil {
		return err
	}
	for i, situation := range situations {
		actions := after[i].actions - before[i].actions
		if actions == 0 {
			return fmt.Errorf("%s: Temporal has counted nothing", situation.name)
		}
		spans := float64(day) / float64(span) / situation.faster // in a day
		fmt.Fprintf(out, "%-38s %4.0f actions in %s: %s a day, and %.0f CPU seconds of the worker\n", situation.name, actions, span,
			humanize.Comma(int64(actions*spans)), (after[i].cpu-before[i].cpu).Seconds()*spans)
	}
	return nil
}

// spent is what a situation has cost by now.
type spent struct {
	actions float64
	cpu     time.Duration // of its worker
}

// spent is what each situation has cost by now.
func (s *stage) spent(ctx context.Context, workers []*process) (all []spent, err error) {
	actions, err := s.actions(ctx)
	if err != nil {
		return nil, err
	}
	for i, situation := range situations {
		used, err := usageOf(workers[i].pid)
		if err != nil {
			return nil, err
		}
		all = append(all, spent{actions[situation.namespace], used.CPU})
	}
	return all, nil
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

// actions are those that Temporal's server has counted by now, by namespace. Its metric is what Temporal recommends to
// estimate the bill of Temporal Cloud: https://docs.temporal.io/cloud/migrate/estimate-actions.
func (s *stage) actions(ctx context.Context) (map[string]float64, error) {
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
	if families["action"] == nil {
		return nil, errors.New("no metric named action in those of Temporal's server")
	}
	counted := map[string]float64{}
	for _, m := range families["action"].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "namespace" {
				counted[label.GetValue()] += m.GetCounter().GetValue()
			}
		}
	}
	return counted, nil
}
