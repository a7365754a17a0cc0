package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testScreen shows a run in a test's log.
type testScreen struct{ *testing.T }

func (t testScreen) Write(p []byte) (int, error) {
	t.Logf("%s", p)
	return len(p), nil
}

func TestNothingIsLostWhateverGoesWrong(t *testing.T) {
	t.Parallel()
	screen := &screen{out: testScreen{t}, width: func() int { return 0 }}
	require.NoError(t, run(t.Context(), screen, plan{seed: 1, length: 40 * time.Second, every: 1500 * time.Millisecond, judged: time.Minute, repeats: steady.repeats}))
}
