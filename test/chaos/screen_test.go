package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStatusIsDrawnOverOnATerminal(t *testing.T) {
	var out strings.Builder
	s := &screen{out: &out, width: func() int { return 40 }}
	s.show(strings.Repeat("a", 100))
	s.show("second")
	s.note("stays")
	s.show("third")
	require.Equal(t, clearLine+strings.Repeat("a", 39)+clearLine+"second"+clearLine+"stays\n"+clearLine+"third", out.String())
}

func TestTheStatusIsPrintedNowAndThenElsewhere(t *testing.T) {
	var out strings.Builder
	s := &screen{out: &out, width: func() int { return 0 }}
	s.show("first")
	s.show("too soon")
	s.note("stays")
	require.Equal(t, "first\nstays\n", out.String())
}
