package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// payloads is what somebody sends as JSON.
func payloads(json string) *common.Payloads {
	return &common.Payloads{Payloads: []*common.Payload{{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: []byte(json),
	}}}
}

func TestAMessageIsBoundedBeforeItIsDecoded(t *testing.T) {
	large, small := strings.Repeat("x", 1_500_000), strings.Repeat("x", 3000)
	for name, into := range map[string]any{"a range": new(checkpoint.Range), "a resume": new(workflows.ResumeInput), "anything else": new(string)} {
		require.EqualError(t, workflows.DataConverter().FromPayloads(payloads(`{"since":"`+large+`"}`), into),
			"it has 1500044 bytes, and at most 4096 are read", name)
	}
	for name, into := range map[string]any{
		"an input": new(workflows.CollectInput), "a backfill": new(workflows.BackfillInput), "a slice": new(workflows.SliceInput),
		"a result": new(workflows.SliceResult), "a state": new(workflows.State), "a failure": new(workflows.Failure), "a heartbeat": new(checkpoint.Checkpoint),
	} {
		require.ErrorContains(t, workflows.DataConverter().FromPayloads(payloads(`{"since":"`+large+`"}`), into), "at most 1048576 are read", name)
	}
	t.Run("with what nobody decodes", func(t *testing.T) {
		p := payloads(`{}`)
		p.Payloads = append(p.Payloads, payloads(`"`+large+`"`).Payloads...)
		require.ErrorContains(t, workflows.DataConverter().FromPayloads(p, new(checkpoint.Range)), "are read")
		p = payloads(`{}`)
		p.Payloads[0].Metadata["more"] = []byte(large)
		require.ErrorContains(t, workflows.DataConverter().FromPayload(p.Payloads[0], new(checkpoint.Range)), "are read")
	})
	t.Run("and an error repeats little of it", func(t *testing.T) {
		for _, json := range []string{`{"since":"` + small + `"}`, small, `{"since":` + small + `}`, `"` + small + `"`} {
			err := workflows.DataConverter().FromPayloads(payloads(json), new(checkpoint.Range))
			require.Error(t, err)
			require.LessOrEqual(t, len(err.Error()), 200)
			require.Nil(t, errors.Unwrap(err))
		}
	})
}

func TestNoFailureRepeatsMoreThanALittleOfAnInput(t *testing.T) {
	long := strings.Repeat("x", 1_500_000)
	failure := func(err error) (sizes []int) {
		for f := workflows.FailureConverter().ErrorToFailure(err); f != nil; f = f.Cause {
			sizes = append(sizes, len(f.Message))
			require.LessOrEqual(t, len(f.StackTrace), 4096)
		}
		return sizes
	}
	require.Equal(t, []int{200}, failure(errors.New("unknown update "+long)))
	require.Equal(t, []int{200, 200}, failure(fmt.Errorf("decoding: %w", errors.New(long))))
	require.Equal(t, []int{1000}, failure(temporal.NewApplicationError(long, "InvalidInput")), "our own are bounded where they are made")
	require.Equal(t, []int{1000, 200}, failure(temporal.NewApplicationErrorWithCause(long, "x", errors.New(long))))
	require.Equal(t, []int{1000}, failure(errors.New("[TMPRL1100] nondeterminism: "+long)), "worth reading whole")
	for name, r := range map[string]checkpoint.Range{
		"old": {Since: time.Unix(0, 0), Until: time.Unix(1, 0)}, "reversed": {Since: time.Unix(2, 0), Until: time.Unix(1, 0)}, "missing": {},
	} {
		err := workflows.CheckRange("logs", r, time.Now())
		require.Equal(t, []int{len(err.Error())}, failure(err), "a refusal is not cut: %s", name)
	}
}
