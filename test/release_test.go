package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// badRelease builds a worker whose Collect begins with a timer, so that it cannot replay what another build began.
func badRelease(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	file := filepath.Join(root, "workflows", "collect.go")
	code, err := os.ReadFile(file)
	require.NoError(t, err)
	begin := "func Collect(ctx workflow.Context, in CollectInput) (*State, error) {\n"
	require.Equal(t, 1, strings.Count(string(code), begin))
	changed := strings.Replace(string(code), begin, begin+"if err := workflow.Sleep(ctx, time.Millisecond); err != nil { return nil, err }\n", 1)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "collect.go"), []byte(changed), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: filepath.Join(dir, "collect.go")}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	build := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir+"/", "./cmd/okta-collector-worker")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return filepath.Join(dir, "okta-collector-worker")
}

// TestABadReleaseIsNamedAndTheWayBackLosesNothing replaces a worker by one that cannot replay, and rolls back. Of the
// services one has a task that fails, and the others sleep: one until its next poll, one until somebody resumes it.
func TestABadReleaseIsNamedAndTheWayBackLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 61, Counts: map[string]int{"logs": 2_000, "users": 100, "groups": 10}, Unlimited: true,
		LiveEvery: 500 * time.Millisecond})
	bad := badRelease(t)
	s.setOkta("POLL_LOGS", "2s")
	services := []string{"logs", "users", "groups"}
	s.startWorker()
	p := startPrometheus(t, installed(t, "prometheus"), s.env["COLLECTOR_LISTEN"])
	s.start(services...)
	s.caughtUp(services...)
	s.signal("groups", workflows.SignalPause)
	s.inState("groups", workflows.StatePaused)
	require.Zero(t, s.worker.terminate(t))
	rows := s.rows()
	for _, service := range services {
		require.False(t, rows[s.id(service)].CannotReplay, "without a worker")
	}

	s.worker = s.launchBuild(bad, s.env)
	s.eventually("each service says that its worker cannot replay it", func() bool {
		rows = s.rows()
		for _, service := range services {
			if r := rows[s.id(service)]; !r.CannotReplay || r.NoWorker || r.Healthy || !strings.Contains(r.Unanswered, "TMPRL1100") {
				return false
			}
		}
		return true
	})
	out, code := s.starter("status", "--tenant", s.tenant)
	require.Equal(t, 1, code)
	require.Contains(t, out, "its worker cannot replay it: roll back to the version before")
	s.eventually("the alert is raised", func() bool { return p.alerts()["OktaCollectorCannotReplay"] != nil })
	shipped := s.shipped(tables["logs"])

	// Where there is no way back, a service is given up and started anew, by the new code.
	s.temporal("workflow", "terminate", "--workflow-id", s.id("users"))
	before := rows[s.id("users")].Checkpoint.Totals
	s.start("users")
	s.caughtUp("users")
	require.Greater(t, s.inState("users", workflows.StateWaiting).Checkpoint.Totals.Pulls, before.Pulls, "from its last checkpoint")
	s.temporal("workflow", "terminate", "--workflow-id", s.id("users"))

	require.Zero(t, s.worker.terminate(t))
	s.startWorker()
	s.wait(tables["logs"], shipped+10)
	s.caughtUp("logs")
	require.Equal(t, workflows.StatePaused, s.inState("groups", workflows.StatePaused).State)
	made := s.org.Count("logs")
	s.wait(tables["logs"], made)
	s.mayRepeat(s.completeOf("logs", made), s.id("logs"))
}

// rows are what `starter status` knows of the tenant, by id.
func (s *stack) rows() map[string]statusRow {
	s.t.Helper()
	out, _ := s.command(filepath.Join(environment.dir, "okta-collector"), "status", "--tenant", s.tenant, "-o", "json")
	var list []statusRow
	require.NoError(s.t, json.NewDecoder(strings.NewReader(out)).Decode(&list), out)
	rows := map[string]statusRow{}
	for _, r := range list {
		rows[r.ID] = r
	}
	return rows
}

type statusRow struct {
	workflows.Status
	ID                              string
	Healthy, NoWorker, CannotReplay bool
	Unanswered                      string
}
