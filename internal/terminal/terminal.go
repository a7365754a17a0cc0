// Package terminal draws on terminals: a [Screen] that is replaced as a whole, a progress [Bar], and wrapped text. What
// it is given to show is made printable. Its own control sequences go around the [printable.Writer] of a program.
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

	"okta-collector/internal/printable"
)

// Control sequences.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K" // from the cursor to the end of the line
	clearBelow  = "\x1b[J"
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l" // shows everything since beginUpdate at once, without flicker
)

const (
	// Endless is the width of an output that is not a terminal. Programs read it line by line, so rows are never wrapped.
	Endless = math.MaxInt32
	// MaxWidth is the maximum width of wrapped text. Longer lines are hard to read.
	MaxWidth = 120
	// printEvery is the time between two lines of a [Bar] on an output that is not a terminal.
	printEvery = 10 * time.Second
	// barLength is the length of a bar in characters.
	barLength = 28
)

// Size returns the size of a terminal: Endless, 0 if the output is not a terminal.
func Size(out io.Writer) (width, height int) {
	file, ok := device(out).(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return Endless, 0
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil || width == 0 || height == 0 {
		return 80, 24 // a terminal that does not know its size
	}
	return width, height
}

// device returns what a [printable.Writer] writes to. It is out itself if out is none.
func device(out io.Writer) io.Writer {
	if w, ok := out.(printable.Writer); ok {
		return w.To
	}
	return out
}

// Width returns the width of Size.
func Width(out io.Writer) int {
	width, _ := Size(out)
	return width
}

// Screen is the alternate screen of a terminal, on which each picture replaces the one before. Close brings back the
// previous contents of the terminal.
type Screen struct {
	out  io.Writer
	size func(io.Writer) (width, height int)
}

// Open opens the screen. It returns nil if the output is not a terminal.
func Open(out io.Writer) *Screen {
	if Width(out) == Endless {
		return nil
	}
	_, _ = io.WriteString(device(out), enterScreen)
	return &Screen{out: device(out), size: Size}
}

// Close leaves the screen.
func (s *Screen) Close() { _, _ = io.WriteString(s.out, leaveScreen) }

// Draw replaces the picture. The terminal itself wraps long lines, so that they can be copied as one line. Lines below
// the bottom are left out.
func (s *Screen) Draw(picture string) {
	width, height := s.size(s.out)
	var b strings.Builder
	b.WriteString(beginUpdate + home)
	for i, line := range strings.Split(printable.Text(picture), "\n") {
		length := text.StringWidthWithoutEscSequences(line)
		rows := max(1, (length+width-1)/width)
		if rows > height {
			break
		}
		height -= rows
		if i > 0 {
			b.WriteString("\r\n")
		}
		// The row is cleared before the line is written. After a line of full width the cursor stays on the last column, and
		// clearing would erase that. The rest of the last row of a wrapped line is filled with blanks.
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

// Bar shows progress. A terminal shows one line that changes; another output gets a line every ten seconds.
type Bar struct {
	out     io.Writer
	drawn   bool
	line    string // on the terminal
	printed time.Time
}

// NewBar returns a bar on an output.
func NewBar(out io.Writer) *Bar { return &Bar{out: device(out), drawn: Width(out) != Endless} }

// Show shows which part is done, from 0 to 1 or nil if unknown, and a text beside the bar.
func (b *Bar) Show(now time.Time, done *float64, message string) {
	message = printable.Line(message)
	switch {
	case b.drawn:
		n, block := int(now.Unix()%(barLength-2)), "▒█▒" // the block moves
		bar := strings.Repeat("░", n) + block + strings.Repeat("░", barLength-3-n)
		if done != nil {
			n = int(barLength * min(max(*done, 0), 1))
			bar = strings.Repeat("█", n) + strings.Repeat("░", barLength-n)
		}
		b.line = text.Trim("║"+bar+"║  "+message, Width(b.out)-1)
		fmt.Fprint(b.out, "\r"+clearLine+b.line)
	case now.Sub(b.printed) >= printEvery:
		b.printed = now
		b.Note(now, message)
	}
}

// Note prints a text above the bar. The text stays.
func (b *Bar) Note(now time.Time, message string) {
	message = printable.Line(message)
	at := now.UTC().Format(time.TimeOnly) + "Z  "
	if !b.drawn {
		fmt.Fprintln(b.out, at+strings.Join(strings.Fields(message), " "))
		return
	}
	fmt.Fprint(b.out, "\r"+clearLine+at+Wrap(message, len(at), Width(b.out))[len(at):]+"\n"+b.line)
}

// End leaves the bar visible. It overwrites the ^C that a terminal prints.
func (b *Bar) End() {
	if b.drawn {
		fmt.Fprint(b.out, "\r"+clearLine+b.line+"\n")
	}
}

// Wrap wraps a text between words, and indents each line. It never breaks a word, so that words can be copied.
func Wrap(message string, indent, width int) string {
	var lines []string
	line, margin := "", strings.Repeat(" ", indent)
	for _, word := range strings.Fields(message) {
		if line != "" && text.StringWidthWithoutEscSequences(margin+line+" "+word) > min(width, MaxWidth) {
			lines, line = append(lines, margin+line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return strings.Join(append(lines, margin+line), "\n")
}
