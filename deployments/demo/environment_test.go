package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettingsForARealOrgStayOutOfTheDemo(t *testing.T) {
	for _, name := range []string{"OKTA_URL", "OKTA_API_TOKEN", "DEVO_URL", "COLLECTOR_TENANTS", "TEMPORAL_ADDRESS", "TEMPORAL_API_KEY"} {
		t.Setenv(name, "real")
	}
	t.Setenv("UNRELATED", "kept")
	variables := environ("OKTA_URL=http://127.0.0.1:1")
	require.Contains(t, variables, "UNRELATED=kept")
	require.Contains(t, variables, "OKTA_URL=http://127.0.0.1:1")
	for _, variable := range variables {
		require.NotContains(t, variable, "=real")
	}
}

func TestAPortThatIsTakenIsReplaced(t *testing.T) {
	listener, err := net.Listen("tcp", address(0))
	require.NoError(t, err)
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	port, err := choosePort(taken)
	require.NoError(t, err)
	require.NotEqual(t, taken, port)

	same, err := choosePort(port)
	require.NoError(t, err)
	require.Equal(t, port, same)
}

func TestAProgramThatWasNotBuiltIsNamed(t *testing.T) {
	bin := t.TempDir()
	_, err := find(bin, "worker")
	require.EqualError(t, err, filepath.Join(bin, "worker")+" is missing; build it with: make demo")

	require.NoError(t, os.WriteFile(filepath.Join(bin, "worker"), nil, 0o700))
	path, err := find(bin, "worker")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(bin, "worker"), path)
}
