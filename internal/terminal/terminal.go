// Package terminal draws on terminals.
package terminal

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Control sequences.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K" // from the cursor to the end of the line
	clearBelow  = "\x1b[J"
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l" // shows everything since beginUpdate at once, so that nothing flickers
)

const (
	// Endless is the width of an output that is no terminal: programs read lines, and each row is one.
	Endless = math.MaxInt32
	// MaxWidth is how wide a wrapped text gets. Longer lines are hard to read.
	MaxWidth = 120
	// printEvery is the time between two lines of a bar that cannot be drawn.
	printEvery = 10 * time.Second
	// barLength is how many characters a whole bar is.
	barLength = 28
)

// Size is that of a terminal. It is Endless, 0 if the output is none.
func Size(out io.Writer) (width, height int) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return Endless, 0
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil || width == 0 || height == 0 {
		return 80, 24 // a terminal that does not know its size
	}
	return width, height
}

// Width is the first part of Size.
func Width(out io.Writer) int {
	width, _ := Size(out)
	return width
}

// Screen is the alternate screen of a terminal, on which one picture after another is drawn. Closing it brings back
// what was there before.
type Screen struct {
	out  io.Writer
	size func(io.Writer) (width, height int)
}

// Open opens the screen; nil if the output is no terminal.
func Open(out io.Writer) *Screen {
	if Width(out) == Endless {
		return nil
	}
	_, _ = io.WriteString(out, enterScreen)
	return &Screen{out: out, size: Size}
}

// Close leaves the screen.
func (s *Screen) Close() { _, _ = io.WriteString(s.out, leaveScreen) }

// Draw replaces the picture. The terminal wraps a line that is too long, so that it is copied as one line. Lines that
// do not fit at the bottom are left out.
func (s *Screen) Draw(picture string) {
	width, height := s.size(s.out)
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
		// The row is cleared before the line is written: after the last column the cursor is still on it and would
		// clear that. The rest of a line's last row is filled with blanks.
		b.WriteString(clearLine + line)
		if rows > 1 {
			b.WriteString(strings.Repeat(" ", rows*width-length))
		}
	}
	if height > 0 {
		b.WriteString("\r\n" + clearBelow)
	}
	_, _ = io.WriteString(s.out, b.String()+endUpdate)
}

// Bar shows progress: drawn in place on a terminal, as lines now and then elsewhere.
type Bar struct {
	out     io.Writer
	drawn   bool
	line    string // on the terminal
	printed time.Time
}

// NewBar makes a bar on an output.
func NewBar(out io.Writer) *Bar { return &Bar{out: out, drawn: Width(out) != Endless} }

// Show shows how much is done, 0 to 1, or nil if that is not known, and a text beside it.
func (b *Bar) Show(now time.Time, done *float64, said string) {
	switch {
	case b.drawn:
		n, block := int(now.Unix()%(barLength-2)), "▒█▒" // it moves
		bar := strings.Repeat("░", n) + block + strings.Repeat("░", barLength-3-n)
		if done != nil {
			n = int(barLength * *done)
			bar = strings.Repeat("█", n) + strings.Repeat("░", barLength-n)
		}
		b.line = text.Trim("║"+bar+"║  "+said, Width(b.out)-1)
		fmt.Fprint(b.out, "\r"+clearLine+b.line)
	case now.Sub(b.printed) >= printEvery:
		b.printed = now
		b.Note(now, said)
	}
}

// Note prints a text that stays.
func (b *Bar) Note(now time.Time, said string) {
	at := now.UTC().Format(time.TimeOnly) + "Z  "
	if !b.drawn {
		fmt.Fprintln(b.out, at+strings.Join(strings.Fields(said), " "))
		return
	}
	fmt.Fprint(b.out, "\r"+clearLine+at+Wrap(said, len(at), Width(b.out))[len(at):]+"\n"+b.line)
}

// End leaves the bar visible, without the ^C that a terminal shows.
func (b *Bar) End() {
	if b.drawn {
		fmt.Fprint(b.out, "\r"+clearLine+b.line+"\n")
	}
}

// Wrap wraps a text between words, and indents each line. Words are not broken, so that they can be copied.
func Wrap(said string, indent, width int) string {
	var lines []string
	line, margin := "", strings.Repeat(" ", indent)
	for _, word := range strings.Fields(said) {
		if line != "" && text.StringWidthWithoutEscSequences(margin+line+" "+word) > min(width, MaxWidth) {
			lines, line = append(lines, margin+line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return strings.Join(append(lines, margin+line), "\n")
}
