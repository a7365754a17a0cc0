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

// note is said below a table, of one collector or of several that have the same to say.
type note struct {
	names []string
	what  string // such as a warning; may be empty
	text  string
	// shared is the text without what differs between services that have the same problem; empty: all of it.
	shared string
	remedy string // a command; may be empty
	at     time.Time
	// failures counts the consecutive failed slices: of several collectors the most, which upTo then says.
	failures int
	upTo     string
}

// problemNote is a note of one problem.
func problemNote(name string, p workflows.Problem) note {
	n := note{names: []string{name}, text: p.String(), at: p.At}
	if p.Endpoint != "" {
		p.Message = "asking Okta: " + p.Message
	}
	p.Endpoint, p.RequestID = "", ""
	n.shared = p.String()
	return n
}

// notes are what is said of a collector at length.
func (r row) notes(now time.Time) (notes []note) {
	names, why := []string{r.ID}, cause(r.Collector)
	switch {
	case r.Backfill != nil && r.State != status.Missing:
		notes = append(notes, note{names: names, text: r.progress(now), remedy: r.Remedy.String()})
	case why != "":
		if r.Mistake {
			why += "; nothing was ever collected under this id, so nobody has to do anything"
		}
		notes = append(notes, note{names: names, what: string(r.State), text: why, remedy: r.Remedy.String(), at: r.Ended})
	}
	if r.Unanswered != "" && !r.NoWorker {
		notes = append(notes, note{names: names, what: r.silence(), text: r.Unanswered})
	}
	if p := r.problem(); p != nil {
		n := problemNote(r.ID, *p)
		n.failures = r.Failures
		notes = append(notes, n)
	}
	if w := r.LastWarning; w != nil && now.Sub(w.At) < warningAge {
		notes = append(notes, note{names: names, what: "warning", text: w.Message, at: w.At})
	}
	return notes
}

// together makes one note of those that say the same, such as that one token is not valid for each service.
func together(notes []note) (all []*note) {
	same := make(map[[3]string]*note)
	for _, n := range notes {
		key := [3]string{n.what, cmp.Or(n.shared, n.text), n.remedy}
		to := same[key]
		if to == nil {
			same[key] = &n
			all = append(all, &n)
			continue
		}
		to.names, to.text = append(to.names, n.names...), key[1]
		if n.at.After(to.at) {
			to.at = n.at
		}
		if n.failures != to.failures {
			to.failures, to.upTo = max(to.failures, n.failures), "up to "
		}
	}
	return all
}

// renderNotes follows a table. Words and commands that do not fit the width are not broken.
func renderNotes(notes []note, now time.Time, width int) (shown string) {
	for _, n := range together(notes) {
		head := enumeration(n.names)
		if n.what != "" {
			head += ", " + n.what
		}
		if n.failures > 1 {
			head += fmt.Sprintf(", %s%d failures in a row", n.upTo, n.failures)
		}
		if !n.at.IsZero() {
			head += ", " + humanize.RelTime(n.at, now, "ago", "from now")
		}
		shown += "\n\n" + terminal.Wrap(head+":", 0, width) + "\n" + terminal.Wrap(n.text, 2, width)
		if n.remedy != "" {
			shown += "\n  " + n.remedy // a line of its own, to be copied
		}
	}
	return shown
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
	said := r.waits()
	if p := r.problem(); p != nil {
		said = strings.TrimPrefix(said+": "+p.String(), ": ")
	}
	if r.HasEnded() {
		return ""
	}
	return cmp.Or(r.Unanswered, said)
}

// progress says what a backfill has done, when it will have ended, and why it waits or has ended.
func (r row) progress(now time.Time) string {
	said := humanize.Comma(r.Checkpoint.Totals.Events) + " events"
	if done := share(r.Collector); done != "" {
		said = done + ", " + said
	}
	if r.Rate != nil {
		said += ", " + perSecond(r.Rate) + "/s"
	}
	if end := r.EstimatedEnd; !end.IsZero() {
		said += fmt.Sprintf(", ends in about %s, at %s", duration(max(0, end.Sub(now))), end.UTC().Format("Jan 2 15:04Z"))
	}
	return join(said, cmp.Or(cause(r.Collector), join(r.silence(), r.waits())))
}
