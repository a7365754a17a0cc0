// Package buildinfo returns the version of this build for --version, the log, the metrics and Devo.
package buildinfo

import "runtime/debug"

// version is the tag and commit that the build was given: -ldflags "-X okta-collector/internal/buildinfo.version=…".
// The Makefile and the Dockerfile give it, because Go finds none where .git is absent or, as in a git worktree, a file.
var version string

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
	return "unknown"
}
