package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/oktasim"
)

// container is the memory of the worker's container in deployments/helm, in bytes.
const container = 256 << 20

// longest is how long orgs may take to start. It is no expectation.
const longest = 10 * time.Minute

// objects are those of each org, by service: several pages of each.
var objects = map[string]int{"logs": 3000, "users": 2000, "groups": 1000, "apps": 600, "clients": 400, "idps": 50, "zones": 100}

// tables are their Devo tables.
var tables = map[string]string{
	"logs": "auth.okta.system", "users": "auth.okta.users", "groups": "auth.okta.groups", "apps": "auth.okta.apps",
	"clients": "auth.okta.clients", "idps": "auth.okta.idps", "zones": "auth.okta.zones",
}

func memoryCommand() *cobra.Command {
	var orgs, eventBytes []int
	var https bool
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Measure the worker's peak memory when orgs start for the first time, in a container of 256 MiB",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onStage(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context, s *stage) error {
				for _, size := range eventBytes {
					for _, n := range orgs {
						if _, err := s.startOrgs(ctx, cmd.OutOrStdout(), n, size, https); err != nil {
							return err
						}
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().IntSliceVar(&orgs, "orgs", []int{2, 5, 10, 20}, "numbers of orgs, each with seven services")
	cmd.Flags().IntSliceVar(&eventBytes, "event-bytes", []int{2800}, "mean sizes of a log event; a page has 1,000")
	cmd.Flags().BoolVar(&https, "https", false, "ship over HTTPS instead of syslog")
	return cmd
}

// startOrgs measures a worker in a container while all services of so many orgs start for the first time, until Devo has
// every object. If the kernel kills the worker, that is an error. The orgs and Devo are part of this process.
func (s *stage) startOrgs(ctx context.Context, out io.Writer, orgs, eventBytes int, https bool) (m measurement, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	devo, settings, err := s.startDevo(https)
	if err != nil {
		return m, err
	}
	defer devo.Close()
	var tenants []string
	env := append(settings, "TEMPORAL_NAMESPACE=default")
	for n := range orgs {
		sim, err := oktasim.Start(oktasim.Config{
			Seed: uint64(n + 1), Token: token, Counts: objects, EventBytes: eventBytes, BacklogSpan: backlogSpan, Unlimited: true,
		})
		if err != nil {
			return m, err
		}
		defer sim.Close()
		tenants = append(tenants, s.newTenant())
		env = append(env, tenantSettings(tenants[n], sim.URL)...)
	}
	group, err := newCgroup(tenants[0], container)
	if err != nil {
		return m, err
	}
	worker, env, err := s.startWorker(ctx, env, tenants, group.contain)
	if err != nil {
		return m, err
	}
	defer func() {
		stop()
		<-worker.exited
		err = errors.Join(err, group.remove())
	}()
	began := time.Now()
	if _, err := s.output(ctx, program{name: "starter", path: s.path("okta-collector"), args: []string{"start"}, env: env}); err != nil {
		return m, err
	}
	err = worker.until(ctx, longest, func(context.Context) error {
		arrived := devo.Stats()
		for service, count := range objects {
			if got, want := arrived[tables[service]].Distinct, int64(orgs*count); got < want {
				return fmt.Errorf("%d of %d %s have arrived", got, want, service)
			}
		}
		return nil
	})
	if err != nil {
		return m, fmt.Errorf("%d orgs with events of %d bytes: %w", orgs, eventBytes, err)
	}
	m.Took = time.Since(began)
	m.Usage, err = usageOf(worker.pid)
	fmt.Fprintf(out, "%2d orgs, events of %6d bytes: %s MB at most, %.1f CPU seconds, %.1f s\n",
		orgs, eventBytes, megabytes(m.Usage.Peak), m.Usage.CPU.Seconds(), m.Took.Seconds())
	return m, errors.Join(err, devo.Err())
}
