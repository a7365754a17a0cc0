package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func testOrg(t *testing.T) *org {
	sim, err := oktasim.Start(oktasim.Config{
		Seed: 1, Token: token, Counts: map[string]int{"logs": 2*pageLimit + 10}, BacklogSpan: backlogSpan, Unlimited: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { sim.Close() })
	return &org{Org: sim.Org, url: sim.URL}
}

// damage is what a comparison has to notice, as changes to the lines of a whole file.
var damage = map[string]func(lines [][]byte) [][]byte{
	"one is missing":      func(lines [][]byte) [][]byte { return append(lines[:1:1], lines[2:]...) },
	"the last is missing": func(lines [][]byte) [][]byte { return lines[:len(lines)-1] },
	"one is repeated":     func(lines [][]byte) [][]byte { return append(lines[:1:1], lines...) },
	"the last is repeated": func(lines [][]byte) [][]byte {
		return append(lines, lines[len(lines)-1])
	},
	"a byte differs": func(lines [][]byte) [][]byte {
		lines[1] = bytes.Clone(lines[1])
		lines[1][100] ^= 1
		return lines
	},
	"it ends inside a line": func(lines [][]byte) [][]byte {
		last := lines[len(lines)-1]
		lines[len(lines)-1] = last[:len(last)-1]
		return lines
	},
	"it is empty": func([][]byte) [][]byte { return nil },
}

func requireNoticed(t *testing.T, file string, with func(*comparison) error) {
	require.NoError(t, compare(file, with))
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for name, change := range damage {
		t.Run(name, func(t *testing.T) {
			lines := bytes.SplitAfter(bytes.Clone(whole), []byte("\n"))
			lines = lines[:len(lines)-1] // what follows the last line's end
			file := filepath.Join(t.TempDir(), "damaged")
			require.NoError(t, os.WriteFile(file, bytes.Join(change(lines), nil), 0o600))
			require.Error(t, compare(file, with))
		})
	}
}

func TestTheLoopReadsEveryPage(t *testing.T) {
	o := testOrg(t)
	file := filepath.Join(t.TempDir(), "loop.json")
	require.NoError(t, readAll(t.Context(), o.firstPage(), file))
	requireNoticed(t, file, o.pages)
}

func TestTheCarefulLoopReadsEveryEventAndKeepsItsPosition(t *testing.T) {
	o := testOrg(t)
	file, cursor := filepath.Join(t.TempDir(), "careful.jsonl"), filepath.Join(t.TempDir(), "cursor")
	require.NoError(t, readCarefully(t.Context(), o.firstPage(), file, cursor))
	requireNoticed(t, file, o.bareLines)
	position, err := os.ReadFile(cursor)
	require.NoError(t, err)
	require.NoError(t, follow(t.Context(), string(position), func([]byte, string) error { return errors.New("it goes on after the end") }))
}

func TestWhatTheCollectorWroteIsComparedByteForByte(t *testing.T) {
	o := testOrg(t)
	var lines []byte
	for _, object := range o.All("logs") {
		lines = append(append(lines, object[:len(object)-1]...), ",\"@devo_pulling_id\":1795332420123}\n"...)
	}
	file := filepath.Join(t.TempDir(), "logs.jsonl")
	require.NoError(t, os.WriteFile(file, lines, 0o600))
	requireNoticed(t, file, o.lines)

	t.Run("an event of another pull", func(t *testing.T) {
		at := bytes.LastIndexByte(lines, '3')
		other := bytes.Clone(lines)
		other[at]++
		require.NoError(t, os.WriteFile(file, other, 0o600))
		require.ErrorContains(t, compare(file, o.lines), "not what Okta sent")
	})
	t.Run("no pull", func(t *testing.T) {
		var bare []byte
		for _, object := range o.All("logs") {
			bare = append(append(bare, object...), '\n')
		}
		require.NoError(t, os.WriteFile(file, bare, 0o600))
		require.Error(t, compare(file, o.lines))
	})
}
