// Package field has the worker collect from orgs that are not in order, each in the ways that users of other collectors
// have reported. Everything is real but Okta: the worker, Temporal, the starter, and the files that DEVO_URL names.
package field

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
	"okta-collector/test/product"
	"okta-collector/workflows"
)

// patience is how long a test waits before it gives up. No test passes or fails by how fast something was.
const patience = 4 * time.Minute

// token is what every simulated org demands.
const token = "00-token-of-the-simulated-orgs"

// environment is what the tests share: the programs, and a Temporal server.
var environment struct {
	dir      string
	temporal *testsuite.DevServer
	err      error
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if environment.dir, err = os.MkdirTemp("", "okta-collector-field"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(environment.dir)
		defer func() {
			if environment.temporal != nil {
				_ = environment.temporal.Stop()
			}
		}()
		return m.Run()
	}())
}

// setUp builds the programs and starts Temporal, once.
var setUp = sync.OnceFunc(func() {
	environment.err = func() error {
		root, err := product.Build(context.Background(), environment.dir, "./cmd/okta-collector-worker", "./cmd/okta-collector")
		if err != nil {
			return err
		}
		environment.temporal, err = testsuite.StartDevServer(context.Background(), testsuite.DevServerOptions{
			ExistingPath: filepath.Join(root, "bin", "temporal"), LogLevel: "error",
			ClientOptions: &client.Options{Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))},
		})
		return err
	}()
})

// stage is a worker with its tenants. Each has an org, and a directory of files in the place of Devo.
type stage struct {
	t    *testing.T
	dir  string
	env  map[string]string
	orgs map[string]*oktasim.Server
}

// newStage starts the orgs, by tenant, and a worker for all of them.
func newStage(t *testing.T, orgs map[string]oktasim.Config) *stage {
	setUp()
	require.NoError(t, environment.err)
	listen, err := loopback.FreeAddress()
	require.NoError(t, err)
	s := &stage{t: t, dir: t.TempDir(), orgs: map[string]*oktasim.Server{}}
	s.env = map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": s.dir,
		"TEMPORAL_ADDRESS": environment.temporal.FrontendHostPort(),
		// A file that does not exist is no profile.
		"TEMPORAL_CONFIG_FILE": filepath.Join(s.dir, "no-temporal.toml"),
		"COLLECTOR_TASK_QUEUE": filepath.Base(s.dir) + t.Name(), "COLLECTOR_LISTEN": listen,
		"DEVO_URL": "file://" + s.files(),
		// Each pull of a listing comes when it is asked for.
		"OKTA_POLL_LOGS": "1s", "OKTA_POLL_RESOURCES": "1h",
	}
	var tenants []string
	for tenant, cfg := range orgs {
		cfg.Token, cfg.Unlimited, cfg.Punctual, cfg.BacklogSpan = token, true, true, 20*time.Hour
		org, err := oktasim.Start(cfg)
		require.NoError(t, err)
		t.Cleanup(func() { org.Close() })
		s.orgs[tenant] = org
		s.env[strings.ToUpper(tenant)+"_OKTA_URL"], s.env[strings.ToUpper(tenant)+"_OKTA_API_TOKEN"] = org.URL, token
		tenants = append(tenants, tenant)
	}
	s.env["COLLECTOR_TENANTS"] = strings.Join(tenants, ",")
	s.startWorker()
	return s
}

// in is the stage in a subtest.
func (s *stage) in(t *testing.T) *stage {
	sub := *s
	sub.t = t
	return &sub
}

// files is the directory of the files that are delivered.
func (s *stage) files() string { return filepath.Join(s.dir, "files") }

// program prepares one of the product's programs.
func (s *stage) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(environment.dir, name), args...)
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// startWorker starts the worker, and ends it with the test.
func (s *stage) startWorker() {
	out, err := os.Create(filepath.Join(s.dir, "worker.log"))
	require.NoError(s.t, err)
	worker := s.program("okta-collector-worker")
	worker.Stdout, worker.Stderr = out, out
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(s.t, worker.Start())
	s.t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
		_ = out.Close()
	})
	s.eventually("the worker is ready", func() error {
		return loopback.Get(context.Background(), "http://"+s.env["COLLECTOR_LISTEN"]+"/readyz", nil)
	})
}

// starter runs bin/starter. Some of its exit codes say that somebody should look: that is not this test's to judge.
func (s *stage) starter(args ...string) string {
	out, err := s.program("okta-collector", args...).Output()
	if _, exited := err.(*exec.ExitError); !exited {
		require.NoError(s.t, err)
	}
	return string(out)
}

// start starts services of a tenant, and ends them with the test.
func (s *stage) start(tenant string, services ...string) {
	args := []string{"start"}
	for _, service := range services {
		id := workflows.WorkflowID(tenant, service)
		args = append(args, id)
		s.t.Cleanup(func() {
			_ = environment.temporal.Client().TerminateWorkflow(context.Background(), id, "", "the test is over")
		})
	}
	s.eventually("they are started", func() error { return s.program("okta-collector", args...).Run() })
}

// report is what `starter status -o json` says of a service.
type report struct {
	State      workflows.CollectorState
	Reason     workflows.WaitReason
	CaughtUp   bool
	Checkpoint checkpoint.Checkpoint
	Warnings   []warning
}

type warning struct {
	Kind    string
	Message string
	Count   int
	At      time.Time
}

// warned returns the warning of a kind.
func (r report) warned(kind string) (warning, bool) {
	for _, w := range r.Warnings {
		if w.Kind == kind {
			return w, true
		}
	}
	return warning{}, false
}

// pulls is how many pulls have come to an end, with everything or without.
func (r report) pulls() int64 {
	return r.Checkpoint.Totals.Pulls + r.Checkpoint.Totals.Incomplete
}

// report asks the starter for the status of a service or a backfill.
func (s *stage) report(id string) (r report) {
	var all []report
	said := s.starter("status", "-o", "json", id)
	if err := json.Unmarshal([]byte(said), &all); err == nil && len(all) == 1 {
		return all[0]
	}
	return report{}
}

// shown is what the status says to people of a service, in one line.
func (s *stage) shown(id string) string { return oneLine(s.starter("status", "--width", "10000", id)) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// until waits until the report of a service is as it has to be. No condition here is for a person to end.
func (s *stage) until(id, what string, holds func(report) bool) (r report) {
	s.t.Helper()
	s.eventually(id+" "+what, func() error {
		if r = s.report(id); holds(r) {
			return nil
		}
		said, _ := json.Marshal(r)
		require.NotEqual(s.t, workflows.StateBlocked, r.State, "%s: %s", id, said)
		return fmt.Errorf("its status is %s", said)
	})
	return r
}

// pulled waits until so many pulls of a listing have come to an end.
func (s *stage) pulled(id string, pulls int64) report {
	s.t.Helper()
	return s.until(id, fmt.Sprintf("ended %d pulls", pulls), func(r report) bool {
		return r.State == workflows.StateWaiting && r.Checkpoint.Position.Pull == nil && r.pulls() >= pulls
	})
}

// eventually waits until a look succeeds.
func (s *stage) eventually(what string, look func() error) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(filepath.Join(s.dir, "worker.log"))
			s.t.Fatalf("%s: not within %s: %v\n%s", what, patience, err, said[max(0, len(said)-8000):])
		}
	}
}
