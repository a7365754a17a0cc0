package main

import (
	"io"
	"math"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Control sequences of terminals.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen than that of the shell, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K" // from the cursor to the end of the line
	clearBelow  = "\x1b[J"
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l" // shows all since beginUpdate at once, so that nothing flickers
)

// screen is a terminal whose whole picture is drawn again and again. What the shell had on it comes back
// when it is closed.
type screen struct {
	out  io.Writer
	size func() (width, height int)
}

// newScreen opens the screen of a terminal; false if the output is none.
func newScreen(out io.Writer) (*screen, bool) {
	if !isTerminal(out) {
		return nil, false
	}
	_, _ = io.WriteString(out, enterScreen)
	return &screen{out: out, size: func() (int, int) { return terminalSize(out) }}, true
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// endless is the width of an output that is no terminal: programs read lines, and each row is one.
const endless = math.MaxInt32

func terminalWidth(out io.Writer) int {
	width, _ := terminalSize(out)
	return width
}

// terminalSize is endless if the output is no terminal.
func terminalSize(out io.Writer) (width, height int) {
	if !isTerminal(out) {
		return endless, 0
	}
	width, height, err := term.GetSize(int(out.(*os.File).Fd()))
	if err != nil || width == 0 || height == 0 {
		return 80, 24 // a terminal that does not know its size
	}
	return width, height
}

// draw replaces the picture. A line that is longer than the terminal is wide is left to the terminal to wrap, so
// that it is copied as one. What has no room at the bottom is left out.
func (s *screen) draw(picture string) {
	width, height := s.size()
	var b strings.Builder
	b.WriteString(beginUpdate + home)
	for i, line := range strings.Split(picture, "\n") {
		length := text.StringWidthWithoutEscSequences(line)
		rows := max(1, (length+width-1)/width)
		if rows > height {
			break
		}
		height -= rows
		if i > 0 {
			b.WriteString("\r\n")
		}
		// A row is cleared before it is written: behind the last column the cursor is still on it, and would
		// clear that. Rows that a terminal has begun by itself are filled with blanks.
		b.WriteString(clearLine + line)
		if rows > 1 {
			b.WriteString(strings.Repeat(" ", rows*width-length))
		}
	}
	if height > 0 {
		b.WriteString("\r\n" + clearBelow)
	}
	b.WriteString(endUpdate)
	_, _ = io.WriteString(s.out, b.String())
}

func (s *screen) close() { _, _ = io.WriteString(s.out, leaveScreen) }
