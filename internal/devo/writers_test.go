//go:build unix

package devo_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// chmod sets a mode whatever the umask is.
func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	require.NoError(t, os.Chmod(path, mode))
}

func TestADirectoryThatOthersMayWriteToIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(t *testing.T, top, dir string)
		query   string
		refused string // what the error names, below the test's directory
	}{
		"one of the worker's own":    {change: func(t *testing.T, _, dir string) { chmod(t, dir, 0o755) }},
		"one of its group":           {change: func(t *testing.T, _, dir string) { chmod(t, dir, 0o775|fs.ModeSetgid) }},
		"everybody's":                {change: func(t *testing.T, _, dir string) { chmod(t, dir, 0o777) }, refused: "top/dir"},
		"everybody's, but sticky":    {change: func(t *testing.T, _, dir string) { chmod(t, dir, 0o777|fs.ModeSticky) }},
		"everybody's, as was told":   {change: func(t *testing.T, _, dir string) { chmod(t, dir, 0o777) }, query: "?shared=yes"},
		"below everybody's":          {change: func(t *testing.T, top, _ string) { chmod(t, top, 0o777) }, refused: "top"},
		"below everybody's, and new": {change: func(t *testing.T, top, dir string) { require.NoError(t, os.Remove(dir)); chmod(t, top, 0o777) }, refused: "top"},
		"everybody's below it": {change: func(t *testing.T, _, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "okta", "acme"), 0o700))
			chmod(t, filepath.Join(dir, "okta"), 0o777)
		}, refused: "top/dir/okta"},
		"everybody's file": {change: func(t *testing.T, _, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "okta", "acme"), 0o700))
			file := filepath.Join(dir, "okta", "acme", "logs.jsonl")
			require.NoError(t, os.WriteFile(file, nil, 0o600))
			chmod(t, file, 0o666)
		}, refused: "top/dir/okta/acme/logs.jsonl"},
		"a link into everybody's": {change: func(t *testing.T, top, dir string) {
			open := filepath.Join(filepath.Dir(top), "open")
			require.NoError(t, os.MkdirAll(filepath.Join(open, "inner"), 0o700))
			chmod(t, open, 0o777)
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.Symlink(filepath.Join(open, "inner"), dir))
		}, refused: "open"},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			top, dir := filepath.Join(above, "top"), filepath.Join(above, "top", "dir")
			require.NoError(t, os.MkdirAll(dir, 0o700))
			test.change(t, top, dir)
			before := tree(t, above)
			sink := newSink(t, devo.Config{URL: "file://" + dir + test.query})
			stream, err := sink.Open(t.Context(), logsTarget(nil))
			if test.refused == "" {
				require.NoError(t, err)
				stream.Close()
				require.NoError(t, sink.Check(t.Context()))
				return
			}
			require.ErrorIs(t, err, devo.ErrRefused)
			require.ErrorContains(t, err, filepath.Join(above, test.refused)+" ")
			require.Equal(t, before, tree(t, above), "nothing is written")
			require.Contains(t, devo.Remedy(err), "chmod +t")
			require.Contains(t, devo.Remedy(err), "?shared=yes")
		})
	}
}

func TestWhatAnotherUserMadeInASharedDirectoryIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	const other = 65533
	for name, make := range map[string]func(t *testing.T, shared string){
		"the directory": func(t *testing.T, shared string) {
			dir := filepath.Join(shared, "dir")
			require.NoError(t, os.Mkdir(dir, 0o755))
			require.NoError(t, os.Chown(dir, other, other))
		},
		"a link to a directory of the worker's": func(t *testing.T, shared string) {
			own := t.TempDir()
			require.NoError(t, os.Symlink(own, filepath.Join(shared, "dir")))
			require.NoError(t, os.Lchown(filepath.Join(shared, "dir"), other, other))
		},
		"a directory below a sticky one": func(t *testing.T, shared string) {
			require.NoError(t, os.Mkdir(filepath.Join(shared, "dir"), 0o700))
			chmod(t, filepath.Join(shared, "dir"), 0o777|fs.ModeSticky)
			require.NoError(t, os.Mkdir(filepath.Join(shared, "dir", "okta"), 0o755))
			require.NoError(t, os.Chown(filepath.Join(shared, "dir", "okta"), other, other))
		},
	} {
		t.Run(name, func(t *testing.T) {
			shared := t.TempDir()
			chmod(t, shared, 0o777|fs.ModeSticky)
			make(t, shared)
			_, err := newSink(t, devo.Config{URL: "file://" + shared + "/dir"}).Open(t.Context(), logsTarget(nil))
			require.ErrorIs(t, err, devo.ErrRefused)
			require.ErrorContains(t, err, "belongs to user 65533")
		})
	}
}

func TestOnlyTheWorkersUserReadsAndWritesWhatItCreates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	defer syscall.Umask(syscall.Umask(0))
	sink := newSink(t, devo.Config{URL: "file://" + dir, Tenant: "acme", Owner: "somebody"})
	stream := openStream(t, sink, logsTarget(nil))
	ship(t, stream, objects(0, 1, 1))
	files := 0
	require.NoError(t, filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	require.Equal(t, 4, files, "the id, the owner, the events and their floor")
}
