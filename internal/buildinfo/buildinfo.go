// Package buildinfo returns the version of this build for --version, the log, the metrics and Devo.
package buildinfo

import (
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"
)

// The tag and the commit that the build was given, as -ldflags "-X <module>/internal/buildinfo.version=…". The Makefile
// and the Dockerfile give them, because Go finds none where .git is absent or, as in a git worktree, a file.
var version, commit string

const unknown = "unknown"

// Version returns the version that the build was given. Without one it is that of the module: a tag or, between tags, a
// version with the time and the revision of the last commit, and +dirty if there were later changes. It is "unknown" if
// `go build` was called by hand without a repository.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return unknown
}

// Details returns one line for --version: the version, the commit, Go's version, and whether the cryptography is that of
// Go's FIPS 140-3 module. A build with GOFIPS140=v1.0.0 has that module on; GODEBUG=fips140 changes it for one run.
func Details() string {
	fips := "off"
	if fips140.Enabled() {
		fips = "on, module " + fips140.Version()
	}
	return fmt.Sprintf("%s (commit %s, %s, FIPS 140-3 %s)", Version(), revision(), runtime.Version(), fips)
}

// revision returns the commit that the build was given, or that Go found; "unknown" without both.
func revision() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return unknown
}
