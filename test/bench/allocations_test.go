package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllocationsAreReadFromWhatTheBenchmarkPrints(t *testing.T) {
	const printed = `goos: linux
pkg: okta-collector/activities
BenchmarkAPageFromBytesReceivedToBytesWritten/file-2   	     512	   2301842 ns/op	1216.42 MB/s	   12345 B/op	      18 allocs/op
BenchmarkAPageFromBytesReceivedToBytesWritten/tls-2    	     400	   3301842 ns/op	   12345 B/op	      21 allocs/op
BenchmarkOther-2   	     512	   2301842 ns/op	   12345 B/op	      99 allocs/op
PASS
`
	most, err := allocationsIn(printed)
	require.NoError(t, err)
	require.Equal(t, 21., most, "the most of all its cases")

	_, err = allocationsIn("PASS\nok  	okta-collector/activities	0.010s\n")
	require.ErrorContains(t, err, "there is no "+pageBenchmark)
}
