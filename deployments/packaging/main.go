// Command packaging builds a release of the collector: for Linux an archive and a Debian package of both programs, for
// macOS an archive of the starter, with an SBOM each, the changelog and checksums. The same source, version, commit, time
// and Go give the same bytes, in whatever directory they are built.
//
//	go run . -version v0.1.0 -commit 1b5ce3d -time 1764374400 -out ../../dist
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/semver"
)

// target is what a release is built for.
type target struct{ os, arch string }

var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

// release is what is built.
type release struct {
	root    string // the repository's
	out     string // an empty directory
	version string // a semantic version with a v, as the tag has it
	commit  string
	time    time.Time // of the commit: every file has it
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	version := flag.String("version", "", "the tag")
	commit := flag.String("commit", "", "the commit")
	seconds := flag.Int64("time", 0, "when the commit was made, in seconds since the epoch")
	root := flag.String("root", "../..", "the repository")
	out := flag.String("out", "dist", "the directory to make and fill")
	flag.Parse()
	r := release{root: *root, out: *out, version: *version, commit: *commit, time: time.Unix(*seconds, 0).UTC()}
	if err := r.build(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func (r release) build(ctx context.Context) error {
	// Canonical leaves out a build's metadata, and is empty for what is no version.
	if r.version == "" || semver.Canonical(r.version) != r.version || strings.HasSuffix(r.version, "-dirty") {
		return fmt.Errorf("%q is no version of a release: commit everything and tag the commit, as in git tag v0.1.0, or give VERSION=v0.1.0", r.version)
	}
	if err := os.Mkdir(r.out, 0o755); err != nil {
		return fmt.Errorf("a release is built into a directory of its own: %w", err)
	}
	scratch, err := os.MkdirTemp("", "okta-collector-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for _, t := range targets {
		program := filepath.Join(scratch, t.os+"-"+t.arch)
		if err := r.compile(ctx, t, program); err != nil {
			return err
		}
		if err := r.writeSBOM(ctx, t, program); err != nil {
			return err
		}
		if err := r.writeArchive(t, program); err != nil {
			return err
		}
		if t.os == "linux" {
			if err := r.writeDebian(t, program); err != nil {
				return err
			}
		}
	}
	if err := copyFile(filepath.Join(r.root, "CHANGELOG.md"), filepath.Join(r.out, "CHANGELOG.md")); err != nil {
		return err
	}
	return writeChecksums(r.out)
}

// path returns where a target's file goes: okta-collector_0.1.0_linux_amd64.tar.gz.
func (r release) path(t target, ending string) string {
	return filepath.Join(r.out, fmt.Sprintf("okta-collector_%s_%s_%s.%s", r.version[1:], t.os, t.arch, ending))
}
