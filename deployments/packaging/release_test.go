package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

var whole = flag.Bool("release", false, "build whole releases: make test-release")

// command runs a program in a directory, and returns what it printed.
func command(t *testing.T, dir string, environment []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v\n%s", name, args, out)
	return string(out)
}

// needs skips a test whose program is not here, but fails it in CI, where everything is tested.
func needs(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		require.Empty(t, os.Getenv("CI"), "%s (Debian: %s) is missing, and CI is set: everything is to be tested", program, debian)
		t.Skipf("%s is missing (Debian: %s)", program, debian)
	}
}

// source copies the repository's files, without .git and at another time, into a directory of its own.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := strings.Split(strings.TrimSpace(command(t, "../..", nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")), "\n")
	for _, file := range files {
		from, to := filepath.Join("../..", file), filepath.Join(dir, file)
		info, err := os.Lstat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		if info.Mode()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(from)
			require.NoError(t, err)
			require.NoError(t, os.Symlink(link, to))
			continue
		}
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, content, info.Mode().Perm()))
	}
	return dir
}

func of(t *testing.T, root string) release {
	return release{root: root, out: filepath.Join(t.TempDir(), "dist"), version: "v1.2.3", commit: "abcdef0", time: time.Unix(1764374400, 0).UTC()}
}

// program writes a file that stands for the compiled programs.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho $0\n"), 0o700))
	return path
}

// listed returns the mode of each file in an archive, and what a link points to.
func listed(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	files := map[string]string{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		require.NoError(t, err)
		require.Equal(t, "root", header.Uname)
		require.EqualValues(t, 1764374400, header.ModTime.Unix())
		name := strings.TrimPrefix(header.Name, "okta-collector-1.2.3/")
		files[name] = fs.FileMode(header.Mode).String()
		if header.Linkname != "" {
			files[name] = "-> " + header.Linkname
		}
	}
}

func TestAnArchiveHasThePrograms(t *testing.T) {
	r := of(t, "../..")
	require.NoError(t, os.Mkdir(r.out, 0o755))
	for _, target := range targets {
		require.NoError(t, r.writeArchive(target, program(t)))
		files := listed(t, r.path(target, "tar.gz"))
		require.Equal(t, "-rwxr-xr-x", files["okta-collector"])
		require.Equal(t, "-rw-r--r--", files["deploying.md"])
		if target.os == "darwin" {
			require.NotContains(t, files, "okta-collector-worker", "macOS has the starter alone")
			continue
		}
		require.Equal(t, "-> okta-collector", files["okta-collector-worker"])
		require.Contains(t, files, "okta-collector-worker.service")
		require.Contains(t, files, "settings")
	}
}

func TestADebianPackageHasTheProgramsTheUnitAndItsSettings(t *testing.T) {
	needs(t, "dpkg-deb", "dpkg")
	r := of(t, "../..")
	require.NoError(t, os.Mkdir(r.out, 0o755))
	require.NoError(t, r.writeDebian(targets[0], program(t)))
	path, root := r.path(targets[0], "deb"), t.TempDir()
	require.Equal(t, "1.2.3", strings.TrimSpace(command(t, "", nil, "dpkg-deb", "--field", path, "Version")))
	require.Equal(t, "amd64", strings.TrimSpace(command(t, "", nil, "dpkg-deb", "--field", path, "Architecture")))
	command(t, "", nil, "dpkg-deb", "--raw-extract", path, root)
	for file, mode := range map[string]string{
		"usr/bin/okta-collector":                           "-rwxr-xr-x",
		"lib/systemd/system/okta-collector-worker.service": "-rw-r--r--",
		"etc/okta-collector/settings":                      "-rw-r--r--",
		"etc/okta-collector/secrets":                       "drwx------",
		"usr/share/doc/okta-collector/deploying.md":        "-rw-r--r--",
		"DEBIAN/postinst":                                  "-rwxr-xr-x",
		"DEBIAN/prerm":                                     "-rwxr-xr-x",
		"DEBIAN/postrm":                                    "-rwxr-xr-x",
	} {
		info, err := os.Stat(filepath.Join(root, file))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().String(), file)
	}
	link, err := os.Readlink(filepath.Join(root, "usr/bin/okta-collector-worker"))
	require.NoError(t, err)
	require.Equal(t, "okta-collector", link)
	kept, err := os.ReadFile(filepath.Join(root, "DEBIAN/conffiles"))
	require.NoError(t, err)
	require.Equal(t, "/etc/okta-collector/settings", strings.TrimSpace(string(kept)), "an upgrade keeps what was edited")
}

