package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// plainEvery is how often a status is printed where nothing can be drawn over.
const plainEvery = 10 * time.Second

// screen shows lines that stay, and below them a status of one line, which is drawn over. Where the output is
// no terminal the status is printed now and then.
type screen struct {
	out     io.Writer
	width   func() int // of the terminal; 0: there is none
	printed time.Time
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, width: func() int {
		size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0
		}
		return max(int(size.Col), 40)
	}}
}

// clearLine goes to the beginning of the line and empties it.
const clearLine = "\r\x1b[K"

// show replaces the status.
func (s *screen) show(status string) {
	if width := s.width(); width > 0 {
		fmt.Fprint(s.out, clearLine+text.Trim(status, width-1))
	} else if time.Since(s.printed) >= plainEvery {
		s.printed = time.Now()
		fmt.Fprintln(s.out, status)
	}
}

// note prints lines that stay, in the place of the status.
func (s *screen) note(format string, args ...any) {
	s.clear()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// clear takes the status away.
func (s *screen) clear() {
	if s.width() > 0 {
		fmt.Fprint(s.out, clearLine)
	}
}
