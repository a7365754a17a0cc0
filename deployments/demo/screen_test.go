package main

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/terminal"
)

// plain is a screen that is no terminal.
func plain(out io.Writer) *screen { return &screen{out: out, log: io.Discard, lost: func() {}} }

func TestWithoutATerminalTheStatusIsPrintedNowAndThen(t *testing.T) {
	var out strings.Builder
	s := plain(&out)
	s.show("first")
	s.show("too early")
	s.note("worker died")
	s.printed = s.printed.Add(-plainEvery)
	s.show("second")
	s.clear()
	require.Equal(t, "first\n\nworker died\nsecond\n\n", out.String())
}

func TestNotesThatCameWhileTheStatusWasDrawnStayAfterIt(t *testing.T) {
	var out, log strings.Builder
	s := plain(&out)
	s.log, s.drawn = &log, &terminal.Screen{}
	s.note("worker died")
	require.Empty(t, out.String(), "it is in the status")
	require.Equal(t, "worker died\n", log.String())

	d := &demo{dir: ".demo", settings: settings{bin: "bin"}, screen: s, worker: shell(t, "exec sleep 600")}
	require.Contains(t, d.picture(reading{table: "a table"}, time.Now(), 80, 24), "\nworker died\n")
}

// broken is an output that nobody reads any more.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestWhatNobodyReadsIsInTheLogAndEndsTheDemo(t *testing.T) {
	var log strings.Builder
	stopped := 0
	s := plain(broken{})
	s.log, s.lost = &log, func() { stopped++ }
	s.note("Nothing is missing.")
	require.Equal(t, 1, stopped)
	require.Equal(t, "Nothing is missing.\n", log.String())
}
