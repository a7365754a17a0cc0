package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// plainEvery is how often a status is printed where nothing can be drawn over.
const plainEvery = 10 * time.Second

// Control sequences of terminals.
const (
	lineUp      = "\x1b[%dA"
	clearBelow  = "\x1b[J" // from the cursor to the end of the screen
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l" // shows all since beginUpdate at once, so that nothing flickers
)

// screen shows notes, which stay, and below them a status, which is drawn over. Where the
// output is no terminal the status is printed now and then.
type screen struct {
	out io.Writer
	// size is that of the terminal; 0, 0 if it is none.
	size func() (width, height int)
	now  func() time.Time

	status  []string
	drawn   []string  // what of the status is on the terminal
	printed time.Time // when the status was printed last, where there is no terminal
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, now: time.Now, size: func() (int, int) {
		size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0, 0
		}
		// A terminal that does not know its size says 0.
		return cmp.Or(int(size.Col), 80), cmp.Or(int(size.Row), 24)
	}}
}

// columns is how wide a status may be; 0 is any width.
func (s *screen) columns() int {
	width, _ := s.size()
	return width
}

// note prints lines that stay.
func (s *screen) note(format string, args ...any) { s.write(fmt.Sprintf(format, args...) + "\n") }

// event is a note with the time of the day.
func (s *screen) event(format string, args ...any) {
	s.note("%s  %s", s.now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// show replaces the status.
func (s *screen) show(status string) {
	if s.columns() > 0 {
		s.status = strings.Split(strings.TrimRight(status, "\n"), "\n")
		s.write("")
	} else if now := s.now(); now.Sub(s.printed) >= plainEvery {
		s.printed = now
		s.write(status + "\n\n")
	}
}

// clear takes the status away.
func (s *screen) clear() {
	s.status = nil
	s.write("")
}

// write puts text in the place of the status, and the status below it.
func (s *screen) write(notes string) {
	width, height := s.size()
	if width == 0 {
		_, _ = io.WriteString(s.out, notes)
		return
	}
	var b strings.Builder
	b.WriteString(beginUpdate)
	rows := 0
	for _, line := range s.drawn {
		// A terminal that has become narrower breaks lines, so that there are more of them.
		rows += 1 + max(0, text.StringWidth(line)-1)/width
	}
	if rows > 0 {
		fmt.Fprintf(&b, lineUp, min(rows, height-1))
	}
	b.WriteString("\r" + clearBelow + notes)
	s.drawn = slices.Clone(s.status)
	if len(s.drawn) >= height {
		s.drawn = slices.DeleteFunc(s.drawn, func(line string) bool { return line == "" })
	}
	s.drawn = s.drawn[:min(len(s.drawn), height-1)]
	for i, line := range s.drawn {
		s.drawn[i] = text.Trim(line, width-1)
		b.WriteString(s.drawn[i] + "\n")
	}
	_, _ = io.WriteString(s.out, b.String()+endUpdate)
}
