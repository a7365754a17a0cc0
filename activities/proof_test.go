package activities_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/workflows"
)

var proven = checkpoint.Proven{Proof: checkpoint.ProofCloseNotify, ProofOf: "tls://devo:443", ProofReset: time.Unix(1, 0).UTC()}

func TestWhatTheServerHasProvenIsInTheCheckpointOfTheBatch(t *testing.T) {
	b := newBench(t, 2)
	b.proven = proven
	result, err := b.run()
	require.NoError(t, err)
	require.Zero(t, b.saved[0].Proven, "nothing was sent yet")
	require.Equal(t, proven, b.saved[1].Proven)
	require.Equal(t, proven, result.Checkpoint.Proven)
}

func TestASliceTellsItsSinkWhatTheServerHasProven(t *testing.T) {
	b := newBench(t, 1)
	_, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: checkpoint.Checkpoint{Proven: proven}})
	require.NoError(t, err)
	require.Equal(t, proven, b.target.Proven)
}

func TestASliceWhoseFirstBatchFailsStillKeepsWhatTheServerHasProven(t *testing.T) {
	b := newBench(t, 1)
	b.proven = proven
	b.ship = func(int) error { return errors.New("reset by peer") }
	_, err := b.run()
	_, c := failed(t, err)
	require.Equal(t, proven, c.Proven)
}

func TestAWarningOfTheSinkIsTheSlices(t *testing.T) {
	warnings := []devo.Warning{{Kind: devo.WarnWeakerProof, Message: "it never closes"}}
	b := newBench(t, 1)
	b.warnings = warnings
	result, err := b.run()
	require.NoError(t, err)
	require.Equal(t, workflows.Warnings{{Kind: "weaker proof", Message: "it never closes", Count: 1}}, result.Warnings)

	b = newBench(t, 1)
	b.warnings = warnings
	b.ship = func(int) error { return errors.New("reset by peer") }
	_, err = b.run()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	var f workflows.Failure
	require.NoError(t, application.Details(&f))
	require.Equal(t, workflows.Warnings{{Kind: "weaker proof", Message: "it never closes", Count: 1}}, f.Warnings)
}
