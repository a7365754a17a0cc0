package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
)

// container is the memory of the container that a worker runs in, in bytes: the limit in deployments/kubernetes.
const container = 256 << 20

// tables are the Devo tables of the services that orgs have.
var tables = map[string]string{
	"logs": "auth.okta.system", "users": "auth.okta.users", "groups": "auth.okta.groups", "apps": "auth.okta.apps",
	"clients": "auth.okta.clients", "idps": "auth.okta.idps", "zones": "auth.okta.zones",
}

// objects are the objects of each org.
var objects = map[string]int{"logs": 8000, "users": 2000, "groups": 1000, "apps": 600, "clients": 400, "idps": 50, "zones": 100}

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
						m, err := s.startOrgs(ctx, n, size, https)
						if err != nil {
							return fmt.Errorf("%d orgs with events of %d bytes: %w", n, size, err)
						}
						fmt.Fprintf(cmd.OutOrStdout(), "%2d orgs, events of %6d bytes: %s MB at most, %.1f CPU seconds, %.1f s\n",
							n, size, megabytes(m.Usage.Peak), m.Usage.CPU.Seconds(), m.Took.Seconds())
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().IntSliceVar(&orgs, "orgs", []int{2, 5, 10, 20}, "numbers of orgs")
	cmd.Flags().IntSliceVar(&eventBytes, "event-bytes", []int{2800}, "mean sizes of a log event; a page has 1,000")
	cmd.Flags().BoolVar(&https, "https", false, "ship over HTTPS instead of syslog")
	return cmd
}

// startOrgs measures a worker in a container while all services of so many orgs start for the first time, until Devo has
// every object. Its error says so if the kernel killed the worker. The orgs and Devo are part of this process.
func (s *stage) startOrgs(ctx context.Context, orgs, eventBytes int, https bool) (m measurement, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	devo, err := devosim.Start(devosim.Config{Dir: filepath.Join(s.dir, "certificates"), Domain: "bench", Token: "devo-" + token})
	if err != nil {
		return m, err
	}
	defer devo.Close()
	listen, err := loopback.FreeAddress()
	if err != nil {
		return m, err
	}
	queue := s.newTenant()
	env := []string{
		"TEMPORAL_ADDRESS=" + s.address, "COLLECTOR_TASK_QUEUE=" + queue, "COLLECTOR_LISTEN=" + listen,
		"DEVO_CHAIN_FILE=" + devo.PKI().ChainFile, "DEVO_REPORT=off",
	}
	if https {
		env = append(env, "DEVO_URL="+devo.HTTPURL(), "DEVO_DOMAIN=bench", "DEVO_TOKEN=devo-"+token)
	} else {
		env = append(env, "DEVO_URL="+devo.SyslogURL(), "DEVO_CERT_FILE="+devo.PKI().ClientCertFile, "DEVO_KEY_FILE="+devo.PKI().ClientKeyFile)
	}
	var tenants []string
	for i := range orgs {
		sim, err := oktasim.Start(oktasim.Config{
			Seed: uint64(i + 1), Token: token, Counts: objects, EventBytes: eventBytes, BacklogSpan: backlogSpan, Unlimited: true,
		})
		if err != nil {
			return m, err
		}
		defer sim.Close()
		tenant := fmt.Sprintf("%sorg%d", queue, i)
		tenants = append(tenants, tenant)
		env = append(env, strings.ToUpper(tenant)+"_OKTA_URL="+sim.URL, strings.ToUpper(tenant)+"_OKTA_API_TOKEN="+token)
	}
	env = append(env, "COLLECTOR_TENANTS="+strings.Join(tenants, ","))

	group, err := newMemoryGroup(queue, container)
	if err != nil {
		return m, err
	}
	worker, err := s.start(ctx, group.contain(program{name: "worker", path: s.path("worker"), env: env}))
	if err != nil {
		return m, err
	}
	defer func() {
		stop()
		<-worker.exited
		err = errors.Join(err, group.remove())
	}()
	if err := worker.ready(ctx, func(ctx context.Context) error { return loopback.Get(ctx, "http://"+listen+"/readyz", nil) }); err != nil {
		return m, err
	}
	began := time.Now()
	if _, err := s.output(ctx, program{name: "starter", path: s.path("starter"), args: []string{"start"}, env: env}); err != nil {
		return m, err
	}
	err = worker.within(ctx, 10*time.Minute, func(context.Context) error {
		stats := devo.Stats()
		for _, service := range slices.Sorted(maps.Keys(objects)) {
			if got, want := stats[tables[service]].Distinct, int64(orgs*objects[service]); got < want {
				return fmt.Errorf("Devo has %d %s of %d", got, service, want)
			}
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	m.Took = time.Since(began)
	m.Usage, err = usageOf(worker.pid)
	return m, errors.Join(err, devo.Err(), s.terminate(ctx, tenants))
}

// terminate ends the workflows of tenants: they would go on polling, and nobody would be there to do it.
func (s *stage) terminate(ctx context.Context, tenants []string) error {
	for _, tenant := range tenants {
		for service := range objects {
			if err := s.client.TerminateWorkflow(ctx, "okta/"+tenant+"/"+service, "", "it is measured"); err != nil {
				return err
			}
		}
	}
	return nil
}

// onStage builds everything, calls do, and removes everything.
func onStage(ctx context.Context, out io.Writer, do func(context.Context, *stage) error) error {
	dir, err := os.MkdirTemp("", "okta-collector-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(ctx)
	fmt.Fprintln(out, "building and starting everything")
	s, err := newStage(ctx, dir)
	if s != nil {
		defer s.running.Wait()
	}
	defer stop()
	if err != nil {
		return err
	}
	defer s.client.Close()
	return do(ctx, s)
}

// memoryGroup is a cgroup that bounds the memory of a program as a container does. Where none can be made, dir is empty.
type memoryGroup struct{ dir string }

// newMemoryGroup makes a cgroup, of version 2 or 1.
func newMemoryGroup(name string, limit int) (memoryGroup, error) {
	for _, version := range []struct{ root, limit, enabled string }{
		{"/sys/fs/cgroup", "memory.max", "cgroup.subtree_control"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", ""},
	} {
		if version.enabled != "" {
			controllers, err := os.ReadFile(filepath.Join(version.root, version.enabled))
			if err != nil || !slices.Contains(strings.Fields(string(controllers)), "memory") {
				continue
			}
		}
		g := memoryGroup{filepath.Join(version.root, fmt.Sprintf("okta-collector-bench-%d-%s", os.Getpid(), name))}
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		err := os.WriteFile(filepath.Join(g.dir, version.limit), []byte(strconv.Itoa(limit)), 0)
		if err != nil {
			return memoryGroup{}, errors.Join(fmt.Errorf("bounding the memory of a cgroup: %w", err), g.remove())
		}
		return g, nil
	}
	return memoryGroup{}, nil
}

// contain runs a program in the cgroup.
func (g memoryGroup) contain(p program) program {
	if g.dir == "" {
		p.env = append(p.env, fmt.Sprintf("GOMEMLIMIT=%d", container*6/10))
		return p
	}
	p.args = append([]string{"-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs"), p.path}, p.args...)
	p.path = "/bin/sh"
	return p
}

func (g memoryGroup) remove() error {
	if g.dir == "" {
		return nil
	}
	return os.Remove(g.dir)
}
