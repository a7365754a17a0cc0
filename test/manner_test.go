package test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// How Devo's servers close a connection is not known. Each manner delivers without a setting, in time, and fast enough for
// all that Okta's limits let through; and none that proves less is accepted afterwards until an operator says so.
func TestDevoMayCloseInAnyManner(t *testing.T) {
	t.Parallel()
	for manner, proof := range map[devosim.Manner]checkpoint.Proof{
		devosim.ClosesWithNotify: checkpoint.ProofCloseNotify, devosim.ClosesAbruptly: checkpoint.ProofFIN,
		devosim.ClosesAfterFIN: checkpoint.ProofLateFIN, devosim.NeverCloses: checkpoint.ProofKernel,
	} {
		t.Run(string(manner), func(t *testing.T) {
			t.Parallel()
			const events = 20_000
			s := newStack(t, oktasim.Config{Seed: 1, Unlimited: true, Counts: map[string]int{"logs": events}})
			s.devo.SetManner(manner)
			s.startWorker()
			began := time.Now()
			s.start("logs")
			s.wait("auth.okta.system", 1)
			first := time.Now()
			s.wait("auth.okta.system", events)
			t.Logf("the first events arrived after %v, then %.0f a second", first.Sub(began), events/time.Since(first).Seconds())
			s.caughtUp("logs")
			s.once("logs")

			status, err := s.status("logs")
			require.NoError(t, err)
			require.Equal(t, checkpoint.Proven{Proof: proof, ProofOf: s.devo.SyslogURL()}, status.Checkpoint.Proven)
			weak := proof == checkpoint.ProofLateFIN || proof == checkpoint.ProofKernel
			warned := slices.ContainsFunc(status.Warnings, func(w workflows.Warning) bool {
				return strings.Contains(w.Message, "this counts as delivered")
			})
			require.Equal(t, weak, warned, "%v", status.Warnings)
		})
	}
}

func TestAnOperatorMakesAWeakerProofAcceptable(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 1, LiveEvery: time.Second / 2, Counts: map[string]int{"logs": 100}})
	s.env["OKTA_POLL_LOGS"] = "1s"
	s.startWorker()
	s.start("logs")
	s.caughtUp("logs")

	s.devo.SetManner(devosim.ClosesAbruptly)
	refused := regexp.MustCompile(`without close_notify\b.*Earlier, `)
	s.eventually("the weaker proof is refused", func() bool {
		status, err := s.status("logs")
		return err == nil && status.LastProblem != nil && status.Failures > 0 &&
			refused.MatchString(status.LastProblem.Message) && strings.Contains(status.LastProblem.Remedy, "resume --reset-proof")
	})

	said, code := s.starter("resume", "--reset-proof", s.id("logs"))
	require.Zero(t, code, said)
	s.eventually("what the server gives now counts", func() bool {
		status, err := s.status("logs")
		return err == nil && status.Checkpoint.Proof == checkpoint.ProofFIN && status.Failures == 0
	})
}

func TestBodiesThatAreTooLargeForAProxyGoInParts(t *testing.T) {
	t.Parallel()
	const events = 5000
	s := newStack(t, oktasim.Config{Seed: 1, Unlimited: true, Counts: map[string]int{"logs": events}})
	s.env["DEVO_URL"], s.env["DEVO_DOMAIN"], s.env["DEVO_TOKEN"] = s.devo.HTTPURL(), "acme", "devo-"+s.token
	s.devo.SetMaxBody(20_000)
	s.startWorker()
	s.start("logs")
	s.wait("auth.okta.system", events)
	s.caughtUp("logs")
	s.once("logs") // what was refused had not arrived
	require.Positive(t, s.devo.Connections().TooLarge)
	status, err := s.status("logs")
	require.NoError(t, err)
	require.Contains(t, status.LastWarning.Message, "413")
}

func TestCheckSendsARecordThatShowsWhetherRecordsAreTruncated(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 1, Counts: map[string]int{"logs": 1}})
	said, code := s.starter("check", "--send", "-o", "json")
	require.Zero(t, code, said)
	require.EqualValues(t, 1<<20, s.devo.Stats()[devo.CheckTable].Bytes)
	var results []struct{ Check, Note string }
	require.NoError(t, json.Unmarshal([]byte(said), &results), said)
	for _, r := range results {
		if r.Check == "devo, one large record" {
			require.Contains(t, r.Note, "1,048,576 bytes")
			return
		}
	}
	t.Fatal("nothing is said of the record: " + said)
}
