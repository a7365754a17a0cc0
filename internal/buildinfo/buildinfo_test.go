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

func TestTheDetailsNameTheCommitGoAndFIPS(t *testing.T) {
	t.Cleanup(func() { version, commit = "", "" })
	version, commit = "v1.2.3", "abcdef0"
	require.Regexp(t, `^v1\.2\.3 \(commit abcdef0, go\S+, FIPS 140-3 (off|on, module \S+)\)$`, Details())

	commit = ""
	require.Regexp(t, `\(commit (unknown|[0-9a-f]{40}), `, Details())
}
