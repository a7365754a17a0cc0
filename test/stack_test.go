package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"okta-collector/internal/devosim"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
	"okta-collector/test/product"
	"okta-collector/workflows"
)

// patience is how long something may take before a test gives up on it. It is no expectation:
// nothing here passes or fails by how fast it was.
const patience = 4 * time.Minute

// environment is what all end-to-end tests share: the programs, and one real Temporal server.
// Each test has a tenant, a task queue, an org and a Devo of its own in it.
var environment struct {
	dir      string
	temporal *testsuite.DevServer
	database string
	cli      string
	err      error
}

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "okta-collector-test")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		environment.dir = dir
		defer func() {
			if environment.temporal != nil {
				_ = environment.temporal.Stop()
			}
		}()
		return m.Run()
	}()
	os.Exit(code)
}

// setUp builds the programs and starts Temporal, once.
var setUp = sync.OnceFunc(func() {
	environment.err = func() error {
		root, err := product.Build(context.Background(), environment.dir, "./cmd/okta-collector-worker", "./cmd/okta-collector")
		if err != nil {
			return err
		}
		cli := filepath.Join(root, "bin", "temporal")
		if _, err := os.Stat(cli); err != nil {
			return fmt.Errorf("%w: 'make bin/temporal' builds it", err)
		}
		environment.cli = cli
		environment.database = filepath.Join(environment.dir, "temporal.db")
		environment.temporal, err = testsuite.StartDevServer(context.Background(), testsuite.DevServerOptions{
			ExistingPath: cli, DBFilename: environment.database, LogLevel: "error",
			ExtraArgs: []string{
				// So that the tests' short lives see what years bring: the default is 4,096 events.
				"--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=100",
				// Tests kill processes and never the machine, so the database needs no syncs. Where a disk is slow, they
				// make all tests wait.
				"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off",
			},
			ClientOptions: &client.Options{
				Logger:            log.NewStructuredLogger(discard),
				ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(askPatiently)}},
			},
		})
		return err
	}()
})

// askPatiently asks Temporal again if an answer is late, for as long as a test has patience. The SDK gives up after 10 s.
func askPatiently(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if waits(request) {
		return invoke(ctx, method, request, answer, conn, opts...)
	}
	for deadline := time.Now().Add(patience); ; {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		err := invoke(call, method, request, answer, conn, opts...)
		cancel()
		late := status.Code(err) == codes.DeadlineExceeded || status.Code(err) == codes.Canceled
		if !late || time.Now().After(deadline) {
			return err
		}
	}
}

// waits reports whether Temporal answers a request only when a worker has answered, or when something has happened.
func waits(request any) bool {
	switch r := request.(type) {
	case *workflowservice.QueryWorkflowRequest, *workflowservice.UpdateWorkflowExecutionRequest, *workflowservice.ExecuteMultiOperationRequest:
		return true
	case *workflowservice.GetWorkflowExecutionHistoryRequest:
		return r.GetWaitNewEvent()
	}
	return false
}

// stack is one org, one Devo and one tenant between them.
type stack struct {
	t      *testing.T
	tenant string
	token  string
	dir    string
	org    *oktasim.Server
	devo   *devosim.Server
	env    map[string]string
	client client.Client

	worker *process
	out    *output // of all its workers
}

// tenants counts the tenants of all tests: each has a name of its own.
var tenants atomic.Int32

// newStack starts the stand-ins. The token is one that is found nowhere else.
func newStack(t *testing.T, org oktasim.Config) *stack {
	setUp()
	require.NoError(t, environment.err)
	s := &stack{t: t, dir: t.TempDir(), client: environment.temporal.Client(), out: &output{}}
	s.tenant = fmt.Sprintf("tenant%d", tenants.Add(1))
	s.token = "00secret-of-" + s.tenant

	org.Token = s.token
	if org.BacklogSpan == 0 {
		org.BacklogSpan = 20 * time.Hour
	}
	var err error
	s.org, err = oktasim.Start(org)
	require.NoError(t, err)
	t.Cleanup(func() { s.org.Close() })

	s.devo, err = devosim.Start(devosim.Config{Dir: filepath.Join(s.dir, "pki"), Domain: "acme", Token: "devo-" + s.token})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.devo.Close()
		require.NoError(t, s.devo.Err(), "a record was malformed")
	})
	pki := s.devo.PKI()
	s.env = map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": s.dir,
		"TEMPORAL_ADDRESS":     environment.temporal.FrontendHostPort(),
		"COLLECTOR_TENANTS":    s.tenant,
		"COLLECTOR_TASK_QUEUE": s.tenant,
		"COLLECTOR_LISTEN":     freeAddress(t),
		"DEVO_URL":             s.devo.SyslogURL(),
		"DEVO_CHAIN_FILE":      pki.ChainFile,
		"DEVO_CERT_FILE":       pki.ClientCertFile,
		"DEVO_KEY_FILE":        pki.ClientKeyFile,
	}
	s.setOkta("URL", s.org.URL)
	s.setOkta("API_TOKEN", s.token)
	t.Cleanup(s.cleanUp)
	return s
}

