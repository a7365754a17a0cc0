package deployments_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// program writes a shell script into bin.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

func TestWhatMakeRunKeepsIsForItsUserAlone(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("needs setsid")
	}
	script, err := filepath.Abs("run.sh")
	require.NoError(t, err)
	dir := t.TempDir()
	kept := filepath.Join(dir, ".run")
	require.NoError(t, os.Mkdir(kept, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(kept, "temporal.db-of-before"), nil, 0o644))
	program(t, dir, "worker", ": >.run/of-the-worker-$#")
	program(t, dir, "temporal", `if [ "$1" = server ]; then : >"$4"; echo "Server:  here"; exec sleep 60; fi`)

	run := exec.CommandContext(t.Context(), "sh", "-c", "umask 022; exec "+script)
	run.Dir, run.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
	names := []string{}
	require.NoError(t, filepath.WalkDir(kept, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is %s", path, info.Mode())
		names = append(names, d.Name())
		return nil
	}))
	require.Subset(t, names, []string{"temporal.db", "temporal.db-of-before", "temporal.log"})
}
