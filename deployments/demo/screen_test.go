package main

import (
	"fmt"
	"io"
	"strings"
	"syscall"
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

// on is a screen on a terminal whose clock stands still.
func on(t *terminal) *screen {
	return &screen{out: t, now: func() time.Time { return noon }, size: func() (int, int) { return t.width, t.height },
		lost: func() io.Writer { panic("the terminal was sent what it does not know: " + t.wrote) }}
}

func TestOnATerminalTheStatusIsDrawnOverAndStaysBelowTheNotes(t *testing.T) {
	terminal := &terminal{width: 20, height: 4}
	s := on(terminal)
	for _, step := range []struct {
		do   func()
		want string // all that can be read, by scrolling up too
	}{
		{func() { s.note("a note") }, "a note"},
		{func() { s.show("old\nstatus") }, "a note\nold\nstatus"},
		{func() { s.note("another") }, "a note\nanother\nold\nstatus"},
		{func() { s.show("new") }, "a note\nanother\nnew"},
		{func() { s.show("1\n\n2\n3") }, "a note\nanother\n1\n2\n3"},  // empty lines are the first to be left out,
		{func() { s.show("1\n2\n3\n4") }, "a note\nanother\n1\n2\n3"}, // and then the last ones
		{func() { s.note("a note that is wider than the terminal") }, "a note\nanother\na note that is wider\n than the terminal\n1\n2\n3"},
		{func() { s.note("as wide as the whole") }, "a note\nanother\na note that is wider\n than the terminal\nas wide as the whole\n1\n2\n3"},
		{func() { s.show("a line that is wider than the terminal") }, "a note\nanother\na note that is wider\n than the terminal\nas wide as the whole\na line that is wide"},
		{func() { s.clear() }, "a note\nanother\na note that is wider\n than the terminal\nas wide as the whole"},
		{func() { s.note("the end") }, "a note\nanother\na note that is wider\n than the terminal\nas wide as the whole\nthe end"},
	} {
		step.do()
		require.Equal(t, step.want, terminal.text())
	}
}

func TestAStatusThatFillsTheTerminalLeavesNoCopiesAboveIt(t *testing.T) {
	terminal := &terminal{width: 20, height: 5}
	s := on(terminal)
	var notes []string
	for i := range 50 {
		s.show(strings.Repeat(fmt.Sprintln("status", i), 1+i%9))
		if i%7 == 0 {
			notes = append(notes, fmt.Sprint("note ", i))
			s.note("%s", notes[len(notes)-1])
		}
	}
	s.clear()
	require.Equal(t, strings.Join(notes, "\n"), terminal.text())
}

func TestOnlyLinesThatHaveChangedAreDrawnAgain(t *testing.T) {
	terminal := &terminal{width: 20, height: 5}
	s := on(terminal)
	s.show("one\ntwo\nthree")
	s.show("one\n2\nthree")
	require.Equal(t, beginUpdate+"\x1b[3A\r\n2"+clearLine+"\n\n"+clearLine+endUpdate, terminal.wrote)

	terminal.wrote = ""
	s.show("one\n2\nthree")
	require.Empty(t, terminal.wrote)

	s.now = func() time.Time { return noon.Add(wholeEvery) }
	s.show("one\n2\nthree")
	require.Contains(t, terminal.wrote, "one")
}

func TestATerminalThatHasBecomeNarrowerShowsTheStatusOnce(t *testing.T) {
	terminal := &terminal{width: 20, height: 9}
	s := on(terminal)
	s.note("a note")
	s.show("0123456789 123456\nshort")
	terminal.resize(10)
	s.show("0123456789 123456\nshort")
	require.Equal(t, "a note\n012345678\nshort", terminal.text())
}

// broken is an output that nobody reads any more.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestWhatNobodyReadsIsSaidElsewhereAndEndsTheDemo(t *testing.T) {
	var spare, log strings.Builder
	stopped := 0
	s := plain(broken{})
	s.log, s.lost = &log, func() io.Writer { stopped++; return &spare }
	s.show("status")
	s.note("Nothing is missing.")
	require.Equal(t, 1, stopped)
	require.Equal(t, "status\n\nNothing is missing.\n", spare.String())
	require.Equal(t, "Nothing is missing.\n", log.String())
}
