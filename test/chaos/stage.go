package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/test/distance"
	"okta-collector/test/loopback"
	"okta-collector/test/product"
)

const (
	// tenant ships over syslog.
	tenant = "chaos"
	// token is what the simulated org lets one in with.
	token = "00-token-of-the-simulated-org"
	// patience is how long something may take once nothing is wrong any more. It is no expectation.
	patience = 4 * time.Minute
)

// tables are the services that are collected, and where they are found in Devo.
var tables = map[string]string{
	"logs": "auth.okta.system", "users": "auth.okta.users", "groups": "auth.okta.groups", "clients": "auth.okta.clients",
	"apps": "auth.okta.apps", "app_users": "my.app.okta.app_users", "app_groups": "my.app.okta.app_groups",
	"zones": "auth.okta.zones", "idps": "auth.okta.idps",
}

// services are their names, in the order in which they are judged.
var services = []string{"logs", "users", "groups", "clients", "apps", "app_users", "app_groups", "zones", "idps"}

// counts is the org's size. There is a backlog; everything else is a few pages.
var counts = map[string]int{"logs": 50_000, "users": 500, "groups": 300, "clients": 50, "apps": 14, "app_users": 20, "app_groups": 5, "zones": 600, "idps": 300}

const (
	// liveEvery is the time between two log events: so many that most moments are in the middle of a page.
	liveEvery = 2 * time.Millisecond
	// backlogSpan is the time before the run over which the backlog was made.
	backlogSpan = 20 * time.Hour
	// answerTime is how long Okta takes over each answer.
	answerTime = 100 * time.Millisecond
)

// stage is everything that takes part.
type stage struct {
	dir     string
	opened  time.Time // when everything was started
	org     *oktasim.Server
	answers *spoilers
	excuses *excuses
	wrongs  wrongs
	devo    *devosim.Server
	repeats *repeats
	// distance is how far Devo is away, and wires are the ways to it.
	distance time.Duration
	wires    []*distance.Wire
	temporal *program
	workers  []*worker
	// address is Temporal's.
	address string
	client  client.Client
	// backfills are the workflow ids of the backfills that were started, the newest last.
	backfills []string
}

// worker is one bin/worker, with roads of its own.
type worker struct {
	*program
	// devo leads to Devo's syslog endpoint, devoHTTP to its HTTP endpoint.
	okta, devo, devoHTTP *road
	env                  []string
	listen               string
}

// newStage builds the programs and starts everything. It has to be closed, also after an error.
func newStage(ctx context.Context, dir string, away time.Duration) (*stage, error) {
	s := &stage{dir: dir, opened: time.Now(), answers: newSpoilers(), excuses: newExcuses(), repeats: newRepeats(), distance: away}
	root, err := product.Build(ctx, filepath.Join(dir, "bin"), "./cmd/okta-collector-worker", "./cmd/okta-collector")
	if err != nil {
		return s, err
	}
	// As with Okta, all requests of a worker share one connection of HTTP/2.
	s.org, err = oktasim.StartTLS(oktasim.Config{
		Seed: 1, Token: token, Counts: counts, BacklogSpan: backlogSpan, LiveEvery: liveEvery, Faults: s.answers.fault,
		// Small enough to be felt, large enough for a service to catch up. What shares a window wants more than its share.
		Limits: map[string]int{"/api/v1/logs": 360, "/api/v1/users": 600, "/api/v1/groups": 600, "/oauth2/v1/clients": 600, "/api/v1/apps": 600, "/api/v1/zones": 1200, "/api/v1/idps": 1200},
	})
	if err != nil {
		return s, err
	}
	if err := os.WriteFile(s.trusted(), s.org.Certificate, 0o644); err != nil {
		return s, err
	}
	if s.devo, err = devosim.Start(devosim.Config{Dir: filepath.Join(dir, "certificates"), Domain: domain, Token: devoToken}); err != nil {
		return s, err
	}
	s.devo.SetHooks(devosim.Hooks{Record: s.repeats.note})
	syslog, err := s.far(strings.TrimPrefix(s.devo.SyslogURL(), "tls://"))
	if err != nil {
		return s, err
	}
	http, err := s.far(strings.TrimPrefix(s.devo.HTTPURL(), "https://"))
	if err != nil {
		return s, err
	}
	if err := s.startTemporal(ctx, filepath.Join(root, "bin", "temporal")); err != nil {
		return s, err
	}
	for n := range workers {
		w, err := s.newWorker(n, syslog, http)
		if err != nil {
			return s, err
		}
		s.workers = append(s.workers, w)
	}
	// The first one makes Temporal ready for the workflows.
	if err := s.ready(ctx, s.workers[0].program, s.workers[0].ready); err != nil {
		return s, err
	}
	if err := s.startServices(ctx); err != nil {
		return s, err
	}
	return s, s.startBackfill(ctx)
}