func TestWhatIsPackedDoesNotDependOnTheDirectory(t *testing.T) {
	first, second := of(t, "../.."), of(t, source(t))
	for _, r := range []release{first, second} {
		require.NoError(t, os.Mkdir(r.out, 0o755))
		require.NoError(t, r.writeArchive(targets[0], program(t)))
		require.NoError(t, r.writeDebian(targets[0], program(t)))
	}
	requireSame(t, first.out, second.out)
}

// requireSame compares the files of two directories that have the same names.
func requireSame(t *testing.T, first, second string) {
	t.Helper()
	files, err := os.ReadDir(second)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		one, err := os.ReadFile(filepath.Join(first, file.Name()))
		require.NoError(t, err)
		other, err := os.ReadFile(filepath.Join(second, file.Name()))
		require.NoError(t, err)
		require.True(t, string(one) == string(other), "%s differs", file.Name())
	}
}

func TestOnlyAVersionIsReleased(t *testing.T) {
	for _, version := range []string{"", "1.2.3", "v1.2", "b01e3cc-dirty", "v1.2.3+dirty", "v1.2.3-dirty"} {
		r := of(t, "../..")
		r.version = version
		require.ErrorContains(t, r.build(t.Context()), "tag the commit", version)
	}
	r := of(t, "../..")
	require.NoError(t, os.Mkdir(r.out, 0o755))
	require.ErrorContains(t, r.build(t.Context()), "a directory of its own", "nothing old may be released with it")
}

func TestAReleaseIsTheSameFromTwoDirectoriesAndTwoCaches(t *testing.T) {
	if !*whole {
		t.Skip("make test-release builds whole releases")
	}
	first, second := of(t, source(t)), of(t, source(t))
	require.NoError(t, first.build(t.Context()))
	command(t, first.out, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")

	extracted := t.TempDir()
	command(t, "", nil, "tar", "-C", extracted, "--strip-components=1", "-xzf", first.path(targets[0], "tar.gz"))
	for _, name := range []string{"okta-collector", "okta-collector-worker"} {
		require.Contains(t, command(t, extracted, nil, "./"+name, "--version"), "v1.2.3 (commit abcdef0, go")
	}
	var sbom struct {
		BomFormat  string
		Components []struct{ Name string }
	}
	content, err := os.ReadFile(first.path(targets[0], "cdx.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &sbom))
	require.Equal(t, "CycloneDX", sbom.BomFormat)
	var names []string
	for _, component := range sbom.Components {
		names = append(names, component.Name)
	}
	require.Contains(t, names, "go.temporal.io/sdk")
	require.Contains(t, names, "std")

	// Compiled anew, but for one target only.
	t.Setenv("GOCACHE", t.TempDir())
	all := targets
	t.Cleanup(func() { targets = all })
	targets = all[:1]
	require.NoError(t, second.build(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(second.out, "SHA256SUMS"))) // of fewer files
	requireSame(t, first.out, second.out)
}

func TestGoInstallsAReleaseOfARepositoryWithAnAddress(t *testing.T) {
	if !*whole {
		t.Skip("make test-release builds whole releases")
	}
	const name = "git.example.com/team/okta-collector"
	root := source(t)
	command(t, root, nil, "make", "module", "MODULE="+name)
	for _, dir := range []string{".", "test", "deployments/packaging"} {
		command(t, filepath.Join(root, dir), nil, "go", "list", "-deps", "-test", "./...") // every import is found
	}

	proxy := filepath.Join(t.TempDir(), name, "@v")
	require.NoError(t, os.MkdirAll(proxy, 0o755))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(proxy, "v1.2.3.mod"), mod, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(proxy, "list"), []byte("v1.2.3\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(proxy, "v1.2.3.info"), []byte(`{"Version":"v1.2.3"}`), 0o644))
	archive, err := os.Create(filepath.Join(proxy, "v1.2.3.zip"))
	require.NoError(t, err)
	require.NoError(t, errors.Join(zip.CreateFromDir(archive, module.Version{Path: name, Version: "v1.2.3"}, root), archive.Close()))

	bin := t.TempDir()
	served := strings.TrimSuffix(proxy, filepath.Join(name, "@v"))
	modules := strings.TrimSpace(command(t, root, nil, "go", "env", "GOMODCACHE"))
	command(t, t.TempDir(), []string{"GOBIN=" + bin, "GOMODCACHE=" + t.TempDir(), "GOFLAGS=-modcacherw", "GOSUMDB=off",
		"GOPROXY=file://" + served + ",file://" + modules + "/cache/download"}, "go", "install", name+"/cmd/...@v1.2.3")
	for _, installed := range []string{"okta-collector", "okta-collector-worker"} {
		require.Contains(t, command(t, bin, nil, "./"+installed, "--version"), "v1.2.3 (commit unknown, go")
	}
}
