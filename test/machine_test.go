package test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// Faults of the machine that the worker runs on: each is named in the service's status, and the worker goes on by itself
// when it is gone, without a restart.

// limit sets one of a running program's resource limits, and returns the one before.
func limit(t *testing.T, p *process, resource int, to uint64) (before uint64) {
	t.Helper()
	var old unix.Rlimit
	require.NoError(t, unix.Prlimit(p.cmd.Process.Pid, resource, nil, &old))
	require.NoError(t, unix.Prlimit(p.cmd.Process.Pid, resource, &unix.Rlimit{Cur: to, Max: old.Max}, nil))
	return old.Cur
}

// says waits until the status of a service has all of some texts. Its lines are wrapped between words.
func (s *stack) says(service string, texts ...string) {
	s.t.Helper()
	s.eventually("the status of "+service+" says "+strings.Join(texts, ", "), func() bool {
		out, _ := s.starter("status", s.id(service))
		words := strings.Join(strings.Fields(out), " ")
		for _, text := range texts {
			if !strings.Contains(words, text) {
				return false
			}
		}
		return true
	})
}

func TestFileDescriptorsThatRunOutAreNamedAndBlockNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 310, LiveEvery: 20 * time.Millisecond, Unlimited: true})
	s.setOkta("POLL_LOGS", "1s")
	worker := s.startWorker()
	s.start("logs")
	s.caughtUp("logs")

	opened, err := os.ReadDir("/proc/" + strconv.Itoa(worker.cmd.Process.Pid) + "/fd")
	require.NoError(t, err)
	before := limit(t, worker, unix.RLIMIT_NOFILE, uint64(len(opened)-3)) // those that are open stay so
	s.says("logs", "too many open files", "LimitNOFILE")
	status, err := s.status("logs")
	require.NoError(t, err)
	require.Equal(t, workflows.ClassPassing, status.LastProblem.Class, "the files of certificates cannot be opened either, and that is nothing for DEVO_CERT_FILE")
	require.Contains(t, s.out.String(), "LimitNOFILE", "the log says it too")

	limit(t, worker, unix.RLIMIT_NOFILE, before)
	s.eventually("it collects again", func() bool {
		now, err := s.status("logs")
		return err == nil && now.Checkpoint.Totals.Events > status.Checkpoint.Totals.Events && now.CaughtUp
	})
}

func TestAFileThatCannotGrowIsNamedAndEachEventIsInItOnceAfterwards(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 311, Counts: map[string]int{"logs": 5000}, Unlimited: true})
	s.env["DEVO_URL"] = "file://" + s.dir + "/out"
	worker := s.startWorker()
	before := limit(t, worker, unix.RLIMIT_FSIZE, 1<<20) // after some hundred events
	s.start("logs")
	s.says("logs", "file too large", "ulimit -f")
	status, err := s.status("logs")
	require.NoError(t, err)
	require.Equal(t, workflows.ClassPassing, status.LastProblem.Class)

	limit(t, worker, unix.RLIMIT_FSIZE, before)
	s.caughtUp("logs")
	written, err := os.ReadFile(s.dir + "/out/" + s.id("logs") + ".jsonl")
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSuffix(written, []byte("\n")), []byte("\n"))
	require.Len(t, lines, 5000)
	delivered := map[string]int{}
	for _, line := range lines {
		var event struct{ UUID string }
		require.NoError(t, json.Unmarshal(line, &event))
		delivered[event.UUID]++
	}
	for i := range s.org.All("logs") {
		require.Equal(t, 1, delivered[s.org.ID("logs", i)], "event %d", i)
	}
}

func TestANameThatDoesNotResolveIsNamed(t *testing.T) {
	t.Parallel()
	for setting, service := range map[string]string{"OKTA_URL": "users", "DEVO_URL": "groups"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, oktasim.Config{Seed: 312, Counts: map[string]int{"users": 1, "groups": 1}, Unlimited: true})
			if setting == "OKTA_URL" {
				s.setOkta("URL", "https://acme.invalid")
			} else {
				s.env[setting] = "tls://acme.invalid:443"
			}
			s.startWorker()
			s.start(service)
			s.says(service, "lookup acme.invalid", "DNS")
			status, err := s.status(service)
			require.NoError(t, err)
			require.Equal(t, workflows.ClassPassing, status.LastProblem.Class)
		})
	}
}

// TestAClockThatIsFarOffIsNamedAndCollectsAllTheSame has Temporal's clock differ, since this machine's cannot be set.
func TestAClockThatIsFarOffIsNamedAndCollectsAllTheSame(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 313, LiveEvery: 20 * time.Millisecond, Unlimited: true})
	s.setOkta("POLL_LOGS", "1s")
	var behind atomic.Int64 // Temporal's clock
	proxy := newTemporalProxy(t, s.env["TEMPORAL_ADDRESS"])
	proxy.intercept(func(_ context.Context, _ any, forward func() (any, error)) (any, error) {
		answer, err := forward()
		if task, ok := answer.(*workflowservice.PollActivityTaskQueueResponse); ok && len(task.GetTaskToken()) > 0 {
			for _, at := range []**timestamppb.Timestamp{&task.StartedTime, &task.ScheduledTime, &task.CurrentAttemptScheduledTime} {
				*at = timestamppb.New((*at).AsTime().Add(-time.Duration(behind.Load())))
			}
		}
		return answer, err
	})
	s.env["TEMPORAL_ADDRESS"] = proxy.address
	behind.Store(int64(time.Hour))
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")
	s.says("logs", "the worker's clock is 1h0m", "ahead of Temporal's", "NTP")
	require.Contains(t, s.out.String(), "ahead of Temporal's", "the log says it too")

	behind.Store(0)
	counted := func() (said int, slices int64) {
		var status workflows.Status
		s.eventually("the status of logs", func() (ok bool) {
			var err error
			status, err = s.status("logs")
			return err == nil
		})
		for _, w := range status.Warnings {
			if w.Kind == "clock" {
				said = w.Count
			}
		}
		return said, status.Slices
	}
	s.eventually("nothing is said any more", func() bool {
		before, began := counted()
		var after int
		s.eventually("three more slices end", func() bool {
			said, ended := counted()
			after = said
			return ended >= began+3
		})
		return after == before
	})
}
