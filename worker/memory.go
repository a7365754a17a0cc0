package worker

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"

	"okta-collector/internal/memory"
)

const (
	// goShare is the share of the container's memory that the Go runtime may use. The program's code, sockets and what
	// the runtime uses beyond its limit for a moment take the rest.
	goShare = 0.5
	// pageShare is the share of the Go runtime's memory that pages may take.
	pageShare = 0.3
	// garbage is how much garbage the heap may have before it is collected, in percent of what is in use. Most of that is pages,
	// which have no pointers, so collecting often costs little.
	garbage = 40
)

// limitMemory makes Go's memory limit follow the container's, unless GOMEMLIMIT is set. It returns the bytes that pages
// may take: at most [memory.Most], unless GOMEMLIMIT asks for more. It also bounds the garbage, unless GOGC is set.
func limitMemory(log *zap.Logger) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	limit, err := memlimit.Set(memlimit.WithRatio(goShare))
	if err != nil {
		log.Debug("the memory of this machine or container is not limited by a cgroup that can be read", zap.Error(err))
	}
	pages := int(min(memory.Most, pageShare*float64(limit)))
	if os.Getenv("GOMEMLIMIT") != "" && limit < math.MaxInt64 {
		pages = int(pageShare * float64(limit))
	}
	if limit < math.MaxInt64 {
		log.Info("memory is limited", zap.Int64("go", limit), zap.Int("pages", pages))
	}
	return pages
}
