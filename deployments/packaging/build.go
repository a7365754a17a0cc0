package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sbomTool writes CycloneDX SBOMs of Go programs. It is run, not linked: its dependencies are no part of this module.
const sbomTool = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// command runs a program in the repository's root, for a target.
func (r release) command(ctx context.Context, environment []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = r.root, append(os.Environ(), environment...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{name}, args...), " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

// compile builds the file that is both programs. GOFIPS140 is taken from the environment: with v1.0.0 it is a FIPS 140-3
// build.
func (r release) compile(ctx context.Context, t target, program string) error {
	info, err := r.command(ctx, nil, "go", "list", "./internal/buildinfo")
	if err != nil {
		return err
	}
	_, err = r.command(ctx, []string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS="},
		"go", "build", "-trimpath", "-buildvcs=false", "-o", program,
		"-ldflags", fmt.Sprintf("-s -w -buildid= -X %s.version=%s -X %[1]s.commit=%[3]s", info, r.version, r.commit), "./cmd/okta-collector")
	return err
}

// writeSBOM lists the modules of a program, as Go has written them into it.
func (r release) writeSBOM(ctx context.Context, t target, program string) error {
	out, err := filepath.Abs(r.path(t, "cdx.json"))
	if err != nil {
		return err
	}
	_, err = r.command(ctx, []string{"GOFLAGS="}, "go", "run", sbomTool, "bin", "-json", "-std", "-noserial", "-notimestamp",
		"-version", r.version, "-output", out, program)
	return err
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// writeChecksums writes SHA256SUMS, for sha256sum --check.
func writeChecksums(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), file.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
