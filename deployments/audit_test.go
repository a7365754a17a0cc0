package deployments_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// tool puts a program into a directory that says what the script prints, for make to find first.
func tool(t *testing.T, name, script string) (path string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	return dir + ":" + os.Getenv("PATH")
}

func makeTarget(t *testing.T, path, target string) (out string, err error) {
	t.Helper()
	cmd := exec.Command("make", "-C", "..", "--no-print-directory", target)
	cmd.Env = append(os.Environ(), "PATH="+path)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

func TestAuditFailsForAKnownVulnerabilityAndSaysWhereItCouldNotLook(t *testing.T) {
	const unreachable = `govulncheck: fetching vulnerabilities: Get \"https://vuln.go.dev/index/modules.json.gz\": dial tcp: lookup vuln.go.dev: no such host`
	for name, test := range map[string]struct {
		verify, scan string // what `go mod verify` and govulncheck do
		says         string
		fails        bool
	}{
		"nothing is known":                 {"true", "echo No vulnerabilities found.", "No vulnerabilities found.", false},
		"the database cannot be reached":   {"true", `echo "` + unreachable + `"; exit 1`, "NOT SCANNED, module test", false},
		"a vulnerability is known":         {"true", "echo 'Vulnerability #1: GO-2026-0001'; exit 3", "GO-2026-0001", true},
		"the code cannot be loaded":        {"true", "echo 'govulncheck: loading packages'; exit 1", "loading packages", true},
		"a module is not what it has been": {"echo 'SECURITY ERROR'; exit 1", "true", "SECURITY ERROR", true},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := makeTarget(t, tool(t, "go", `case "$*" in *"mod verify"*) `+test.verify+` ;; *govulncheck@v*) `+test.scan+` ;; *) exit 9 ;; esac`), "audit")
			require.Contains(t, out, test.says)
			require.Equal(t, test.fails, err != nil, out)
		})
	}
}

func TestImagesAreNamedByDigestOrCanBe(t *testing.T) {
	dockerfile, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	for _, from := range regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`).FindAllStringSubmatch(string(dockerfile), -1) {
		require.Contains(t, []string{"$GO_IMAGE", "scratch"}, from[1])
	}
	require.Regexp(t, `(?m)^ARG GO_IMAGE=golang:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$`, string(dockerfile), "a tag can be moved")

	out, err := makeTarget(t, tool(t, "docker", "echo sha256:abc"), "pin")
	require.NoError(t, err, out)
	for _, image := range []string{"golang", "grafana/grafana", "postgres", "prom/prometheus", "temporalio/admin-tools", "temporalio/server", "temporalio/temporal", "temporalio/ui"} {
		require.Regexp(t, `(?m)^`+image+`:v?[0-9.]+@sha256:abc$`, out)
	}
}
