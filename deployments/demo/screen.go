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

const (
	// plainEvery is how often a status is printed where nothing can be drawn over.
	plainEvery = 10 * time.Second
	// wholeEvery is how often lines are drawn again that have not changed, since somebody may have pressed Enter.
	wholeEvery = 10 * time.Second
)

// Control sequences of terminals. None clears more than a line: some terminals save what is cleared as a whole, and
// their users would find copies of the status between the notes.
const (
	lineUp      = "\x1b[%dA"
	clearLine   = "\x1b[K" // from the cursor to the end of the line
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l" // shows all since beginUpdate at once, so that nothing flickers
)

// screen shows notes, which stay, and below them a status, which is drawn over. Where the
// output is no terminal the status is printed now and then.
type screen struct {
	out io.Writer
	// log gets the notes too; nil is none.
	log io.Writer
	// size is that of the terminal; 0, 0 if it is none.
	size func() (width, height int)
	now  func() time.Time
	// lost is called when nobody reads out any more, and returns what is written to then.
	lost func() io.Writer

	status  []string
	drawn   []string // what of the status is on the terminal
	width   int      // of the terminal when that was drawn
	whole   time.Time
	printed time.Time // when the status was printed last, where there is no terminal
}

// newScreen makes a screen of the output. When nobody reads that any more, such as a tee that Ctrl-C has ended,
// stop is called once, and what is left to say goes to spare.
func newScreen(out, spare *os.File, stop func()) *screen {
	s := &screen{out: out, now: time.Now, size: func() (int, int) {
		size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0, 0
		}
		// A terminal that does not know its size says 0.
		return cmp.Or(int(size.Col), 80), cmp.Or(int(size.Row), 24)
	}}
	s.lost = func() io.Writer { stop(); return spare }
	return s
}

// note prints lines that stay.
func (s *screen) note(format string, args ...any) {
	notes := fmt.Sprintf(format, args...) + "\n"
	if s.log != nil {
		_, _ = io.WriteString(s.log, notes)
	}
	s.write(notes)
}

// event is a note with the time of the day.
func (s *screen) event(format string, args ...any) {
	s.note("%s  %s", s.now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// show replaces the status.
func (s *screen) show(status string) {
	if width, _ := s.size(); width > 0 {
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

// write puts notes above the status, and draws what has changed of it.
func (s *screen) write(notes string) {
	output := notes
	if width, height := s.size(); width > 0 {
		output = s.draw(notes, width, height)
	}
	if output == "" {
		return
	}
	if _, err := io.WriteString(s.out, output); err != nil && s.lost != nil {
		s.out, s.lost = s.lost(), nil
		_, _ = io.WriteString(s.out, notes)
	}
}

// draw returns what makes a terminal show the notes and below them the status, whose place is right above the cursor.
func (s *screen) draw(notes string, width, height int) string {
	status := fit(s.status, width, height)
	whole := notes != "" || width != s.width || s.now().Sub(s.whole) >= wholeEvery
	if !whole && slices.Equal(status, s.drawn) {
		return ""
	}
	var b strings.Builder
	b.WriteString(beginUpdate)
	// A terminal that has become narrower breaks lines, so that there are more of them.
	old := min(rows(s.drawn, width), height-1)
	up(&b, old)
	b.WriteString("\r")
	above := strings.Split(strings.TrimSuffix(notes, "\n"), "\n")
	if notes == "" {
		above = nil
	}
	for _, line := range above {
		b.WriteString(line)
		// At the end of a full row the cursor is still on its last character.
		if n := text.StringWidth(line); n == 0 || n%width != 0 {
			b.WriteString(clearLine)
		}
		b.WriteString("\n")
	}
	for i, line := range status {
		if whole || i >= len(s.drawn) || s.drawn[i] != line {
			b.WriteString(line + clearLine)
		}
		b.WriteString("\n")
	}
	left := max(0, old-rows(above, width)-len(status))
	b.WriteString(strings.Repeat(clearLine+"\n", left) + clearLine)
	up(&b, left)
	s.drawn, s.width = status, width
	if whole {
		s.whole = s.now()
	}
	return b.String() + endUpdate
}

// fit leaves out what has no room: first empty lines, then what is below and at the right.
func fit(lines []string, width, height int) []string {
	lines = slices.Clone(lines)
	if len(lines) >= height {
		lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	}
	lines = lines[:min(len(lines), height-1)]
	for i, line := range lines {
		lines[i] = text.Trim(line, width-1)
	}
	return lines
}

// rows is how many rows of a terminal lines take.
func rows(lines []string, width int) (n int) {
	for _, line := range lines {
		n += 1 + max(0, text.StringWidth(line)-1)/width
	}
	return n
}

func up(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, lineUp, n)
	}
}
