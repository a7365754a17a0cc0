package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	// MaxWidth is how wide a wrapped text gets. Longer lines are hard to read.
	MaxWidth = 120
	// printEvery is the time between two lines of a bar that cannot be drawn.
	printEvery = 10 * time.Second
	// barLength is how many characters a whole bar is.
	barLength = 28
)

// Bar shows progress: drawn in place on a terminal, as lines now and then elsewhere.
type Bar struct {
	out     io.Writer
	drawn   bool
	line    string // on the terminal
	shown   int    // how many times
	printed time.Time
}

// NewBar makes a bar on an output.
func NewBar(out io.Writer) *Bar { return &Bar{out: out, drawn: Width(out) != Endless} }

// Show shows how much is done, 0 to 1, or nil if that is not known, and a text beside it.
func (b *Bar) Show(now time.Time, done *float64, said string) {
	switch {
	case b.drawn:
		b.shown++
		n, block := b.shown%(barLength-2), "▒█▒" // it moves
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
