// Package buildinfo returns the version of this build for --version, the log and Devo.
package buildinfo

import (
	"cmp"
	"runtime/debug"
)

// Version returns the version of the module that the program was built from: a tag or, between tags, a version with the
// time and the revision of the last commit. It ends with +dirty if there were later changes. It is "(devel)" if the
// build had no repository.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "unknown")
}
