package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
	"okta-collector/test/product"
)

// token is what the simulated orgs let one in with.
const token = "00-token-of-the-simulated-org"

// backlogSpan is the time over which the backlog is spread: less than what is collected by default, 24 hours.
const backlogSpan = 20 * time.Hour

// stage is what all rounds share: the programs, and Temporal.
type stage struct {
	launcher
	root     string // of the product's module
	temporal *process
	address  string // Temporal's
	metrics  string // the address of Temporal's own metrics
	client   client.Client
	// tenants counts those that were collected: each run has one of its own, and so begins at the beginning.
	tenants int
}

// built are the packages of the programs that are measured and stood in for.
var built = []string{"./cmd/okta-collector-worker", "./cmd/okta-collector", "./internal/oktasim/cmd/oktasim"}

// newStage builds the programs, as make build does, and starts Temporal, which ends with ctx.
func newStage(ctx context.Context, dir string) (*stage, error) {
	s := &stage{launcher: launcher{dir: dir}}
	var err error
	if s.root, err = product.Build(ctx, filepath.Join(dir, "bin"), built...); err != nil {
		return nil, err
	}
	cli := filepath.Join(s.root, "bin", "temporal")
	if _, err := os.Stat(cli); err != nil {
		return nil, fmt.Errorf("%w: make bin/temporal builds it", err)
	}
	if s.address, err = loopback.FreeAddress(); err != nil {
		return nil, err
	}
	if s.metrics, err = loopback.FreeAddress(); err != nil {
		return nil, err
	}
	args := []string{
		"server", "start-dev", "--headless", "--port", portOf(s.address), "--metrics-port", portOf(s.metrics),
		"--log-level", "error", "--db-filename", filepath.Join(dir, "temporal.db"),
	}
	for _, situation := range situations {
		args = append(args, "--namespace", situation.namespace)
	}
	s.temporal, err = s.start(ctx, program{name: "temporal", path: cli, args: args})
	if err != nil {
		return nil, err
	}
	return s, s.temporal.ready(ctx, func(ctx context.Context) error {
		var err error
		s.client, err = client.DialContext(ctx, client.Options{HostPort: s.address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
		return err
	})
}

// portOf returns the port of a loopback address.
func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// onStage builds and starts what all measurements share, calls do, and removes everything.
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

// path is that of a built program.
func (s *stage) path(name string) string { return filepath.Join(s.dir, "bin") + "/" + name }

// org is a simulated org in a process of its own.
type org struct {
	// The same org once more, which knows every event.
	*oktasim.Org
	url string
	pid int
}

func (s *stage) startOrg(ctx context.Context, name string, events, eventBytes int) (*org, error) {
	epoch := time.Now().UTC().Truncate(time.Second)
	twin, err := oktasim.New(oktasim.Config{
		Seed: 1, Epoch: epoch, BacklogSpan: backlogSpan, EventBytes: eventBytes,
		Counts: map[string]int{"logs": events}, Token: token,
	})
	if err != nil {
		return nil, err
	}
	// The org is not what is measured: it should answer as evenly as it can. With few live objects its garbage
	// collector would run often, and each time throw away the buffers that pages are rendered into.
	env := []string{"OKTASIM_TOKEN=" + token, "GOGC=off", "GOMEMLIMIT=512MiB"}
	p, err := s.start(ctx, program{name: name, path: s.path("oktasim"), env: env, args: []string{
		"--unlimited", "--seed", "1", "--epoch", epoch.Format(time.RFC3339), "--backlog-span", backlogSpan.String(),
		"--event-bytes", strconv.Itoa(eventBytes), "--counts", fmt.Sprintf("logs=%d", events),
	}})
	if err != nil {
		return nil, err
	}
	url, err := p.announced(ctx)
	return &org{Org: twin, url: url, pid: p.pid}, err
}

// host is where the org listens.
func (o *org) host() string { return strings.TrimPrefix(o.url, "http://") }

// at is the same org by another URL.
func (o *org) at(url string) *org { return &org{Org: o.Org, url: url, pid: o.pid} }

func (s *stage) newTenant() string {
	s.tenants++
	return fmt.Sprintf("tenant%d", s.tenants)
}
