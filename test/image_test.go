package test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

var image = flag.Bool("image", false, "build the image with buildah, and run the worker from it: make test-image")

const (
	imageName  = "localhost/okta-collector"
	imageLimit = 45_000_000 // bytes
)

// buildah runs buildah with images and containers of its own, which end with the test.
type buildah struct {
	t   *testing.T
	env []string
}

func newBuildah(t *testing.T) *buildah {
	if !*image {
		t.Skip("make test-image builds the image")
	}
	for _, program := range []string{"buildah", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" (Debian: buildah, busybox-static)")
		}
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "storage.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "[storage]\ndriver = \"vfs\"\nrunroot = %q\ngraphroot = %q\n", dir+"/run", dir+"/graph"), 0o600))
	return &buildah{t, append(os.Environ(), "CONTAINERS_STORAGE_CONF="+conf, "BUILDAH_ISOLATION=chroot")}
}

func (b *buildah) run(name string, args ...string) string {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), name, args...)
	cmd.Dir, cmd.Env = "..", b.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(b.t, err, "%s %v\n%s%s", name, args, out, &stderr)
	return strings.TrimSpace(string(out))
}

// base makes an image with this machine's Go and a shell, in place of the one from the registry. Modules come from this
// machine's cache.
func (b *buildah) base() string {
	root := b.t.TempDir()
	for _, dir := range []string{"bin", "root", "tmp"} {
		require.NoError(b.t, os.Mkdir(filepath.Join(root, dir), 0o777))
	}
	shell, err := exec.LookPath("busybox")
	require.NoError(b.t, err)
	b.run("cp", shell, filepath.Join(root, "bin", "busybox"))
	for _, name := range []string{"sh", "ln"} {
		require.NoError(b.t, os.Symlink("busybox", filepath.Join(root, "bin", name)))
	}
	container := b.run("buildah", "from", "scratch")
	b.run("buildah", "copy", container, root, "/")
	b.run("buildah", "copy", container, b.run("go", "env", "GOROOT"), "/usr/local/go")
	b.run("buildah", "config", "--env", "PATH=/usr/local/go/bin:/bin", "--env", "HOME=/root", "--env", "GOTOOLCHAIN=local",
		"--env", "GOPROXY=file:///modules", "--env", "GOSUMDB=off", container)
	b.run("buildah", "commit", container, "localhost/go")
	b.run("buildah", "rm", container)
	return "localhost/go"
}

// build builds the image for both platforms, with make image.
func (b *buildah) build() {
	b.run("go", "mod", "download") // as the image does, which needs more of the modules than a build
	modules := b.run("go", "env", "GOMODCACHE") + "/cache/download"
	b.run("make", "image", "IMAGE="+imageName, "VERSION=v1.2.3", "COMMIT=abcdef0", "PLATFORMS=linux/amd64,linux/arm64",
		"BUILDAH_ARGS=--isolation chroot --build-arg GO_IMAGE="+b.base()+" --volume "+modules+":/modules:ro")
}

// container makes a container of the image, and returns its name and its root directory.
func (b *buildah) container(arch string) (name, root string) {
	name = b.run("buildah", "from", "--arch", arch, imageName+":v1.2.3")
	return name, b.run("buildah", "mount", name)
}

func TestTheImageIsSmallRunsAsNobodyAndCollects(t *testing.T) {
	b := newBuildah(t)
	b.build()
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			b := &buildah{t, b.env}
			name, root := b.container(arch)
			var files []string
			var size int64
			require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := entry.Info()
				require.NoError(t, err)
				if !entry.IsDir() {
					files, size = append(files, path), size+info.Size()
				}
				return nil
			}))
			require.Equal(t, []string{"okta-collector", "okta-collector-worker"}, files)
			require.Less(t, size, int64(imageLimit))
			require.Contains(t, b.run("file", "--brief", filepath.Join(root, "okta-collector")), map[string]string{"amd64": "x86-64", "arm64": "aarch64"}[arch])

			var inspected struct {
				Docker struct {
					Architecture string
					Config       struct {
						User        string
						Env         []string
						Entrypoint  []string
						Labels      map[string]string
						Healthcheck struct{ Test []string }
					}
				}
			}
			require.NoError(t, json.Unmarshal([]byte(b.run("buildah", "inspect", name)), &inspected))
			config := inspected.Docker.Config
			require.Equal(t, arch, inspected.Docker.Architecture)
			require.Equal(t, "65532:65532", config.User)
			require.Equal(t, []string{"/okta-collector-worker"}, config.Entrypoint)
			require.Contains(t, config.Env, "COLLECTOR_LISTEN=:9464")
			require.Equal(t, []string{"CMD", "/okta-collector-worker", "--health"}, config.Healthcheck.Test)
			require.Equal(t, "v1.2.3", config.Labels["org.opencontainers.image.version"])
			require.Equal(t, "abcdef0", config.Labels["org.opencontainers.image.revision"])
		})
	}

	name, _ := b.container(runtime.GOARCH)
	require.Contains(t, b.run("buildah", "run", name, "--", "/okta-collector", "--version"), "v1.2.3 (commit abcdef0, ")
	s := newStack(t, oktasim.Config{Seed: 16, Counts: map[string]int{"logs": 2_000, "users": 100}, Unlimited: true})
	b.run("chmod", "-R", "a+rX", s.dir)
	s.worker = s.launchBuild(b.worker(s, name), s.env)
	s.start("logs", "users")
	s.caughtUp("logs", "users")
	s.completeOf("logs", 2_000)
	s.completeOf("users", 100)
}

// worker writes a script that runs the worker of a container with the stack's settings and files, and returns its path.
func (b *buildah) worker(s *stack, container string) string {
	run := []string{"exec buildah run --volume", s.dir + ":" + s.dir + ":ro"}
	script := "#!/bin/sh\n"
	for _, assignment := range b.env {
		if strings.HasPrefix(assignment, "CONTAINERS_STORAGE_CONF=") || strings.HasPrefix(assignment, "BUILDAH_ISOLATION=") {
			script += "export " + assignment + "\n"
		}
	}
	for setting := range s.env {
		if setting != "PATH" && setting != "HOME" {
			run = append(run, "--env", setting+"=\"$"+setting+"\"")
		}
	}
	path := filepath.Join(s.dir, "worker-of-the-image")
	script += strings.Join(append(run, container, "--", "/okta-collector-worker\n"), " ")
	require.NoError(b.t, os.WriteFile(path, []byte(script), 0o700))
	return path
}
