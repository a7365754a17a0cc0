// Command lostway measures how late log events arrive while one of two workers has lost its way to Devo or Okta: its
// connections are accepted, and nothing passes. It prints the percentiles before, while and after that.
//
// The workers are real programs, as is Temporal's dev server; Okta and Devo are simulated. Temporal's CLI must be in bin
// (make bin/temporal).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
	"okta-collector/test/product"
)

type plan struct {
	peer, worker string
	before, lost time.Duration
	every, poll  time.Duration
}

// noticing is reported apart: a connection that gets no answer fails after 10 s, and each of the two needed may take as long.
const noticing = 25 * time.Second

func main() {
	var p plan
	flag.StringVar(&p.peer, "peer", "devo", "the way that is lost: devo or okta")
	flag.StringVar(&p.worker, "worker", "", "the worker to measure, such as one of another version; default: this one's")
	flag.DurationVar(&p.before, "before", 30*time.Second, "how long all is well before and after")
	flag.DurationVar(&p.lost, "for", 3*time.Minute, "how long the way is lost")
	flag.DurationVar(&p.every, "every", 20*time.Millisecond, "time between two log events")
	flag.DurationVar(&p.poll, "poll", 2*time.Second, "OKTA_POLL_LOGS")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p); err != nil {
		fmt.Fprintln(os.Stderr, "lostway:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp("", "okta-collector-lostway-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := product.Build(ctx, dir, "./cmd/okta-collector-worker", "./cmd/okta-collector")
	if err != nil {
		return err
	}
	if p.worker == "" {
		p.worker = filepath.Join(dir, "okta-collector-worker")
	}
	temporal, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: filepath.Join(root, "bin", "temporal"), DBFilename: filepath.Join(dir, "temporal.db"), LogLevel: "error",
		ClientOptions: &client.Options{Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))},
	})
	if err != nil {
		return err
	}
	defer func() { _ = temporal.Stop() }()
	org, err := oktasim.StartTLS(oktasim.Config{Seed: 1, Token: "00token", LiveEvery: p.every, Unlimited: true})
	if err != nil {
		return err
	}
	defer org.Close()
	devo, err := devosim.Start(devosim.Config{Dir: filepath.Join(dir, "pki"), Domain: "acme", Token: "token"})
	if err != nil {
		return err
	}
	defer devo.Close()

	trusted := filepath.Join(dir, "trusted.pem")
	if err := os.WriteFile(trusted, org.Certificate, 0o600); err != nil {
		return err
	}
	url := map[string]string{"devo": devo.SyslogURL(), "okta": org.URL}[p.peer]
	if url == "" {
		return fmt.Errorf("--peer is %q, must be devo or okta", p.peer)
	}
	gate, err := loopback.NewGate(url)
	if err != nil {
		return err
	}
	defer gate.Close()
	gate.Silent = true
	pki := devo.PKI()
	env := map[string]string{
		"HOME": dir, "SSL_CERT_FILE": trusted, "TEMPORAL_ADDRESS": temporal.FrontendHostPort(), "COLLECTOR_TENANTS": "acme", "OKTA_SERVICES": "logs",
		"ACME_OKTA_URL": org.URL, "ACME_OKTA_API_TOKEN": "00token", "OKTA_POLL_LOGS": p.poll.String(),
		"DEVO_URL": devo.SyslogURL(), "DEVO_CHAIN_FILE": pki.ChainFile, "DEVO_CERT_FILE": pki.ClientCertFile, "DEVO_KEY_FILE": pki.ClientKeyFile,
	}
	behind := maps.Clone(env)
	behind[map[string]string{"devo": "DEVO_URL", "okta": "ACME_OKTA_URL"}[p.peer]] = gate.URL
	for i, env := range []map[string]string{behind, env} {
		if env["COLLECTOR_LISTEN"], err = loopback.FreeAddress(); err != nil {
			return err
		}
		stop, err := start(p.worker, filepath.Join(dir, fmt.Sprintf("worker%d.log", i+1)), env)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := ready(ctx, behind["COLLECTOR_LISTEN"]); err != nil {
		return err
	}
	starter := exec.CommandContext(ctx, filepath.Join(dir, "okta-collector"), "start")
	starter.Env = environ(env)
	if out, err := starter.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}

	m := newMeter(org, devo)
	defer m.stop()
	shut := false
	for _, phase := range []struct {
		name  string
		lasts time.Duration
		shut  bool
	}{{"well", p.before, false}, {"just lost", noticing, true}, {"lost", p.lost - noticing, true}, {"well again", p.before, false}} {
		if phase.shut != shut {
			gate.Shut(phase.shut)
		}
		shut = phase.shut
		m.begin(phase.name)
		select {
		case <-time.After(phase.lasts):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.begin("")
	time.Sleep(p.poll + time.Second) // for the last events to arrive
	fmt.Printf("one of two workers loses its way to %s for %v; an event every %v, polls every %v\n\n", p.peer, p.lost, p.every, p.poll)
	m.print(os.Stdout)
	ready, err := http.Get("http://" + behind["COLLECTOR_LISTEN"] + "/readyz")
	if err != nil {
		return err
	}
	defer ready.Body.Close()
	text, _ := io.ReadAll(ready.Body)
	said, err := os.ReadFile(filepath.Join(dir, "worker1.log"))
	fmt.Printf("\n/readyz of that worker: %s\nand its log, of levels warn and above or of the way:\n", text)
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, "the peer") {
			fmt.Print(line[:min(len(line), 400)], "\n")
		}
	}
	return err
}

