package workflows_test

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

const devoServer = "tls://devo:443"

// proving is the result of a slice whose server gave a proof.
func proving(in workflows.SliceInput, proof checkpoint.Proof, wait time.Duration) (workflows.SliceResult, error) {
	c := moved(in)
	c.Proof, c.ProofOf = proof, devoServer
	return workflows.SliceResult{Checkpoint: c, End: workflows.EndCaughtUp, Wait: wait}, nil
}

func (s *collectSuite) TestResumeCanDiscardWhatDevosServerHasProven() {
	for _, whileItRuns := range []bool{false, true} {
		s.SetupTest()
		resume := func() { s.env.SignalWorkflow(workflows.SignalResume, workflows.ResumeInput{ResetProof: true}) }
		var resetAt time.Time
		s.next = func(n int, in workflows.SliceInput) (workflows.SliceResult, error) {
			if n == 1 && whileItRuns {
				resetAt = s.env.Now()
				resume()
			}
			return proving(in, checkpoint.ProofCloseNotify, time.Minute)
		}
		if !whileItRuns {
			s.after(30*time.Second, func() { resetAt = s.env.Now(); resume() })
		}
		s.run(input, 90*time.Second)

		s.Require().Len(s.slices, 2)
		known := s.slices[1].in.Checkpoint.Proven
		s.Empty(known.Proof, "while a slice runs: %v", whileItRuns)
		s.WithinDuration(resetAt, known.ProofReset, time.Second)
	}
}

func (s *collectSuite) TestAResumeWithoutInputKeepsWhatDevosServerHasProven() {
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return proving(in, checkpoint.ProofCloseNotify, time.Minute)
	}
	s.signal(20*time.Second, workflows.SignalResume)
	s.after(30*time.Second, func() { s.env.SignalWorkflow(workflows.SignalResume, "not understood") })
	s.run(input, 90*time.Second)
	s.Equal(checkpoint.Proven{Proof: checkpoint.ProofCloseNotify, ProofOf: devoServer}, s.slices[1].in.Checkpoint.Proven)
}

func (s *collectSuite) TestABackfillDemandsWhatTheLiveCollectionKnowsDevosServerToProve() {
	var given checkpoint.Proven
	s.env.RegisterWorkflowWithOptions(func(_ workflow.Context, in workflows.BackfillInput) (*workflows.State, error) {
		given = in.Proven
		return &workflows.State{}, nil
	}, workflow.RegisterOptions{Name: workflows.BackfillName})
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) {
		return proving(in, checkpoint.ProofFIN, time.Minute)
	}
	s.after(30*time.Second, func() { s.env.SignalWorkflow(workflows.SignalBackfill, s.yesterday()) })
	s.run(input, 90*time.Second)
	s.Equal(checkpoint.Proven{Proof: checkpoint.ProofFIN, ProofOf: devoServer}, given)

	s.SetupTest()
	s.next = func(_ int, in workflows.SliceInput) (workflows.SliceResult, error) { return ended(in), nil }
	_, err := s.backfill(workflows.BackfillInput{Tenant: "acme", Service: "logs", Range: s.yesterday(), Proven: given})
	s.NoError(err)
	s.Equal(given, s.slices[0].in.Checkpoint.Proven)
}
