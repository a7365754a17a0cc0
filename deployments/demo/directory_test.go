package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNextRunFindsWhatTheLastOneKeptButItsLogs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", ".demo")
	first, lock, err := openDirectory(path)
	require.NoError(t, err)
	require.False(t, first.used())
	require.NoError(t, os.WriteFile(first.database(), []byte("kept"), 0o600))
	log := filepath.Join(first.logs(), "worker.log")
	require.NoError(t, os.WriteFile(log, nil, 0o600))

	_, _, err = openDirectory(path)
	require.ErrorContains(t, err, "another demo is running in "+path)
	require.FileExists(t, log)
	require.NoError(t, lock.Close())

	second, lock, err := openDirectory(path)
	require.NoError(t, err)
	defer lock.Close()
	require.True(t, second.used())
	require.NoFileExists(t, log)
}

func TestWhatIsKeptAnewIsForNobodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("longer than the new one"), 0o644))
	require.NoError(t, keep(path, "new"))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "new", string(content))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestTheDatabaseOfAnEarlierRunIsTakenFromEverybodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".demo")
	require.NoError(t, os.Mkdir(path, 0o700))
	for _, name := range []string{"temporal.db", "temporal.db-wal"} {
		require.NoError(t, os.WriteFile(filepath.Join(path, name), nil, 0o600))
		require.NoError(t, os.Chmod(filepath.Join(path, name), 0o644))
	}
	_, lock, err := openDirectory(path)
	require.NoError(t, err)
	defer lock.Close()
	isPrivate(t, path)
}

// isPrivate fails if anybody else may read or write what is below a directory.
func isPrivate(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(path, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is %s", path, info.Mode())
		return nil
	}))
}
