package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// block is a named block of commands of docs/deploying.md.
type block struct {
	section, name, needs, commands string
}

var (
	sections = regexp.MustCompile(`(?m)^## (.*)$`)
	blocks   = regexp.MustCompile("(?ms)^```sh (\\S+)(?: needs=(\\S+))?\n(.*?)^```$")
	anyBlock = regexp.MustCompile("(?m)^```sh")
)

// deployingBlocks returns the blocks in their order.
func deployingBlocks(t *testing.T) (all []block) {
	t.Helper()
	text, err := os.ReadFile("../docs/deploying.md")
	require.NoError(t, err)
	for i, at := range sections.FindAllSubmatchIndex(text, -1) {
		end := len(text)
		if next := sections.FindAllIndex(text, i+2); len(next) > i+1 {
			end = next[i+1][0]
		}
		for _, found := range blocks.FindAllStringSubmatch(string(text[at[0]:end]), -1) {
			all = append(all, block{section: string(text[at[2]:at[3]]), name: found[1], needs: found[2], commands: found[3]})
		}
	}
	require.Len(t, anyBlock.FindAllIndex(text, -1), len(all), "every block has a name")
	return all
}

// here says why a block cannot run here; empty if it can.
func (b block) here() string {
	switch b.needs {
	case "":
		return ""
	case "helm":
		if _, err := exec.LookPath("helm"); err == nil {
			return ""
		}
		return "helm is missing"
	case "root":
		if os.Geteuid() == 0 {
			return ""
		}
		return "it needs root"
	}
	return map[string]string{
		"address":        "it needs a repository with an address; make test-release does it with a file proxy",
		"docker":         "it needs Docker; make test-image builds the image and runs it with buildah",
		"kubernetes":     "it needs a cluster",
		"release":        "it needs a release; make test-release builds one",
		"systemd":        "it needs systemd as process 1",
		"temporal-cloud": "it needs an account at Temporal Cloud",
	}[b.needs]
}

func TestTheCommandsOfDeployingAreShell(t *testing.T) {
	names := map[string]bool{}
	for _, b := range deployingBlocks(t) {
		require.False(t, names[b.name], "%s: twice", b.name)
		names[b.name] = true
		check := exec.CommandContext(t.Context(), "bash", "-n")
		check.Stdin = strings.NewReader(b.commands)
		out, err := check.CombinedOutput()
		require.NoError(t, err, "%s: %s", b.name, out)
	}
}

// TestTheCommandsOfDeployingWork runs each section's blocks in their order in one shell, in a copy of the repository and
// with a home directory of its own. The addresses of Okta, Devo and Temporal are those of stand-ins. A block that cannot
// run here is skipped by its name.
func TestTheCommandsOfDeployingWork(t *testing.T) {
	t.Parallel()
	all := deployingBlocks(t)
	var titles []string
	for _, b := range all {
		if !slices.Contains(titles, b.section) {
			titles = append(titles, b.section)
		}
	}
	for _, title := range titles {
		t.Run(title, func(t *testing.T) {
			var script strings.Builder
			for _, b := range all {
				if b.section != title {
					continue
				}
				reason := b.here()
				t.Run(b.name, func(t *testing.T) {
					if reason != "" {
						t.Skip(reason)
					}
				})
				if reason == "" {
					fmt.Fprintf(&script, "# %s\n%s\n", b.name, b.commands)
				}
			}
			if script.Len() > 0 {
				runSection(t, script.String())
			}
		})
	}
}

// runSection runs the commands of a section. If they start a worker, it has to collect.
func runSection(t *testing.T, script string) {
	s := newStack(t, oktasim.Config{Seed: 16, Counts: map[string]int{"logs": 500, "users": 50, "groups": 10, "apps": 3, "clients": 3, "idps": 2, "zones": 2}, Unlimited: true})
	listen, temporal := freeAddress(t), freeAddress(t)
	_, port, _ := strings.Cut(temporal, ":")
	home, repository := s.dir, copyOfTheRepository(t)
	secrets := filepath.Join(home, "secrets")
	require.NoError(t, os.Mkdir(secrets, 0o700))
	for name, from := range map[string]string{"devo-chain.crt": s.env["DEVO_CHAIN_FILE"], "devo.crt": s.env["DEVO_CERT_FILE"], "devo.key": s.env["DEVO_KEY_FILE"],
		"temporal.crt": s.env["DEVO_CERT_FILE"], "temporal.key": s.env["DEVO_KEY_FILE"]} {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), content, 0o600))
	}
	for name, secret := range map[string]string{"okta-api-token": s.token, "temporal-api-key": "an-api-key"} {
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(secret), 0o600))
	}
	script = strings.NewReplacer(
		"https://acme.okta.com", s.org.URL,
		"tls://collector-us.devo.io:443", s.devo.SyslogURL(),
		"temporal.example.com:7233", s.env["TEMPORAL_ADDRESS"],
		"127.0.0.1:9464", listen,
		"bin/temporal server start-dev", "bin/temporal server start-dev --headless --port "+port,
	).Replace(script)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	bash.Dir, bash.Env = repository, append(os.Environ(), "HOME="+home, "COLLECTOR_LISTEN="+listen, "TEMPORAL_ADDRESS="+temporal,
		"OKTA_URL="+s.org.URL, "OKTA_API_TOKEN="+s.token, "DEVO_URL=stdout:",
		"GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOCACHE="+goEnv(t, "GOCACHE"))
	if strings.Contains(script, "OKTA_API_TOKEN_FILE=$HOME") {
		bash.Env = append(bash.Env, "OKTA_API_TOKEN=") // one of the two
	}
	// What it leaves running ends with it.
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	bash.Stdout, bash.Stderr = out, out
	require.NoError(t, bash.Start())
	t.Cleanup(func() { _ = syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) })
	err = bash.Wait()
	said, _ := os.ReadFile(out.Name())
	require.NoError(t, err, "%s\n%s", script, said)
	if strings.Contains(script, "bin/worker >") {
		s.wait(tables["logs"], 500)
		s.wait(tables["users"], 50)
	}
}

// copyOfTheRepository has the files that the commands change in a place of their own, and the programs.
func copyOfTheRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "deployments", "cmd", "worker", "starter", "workflows", "activities", "internal"} {
		from := filepath.Join("..", name)
		info, err := os.Stat(from)
		require.NoError(t, err)
		if info.IsDir() {
			require.NoError(t, exec.CommandContext(t.Context(), "cp", "-a", from, dir).Run())
			continue
		}
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--allow-empty", "--message", "Begin"}} {
		git := exec.CommandContext(t.Context(), "git", args...)
		git.Dir = dir
		out, err := git.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	for name, program := range map[string]string{"worker": workerProgram(), "starter": filepath.Join(environment.dir, "okta-collector"), "temporal": environment.cli} {
		require.NoError(t, os.Symlink(program, filepath.Join(bin, name)))
	}
	return dir
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
