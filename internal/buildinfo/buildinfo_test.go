package buildinfo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheVersionGivenIsTheVersion(t *testing.T) {
	t.Cleanup(func() { version = "" })
	version = "v1.2.3-4-gabcdef0"
	require.Equal(t, "v1.2.3-4-gabcdef0", Version())
}

func TestWithoutOneItIsNeverEmptyNorADevelopersWord(t *testing.T) {
	require.NotEmpty(t, Version())
	require.NotContains(t, Version(), "devel")
}
