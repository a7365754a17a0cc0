package main_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// knownSettings tells names that the worker, Temporal's client or Go's HTTP client reads from others.
func knownSettings(t *testing.T) func(name string) bool {
	t.Helper()
	help := exec.CommandContext(t.Context(), "go", "run", "./cmd/okta-collector-worker", "--help")
	help.Dir = "../.."
	out, err := help.Output()
	require.NoError(t, err)
	known := map[string]bool{"HTTPS_PROXY": true, "NO_PROXY": true}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			known[fields[0]] = true
		}
	}
	return func(name string) bool { return known[name] || strings.HasPrefix(name, "TEMPORAL_") }
}
