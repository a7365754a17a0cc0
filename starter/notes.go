package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/workflows"
)

// warningAge is for how long a warning is shown. Nobody has to clear it: what goes on is warned of again, and
// JSON, the Web UI and Devo keep what is over.
const warningAge = time.Hour

// note is what is said below a table, at length, of one row or of several.
type note struct {
	names []string
	// what it is, such as a warning; may be empty.
	what string
	// failures is how many slices have failed in a row, and fewest the least of them where it is of several rows.
	failures, fewest int
	// at is when it was, the latest time where it is of several rows; zero if that does not matter.
	at      time.Time
	message string
	// command is a line of its own: it is there to be copied.
	command string
}

// notes are what is said of a collector at length.
func (r report) notes(now time.Time) []note {
	var notes []note
	tenant, service, _ := workflows.ParseWorkflowID(r.ID)
	add := func(n note) {
		n.names = []string{r.ID}
		n.message = strings.TrimPrefix(n.message, tenant+"/"+service+": ") // how errors begin
		notes = append(notes, n)
	}
	goOn := note{}
	if r.Remedy != nil {
		goOn.command = r.Remedy.String()
	}
	switch {
	case r.Backfill != nil && r.State != stateMissing:
		why := r.Reason
		if r.problem() != nil {
			why, _, _ = strings.Cut(why, ": ") // the problem itself follows
		}
		goOn.message = strings.TrimSuffix(r.progress(now)+"; "+why, "; ")
		add(goOn)
	case endedUnasked(r):
		goOn.what, goOn.message = string(r.State), r.Reason
		if r.Mistake {
			goOn.message += "; nothing was ever collected under this id, so nobody has to do anything"
		}
		if r.Ended != nil {
			goOn.at = *r.Ended
		}
		add(goOn)
	}
	if r.Unanswered != "" && r.Unanswered != errNoWorker.Error() {
		add(note{what: "does not answer", message: r.Unanswered})
	}
	if p := r.problem(); p != nil {
		add(note{failures: r.Failures, fewest: r.Failures, at: p.At, message: p.Message})
	}
	if w := r.LastWarning; w != nil && now.Sub(w.At) < warningAge {
		add(note{what: "warning", at: w.At, message: w.Message})
	}
	return notes
}

// particulars are what tells two messages apart that say the same: what was asked for, and the request's id.
var particulars = regexp.MustCompile(` for /[^\s:]+(:)| \[request [^]]*\]`)

// general is a message without its particulars.
func general(message string) string { return particulars.ReplaceAllString(message, "$1") }

// together are the notes with those made one that say the same, such as that one token is not valid for each service.
func together(notes []note) []note {
	var all []note
	for _, n := range notes {
		same := -1
		for i, other := range all {
			if other.what == n.what && other.command == n.command && general(other.message) == general(n.message) {
				same = i
			}
		}
		if same < 0 {
			all = append(all, n)
			continue
		}
		to := &all[same]
		to.names, to.message = append(to.names, n.names...), general(to.message)
		to.failures, to.fewest = max(to.failures, n.failures), min(to.fewest, n.fewest)
		if n.at.After(to.at) {
			to.at = n.at
		}
	}
	return all
}

// render is the note in lines that fit a width, but for words and commands that do not.
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
	if !n.at.IsZero() {
		head += ", " + humanize.RelTime(n.at, now, "ago", "from now")
	}
	lines := append(indented(head+":", 0, width), indented(n.message, 2, width)...)
	if n.command != "" {
		lines = append(lines, "  "+n.command)
	}
	return strings.Join(lines, "\n")
}

// enumeration names several ids, and of those that begin like the one before only the end.
func enumeration(names []string) string {
	beginning := func(name string) string { return name[:strings.LastIndexAny(name, "/ ")+1] }
	list := names[:1:1]
	for i, name := range names[1:] {
		list = append(list, cmp.Or(strings.TrimPrefix(name, beginning(names[i])), name))
	}
	return strings.Join(list, ", ")
}

// indented are the lines of a text that is wrapped between words, each with so many spaces before it. A word is never
// broken: somebody may want to copy it.
func indented(message string, spaces, width int) []string {
	width = min(width, maxWidth) - spaces
	indent := strings.Repeat(" ", spaces)
	var lines []string
	line := ""
	for _, word := range strings.Fields(message) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, indent+line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, indent+line)
}

// problem is what keeps a collector from collecting; nil if nothing does.
func (r report) problem() *workflows.Problem {
	if r.State == workflows.StateBlocked || r.Failures > 0 || r.Unanswered != "" {
		return r.LastProblem
	}
	return nil
}
