// Package buildinfo says which build this is, in the same words to everybody: to --version, to the log and to Devo.
package buildinfo

import (
	"cmp"
	"runtime/debug"
)

// Version is the version of the module that the program was built from: a tag or, between tags, a version made of
// the time and the revision of the last commit; +dirty where there were changes since. It is "(devel)" where the
// build had no repository.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "unknown")
}