// setOkta sets one of the tenant's own settings.
func (s *stack) setOkta(name, value string) { s.env[strings.ToUpper(s.tenant)+"_OKTA_"+name] = value }

// cleanUp leaves nothing running in the shared Temporal.
func (s *stack) cleanUp() {
	if s.worker != nil {
		s.worker.kill()
	}
	running, err := s.client.ListWorkflow(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf(`ExecutionStatus = "Running" AND (WorkflowId = %q OR WorkflowId STARTS_WITH %q)`, workflows.TenantID(s.tenant), s.id("")),
	})
	if err != nil {
		return // some tests end their Temporal themselves
	}
	for _, w := range running.GetExecutions() {
		_ = s.client.TerminateWorkflow(context.Background(), w.GetExecution().GetWorkflowId(), "", "the test is over")
	}
}

var allServices = []string{"logs", "users", "groups", "apps", "clients", "idps", "zones", "app_users", "app_groups", "group_members"}

func (s *stack) id(service string) string { return workflows.WorkflowID(s.tenant, service) }

// process is a running program and all that it printed.
type process struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
	err  error
}

type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func environ(env map[string]string) []string {
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

// startWorker starts bin/worker. Its output is kept over restarts, for the test to search.
func (s *stack) startWorker() *process {
	s.worker = s.launch(s.env)
	return s.worker
}

// launch starts a worker with an environment of its own, and waits until it is ready.
func (s *stack) launch(env map[string]string) *process {
	return s.launchBuild(workerProgram(), env)
}

// launchBuild starts a worker of another build, and waits until it is ready.
func (s *stack) launchBuild(program string, env map[string]string) *process {
	p := s.begin(program, env)
	s.ready(p, env)
	return p
}

// workerProgram is the worker as it is.
func workerProgram() string { return filepath.Join(environment.dir, "okta-collector-worker") }

// begin starts a worker of a build with an environment of its own.
func (s *stack) begin(program string, env map[string]string) *process {
	p := &process{cmd: exec.Command(program), out: s.out, done: make(chan struct{})}
	p.cmd.Env = environ(env)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(s.t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// ready waits until a worker is ready.
func (s *stack) ready(p *process, env map[string]string) {
	s.t.Helper()
	s.eventually("the worker is ready", func() bool {
		select {
		case <-p.done:
			s.t.Fatalf("the worker exited: %v\n%s", p.err, tail(p.out.String()))
		default:
		}
		resp, err := http.Get("http://" + env["COLLECTOR_LISTEN"] + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill ends the process as nothing else does: at once, between any two instructions.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// ended says whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// terminate asks the process to stop and returns its exit code, which is 0 if it has stopped in its own time.
func (p *process) terminate(t *testing.T) (code int) {
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("the worker does not stop\n" + p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// starter runs bin/starter and returns what it printed and its exit code.
func (s *stack) starter(args ...string) (string, int) {
	return s.command(filepath.Join(environment.dir, "okta-collector"), args...)
}

// answeredStatus runs 'starter status' until workers answer for all that it shows.
func (s *stack) answeredStatus(args ...string) (said string, code int) {
	s.t.Helper()
	s.eventually("workers answer", func() bool {
		said, code = s.starter(append([]string{"status"}, args...)...)
		return !strings.Contains(said, "no worker answers") && !strings.Contains(said, "does not answer")
	})
	return said, code
}

// listed waits until Temporal's list has all these workflows. Temporal writes it a moment after the workflows.
func (s *stack) listed(query string, ids ...string) (list string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%v are listed with %s", ids, query), func() bool {
		list = s.temporal("workflow", "list", "--query", query, "-o", "json")
		return !slices.ContainsFunc(ids, func(id string) bool { return !strings.Contains(list, `"`+id+`"`) })
	})
	return list
}

// temporal runs the official CLI.
func (s *stack) temporal(args ...string) string {
	out, code := s.command(environment.cli, args...)
	require.Zero(s.t, code, out)
	return out
}

// command runs a program, and again while what it says is only that Temporal is busy.
func (s *stack) command(name string, args ...string) (said string, code int) {
	s.t.Helper()
	s.eventually(fmt.Sprint(name, args, " is answered"), func() bool {
		cmd := exec.Command(name, args...)
		cmd.Env = environ(s.env)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			require.NoError(s.t, err)
		}
		said, code = string(out), cmd.ProcessState.ExitCode()
		return code == 0 || !busy.MatchString(said)
	})
	return said, code
}

// busy matches what a Temporal says that takes too long, or is asked too much.
var busy = regexp.MustCompile(`Workflow is busy|deadline exceeded|resource exhausted`)

// start starts the services.
func (s *stack) start(services ...string) {
	var ids []string
	for _, service := range services {
		ids = append(ids, s.id(service))
	}
	out, code := s.starter(append([]string{"start"}, ids...)...)
	require.Zero(s.t, code, out)
}

// status asks a workflow.
func (s *stack) status(service string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	value, err := s.client.QueryWorkflow(ctx, s.id(service), "", workflows.QueryStatus)
	if err != nil {
		return workflows.Status{}, err
	}
	var status workflows.Status
	return status, value.Get(&status)
}

// eventually waits until a condition holds that the outside world makes true. what names it.
func (s *stack) eventually(what string, condition func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		began := time.Now()
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			report, _ := json.Marshal(s.devo.Report())
			s.t.Fatalf("%s: not within %s\nDevo: %s\nworker:\n%s", what, patience, report, tail(s.out.String()))
		}
		// To look takes time as well: where that is scarce, the looking leaves half of it.
		time.Sleep(max(20*time.Millisecond, time.Since(began)))
	}
}

func tail(s string) string { return s[max(0, len(s)-8000):] }

// caughtUp waits until the services have found the end of what there is.
func (s *stack) caughtUp(services ...string) {
	s.t.Helper()
	for _, service := range services {
		s.eventually(service+" caught up", func() bool { return s.hasCaughtUp(service) })
	}
}

func (s *stack) hasCaughtUp(service string) bool {
	status, err := s.status(service)
	return err == nil && status.CaughtUp
}

// shipped is how many records of a table arrived.
func (s *stack) shipped(tag string) int { return int(s.devo.Stats()[tag].Records) }

// wait waits until so many records of a table arrived.
func (s *stack) wait(tag string, records int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d records of %s", records, tag), func() bool { return s.shipped(tag) >= records })
}

// tables are those of the services in Devo.
var tables = func() map[string]string {
	all := map[string]string{}
	for _, c := range okta.Services() {
		all[c.Name] = c.Table
	}
	return all
}()

// complete compares everything that arrived of a service with what the org has: every object, byte
// for byte, none that the org does not have. It returns how many deliveries were repeated.
func (s *stack) complete(service string) (repeated int) {
	s.t.Helper()
	return s.completeOf(service, s.org.Count(service))
}

// completeOf is complete for the first objects that an org made. Those that it made later may be on their way.
func (s *stack) completeOf(service string, made int) (repeated int) {
	s.t.Helper()
	want := make(map[devosim.Identity]uint64, s.org.Count(service))
	for i, object := range s.org.All(service) {
		want[devosim.IdentityOf(s.org.ParentID(service, i), s.org.ID(service, i))] = devosim.Sum(oktasim.Redacted(object))
	}
	for d := range s.devo.Delivered(tables[service]) {
		sum, ok := want[d.Identity]
		if !ok {
			s.t.Fatalf("%s: an object arrived that Okta does not have, or in a second pull", service)
		}
		if sum != d.Sum {
			s.t.Fatalf("%s: an object arrived changed", service)
		}
		repeated += int(d.Count) - 1
		delete(want, d.Identity)
	}
	for i := made; i < s.org.Count(service); i++ {
		delete(want, devosim.IdentityOf(s.org.ParentID(service, i), s.org.ID(service, i)))
	}
	require.Emptyf(s.t, want, "%s: %d objects of %d are lost", service, len(want), s.org.Count(service))
	return repeated
}

// missing ends a test that needs something that is not here. It skips it, but fails it in CI, where everything is tested.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing, and CI is set: everything is to be tested", what)
	}
	t.Skipf("%s is missing", what)
}

func freeAddress(t *testing.T) string {
	address, err := loopback.FreeAddress()
	require.NoError(t, err)
	return address
}
