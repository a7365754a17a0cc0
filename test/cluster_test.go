package test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/oktasim"
)

var cluster = flag.Bool("cluster", false, "run a Temporal of four roles on PostgreSQL: make test-cluster")

// roles are the processes of a Temporal server, in the order of their start.
var roles = []string{"history", "matching", "frontend", "worker"}

// temporalCluster is a Temporal server with a process for each role, on PostgreSQL.
type temporalCluster struct {
	t        *testing.T
	dir, bin string
	address  string // of the frontend
	database string // PostgreSQL's port

	mu      sync.Mutex
	running map[string]*process // by the name
	begun   []func()            // end the processes that ever began, and show what they said if the test has failed
}

func newCluster(t *testing.T) *temporalCluster {
	if !*cluster {
		t.Skip("make test-cluster runs a cluster")
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	require.NoError(t, err)
	if len(found) == 0 {
		missing(t, "postgres (Debian: postgresql)")
	}
	bin, err := filepath.Abs("../bin/cluster")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(bin, "server"), "make bin/cluster/server builds it")
	c := &temporalCluster{t: t, dir: t.TempDir(), bin: bin, running: map[string]*process{}}
	over := make(chan struct{})
	var tending sync.WaitGroup
	t.Cleanup(func() {
		close(over)
		tending.Wait()
		for _, end := range c.begun {
			end()
		}
	})
	c.startPostgreSQL(filepath.Dir(found[len(found)-1]))
	c.makeSchema()
	c.configure()
	for _, role := range roles {
		c.start(role)
	}
	tending.Go(func() { c.tend(over) })
	return c
}

// tend starts roles again that have ended, as Kubernetes does: a role gives up if it cannot reach the others or PostgreSQL in
// time, or if another one writes the same row of an empty database first.
func (c *temporalCluster) tend(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(200 * time.Millisecond):
		}
		for _, role := range roles {
			if p := c.named(role); p.ended() {
				c.t.Logf("%s has ended: %v", role, p.err)
				c.start(role)
			}
		}
	}
}

// named is the process of a name that began last.
func (c *temporalCluster) named(name string) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[name]
}

