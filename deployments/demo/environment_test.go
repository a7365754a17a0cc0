package main

import (
	"io"
	"net"
	"os"
	"os/exec"
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

func TestAShellThatReadsTheSettingsHasThoseOfTheDemoAlone(t *testing.T) {
	d := &demo{dir: directory(t.TempDir() + "/it's here"), settings: settings{ports: ports{temporal: 1, okta: 2, devo: 3}}}
	require.NoError(t, os.Mkdir(string(d.dir), 0o700))
	require.NoError(t, d.makeKey())
	require.NoError(t, keep(d.dir.settings(), d.settingsScript()))
	for _, name := range []string{"OKTA_API_TOKEN", "OKTA_CLIENT_SECRET", "COLLECTOR_TENANTS", "TEMPORAL_API_KEY", "TEMPORAL_ADDRESS"} {
		t.Setenv(name, "of a real org")
	}
	out, err := exec.Command("/bin/sh", "-euc", `. "$1"; env; cat "$OKTA_PRIVATE_KEY_FILE"`, "sh", d.dir.settings()).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "of a real org")
	for _, variable := range d.sharedVariables() {
		require.Contains(t, string(out), variable+"\n")
	}
	require.Contains(t, string(out), "BEGIN PRIVATE KEY")
	require.NotContains(t, d.settingsScript(), "BEGIN PRIVATE KEY")
}

func TestAPortThatIsTakenIsReplaced(t *testing.T) {
	listener, err := net.Listen("tcp", address(0))
	require.NoError(t, err)
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	got, err := ports{temporal: taken}.free()
	require.NoError(t, err)
	require.NotEqual(t, taken, got.temporal)
	require.NotZero(t, got.okta)

	same, err := got.free()
	require.NoError(t, err)
	require.Equal(t, got, same)
}

func TestAProgramThatWasNotBuiltIsNamed(t *testing.T) {
	bin := t.TempDir()
	err := run(t.Context(), t.Context(), settings{bin: bin, path: t.TempDir()}, plain(io.Discard))
	require.EqualError(t, err, filepath.Join(bin, "temporal")+" is missing; build it with: make demo")
}