func start(program, output string, env map[string]string) (stop func(), err error) {
	file, err := os.Create(output)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ(env), file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		file.Close()
	}, nil
}

func environ(env map[string]string) (all []string) {
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

func ready(ctx context.Context, address string) error {
	for {
		err := loopback.Get(ctx, "http://"+address+"/readyz", nil)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// meter notes how many events there were and had arrived, 50 times a second.
type meter struct {
	mu             sync.Mutex
	phases         []string
	made, arrived  []time.Time // of each event
	phaseOf        []int       // in which it was made
	done, finished chan struct{}
}

func newMeter(org *oktasim.Server, devo *devosim.Server) *meter {
	m := &meter{done: make(chan struct{}), finished: make(chan struct{})}
	go func() {
		defer close(m.finished)
		before := org.Count("logs")
		for every := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-every.C:
				m.note(before, org.Count("logs"), int(devo.Stats()["auth.okta.system"].Distinct))
			case <-m.done:
				every.Stop()
				return
			}
		}
	}()
	return m
}

func (m *meter) note(before, made, arrived int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for before+len(m.made) < made {
		m.made, m.phaseOf = append(m.made, now), append(m.phaseOf, len(m.phases)-1)
	}
	for before+len(m.arrived) < min(arrived, made) {
		m.arrived = append(m.arrived, now)
	}
}

func (m *meter) begin(phase string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phases = append(m.phases, phase)
}

func (m *meter) stop() {
	close(m.done)
	<-m.finished
}

func (m *meter) print(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(w, "%-11s %8s %8s %8s %8s\n", "the way is", "events", "p50", "p99", "latest")
	for n, phase := range m.phases {
		var late []time.Duration
		for i, at := range m.arrived {
			if m.phaseOf[i] == n && i < len(m.made) {
				late = append(late, at.Sub(m.made[i]))
			}
		}
		if slices.Sort(late); phase != "" && len(late) > 0 {
			of := func(share float64) float64 { return late[int(share*float64(len(late)-1))].Seconds() }
			fmt.Fprintf(w, "%-11s %8d %7.1fs %7.1fs %7.1fs\n", phase, len(late), of(0.5), of(0.99), of(1))
		}
	}
}
