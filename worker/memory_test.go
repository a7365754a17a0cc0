package worker

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"okta-collector/internal/memory"
)

func TestPagesTakeAShareOfGosMemoryLimit(t *testing.T) {
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	t.Setenv("GOMEMLIMIT", "as the runtime has read it already")
	for limit, pages := range map[int64]int{100 << 20: 30 << 20, 1000 << 20: 300 << 20, math.MaxInt64: memory.Most} {
		debug.SetMemoryLimit(limit)
		require.Equal(t, pages, limitMemory(zap.NewNop()))
		require.Equal(t, limit, debug.SetMemoryLimit(-1), "it stays as it was set")
	}
}
