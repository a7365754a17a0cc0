package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/status"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// warningAge is for how long a warning is shown. A cause that persists warns again. JSON, the Web UI and Devo keep older
// ones.
const warningAge = time.Hour

// note is said below a table, of one collector or of several.
type note struct {
	names []string
	// what it is, such as a warning; may be empty.
	what string
	// failures counts the consecutive failed slices. In a note about several collectors it is the most of them, and
	// fewest the least.
	failures, fewest int
	// Problem has the text, even if it is only a message. Its time is the latest of several; zero: not shown.
	workflows.Problem
	remedy *remedy // nil if there is none
}

// notes are what is said of a collector at length.
func (r row) notes(now time.Time) (notes []note) {
	add := func(what string, p workflows.Problem) *note {
		notes = append(notes, note{names: []string{r.ID}, what: what, Problem: p})
		return &notes[len(notes)-1]
	}
	switch {
	case r.Backfill != nil && r.State != status.Missing:
		why := r.waits()
		if r.EndedUnasked() {
			why = cause(r.Collector)
		}
		add("", workflows.Problem{Message: join(r.progress(now), why)}).remedy = r.Remedy
	case r.EndedUnasked():
		n := add(string(r.State), workflows.Problem{Message: cause(r.Collector)})
		if n.remedy = r.Remedy; r.Mistake {
			n.Message += "; nothing was ever collected under this id, so nobody has to do anything"
		}
		if r.Ended != nil {
			n.At = *r.Ended
		}
	}
	if r.Unanswered != "" && !r.NoWorker {
		add(r.silence(), workflows.Problem{Message: r.Unanswered})
	}
	if p := r.problem(); p != nil {
		n := add("", *p)
		n.failures, n.fewest = r.Failures, r.Failures
	}
	if w := r.LastWarning; w != nil && now.Sub(w.At) < warningAge {
		add("warning", workflows.Problem{At: w.At, Message: w.Message})
	}
	return notes
}

// general is a problem without what differs between the services that have it.
func general(p workflows.Problem) workflows.Problem {
	if p.Endpoint != "" {
		p.Message = "asking Okta: " + p.Message
	}
	return workflows.Problem{Message: p.Message, Remedy: p.Remedy}
}

// together makes one note of those that say the same, such as that one token is not valid for each service.
func together(notes []note) (all []note) {
next:
	for _, n := range notes {
		for i := range all {
			to := &all[i]
			if to.what != n.what || to.remedy != n.remedy || general(to.Problem) != general(n.Problem) {
				continue
			}
			at := to.At
			if n.At.After(at) {
				at = n.At
			}
			to.names, to.Problem, to.At = append(to.names, n.names...), general(n.Problem), at
			to.failures, to.fewest = max(to.failures, n.failures), min(to.fewest, n.fewest)
			continue next
		}
		all = append(all, n)
	}
	return all
}

// renderNotes follows a table.
func renderNotes(notes []note, now time.Time, width int) (shown string) {
	for _, n := range together(notes) {
		shown += "\n\n" + n.render(now, width)
	}
	return shown
}

// render wraps the note. Words and commands that do not fit the width are not broken.
func (n note) render(now time.Time, width int) string {
	head := enumeration(n.names)
	if n.what != "" {
		head += ", " + n.what
	}
	switch {
	case n.failures <= 1:
	case n.failures == n.fewest:
		head += fmt.Sprintf(", %d failures in a row", n.failures)
	default:
		head += fmt.Sprintf(", up to %d failures in a row", n.failures)
	}
	if !n.At.IsZero() {
		head += ", " + humanize.RelTime(n.At, now, "ago", "from now")
	}
	lines := append(terminal.Wrap(head+":", 0, width), terminal.Wrap(n.Problem.String(), 2, width)...)
	if n.remedy != nil {
		lines = append(lines, "  "+n.remedy.String()) // a line of its own, to be copied
	}
	return strings.Join(lines, "\n")
}

// enumeration lists ids. An id that begins like the one before it is shortened to its end.
func enumeration(names []string) string {
	beginning := func(name string) string { return name[:strings.LastIndexAny(name, "/ ")+1] }
	list := names[:1:1]
	for i, name := range names[1:] {
		list = append(list, cmp.Or(strings.TrimPrefix(name, beginning(names[i])), name))
	}
	return strings.Join(list, ", ")
}

// problem is what keeps a collector from collecting; nil if nothing does.
func (r row) problem() *workflows.Problem {
	if r.State == workflows.StateBlocked || r.Failures > 0 || r.Unanswered != "" {
		return r.LastProblem
	}
	return nil
}

// waits says why a collector waits, and until when; empty if it does not.
func (r row) waits() string {
	switch {
	case r.Reason == "":
		return ""
	case r.State == workflows.StatePaused:
		return join("paused", r.activity())
	case r.WakeAt == nil:
		return r.activity()
	}
	at := r.WakeAt.UTC().Format("Jan 2 15:04:05Z")
	switch r.Reason {
	case workflows.WaitBackoff:
		return "tries again " + at
	case workflows.WaitBlocked:
		return "blocked, tries again " + at
	}
	return r.activity() + " until " + at
}

// obstacle says at length what keeps a backfill, or the view of it, from going on.
func (r row) obstacle() string {
	switch p := r.problem(); {
	case r.HasEnded():
		return ""
	case r.Unanswered != "":
		return r.Unanswered
	case p != nil:
		return strings.TrimPrefix(r.waits()+": "+p.String(), ": ")
	}
	return r.waits()
}

// progress says what a backfill has done, and when it will have ended.
func (r row) progress(now time.Time) string {
	said := humanize.Comma(r.Checkpoint.Totals.Events) + " events"
	if done := share(r.Collector); done != "" {
		said = done + ", " + said
	}
	if r.Rate != nil {
		said += ", " + perSecond(r.Rate) + "/s"
	}
	if r.EstimatedEnd != nil {
		said += fmt.Sprintf(", ends in about %s, at %s", duration(max(0, r.EstimatedEnd.Sub(now))), r.EstimatedEnd.UTC().Format("Jan 2 15:04Z"))
	}
	return said
}

// progressLine is beside the bar of a backfill that is followed.
func (r row) progressLine(now time.Time) string {
	return oneLine(join(r.progress(now), cmp.Or(r.silence(), r.waits())))
}
