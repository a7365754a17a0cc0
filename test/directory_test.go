package test

import (
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// intoDirectory has the stack ship into a directory, and returns the path of a service's file there.
func (s *stack) intoDirectory(service string) string {
	s.env["DEVO_URL"] = "file://" + s.dir + "/out"
	return filepath.Join(s.dir, "out", s.id(service)+".jsonl")
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestACollectThatIsStartedWithACraftedStateCutsNoFile(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 1101, Counts: map[string]int{"users": 500}, Unlimited: true})
	file := s.intoDirectory("users")
	s.startWorker()
	s.start("users")
	s.caughtUp("users")
	delivered := content(t, file)
	require.Equal(t, 502, strings.Count(delivered, "\n"), "objects, and the records of the pull")
	status, err := s.status("users")
	require.NoError(t, err)

	// Somebody with access to the namespace alone.
	s.temporal("workflow", "terminate", "--workflow-id", s.id("users"))
	crafted := workflows.CollectInput{Tenant: s.tenant, Service: "users", State: &workflows.State{}}
	crafted.State.Checkpoint.Offset, crafted.State.Checkpoint.OffsetOf = new(int64(0)), status.Checkpoint.OffsetOf
	input, err := json.Marshal(crafted)
	require.NoError(t, err)
	s.temporal("workflow", "start", "--type", workflows.CollectName, "--task-queue", s.env["COLLECTOR_TASK_QUEUE"],
		"--workflow-id", s.id("users"), "--input", string(input))
	s.caughtUp("users")
	require.True(t, strings.HasPrefix(content(t, file), delivered), "objects come twice, and nothing is cut")
	status, err = s.status("users")
	require.NoError(t, err)
	require.Equal(t, devo.WarnDiffers, status.LastWarning.Kind)
	require.Contains(t, status.LastWarning.Message, "Nothing is cut")
}

func TestASecondTemporalIsToldWhoseTheDirectoryIs(t *testing.T) {
	t.Parallel()
	first := newStack(t, oktasim.Config{Seed: 1102, Counts: map[string]int{"users": 100}, Unlimited: true})
	file := first.intoDirectory("users")
	first.startWorker()
	first.start("users")
	first.caughtUp("users")
	delivered := content(t, file)

	second := *first
	second.out = &output{}
	second.env = maps.Clone(first.env)
	second.env["COLLECTOR_LISTEN"] = freeAddress(t)
	second.on(newTemporal(t, ""), "default") // the name of the first one's, too
	worker := second.startWorker()
	t.Cleanup(worker.kill)
	second.start("users")
	var problem *workflows.Problem
	second.eventually("the second one is blocked", func() bool {
		status, err := second.status("users")
		problem = status.LastProblem
		return err == nil && problem != nil
	})
	require.Equal(t, workflows.ClassPerson, problem.Class)
	require.Equal(t, 2, strings.Count(problem.Message, "Temporal namespace default, id "), problem.Message)
	require.Contains(t, problem.Remedy, "DEVO_URL")
	require.Equal(t, delivered, content(t, file))

	// A restart of the first one's worker changes nothing.
	first.worker.kill()
	first.startWorker()
	first.temporal("workflow", "signal", "--workflow-id", first.id("users"), "--name", "poll")
	first.eventually("the first one goes on", func() bool {
		status, err := first.status("users")
		return err == nil && status.LastProblem == nil && status.Checkpoint.Totals.Pulls > 1
	})
}

func TestAWorkerWhosePortIsTakenCollectsAndTellsDevo(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 1103, Counts: map[string]int{"users": 100}, Unlimited: true})
	arrived := s.keepEverything()
	holder, err := net.Listen("tcp", s.env["COLLECTOR_LISTEN"])
	require.NoError(t, err)
	s.worker = s.begin(workerProgram(), s.env)
	s.start("users")
	s.caughtUp("users")
	s.once("users")
	s.eventually("Devo is told", func() bool {
		warnings := about(reportsIn(t, arrived.String()), "warning", "")
		return len(warnings) > 0 && strings.Contains(warnings[0].Msg, "COLLECTOR_LISTEN")
	})
	require.NoError(t, holder.Close())
	s.ready(s.worker, s.env) // by itself
}
