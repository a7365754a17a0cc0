package devo_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/devo"
)

func fileSink(t testing.TB, dir string) (devo.Sink, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.WarnLevel)
	sink, err := devo.New(devo.Config{URL: "file://" + dir, Log: zap.New(core)})
	require.NoError(t, err)
	return sink, logs
}

func logsTarget(offset *int64) devo.Target {
	return devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system", Offset: offset}
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(data)
}

func TestFileHasOneObjectALine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	sink, _ := fileSink(t, dir)
	require.NoError(t, sink.Check(t.Context()))
	stream := openStream(t, sink, logsTarget(nil))
	require.Zero(t, *stream.Offset())
	ship(t, stream, objects(0, 2, 1))
	want := `{"n":0,"pad":"x"}` + "\n" + `{"n":1,"pad":"x"}` + "\n"
	require.EqualValues(t, len(want), *stream.Offset())
	stream.Close()
	stream.Close()
	require.Equal(t, want, read(t, dir, "okta", "acme", "logs.jsonl"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "Check leaves nothing behind")
	require.Equal(t, ".okta-collector-id", entries[0].Name())
	require.Equal(t, "okta", entries[1].Name())
}

func TestFileIsTakenBackToTheCheckpoint(t *testing.T) {
	dir := t.TempDir()
	sink, logs := fileSink(t, dir)
	stream := openStream(t, sink, logsTarget(nil))
	ship(t, stream, objects(0, 1, 1))
	checkpoint := stream.Offset()
	ship(t, stream, objects(1, 5, 1)) // its checkpoint never became durable
	stream.Close()

	stream = openStream(t, sink, logsTarget(checkpoint))
	require.Equal(t, checkpoint, stream.Offset())
	ship(t, stream, objects(1, 1, 1))
	stream.Close()
	require.Equal(t, `{"n":0,"pad":"x"}`+"\n"+`{"n":1,"pad":"x"}`+"\n", read(t, dir, "okta/acme/logs.jsonl"))
	require.Zero(t, logs.Len())
}

func TestFileWithoutCheckpointIsAppendedTo(t *testing.T) {
	dir := t.TempDir()
	sink, _ := fileSink(t, dir)
	path := filepath.Join(dir, "okta", "acme", "logs.jsonl")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("{\"old\":1}\n{\"torn"), 0o600))
	stream := openStream(t, sink, logsTarget(nil))
	require.EqualValues(t, 16, *stream.Offset(), "the present size is what to acknowledge first")
	ship(t, stream, objects(0, 1, 1))
	ship(t, stream, objects(1, 1, 1))
	require.Equal(t, "{\"old\":1}\n{\"torn\n"+`{"n":0,"pad":"x"}`+"\n"+`{"n":1,"pad":"x"}`+"\n", read(t, path), "no object is glued to a torn line")
	require.EqualValues(t, len(read(t, path)), *stream.Offset())
}

func TestFileShorterThanItsCheckpointIsAppendedToWithAWarning(t *testing.T) {
	dir := t.TempDir()
	sink, logs := fileSink(t, dir)
	offset := int64(1000)
	stream := openStream(t, sink, logsTarget(&offset))
	require.Zero(t, *stream.Offset())
	require.Equal(t, 1, logs.Len())
	ship(t, stream, objects(0, 1, 1))
	require.Equal(t, `{"n":0,"pad":"x"}`+"\n", read(t, dir, "okta/acme/logs.jsonl"))
}

func TestFileIsHeldByOneStreamAtATime(t *testing.T) {
	sink, _ := fileSink(t, t.TempDir())
	stream := openStream(t, sink, logsTarget(nil))
	_, err := sink.Open(t.Context(), logsTarget(nil))
	require.Error(t, err)
	require.NotErrorIs(t, err, devo.ErrRefused, "the other one ends some time")
	other := openStream(t, sink, devo.Target{Name: "okta/acme/logs/backfill/a--b", Tag: "auth.okta.system"})
	ship(t, other, objects(0, 1, 1))
	stream.Close()
	openStream(t, sink, logsTarget(nil))
}

func TestFileStaysInItsDirectory(t *testing.T) {
	for name, want := range map[string]string{
		"okta/acme/logs":    "okta/acme/logs.jsonl",
		"../../escape":      "%2E./%2E./escape.jsonl",
		"/etc/passwd":       "%/etc/passwd.jsonl",
		"okta/../x":         "okta/%2E./x.jsonl",
		"okta//x":           "okta/%/x.jsonl",
		".hidden":           "%2Ehidden.jsonl",
		"a b\\c\x00\n%é":    "a%20b%5Cc%00%0A%25%C3%A9.jsonl",
		"2026-11-22T00:00Z": "2026-11-22T00%3A00Z.jsonl",
	} {
		dir := t.TempDir()
		sink, _ := fileSink(t, dir)
		ship(t, openStream(t, sink, devo.Target{Name: name, Tag: "auth.okta.system"}), objects(0, 1, 1))
		require.Equal(t, `{"n":0,"pad":"x"}`+"\n", read(t, dir, want))
	}
	t.Run("a symbolic link leads nowhere else", func(t *testing.T) {
		dir, elsewhere := t.TempDir(), t.TempDir()
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "okta")))
		sink, _ := fileSink(t, dir)
		_, err := sink.Open(t.Context(), logsTarget(nil))
		require.Error(t, err)
		entries, err := os.ReadDir(elsewhere)
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}

func TestDirectoryThatCannotBeUsedIsForAPerson(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		sink, _ := fileSink(t, dir)
		require.ErrorIs(t, sink.Check(t.Context()), devo.ErrRefused, dir)
		_, err := sink.Open(t.Context(), logsTarget(nil))
		require.ErrorIs(t, err, devo.ErrRefused, dir)
	}
}

func TestCancelledBatchIsNotInTheFileOfTheNextStream(t *testing.T) {
	dir := t.TempDir()
	sink, _ := fileSink(t, dir)
	stream := openStream(t, sink, logsTarget(nil))
	checkpoint := stream.Offset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := deliver(ctx, stream, objects(0, 1, 1))
	require.ErrorIs(t, err, context.Canceled)
	_, err = deliver(t.Context(), stream, objects(0, 1, 1))
	require.Error(t, err, "a failed stream stays failed")
	stream.Close()
	openStream(t, sink, logsTarget(checkpoint))
	require.Empty(t, read(t, dir, "okta/acme/logs.jsonl"))
}
