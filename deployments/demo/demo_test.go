package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// patience is how long something may take before a test gives up on it. It is no expectation.
const patience = 4 * time.Minute

// smallOrg is collected in a moment, without a rate limit.
const smallOrg = "logs=3500,users=450,groups=250,apps=30,clients=20,idps=5,zones=5"

// build makes the programs, and takes Temporal from the repository's bin.
func build(t *testing.T) (bin string) {
	t.Helper()
	temporal, err := filepath.Abs("../../bin/temporal")
	require.NoError(t, err)
	if _, err := os.Stat(temporal); err != nil || testing.Short() {
		t.Skip("needs bin/temporal (make bin/temporal), and takes half a minute")
	}
	bin = t.TempDir()
	require.NoError(t, os.Symlink(temporal, filepath.Join(bin, "temporal")))
	for name, program := range map[string]string{
		"worker": "cmd/okta-collector-worker", "starter": "cmd/okta-collector", "oktasim": "internal/oktasim/cmd/oktasim",
	} {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, name), "../../"+program).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return bin
}

// reserved returns free ports below those that systems give to connections (Linux 32768 and up, others 49152): they
// are still free when a program that was killed is started again.
func reserved(t *testing.T) ports {
	t.Helper()
	first := 15_000 + rand.IntN(17_000)
	p, err := ports{temporal: first, ui: first + 1, metrics: first + 2, okta: first + 3, devo: first + 4}.free()
	require.NoError(t, err)
	return p
}

// printed is what a demo has printed so far.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // something was printed
}

func (s *printed) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

func (s *printed) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor waits until something is printed, and returns its submatches.
func (s *printed) waitFor(t *testing.T, pattern string) []string {
	t.Helper()
	deadline := time.After(patience)
	for expression := regexp.MustCompile(pattern); ; {
		if found := expression.FindStringSubmatch(s.String()); found != nil {
			return found
		}
		select {
		case <-s.more:
		case <-deadline:
			require.Failf(t, "never printed", "%s\n%s", pattern, s)
		}
	}
}

// begin runs a demo until its settings, or stop, end it. It prints as if there were no terminal.
func begin(t *testing.T, s settings) (out *printed, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = &printed{more: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, t.Context(), s, plain(out))
	}()
	return out, func() error { cancel(); return <-ended }
}

func TestTheDemoCollectsGoesOnAfterAKilledWorkerAndAgain(t *testing.T) {
	s := settings{bin: build(t), path: filepath.Join(t.TempDir(), ".demo"), counts: smallOrg, ports: reserved(t)}

	first, stop := begin(t, s)
	// A second one in the same place does not get far.
	first.waitFor(t, `Temporal +127`)
	require.ErrorContains(t, run(t.Context(), t.Context(), s, plain(io.Discard)), "another demo is running")
	first.waitFor(t, `okta/default/users +waiting +450`)
	pid, err := strconv.Atoi(first.waitFor(t, `kill -9 (\d+)`)[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	// There are live events, which are polled for every ten seconds.
	first.waitFor(t, `(?s)process \d+ runs in its place, and goes on from the positions in Temporal.*okta/default/logs +waiting +3,[5-9]`)
	// The org reads the scopes anew, so that one can withdraw them.
	require.NoError(t, os.WriteFile(filepath.Join(s.path, "scopes"), []byte("okta.users.read\n"), 0o600))
	first.waitFor(t, `okta/default/logs +blocked`)
	require.FileExists(t, filepath.Join(s.path, "settings"))
	require.NoError(t, stop(), first)
	require.NoFileExists(t, filepath.Join(s.path, "settings"), "they lead nowhere now")
	require.Contains(t, first.String(), "Nothing is missing.")
	require.GreaterOrEqual(t, thisRun(t, first, "users"), 450)

	s.duration = time.Second
	second, wait := begin(t, s)
	second.waitFor(t, `Nothing is missing\.`)
	require.NoError(t, wait(), second)
	require.Contains(t, second.String(), "going on where the last run stopped")
	require.Regexp(t, `okta/default/users +running already`, second.String())
	again, err := os.ReadFile(filepath.Join(s.path, "scopes"))
	require.NoError(t, err)
	require.Equal(t, oktasim.Scopes(), strings.Fields(string(again)), "scopes that were withdrawn are granted again")
	require.Less(t, thisRun(t, second, "users"), 450, "what the first run collected is not collected again")
	for _, log := range []string{"demo", "temporal", "oktasim", "worker"} {
		require.FileExists(t, filepath.Join(s.path, "logs", log+".log"))
	}
	require.Equal(t, 1, strings.Count(second.String(), "stopping:"))
	isPrivate(t, s.path)
}

// thisRun is how many events of a service a demo has collected, by what it printed in the end.
func thisRun(t *testing.T, out *printed, service string) int {
	t.Helper()
	_, outcome, _ := strings.Cut(out.String(), "stopping:")
	row := regexp.MustCompile(service + ` [\d,]+/([\d,]+)`).FindStringSubmatch(outcome)
	require.NotNil(t, row, outcome)
	n, err := strconv.Atoi(strings.ReplaceAll(row[1], ",", ""))
	require.NoError(t, err)
	return n
}

func TestTheErrorOfAPartThatDoesNotStartNamesItsLog(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"temporal", "oktasim", "worker", "starter"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho 'cannot open the database' >&2\nexit 1\n"), 0o700))
	}
	err := run(t.Context(), t.Context(), settings{bin: bin, path: t.TempDir(), counts: smallOrg}, plain(io.Discard))
	require.ErrorContains(t, err, "temporal ended (exit status 1): cannot open the database; see ")
	require.ErrorContains(t, err, filepath.Join("logs", "temporal.log"))
}
