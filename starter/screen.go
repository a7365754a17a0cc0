package main

import (
	"io"
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

// terminalSize is wide where the output is no terminal.
func terminalSize(out io.Writer) (width, height int) {
	if !isTerminal(out) {
		return maxWidth, 0
	}
	width, height, err := term.GetSize(int(out.(*os.File).Fd()))
	if err != nil || width == 0 || height == 0 {
		return 80, 24 // a terminal that does not know its size
	}
	return width, height
}

// draw replaces the picture. What has no room at the right and at the bottom is left out.
func (s *screen) draw(picture string) {
	width, height := s.size()
	lines := strings.Split(picture, "\n")
	var b strings.Builder
	b.WriteString(beginUpdate + home)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(text.Trim(line, width-1) + clearLine)
	}
	b.WriteString(clearBelow + endUpdate)
	_, _ = io.WriteString(s.out, b.String())
}

func (s *screen) close() { _, _ = io.WriteString(s.out, leaveScreen) }
