package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string, reset bool) directory {
	t.Helper()
	d, err := openDirectory(path, reset)
	require.NoError(t, err)
	return d
}

func TestTheNextRunFindsTheDirectoryOfTheLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", ".demo")
	first := open(t, path, false)
	require.False(t, first.used)
	require.DirExists(t, first.logs())
	require.NoError(t, os.WriteFile(first.database(), []byte("kept"), 0o600))
	first.close()

	second := open(t, path, false)
	require.True(t, second.used)
	require.FileExists(t, second.database())
	second.close()
}

func TestResetBeginsAnew(t *testing.T) {
	path := t.TempDir()
	first := open(t, path, false)
	require.NoError(t, os.WriteFile(first.database(), nil, 0o600))
	first.close()

	second := open(t, path, true)
	defer second.close()
	require.False(t, second.used)
	require.NoFileExists(t, second.database())
}

func TestADirectoryIsUsedByOneDemoAtATime(t *testing.T) {
	path := t.TempDir()
	first := open(t, path, false)
	require.NoError(t, os.WriteFile(first.database(), nil, 0o600))
	for _, reset := range []bool{false, true} {
		_, err := openDirectory(path, reset)
		require.ErrorContains(t, err, "another demo is running in "+path)
	}
	require.FileExists(t, first.database())
	first.close()
	open(t, path, false).close()
}

func TestWhatAnotherVersionLeftIsNotGoneOnWith(t *testing.T) {
	for name, marker := range map[string]string{"older or newer": `{"version":99}`, "unreadable": `{`} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(path, markerFile), []byte(marker), 0o600))
			_, err := openDirectory(path, false)
			require.ErrorContains(t, err, "--reset")
			require.True(t, errors.As(err, new(usageError)))

			d := open(t, path, true)
			require.False(t, d.used)
			d.close()
		})
	}
}

func TestADirectoryOfSomethingElseIsNeverTouched(t *testing.T) {
	path := t.TempDir()
	precious := filepath.Join(path, "precious")
	require.NoError(t, os.WriteFile(precious, nil, 0o600))
	for _, reset := range []bool{false, true} {
		_, err := openDirectory(path, reset)
		require.ErrorContains(t, err, "not the directory of a demo")
	}
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