func (s *stage) startTemporal(ctx context.Context, cli string) error {
	if _, err := os.Stat(cli); err != nil {
		return fmt.Errorf("%w: make bin/temporal builds it", err)
	}
	var err error
	if s.address, err = loopback.FreeAddress(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	s.temporal = keepRunning(s.dir, "temporal", cli, nil, "server", "start-dev", "--headless", "--ip", host, "--port", port,
		"--log-level", "warn", "--db-filename", filepath.Join(s.dir, "temporal.db"),
		"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off") // kills end processes and never the machine
	s.client, err = client.NewLazyClient(client.Options{HostPort: s.address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return fmt.Errorf("connecting to Temporal: %w", err)
	}
	return s.ready(ctx, s.temporal, func(ctx context.Context) error {
		_, err := s.client.CheckHealth(ctx, nil)
		return err
	})
}

// newWorker makes a worker whose roads lead to these addresses of Devo.
func (s *stage) newWorker(n int, syslog, http string) (*worker, error) {
	name := fmt.Sprintf("worker%d", n+1)
	w := &worker{}
	var err error
	if w.okta, err = newRoad(name+" to Okta", strings.TrimPrefix(s.org.URL, "https://")); err != nil {
		return nil, err
	}
	if w.devo, err = newRoad(name+" to Devo", syslog); err != nil {
		return nil, err
	}
	if w.devoHTTP, err = newRoad(name+" to Devo over HTTP", http); err != nil {
		return nil, err
	}
	if w.listen, err = loopback.FreeAddress(); err != nil {
		return nil, err
	}
	pki := s.devo.PKI()
	w.env = append(s.clientVariables(),
		"COLLECTOR_TENANTS="+tenant+","+tenantOverHTTP, "COLLECTOR_LISTEN="+w.listen, "COLLECTOR_LOG_LEVEL=debug",
		"SSL_CERT_FILE="+s.trusted(),
		"OKTA_LOGS_HISTORY=24h", "OKTA_POLL_LOGS=1s", fmt.Sprintf("OKTA_RATE_SHARE=%g", share),
		// So that every pull is a full one.
		"OKTA_POLL_RESOURCES=5s", "OKTA_FULL_SYNC=5s",
		"DEVO_URL="+w.devo.over("tls"), "DEVO_CHAIN_FILE="+pki.ChainFile,
		"DEVO_CERT_FILE="+pki.ClientCertFile, "DEVO_KEY_FILE="+pki.ClientKeyFile,
		// The tenant over HTTP takes everything else from the settings above.
		setting(tenantOverHTTP, "DEVO_URL", w.devoHTTP.over("https")),
		setting(tenantOverHTTP, "DEVO_DOMAIN", domain), setting(tenantOverHTTP, "DEVO_TOKEN", devoToken),
		// So that something is on its way to Devo most of the time, as it is with the log over syslog.
		setting(tenantOverHTTP, "OKTA_POLL_RESOURCES", "1s"), setting(tenantOverHTTP, "OKTA_FULL_SYNC", "1s"),
	)
	for _, t := range []string{tenant, tenantOverHTTP} {
		w.env = append(w.env, setting(t, "OKTA_URL", w.okta.over("https")), setting(t, "OKTA_API_TOKEN", token))
	}
	w.program = keepRunning(s.dir, name, filepath.Join(s.dir, "bin", "okta-collector-worker"), w.env)
	return w, nil
}

// setting is a variable of one tenant.
func setting(tenant, name, value string) string {
	return strings.ToUpper(tenant) + "_" + name + "=" + value
}

// trusted is the file of the certificates that a worker's machine trusts: that of the simulated org.
func (s *stage) trusted() string { return filepath.Join(s.dir, "trusted.pem") }

// clientVariables point a program at the stage's Temporal, whatever profiles its user has.
func (s *stage) clientVariables() []string {
	return []string{
		"TEMPORAL_ADDRESS=" + s.address,
		"TEMPORAL_NAMESPACE=default",
		"TEMPORAL_CONFIG_FILE=" + filepath.Join(s.dir, "no-temporal.toml"), // a file that is not there is no profile
	}
}

// ready says whether the worker says so.
func (w *worker) ready(ctx context.Context) error {
	return loopback.Get(ctx, "http://"+w.listen+"/readyz", nil)
}

// startServices starts the services with bin/starter.
func (s *stage) startServices(ctx context.Context) error {
	args := []string{"start"}
	for _, service := range services {
		args = append(args, workflowID(service))
	}
	if err := s.starter(ctx, args...); err != nil {
		return fmt.Errorf("starting the services: %w", err)
	}
	return nil
}

// starter runs bin/starter.
func (s *stage) starter(ctx context.Context, args ...string) error {
	starter := exec.CommandContext(ctx, filepath.Join(s.dir, "bin", "okta-collector"), args...)
	starter.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, s.workers[0].env...)
	if out, err := starter.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// ready waits until a look at a program succeeds.
func (s *stage) ready(ctx context.Context, p *program, look func(context.Context) error) error {
	err := eventually(ctx, look)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s does not get ready: %w; see %s", p.name, err, p.log)
	}
	return err
}

// eventually waits until a look succeeds. Its error is that of the last look, or why ctx ended.
func eventually(ctx context.Context, look func(context.Context) error) error {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(limit, 10*time.Second)
		err := look(attempt)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-limit.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("not within %v: %w", patience, err)
		}
	}
}

