package test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
	"okta-collector/test/loopback"
)

// TestAnotherWorkerCollectsWhileOneHasLostItsWay runs two workers, takes one of them its way to Devo or Okta, and gives it
// back. That worker says so wherever somebody may look, the other one collects, and slices do not fail all the while.
func TestAnotherWorkerCollectsWhileOneHasLostItsWay(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"Devo", "Okta"} {
		t.Run(peer, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, oktasim.Config{Seed: 300, LiveEvery: 20 * time.Millisecond, Unlimited: true})
			s.setOkta("POLL_LOGS", "1s")
			setting := map[string]string{"Devo": "DEVO_URL", "Okta": strings.ToUpper(s.tenant) + "_OKTA_URL"}[peer]
			gate, err := loopback.NewGate(s.env[setting])
			require.NoError(t, err)
			t.Cleanup(func() { _ = gate.Close() })
			behind := maps.Clone(s.env)
			behind[setting], behind["COLLECTOR_LISTEN"] = gate.URL, freeAddress(t)
			lost := s.launch(behind)
			t.Cleanup(lost.kill)
			other := s.startWorker()
			s.start("logs")
			s.caughtUp("logs")

			gate.Shut(true)
			says := "has not reached " + s.tenant + "'s " + peer
			s.eventually("the worker knows", func() bool { return strings.Contains(readyz(t, behind), says) })
			require.NotContains(t, readyz(t, s.env), says, "the other worker reaches it")
			require.Contains(t, s.out.String(), "this worker does not reach the peer")
			s.eventually("the service's status says it", func() bool {
				out, code := s.starter("status", s.id("logs"))
				return code == 0 && strings.Contains(out, says)
			})

			before, err := s.status("logs")
			require.NoError(t, err)
			after := before
			s.eventually("the other worker collects", func() bool {
				status, err := s.status("logs")
				if err == nil {
					after = status
				}
				return after.Checkpoint.Totals.Pages >= before.Checkpoint.Totals.Pages+10
			})
			require.LessOrEqual(t, after.Problems, before.Problems+3, "slices are handed back and do not fail, unless eight in a row come to this worker")

			gate.Shut(false)
			other.kill()
			s.eventually("the worker collects again", func() bool {
				status, err := s.status("logs")
				return err == nil && status.Checkpoint.Totals.Pages >= after.Checkpoint.Totals.Pages+3
			})
			require.NotContains(t, readyz(t, behind), says)
		})
	}
}

// TestAWorkerAloneGoesOnTryingUntilItsWayIsBack: there is nobody to hand a slice to.
func TestAWorkerAloneGoesOnTryingUntilItsWayIsBack(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 301, Counts: map[string]int{"logs": 2000}, Unlimited: true})
	gate, err := loopback.NewGate(s.env["DEVO_URL"])
	require.NoError(t, err)
	t.Cleanup(func() { _ = gate.Close() })
	s.env["DEVO_URL"] = gate.URL
	gate.Shut(true)
	s.startWorker()
	s.start("logs")
	s.eventually("it fails again and again, and the status says why", func() bool {
		status, err := s.status("logs")
		out, _ := s.starter("status", s.id("logs"))
		return err == nil && status.Failures >= 3 && strings.Contains(out, "has not reached "+s.tenant+"'s Devo")
	})

	gate.Shut(false)
	s.caughtUp("logs")
	s.once("logs")
}

// readyz returns what a worker says of itself.
func readyz(t *testing.T, env map[string]string) string {
	t.Helper()
	response, err := http.Get("http://" + env["COLLECTOR_LISTEN"] + "/readyz")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}
