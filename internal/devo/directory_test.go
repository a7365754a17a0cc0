package devo_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// position is what a checkpoint says of a file.
type position struct {
	offset *int64
	of     string
}

// deliver ships a batch as a slice does that goes on from a position, and returns the next one.
func (p position) deliver(t *testing.T, sink devo.Sink, batch devo.Batch) position {
	t.Helper()
	if p.of != sink.OffsetOf() {
		p.offset = nil
	}
	stream, err := sink.Open(t.Context(), logsTarget(p.offset))
	require.NoError(t, err)
	p.of = sink.OffsetOf()
	ship(t, stream, batch)
	p.offset = stream.Offset()
	stream.Close()
	return p
}

func TestTwoMachinesWithOneDEVO_URLAndADiskEachDestroyNothing(t *testing.T) {
	top := t.TempDir()
	out := filepath.Join(top, "out")
	mount := func(disk string) devo.Sink {
		require.NoError(t, os.MkdirAll(filepath.Join(top, disk), 0o750))
		_ = os.Remove(out)
		require.NoError(t, os.Symlink(disk, out))
		sink, logs := fileSink(t, out)
		t.Cleanup(func() { require.Zero(t, logs.Len(), "neither file is shorter than it should be") })
		return sink
	}
	file := filepath.Join(out, "okta", "acme", "logs.jsonl")

	at := position{}.deliver(t, mount("a"), objects(0, 3, 1))
	at.deliver(t, mount("a"), objects(3, 1, 1)) // of which no checkpoint says anything
	at = at.deliver(t, mount("b"), objects(3, 2, 1))
	require.Equal(t, numbers(3, 4), read(t, file))
	at = at.deliver(t, mount("a"), objects(5, 1, 1))
	require.Equal(t, numbers(0, 1, 2, 3, 5), read(t, file), "3 is on both disks, and no line is gone")
	at.deliver(t, mount("a"), objects(6, 1, 1)) // nor of this
	at = at.deliver(t, mount("a"), objects(6, 1, 1))
	require.Equal(t, numbers(0, 1, 2, 3, 5, 6), read(t, file), "on the same disk all the time there is no line twice")
	at.deliver(t, mount("b"), objects(7, 1, 1))
	require.Equal(t, numbers(3, 4, 7), read(t, file))
}

// numbers are the lines of objects.
func numbers(ns ...int) string {
	var b strings.Builder
	for _, n := range ns {
		b.Write(objects(n, 1, 1).Objects[0])
		b.WriteByte('\n')
	}
	return b.String()
}

func TestAnOffsetIsOfNoOtherDirectoryAtTheSamePath(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"one that was made anew":  os.RemoveAll,
		"one whose id is lost":    func(dir string) error { return os.Remove(filepath.Join(dir, ".okta-collector-id")) },
		"one whose id is no id":   func(dir string) error { return os.WriteFile(filepath.Join(dir, ".okta-collector-id"), nil, 0o600) },
		"one that is not mounted": func(dir string) error { return os.Rename(dir, dir+"-away") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			sink, _ := fileSink(t, dir)
			openStream(t, sink, logsTarget(nil))
			of := sink.OffsetOf()
			require.Equal(t, of, sink.OffsetOf())
			again, _ := fileSink(t, dir)
			require.Equal(t, of, again.OffsetOf(), "after a restart")
			require.NoError(t, change(dir))
			require.NotEqual(t, of, sink.OffsetOf())
			require.NotEqual(t, sink.OffsetOf(), sink.OffsetOf(), "as long as it has no id, no offset is its")
		})
	}
	t.Run("nor of a copy at another one", func(t *testing.T) {
		dir := t.TempDir()
		sink, _ := fileSink(t, dir)
		openStream(t, sink, logsTarget(nil))
		other := filepath.Join(t.TempDir(), "copy")
		require.NoError(t, os.CopyFS(other, os.DirFS(dir)))
		second, _ := fileSink(t, other)
		require.NotEqual(t, sink.OffsetOf(), second.OffsetOf())
	})
}

func TestThoseThatOpenANewDirectoryAtOnceAgreeOnItsID(t *testing.T) {
	dir := t.TempDir()
	const many = 20
	ids := make([]string, many)
	var wg sync.WaitGroup
	for i := range many {
		sink, _ := fileSink(t, dir) // as of another process
		wg.Go(func() {
			stream, err := sink.Open(t.Context(), devo.Target{Name: string(rune('a' + i)), Tag: "auth.okta.system"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = sink.OffsetOf()
			stream.Close()
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2*many+1, "nothing else is left but each file and its floor")
}

func TestADirectoryWhoseIDIsNotTheCollectorsIsForAPerson(t *testing.T) {
	valid := strings.Repeat("A", 26) + "\n"
	for name, make := range map[string]func(path string) error{
		"empty":          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"half":           func(path string) error { return os.WriteFile(path, []byte(valid[10:]), 0o600) },
		"more":           func(path string) error { return os.WriteFile(path, []byte(strings.Repeat(valid, 1000)), 0o600) },
		"something else": func(path string) error { return os.WriteFile(path, []byte(strings.ToLower(valid)), 0o600) },
		"a directory":    func(path string) error { return os.Mkdir(path, 0o700) },
		"a link": func(path string) error {
			if err := os.WriteFile(path+"-2", []byte(valid), 0o600); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(path)+"-2", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, ".okta-collector-id")))
			sink, _ := fileSink(t, dir)
			_, err := sink.Open(t.Context(), logsTarget(nil))
			for _, err := range []error{err, sink.Check(t.Context())} {
				require.ErrorIs(t, err, devo.ErrRefused)
				require.ErrorContains(t, err, ".okta-collector-id")
			}
			require.NoFileExists(t, filepath.Join(dir, "okta", "acme", "logs.jsonl"))
		})
	}
}
