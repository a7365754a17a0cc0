package devo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

const floorFile = "okta/acme/.logs.jsonl.floor"

// kept ships a batch, and tells the stream that its checkpoint is durable.
func kept(t testing.TB, stream devo.Stream, batch devo.Batch) {
	t.Helper()
	ship(t, stream, batch)
	stream.Keep(*stream.Offset())
}

func TestACheckpointBelowWhatWasConfirmedCutsNothing(t *testing.T) {
	for name, offset := range map[string]int64{
		"one that somebody made up":           0,
		"one of a backup of Temporal":         int64(len(numbers(0))),
		"one in the middle of a line":         5,
		"one that is no offset":               -1,
		"the smallest one that there may be":  -1 << 63,
		"one just below the floor":            int64(len(numbers(0, 1, 2))) - 1,
		"one at the floor, which is honest":   int64(len(numbers(0, 1, 2))),
		"one above the floor, also an honest": int64(len(numbers(0, 1, 2, 3))),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sink, logs := fileSink(t, dir)
			stream := openStream(t, sink, logsTarget(nil))
			kept(t, stream, objects(0, 3, 1))
			ship(t, stream, objects(3, 2, 1)) // killed before Temporal had its checkpoint
			stream.Close()

			stream = openStream(t, sink, logsTarget(&offset))
			ship(t, stream, objects(7, 1, 1))
			warnings := stream.Warnings()
			stream.Close()
			honest := int(offset) / len(numbers(0)) // objects before the checkpoint
			if honest >= 3 {
				require.Empty(t, warnings)
				require.Equal(t, numbers([]int{0, 1, 2, 3}[:honest]...)+numbers(7), read(t, dir, "okta/acme/logs.jsonl"), "in the file once")
				return
			}
			require.Equal(t, numbers(0, 1, 2, 3, 4, 7), read(t, dir, "okta/acme/logs.jsonl"))
			require.Len(t, warnings, 1)
			require.Equal(t, devo.WarnDiffers, warnings[0].Kind)
			require.Contains(t, warnings[0].Message, "Nothing is cut")
			require.Equal(t, 1, logs.Len())

			// From then on, every checkpoint is honest again.
			next := *stream.Offset()
			stream = openStream(t, sink, logsTarget(&next))
			require.Empty(t, stream.Warnings())
			require.Equal(t, next, *stream.Offset())
		})
	}
}

func TestAKillAtAnyMomentLeavesEachObjectInTheFileOnce(t *testing.T) {
	for name, died := range map[string]struct{ acknowledged, kept bool }{
		"before Temporal acknowledged the checkpoint": {},
		"before the floor was raised":                 {acknowledged: true},
		"after that":                                  {acknowledged: true, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sink, _ := fileSink(t, dir)
			stream := openStream(t, sink, logsTarget(nil))
			kept(t, stream, objects(0, 1, 1))
			checkpoint, next := *stream.Offset(), 1
			ship(t, stream, objects(1, 1, 1))
			if died.acknowledged {
				checkpoint, next = *stream.Offset(), 2
			}
			if died.kept {
				stream.Keep(checkpoint)
			}
			stream.Close()

			stream = openStream(t, sink, logsTarget(&checkpoint))
			require.Empty(t, stream.Warnings())
			ship(t, stream, objects(next, 3-next, 1))
			require.Equal(t, numbers(0, 1, 2), read(t, dir, "okta/acme/logs.jsonl"))
		})
	}
}

func TestAFileWhoseFloorIsNotKnownIsNotCut(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"a file of an earlier version": os.Remove,
		"an empty floor":               func(path string) error { return os.Truncate(path, 0) },
		"half a floor":                 func(path string) error { return os.Truncate(path, 10) },
		"no number":                    func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 20)), 0o600) },
		"a number that is too large":   func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("9", 19)+"\n"), 0o600) },
		"a floor with something after": func(path string) error { return os.WriteFile(path, fmt.Appendf(nil, "%019d\nxxxx", 0), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sink, _ := fileSink(t, dir)
			stream := openStream(t, sink, logsTarget(nil))
			ship(t, stream, objects(0, 2, 1))
			checkpoint := *stream.Offset()
			stream.Close()
			require.NoError(t, change(filepath.Join(dir, floorFile)))

			for range 2 {
				stream = openStream(t, sink, logsTarget(&checkpoint))
				require.Empty(t, stream.Warnings(), "a worker that was stopped in order needs no cut")
				stream.Close()
			}
			require.NoError(t, change(filepath.Join(dir, floorFile)))
			zero := int64(0)
			stream = openStream(t, sink, logsTarget(&zero))
			require.Len(t, stream.Warnings(), 1)
			stream.Close()
			require.Equal(t, numbers(0, 1), read(t, dir, "okta/acme/logs.jsonl"))
		})
	}
}

func TestAFileThatAPersonHasCutOrRotatedGoesOnFromItsNewLength(t *testing.T) {
	dir := t.TempDir()
	sink, _ := fileSink(t, dir)
	stream := openStream(t, sink, logsTarget(nil))
	kept(t, stream, objects(0, 3, 1))
	checkpoint := *stream.Offset()
	stream.Close()
	require.NoError(t, os.Rename(filepath.Join(dir, "okta/acme/logs.jsonl"), filepath.Join(dir, "okta/acme/logs.1")))

	stream = openStream(t, sink, logsTarget(&checkpoint))
	require.Len(t, stream.Warnings(), 1)
	checkpoint = *stream.Offset()
	require.Zero(t, checkpoint)
	ship(t, stream, objects(3, 2, 1)) // killed before Temporal had its checkpoint
	stream.Close()
	stream = openStream(t, sink, logsTarget(&checkpoint))
	require.Empty(t, stream.Warnings(), "the floor went down with the file")
	ship(t, stream, objects(3, 1, 1))
	require.Equal(t, numbers(3), read(t, dir, "okta/acme/logs.jsonl"))
}

func TestAFloorIsNoWayToAnotherFile(t *testing.T) {
	dir := t.TempDir()
	sink, _ := fileSink(t, dir)
	stream := openStream(t, sink, logsTarget(nil))
	kept(t, stream, objects(0, 1, 1))
	stream.Close()
	floor, other := filepath.Join(dir, floorFile), filepath.Join(dir, "okta/acme/users.jsonl")
	require.NoError(t, os.WriteFile(other, []byte(numbers(5)), 0o600))
	for _, target := range []string{"users.jsonl", "/etc/passwd"} {
		require.NoError(t, os.Remove(floor))
		require.NoError(t, os.Symlink(target, floor))
		_, err := sink.Open(t.Context(), logsTarget(nil))
		require.ErrorIs(t, err, devo.ErrRefused)
		require.Contains(t, devo.Remedy(err), floorFile)
	}
	require.Equal(t, numbers(5), read(t, other))
}
