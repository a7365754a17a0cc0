package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrowthComparesTheHalvesOfARun(t *testing.T) {
	for name, c := range map[string]struct {
		peaks  []uint64
		growth float64
	}{
		"flat":                                 {[]uint64{50, 60, 60, 50}, 1},
		"the second half is higher":            {[]uint64{50, 60, 60, 90}, 1.5},
		"the first half is higher":             {[]uint64{50, 90, 60, 45}, 2. / 3},
		"the middle belongs to the first":      {[]uint64{50, 90, 45}, 0.5},
		"too short to tell":                    {[]uint64{50}, 1},
		"each moment counts, not only the end": {[]uint64{50, 50, 100, 50}, 2},
	} {
		t.Run(name, func(t *testing.T) { require.InDelta(t, c.growth, growth(c.peaks), 1e-9) })
	}
}
