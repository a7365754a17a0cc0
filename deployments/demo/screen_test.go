package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWithoutATerminalTheStatusIsPrintedNowAndThen(t *testing.T) {
	var out bytes.Buffer
	now := noon
	s := &screen{out: &out, now: func() time.Time { return now }, size: func() (int, int, bool) { return 0, 0, false }}
	s.show("first")
	now = now.Add(plainEvery - time.Second)
	s.show("too early")
	s.event("worker died")
	now = now.Add(time.Second)
	s.show("second")
	s.clear()
	require.Equal(t, "first\n\n12:00:09  worker died\nsecond\n\n", out.String())
}

// terminal is what somebody sees of what a screen wrote, which moves the cursor up to the
// beginnings of lines only.
func terminal(t *testing.T, written string) string {
	t.Helper()
	lines, row, column := []string{""}, 0, 0
	for written != "" {
		sequence := controls.FindStringSubmatch(written)
		if sequence == nil {
			lines[row] = lines[row][:column] + written[:1] + lines[row][min(column+1, len(lines[row])):]
			column, written = column+1, written[1:]
			continue
		}
		written = written[len(sequence[0]):]
		switch {
		case sequence[0] == "\r":
			column = 0
		case sequence[0] == "\n":
			row, column = row+1, 0
			if row == len(lines) {
				lines = append(lines, "")
			}
		case sequence[0] == clearLine:
			lines[row] = lines[row][:column]
		case sequence[0] == clearBelow:
			lines[row] = lines[row][:column]
			lines = lines[:row+1]
		case sequence[1] != "":
			up, err := strconv.Atoi(sequence[1])
			require.NoError(t, err)
			require.LessOrEqual(t, up, row)
			row -= up
		}
	}
	return strings.Join(lines, "\n")
}

var controls = regexp.MustCompile(`^(?:\r|\n|\x1b\[(?:K|J|\?2026[hl]|([0-9]+)A))`)

func TestOnATerminalTheStatusStaysBelowTheNotes(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, now: time.Now, size: func() (int, int, bool) { return 20, 4, true }}
	s.note("a note")
	s.show("old\nstatus")
	require.Equal(t, "a note\nold\nstatus\n", terminal(t, out.String()))
	s.note("another")
	require.Equal(t, "a note\nanother\nold\nstatus\n", terminal(t, out.String()))
	s.show("new\n\nlines")
	require.Equal(t, "a note\nanother\nnew\n\nlines\n", terminal(t, out.String()))
	s.show("new")
	require.Equal(t, "a note\nanother\nnew\n", terminal(t, out.String()))
	s.show("1\n\n2\n3\n4")
	require.Equal(t, "a note\nanother\n1\n2\n3\n", terminal(t, out.String()), "what has no room is left out")
	s.show("a line that is wider than the terminal")
	require.Equal(t, "a note\nanother\na line that is wide\n", terminal(t, out.String()))
	s.clear()
	require.Equal(t, "a note\nanother\n", terminal(t, out.String()))
}
