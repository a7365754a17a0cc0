package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// terminal is as much of one as the screen needs. What it has scrolled off its top is in saved, as in the scrollback of a
// real one.
type terminal struct {
	width, height int
	saved, rows   []string
	row, column   int
	// wrote is what it was sent last.
	wrote string
}

var control = regexp.MustCompile(`^(?:\x1b\[([?\d]*)([A-Za-z])|\r|\n)`)

// Write fails on what a terminal might take as a reason to save what it shows.
func (t *terminal) Write(b []byte) (int, error) {
	t.wrote = string(b)
	for rest := t.wrote; rest != ""; {
		found := control.FindStringSubmatch(rest)
		if found == nil {
			if t.column == t.width {
				t.newLine()
			}
			t.put(rest[:1])
			t.column++
			rest = rest[1:]
			continue
		}
		rest = rest[len(found[0]):]
		switch {
		case found[0] == "\r":
			t.column = 0
		case found[0] == "\n":
			t.newLine()
		case found[2] == "A":
			n, _ := strconv.Atoi(found[1])
			t.row = max(0, t.row-n)
		case found[0] == clearLine:
			t.column = min(t.column, t.width-1) // at the end of a full row it clears the last character
			t.line()
			t.rows[t.row] = t.rows[t.row][:t.column]
		case found[0] != beginUpdate && found[0] != endUpdate:
			return 0, fmt.Errorf("unexpected control sequence %q", found[0])
		}
	}
	return len(b), nil
}

// line makes the row of the cursor reach it.
func (t *terminal) line() {
	for len(t.rows) <= t.row {
		t.rows = append(t.rows, "")
	}
	t.rows[t.row] += strings.Repeat(" ", max(0, t.column-len(t.rows[t.row])))
}

// put puts a character where the cursor is.
func (t *terminal) put(character string) {
	t.line()
	row := t.rows[t.row]
	t.rows[t.row] = row[:t.column] + character + row[min(len(row), t.column+1):]
}

func (t *terminal) newLine() {
	t.line()
	t.column = 0
	if t.row++; t.row == t.height {
		t.row--
		t.saved, t.rows = append(t.saved, t.rows[0]), t.rows[1:]
	}
	t.line()
}

// text is everything that one can read, by scrolling up where it has to be.
func (t *terminal) text() string {
	return strings.TrimRight(strings.Join(append(t.saved[:len(t.saved):len(t.saved)], t.rows...), "\n"), "\n")
}

// resize makes the terminal narrower or wider, and breaks long lines as most do.
func (t *terminal) resize(width int) {
	old := t.rows[:t.row]
	t.width, t.rows, t.row, t.column = width, nil, 0, 0
	for _, line := range old {
		for ; len(line) > width; line = line[width:] {
			t.appendRow(line[:width])
		}
		t.appendRow(line)
	}
}

// appendRow appends a whole row.
func (t *terminal) appendRow(line string) {
	t.line()
	t.rows[t.row] = line
	t.newLine()
}
