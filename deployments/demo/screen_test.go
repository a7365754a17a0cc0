package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWithoutATerminalTheStatusIsPrintedNowAndThen(t *testing.T) {
	var out strings.Builder
	now := noon
	s := plain(&out)
	s.now = func() time.Time { return now }
	s.show("first")
	now = now.Add(plainEvery - time.Second)
	s.show("too early")
	s.event("worker died")
	now = now.Add(time.Second)
	s.show("second")
	s.clear()
	require.Equal(t, "first\n\n12:00:09  worker died\nsecond\n\n", out.String())
}

func TestOnATerminalTheStatusIsDrawnOverAndStaysBelowTheNotes(t *testing.T) {
	var out strings.Builder
	s := &screen{out: &out, now: time.Now, size: func() (int, int) { return 20, 4 }}
	for _, step := range []struct {
		do   func()
		want string // up and clear, notes, status
	}{
		{func() { s.note("a note") }, "\r\x1b[Ja note\n"},
		{func() { s.show("old\nstatus") }, "\r\x1b[Jold\nstatus\n"},
		{func() { s.note("another") }, "\x1b[2A\r\x1b[Janother\nold\nstatus\n"},
		{func() { s.show("1\n\n2\n3\n4") }, "\x1b[2A\r\x1b[J1\n2\n3\n"}, // what has no room is left out
		{func() { s.show("a line that is wider than the terminal") }, "\x1b[3A\r\x1b[Ja line that is wide\n"},
		{func() { s.clear() }, "\x1b[1A\r\x1b[J"},
	} {
		out.Reset()
		step.do()
		require.Equal(t, beginUpdate+step.want+endUpdate, out.String())
	}
}
