package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRecoveryIsMeasuredFromTheEndOfTheLastFaultUnderWay(t *testing.T) {
	first, second, never := &kind{name: "first"}, &kind{name: "second"}, &kind{name: "never"}
	clock := time.Unix(0, 0)
	w := newWatch(nil)
	w.now = func() time.Time { return clock }
	after := func(d time.Duration, what func()) { clock = clock.Add(d); what() }

	after(0, func() { w.begins(first) })
	after(time.Minute, func() { w.begins(second) })
	after(time.Minute, func() { w.ends(first) })
	after(time.Second, w.arrived) // the other one is still under way
	after(time.Minute, func() { w.ends(second) })
	after(7*time.Second, w.arrived)
	after(time.Minute, w.arrived)
	for _, k := range []*kind{first, second} {
		times, longest := w.of(k)
		require.Equal(t, 1, times)
		require.Equal(t, 7*time.Second, longest, k.name)
	}

	after(time.Minute, func() { w.begins(first) })
	after(time.Minute, func() { w.ends(first) })
	after(2*time.Second, w.arrived)
	times, longest := w.of(first)
	require.Equal(t, 2, times)
	require.Equal(t, 7*time.Second, longest, "the longest counts")
	_, longest = w.of(never)
	require.Zero(t, longest)
	require.Equal(t, 3, w.faults())
}
