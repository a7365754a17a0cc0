package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// plainEvery is how often a status is printed where nothing can be drawn over.
const plainEvery = 10 * time.Second

// Control sequences of terminals.
const (
	lineUp      = "\x1b[%dA"
	clearLine   = "\x1b[K" // from the cursor to the end of the line
	clearBelow  = "\x1b[J" // from the cursor to the end of the screen
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l"
)

// screen shows notes, which stay, and below them a status, which is drawn over. Where the
// output is no terminal the status is printed now and then.
type screen struct {
	mu  sync.Mutex
	out io.Writer
	// size is that of the terminal, ok is false if it is none.
	size func() (width, height int, ok bool)
	now  func() time.Time

	status  []string
	drawn   []string  // what of the status is on the terminal
	printed time.Time // when the status was printed last, where there is no terminal
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, now: time.Now, size: func() (int, int, bool) {
		size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0, 0, false
		}
		// A terminal that does not know its size says 0.
		return cmp.Or(int(size.Col), 80), cmp.Or(int(size.Row), 24), true
	}}
}

// columns is how wide a status may be; 0 is any width.
func (s *screen) columns() int {
	width, _, _ := s.size()
	return width
}

// note prints lines that stay.
func (s *screen) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(fmt.Sprintf(format, args...) + "\n")
}

// event is a note with the time of the day.
func (s *screen) event(format string, args ...any) {
	s.note("%s  %s", s.now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// show replaces the status.
func (s *screen) show(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = strings.Split(strings.TrimRight(status, "\n"), "\n")
	if _, _, ok := s.size(); ok {
		s.write("")
		return
	}
	if now := s.now(); s.printed.IsZero() || now.Sub(s.printed) >= plainEvery {
		s.printed = now
		fmt.Fprintf(s.out, "%s\n\n", strings.Join(s.status, "\n"))
	}
}

// clear takes the status away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = nil
	s.write("")
}

// write puts text in the place of the status, and the status below it. It is one Write, and
// what does not change is overwritten with itself, so that nothing flickers.
func (s *screen) write(notes string) {
	width, height, ok := s.size()
	if !ok {
		_, _ = io.WriteString(s.out, notes)
		return
	}
	var b bytes.Buffer
	b.WriteString(beginUpdate)
	rows := 0
	for _, line := range s.drawn {
		// A terminal that has become narrower breaks lines, so that there are more of them.
		rows += 1 + max(0, text.StringWidthWithoutEscSequences(line)-1)/width
	}
	if rows > 0 {
		fmt.Fprintf(&b, lineUp, min(rows, height-1))
	}
	b.WriteByte('\r')
	for line := range strings.Lines(notes) {
		b.WriteString(strings.TrimSuffix(line, "\n") + clearLine + "\n")
	}
	s.drawn = slices.Clone(s.status)
	if len(s.drawn) >= height {
		s.drawn = slices.DeleteFunc(s.drawn, func(line string) bool { return line == "" })
	}
	s.drawn = s.drawn[:min(len(s.drawn), height-1)]
	for i, line := range s.drawn {
		s.drawn[i] = text.Trim(line, width-1)
		b.WriteString(s.drawn[i] + clearLine + "\n")
	}
	b.WriteString(clearBelow + endUpdate)
	_, _ = s.out.Write(b.Bytes())
}