// begin starts a process, which ends with the test, under a name.
func (c *temporalCluster) begin(name string, cmd *exec.Cmd) *process {
	c.t.Helper()
	p := &process{cmd: cmd, out: &output{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	require.NoError(c.t, cmd.Start())
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = append(c.begun, func() {
		ran := !p.ended()
		p.kill()
		if c.t.Failed() {
			c.t.Logf("%s, which ran until now: %t, ended: %v\n%s", name, ran, p.err, tail(p.out.String()))
		}
	})
	c.running[name] = p
	return p
}

// asPostgres makes a command run as somebody other than root, which PostgreSQL demands.
func (c *temporalCluster) asPostgres(cmd *exec.Cmd) *exec.Cmd {
	if os.Geteuid() != 0 {
		return cmd
	}
	account, err := user.Lookup("postgres")
	require.NoError(c.t, err)
	uid, uidErr := strconv.Atoi(account.Uid)
	gid, gidErr := strconv.Atoi(account.Gid)
	require.NoError(c.t, errors.Join(uidErr, gidErr))
	require.NoError(c.t, os.Chown(c.data(), uid, gid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	cmd.Dir = c.data()
	return cmd
}

func (c *temporalCluster) data() string { return filepath.Join(c.dir, "postgresql") }

func (c *temporalCluster) startPostgreSQL(bin string) {
	c.t.Helper()
	require.NoError(c.t, os.Mkdir(c.data(), 0o700))
	for parent := c.dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		require.NoError(c.t, os.Chmod(parent, 0o755)) // PostgreSQL's user has to get through
	}
	out, err := c.asPostgres(exec.CommandContext(c.t.Context(), filepath.Join(bin, "initdb"), "--auth=trust", "--username=temporal", "--no-sync", c.data())).CombinedOutput()
	require.NoError(c.t, err, string(out))
	_, c.database, _ = strings.Cut(freeAddress(c.t), ":")
	c.postgreSQL(bin)
}

// postgreSQL starts PostgreSQL, and waits until it answers. It starts it again if it ends: after a kill, until the processes
// of the one before have ended too.
func (c *temporalCluster) postgreSQL(bin string) {
	var p *process
	c.eventually("PostgreSQL answers", func() bool {
		if p == nil || p.ended() {
			p = c.begin("postgresql", c.asPostgres(exec.Command(filepath.Join(bin, "postgres"), "-D", c.data(), "-h", "127.0.0.1", "-p", c.database, "-k", c.data(), "-c", "max_connections=300")))
		}
		return exec.CommandContext(c.t.Context(), filepath.Join(bin, "pg_isready"), "--host=127.0.0.1", "--port="+c.database).Run() == nil
	})
}

func (c *temporalCluster) restartPostgreSQL() {
	p := c.named("postgresql")
	p.kill()
	c.postgreSQL(filepath.Dir(p.cmd.Path))
}

func (c *temporalCluster) makeSchema() {
	c.t.Helper()
	for database, schema := range map[string]string{"temporal": "temporal", "temporal_visibility": "visibility"} {
		for _, args := range [][]string{{"create"}, {"setup-schema", "--version", "0.0"}, {"update-schema", "--schema-name", "postgresql/v12/" + schema}} {
			tool := exec.CommandContext(c.t.Context(), filepath.Join(c.bin, "sql"), append([]string{"--plugin", "postgres12", "--endpoint", "127.0.0.1",
				"--port", c.database, "--user", "temporal", "--database", database}, args...)...)
			out, err := tool.CombinedOutput()
			require.NoError(c.t, err, "%v: %s", args, out)
		}
	}
}

// configure writes a configuration with ports of their own.
func (c *temporalCluster) configure() {
	port := func() string {
		_, port, _ := strings.Cut(freeAddress(c.t), ":")
		return port
	}
	frontend := port()
	c.address = "127.0.0.1:" + frontend
	var services strings.Builder
	for _, role := range roles {
		grpc := frontend
		if role != "frontend" {
			grpc = port()
		}
		fmt.Fprintf(&services, "  %s: {rpc: {grpcPort: %s, membershipPort: %s, bindOnLocalHost: true}}\n", role, grpc, port())
	}
	store := func(database string) string {
		return fmt.Sprintf(`{sql: {pluginName: postgres12, databaseName: %s, connectAddr: "127.0.0.1:%s", connectProtocol: tcp, user: temporal, maxConns: 20, maxIdleConns: 20}}`, database, c.database)
	}
	config := fmt.Sprintf(`log: {stdout: true, level: warn}
persistence:
  defaultStore: default
  visibilityStore: visibility
  numHistoryShards: 4
  datastores:
    default: %s
    visibility: %s
global:
  membership: {maxJoinDuration: 30s, broadcastAddress: 127.0.0.1}
services:
%sclusterMetadata:
  enableGlobalNamespace: false
  failoverVersionIncrement: 10
  masterClusterName: active
  currentClusterName: active
  clusterInformation:
    active: {enabled: true, initialFailoverVersion: 1, rpcName: frontend, rpcAddress: %q}
dcRedirectionPolicy: {policy: noop}
`, store("temporal"), store("temporal_visibility"), &services, c.address)
	require.NoError(c.t, os.WriteFile(c.config(), []byte(config), 0o600))
}

func (c *temporalCluster) config() string { return filepath.Join(c.dir, "temporal.yaml") }

// start starts a role, for the first time or again.
func (c *temporalCluster) start(role string) {
	c.begin(role, exec.Command(filepath.Join(c.bin, "server"), "--config-file", c.config(), "--allow-no-auth", "start", "--service", role))
}

// eventually waits until a condition holds.
func (c *temporalCluster) eventually(what string, condition func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		require.True(c.t, time.Now().Before(deadline), "%s: not within %s", what, patience)
		time.Sleep(200 * time.Millisecond)
	}
}

// TestInAClusterNothingIsLostOrRepeatedIntoFiles collects three tenants with three workers. Each worker, each role of
// Temporal and PostgreSQL are killed meanwhile.
func TestInAClusterNothingIsLostOrRepeatedIntoFiles(t *testing.T) {
	c := newCluster(t)
	services := []string{"logs", "users"}
	var stacks []*stack
	env := map[string]string{}
	for seed := range 3 {
		s := newStack(t, oktasim.Config{Seed: uint64(160 + seed), Counts: map[string]int{"logs": 60_000, "users": 400}, Unlimited: true, Faults: slowly(500 * time.Millisecond)})
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("workers of %s:\n%s", s.tenant, tail(s.out.String()))
			}
		})
		maps.Copy(env, s.env)
		stacks = append(stacks, s)
	}
	var tenants []string
	for _, s := range stacks {
		tenants = append(tenants, s.tenant)
	}
	env["TEMPORAL_ADDRESS"], env["DEVO_URL"] = c.address, "file://"+c.dir+"/out"
	env["COLLECTOR_TENANTS"], env["COLLECTOR_TASK_QUEUE"] = strings.Join(tenants, ","), "okta-collector"
	var connection client.Client
	c.eventually("the cluster answers", func() (ok bool) {
		var err error
		connection, err = client.Dial(client.Options{HostPort: c.address, Logger: log.NewStructuredLogger(discard)})
		return err == nil
	})
	t.Cleanup(connection.Close)
	var workers []*process
	launch := func(s *stack) *process {
		own := maps.Clone(env)
		own["COLLECTOR_LISTEN"] = freeAddress(t)
		p := s.launchBuild(workerProgram(), own)
		t.Cleanup(p.kill)
		return p
	}
	for _, s := range stacks {
		s.env, s.client = env, connection
	}
	c.eventually("the namespace is made", func() bool {
		_, code := stacks[0].starter("setup")
		return code == 0
	})
	for _, s := range stacks {
		workers = append(workers, launch(s))
	}
	for _, s := range stacks {
		s.start(services...)
	}

	file := func(s *stack, service string) string { return filepath.Join(c.dir, "out", s.id(service)+".jsonl") }
	collected := func() (bytes int64) {
		for _, s := range stacks {
			if info, err := os.Stat(file(s, "logs")); err == nil {
				bytes += info.Size()
			}
		}
		return bytes
	}
	strikes := []func(){c.restartPostgreSQL}
	for i := range workers {
		strikes = append(strikes, func() { workers[i].kill(); workers[i] = launch(stacks[i]) })
	}
	for _, role := range roles {
		strikes = append(strikes, func() { c.named(role).kill() })
	}
	for i, strike := range slices.Concat(strikes[1:], strikes[:1]) {
		before := collected()
		c.eventually(fmt.Sprint("events are collected before strike ", i), func() bool { return collected() > before+2<<20 })
		strike()
	}
	for _, s := range stacks {
		for _, service := range services {
			c.eventually(fmt.Sprintf("%s of %s caught up", service, s.tenant), func() bool { return s.hasCaughtUp(service) })
			var want []string
			for _, object := range s.org.All(service) {
				want = append(want, string(oktasim.Redacted(object)))
			}
			content, err := os.ReadFile(file(s, service))
			require.NoError(t, err)
			var got []string
			pulls := map[string]int{}
			for line := range strings.Lines(string(content)) {
				if p, ok := pullOf(t, line); ok {
					pulls[p.What]++
					continue
				}
				object, _, found := strings.Cut(line, `,"@devo_pulling_id":`)
				require.True(t, found)
				got = append(got, object+"}")
			}
			slices.Sort(want)
			slices.Sort(got)
			require.Len(t, got, len(want), "%s/%s", s.tenant, service)
			require.True(t, slices.Equal(want, got), "%s/%s: each object once, as Okta sent it", s.tenant, service)
			if service != "logs" {
				require.Equal(t, map[string]int{"begin": 1, "end": 1}, pulls, "%s/%s: one pull", s.tenant, service)
			}
		}
	}
}
