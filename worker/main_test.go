package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call runs the command with nothing but these settings, and returns what it wrote.
func call(t *testing.T, settings map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		for _, prefix := range []string{"OKTA_", "DEVO_", "COLLECTOR_", "TEMPORAL_"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "")
				require.NoError(t, os.Unsetenv(name))
			}
		}
	}
	for name, value := range settings {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "stdout"))
	require.NoError(t, err)
	defer out.Close()
	errs, err := os.Create(filepath.Join(dir, "stderr"))
	require.NoError(t, err)
	defer errs.Close()
	code = command(args, out, errs)
	return code, read(t, out.Name()), read(t, errs.Name())
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func settings() map[string]string {
	return map[string]string{"OKTA_URL": "https://acme.okta.com", "OKTA_API_TOKEN": "00secret", "DEVO_URL": "stdout:"}
}

func TestWrongSettingsAreAllNamedInOneMessageAndExitWith2(t *testing.T) {
	code, _, stderr := call(t, map[string]string{"OKTA_RATE_SHARE": "7", "OKTA_API_TOKEN": "00secret", "OKTA_UR": "x", "TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "absent"), "TEMPORAL_PROFILE": "absent"})

	require.Equal(t, 2, code)
	for _, name := range []string{"OKTA_URL is missing", "OKTA_RATE_SHARE", "DEVO_URL", "TEMPORAL_", "OKTA_UR is not a setting"} {
		require.Contains(t, stderr, name)
	}
	require.NotContains(t, stderr, "00secret")
}

func TestSettingsCanBeCheckedAlone(t *testing.T) {
	right := settings()
	right["OKTA_UR"] = "x"
	code, stdout, stderr := call(t, right, "--check-settings")
	require.Zero(t, code, stderr)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "OKTA_UR is not a setting")

	code, _, stderr = call(t, nil, "--check-settings")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "OKTA_URL is missing")
}

func TestWrongArgumentsExitWith2(t *testing.T) {
	for _, args := range [][]string{{"--verbose"}, {"start"}} {
		code, _, stderr := call(t, settings(), args...)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, "worker --help")
		require.Equal(t, 1, strings.Count(stderr, "\n"))
	}
}

func TestHelpListsTheSettingsAndNoValue(t *testing.T) {
	code, stdout, stderr := call(t, settings(), "--help")

	require.Zero(t, code)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "OKTA_API_TOKEN_FILE")
	require.Contains(t, stdout, "TEMPORAL_ADDRESS")
	require.NotContains(t, stdout, "00secret")
}

func TestVersion(t *testing.T) {
	code, stdout, _ := call(t, nil, "--version")

	require.Zero(t, code)
	require.Contains(t, stdout, "okta-collector worker")
}

func TestRiskySettingsAreNamedAtTheStart(t *testing.T) {
	s := settings()
	s["OKTA_URL"], s["TEMPORAL_ADDRESS"], s["TEMPORAL_API_KEY"], s["TEMPORAL_TLS"] = "http://127.0.0.1:8080", "10.0.0.7:7233", "s3cret", "false"
	code, _, stderr := call(t, s, "--check-settings")

	require.Zero(t, code, "they are allowed")
	require.Equal(t, 2, strings.Count(stderr, `"level":"warn"`))
	require.Contains(t, stderr, "OKTA_URL is http")
	require.Contains(t, stderr, "TEMPORAL_TLS turns TLS off, so the API key is sent to 10.0.0.7:7233 in the clear")
	require.NotContains(t, stderr, "s3cret")
}
