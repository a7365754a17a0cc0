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
func NewBar(out io.Writer) *Bar { return &Bar{out: out, drawn: Is(out)} }

// Show shows how much is done, 0 to 1, or nil if that is not known, and a text beside it.
func (b *Bar) Show(now time.Time, done *float64, said string) {
	if !b.drawn {
		if now.Sub(b.printed) >= printEvery {
			b.printed = now
			b.Note(now, said)
		}
		return
	}
	b.shown++
	n, block := b.shown%(barLength-2), "▒█▒" // it moves
	before, after := "░", barLength-3-n
	if done != nil {
		n = int(barLength * *done)
		before, block, after = "█", "", barLength-n
	}
	b.line = text.Trim("║"+strings.Repeat(before, n)+block+strings.Repeat("░", after)+"║  "+said, Width(b.out)-1)
	fmt.Fprint(b.out, "\r"+clearLine+b.line)
}

// Note prints a text that stays.
func (b *Bar) Note(now time.Time, said string) {
	at := now.UTC().Format(time.TimeOnly) + "Z  "
	if !b.drawn {
		fmt.Fprintln(b.out, at+strings.Join(strings.Fields(said), " "))
		return
	}
	lines := strings.Join(Wrap(said, len(at), Width(b.out)), "\n")
	fmt.Fprint(b.out, "\r"+clearLine+at+lines[len(at):]+"\n"+b.line)
}

// End leaves the bar visible, without the ^C that a terminal shows.
func (b *Bar) End() {
	if b.drawn {
		fmt.Fprint(b.out, "\r"+clearLine+b.line+"\n")
	}
}

// Wrap wraps a text between words, and indents each line. Words are not broken, so that they can be copied.
func Wrap(said string, indent, width int) (lines []string) {
	width = min(width, MaxWidth) - indent
	before := strings.Repeat(" ", indent)
	line := ""
	for _, word := range strings.Fields(said) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, before+line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, before+line)
}