// close ends everything at once.
func (s *stage) close() {
	for _, w := range s.workers {
		w.stop()
	}
	if s.temporal != nil {
		s.temporal.stop()
	}
	if s.client != nil {
		s.client.Close()
	}
	for _, w := range s.workers {
		for _, r := range []*road{w.okta, w.devo, w.devoHTTP} {
			_, _ = r.close()
		}
	}
	for _, w := range s.wires {
		_ = w.Close()
	}
	if s.devo != nil {
		_ = s.devo.Close()
	}
	if s.org != nil {
		_ = s.org.Close()
	}
}

// onRoads changes the roads of a fault's workers until ctx ends.
func (s *stage) onRoads(ctx context.Context, which side, f fault, change func(*road) (undo func() error, err error)) error {
	var undos []func() error
	var errs []error
	for _, n := range f.workers {
		for _, r := range which(s.workers[n]) {
			undo, err := change(r)
			undos, errs = append(undos, undo), append(errs, err)
		}
	}
	<-ctx.Done()
	for _, undo := range undos {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// spoilers are what spoils Okta's answers.
type spoilers struct {
	mu   sync.Mutex
	next int
	all  map[int]oktasim.Fault
	// ahead is how far Okta's clock has jumped.
	ahead time.Duration
	// awaited are those that wait for a request to a host.
	awaited map[string][]chan struct{}
}

func newSpoilers() *spoilers {
	return &spoilers{all: map[int]oktasim.Fault{}, awaited: map[string][]chan struct{}{}}
}

// request returns a channel that is closed at the next request to a host, before it is answered.
func (s *spoilers) request(host string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.awaited[host] = append(s.awaited[host], c)
	return c
}

// add spoils answers until the end is called.
func (s *spoilers) add(f oktasim.Fault) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next++
	s.all[n] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, n)
	}
}

// jump sets Okta's clock so far ahead until back is called.
func (s *spoilers) jump(ahead time.Duration) (back func()) {
	set := func(ahead time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ahead = ahead
	}
	set(ahead)
	return func() { set(0) }
}

// fault gives an answer its time, and spoils it in one of the ways of the moment.
func (s *spoilers) fault(r *http.Request, _ int) oktasim.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.awaited[r.Host] {
		close(c)
	}
	delete(s.awaited, r.Host)
	faults := []oktasim.Fault{oktasim.Delay(answerTime)}
	for spoil := range maps.Values(s.all) {
		faults = append(faults, spoil)
		break
	}
	if !steadyClock(r.URL.Path) {
		faults = append(faults, shown(s.ahead))
	}
	return oktasim.All(faults...)
}
