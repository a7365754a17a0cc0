package deployments_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// imageBuild returns the shell command that the Dockerfile builds the programs with.
func imageBuild(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	flat := strings.ReplaceAll(string(content), "\\\n", "")
	found := regexp.MustCompile(`(?m)^RUN (?:--mount=\S+\s+)+(.*go build.*)$`).FindStringSubmatch(flat)
	require.NotNil(t, found, "the Dockerfile builds the programs")
	return found[1]
}

// makefile returns what make would do, without doing it. Where there is no .git is a directory of its own.
func makefile(t *testing.T, args ...string) (string, error) {
	t.Helper()
	content, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Makefile"), content, 0o600))
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), module, 0o600))
	make := exec.Command("make", append([]string{"--directory", dir, "--dry-run", "--old-file", "bin/temporal"}, args...)...)
	make.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	out, err := make.CombinedOutput()
	return string(out), err
}

func TestWithoutARepositoryTheProgramsAreBuiltWithTheVersionGiven(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	made, err := makefile(t, "build", "VERSION=v1.2.3-4-gabcdef0", "COMMIT=abcdef0")
	require.NoError(t, err, made)
	builds := strings.Join(regexp.MustCompile(`(?m)^.*go build.*$`).FindAllString(made, -1), " && ")
	for name, test := range map[string]struct {
		build, into string
		programs    []string
	}{
		"make":       {builds, " bin/", []string{"worker", "starter"}},
		"Dockerfile": {imageBuild(t), " /out/", []string{"okta-collector-worker", "okta-collector"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/"
			shell := exec.Command("sh", "-c", strings.ReplaceAll(test.build, test.into, " "+dir))
			shell.Dir = ".."
			shell.Env = append(os.Environ(), "VERSION=v1.2.3-4-gabcdef0", "COMMIT=abcdef0", "TARGETOS=", "TARGETARCH=", "GOFLAGS=-buildvcs=false")
			out, err := shell.CombinedOutput()
			require.NoError(t, err, string(out))
			for _, program := range test.programs {
				out, err := exec.Command(dir+program, "--version").CombinedOutput()
				require.NoError(t, err, string(out))
				require.Contains(t, string(out), "v1.2.3-4-gabcdef0 (commit abcdef0, go")
			}
		})
	}
}

func TestNothingIsBuiltWithoutAVersion(t *testing.T) {
	for _, target := range []string{"build", "image"} {
		out, err := makefile(t, target, "VERSION=")
		require.Error(t, err, target)
		require.Contains(t, out, "give VERSION=")
	}
	shell := exec.Command("sh", "-c", imageBuild(t))
	shell.Env = []string{"PATH=" + t.TempDir()} // nothing is built
	var stderr bytes.Buffer
	shell.Stderr = &stderr
	require.Error(t, shell.Run())
	require.Contains(t, stderr.String(), "VERSION")
	require.Contains(t, stderr.String(), `--build-arg VERSION="$(git describe --tags --always --dirty)"`)
}

func TestTheImageHasItsVersionAsTag(t *testing.T) {
	out, err := makefile(t, "image", "VERSION=v1.2.3", "IMAGE=registry.example.com/okta-collector")
	require.NoError(t, err, out)
	require.Contains(t, out, "--build-arg VERSION=v1.2.3 ")
	require.Contains(t, out, "--tag registry.example.com/okta-collector:v1.2.3 ")
}
