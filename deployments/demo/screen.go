package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"okta-collector/internal/terminal"
)

// plainEvery is how often a status is printed if the output is no terminal.
const plainEvery = 10 * time.Second

// screen prints notes, and shows a status. While a terminal shows the status, the notes are in it; they are printed when
// it is cleared.
type screen struct {
	out io.Writer
	log io.Writer // gets the notes at once
	// lost is called when a write to out fails, for instance because Ctrl-C has ended a tee that read it.
	lost func()

	drawn   *terminal.Screen // nil if no status is shown
	notes   []string         // written since drawn
	printed time.Time        // when a status was last printed
}

// note prints lines that stay.
func (s *screen) note(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	_, _ = io.WriteString(s.log, note+"\n")
	if s.drawn != nil {
		s.notes = append(s.notes, note)
		return
	}
	s.print(note + "\n")
}

// event is a note with the time of the day.
func (s *screen) event(format string, args ...any) {
	s.note("%s  %s", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// show replaces the status.
func (s *screen) show(status string) {
	if s.drawn == nil {
		s.drawn = terminal.Open(s.out)
	}
	if s.drawn != nil {
		s.drawn.Draw(status)
	} else if time.Since(s.printed) >= plainEvery {
		s.printed = time.Now()
		s.print(status + "\n\n")
	}
}

// clear removes the status, and prints the notes that were in it.
func (s *screen) clear() {
	if s.drawn != nil {
		s.drawn.Close()
		s.drawn = nil
		s.print(strings.Join(append(s.notes, ""), "\n"))
	}
}

func (s *screen) print(text string) {
	if _, err := io.WriteString(s.out, text); err != nil {
		s.lost()
	}
}
