package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAScheduleFollowsFromItsSeed(t *testing.T) {
	p := steady
	once, again := fmt.Sprint(schedule(p)), fmt.Sprint(schedule(p))
	require.Equal(t, once, again)
	p.seed++
	require.NotEqual(t, once, fmt.Sprint(schedule(p)))
}

func TestTwentyMinutesHaveTwoHundredFaultsOfAllKinds(t *testing.T) {
	for seed := range uint64(100) {
		p := steady
		p.seed = seed
		times := map[*kind]int{}
		all := 0
		for _, s := range schedule(p) {
			if f, ok := s.(fault); ok {
				times[f.kind]++
				all++
			}
		}
		require.GreaterOrEqual(t, all, 200, "seed %d", seed)
		for _, k := range kinds {
			require.InDelta(t, all/len(kinds), times[k], 1, "seed %d: %s", seed, k.name)
		}
	}
}

func TestFaultsOverlapButNotWithComparisons(t *testing.T) {
	for seed := range uint64(20) {
		p := steady
		p.seed = seed
		steps := schedule(p)
		require.Equal(t, judgement{p.length}, steps[len(steps)-1], "it ends with a comparison")
		ends, overlaps, judgements := time.Duration(0), 0, 0
		for _, s := range steps {
			switch s := s.(type) {
			case fault:
				require.Less(t, s.at, p.length)
				require.Positive(t, s.lasts)
				require.LessOrEqual(t, s.lasts, s.kind.longest)
				if s.at < ends {
					overlaps++
				}
				ends = max(ends, s.at+s.lasts)
			case judgement:
				judgements++
				if s.at < p.length {
					require.LessOrEqual(t, ends, s.at)
				}
			}
		}
		require.Greater(t, overlaps, 50)
		require.Greater(t, judgements, 3)
	}
}
