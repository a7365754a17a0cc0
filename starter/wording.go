package starter

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/printable"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// remark is the table's last column: what is said of a collector, and whether a note about it is below.
func (r row) remark() string {
	if r.EndedUnasked() || r.problem() != nil || r.Unanswered != "" && !r.NoWorker || r.stranger() != "" {
		return strings.TrimPrefix(r.said()+", see below", ", ")
	}
	return r.said()
}

// said says whether a collector answers, how far a backfill is, and what the collector does.
func (r row) said() string { return join(r.silence(), share(r.Collector), r.activity()) }

// silence says that a workflow did not answer.
func (r row) silence() string {
	switch {
	case r.ForeignType != "":
		return "is another program's"
	case r.Unread:
		return "cannot be read"
	case r.NoWorker:
		return "no worker answers"
	case r.CannotReplay:
		return "its worker cannot replay it: roll back to the version before"
	case r.Unanswered != "":
		return "does not answer"
	}
	return ""
}

// stranger says why a running workflow is none of this collector's; empty if it is. Whoever can write to the namespace can
// start one.
func (r row) stranger() string {
	_, _, err := workflows.ParseWorkflowID(r.ID)
	switch {
	case r.HasEnded():
		return ""
	case r.ForeignType != "":
		return fmt.Sprintf("a workflow of type %q runs under this id, so nothing is collected for it; the others go on. Find out who started it, and end it with:", r.ForeignType)
	case err != nil:
		return err.Error() + "; nothing is collected under this id, and the others go on. To end it:"
	}
	return ""
}

// activity says in a few words what a collector does, or why it waits.
func (r row) activity() string {
	running := r.State == workflows.StateRunning
	switch {
	case r.HasEnded(), r.CannotReplay:
		return ""
	case running && r.Reason == workflows.WaitPaused:
		return "pausing after the page under way"
	case r.Backfill != nil && r.Reason == workflows.WaitPoll:
		return "its pull was incomplete"
	case r.Reason != "":
		return cmp.Or(reasons[r.Reason], string(r.Reason))
	case running && r.Slice != nil && r.Slice.State == status.SliceScheduled:
		return "waits for a worker"
	case running && r.Slice != nil && r.Slice.State != status.SliceStarted:
		return "its activity is " + strings.ReplaceAll(r.Slice.State, "_", " ") // a person did that, with Temporal's CLI
	case running && r.Backfill == nil && r.Checkpoint.Position.Pull != nil:
		return fmt.Sprintf("%s pull under way", r.Checkpoint.Position.Pull.Kind)
	}
	return ""
}

// reasons say why a collector waits. The table has the state and the time in columns of their own.
var reasons = map[workflows.WaitReason]string{
	workflows.WaitPoll:    "caught up",
	workflows.WaitYield:   "live collection first",
	workflows.WaitBackoff: "tries again",
	workflows.WaitPaused:  "the signal resume goes on",
	workflows.WaitTurn:    "its first pull comes after others",
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
	case workflows.WaitTurn:
		return "the first pull begins " + at
	case workflows.WaitPoll, workflows.WaitNotInOrg:
		return r.activity() + ", begins again " + at
	}
	return r.activity() + " until " + at
}

// problem is what keeps a collector from collecting; nil if nothing does. What the org does not have is no fault, but
// Okta's answer is shown.
func (r row) problem() *workflows.Problem {
	if r.State == workflows.StateBlocked || r.Failures > 0 || r.Unanswered != "" || r.Reason == workflows.WaitNotInOrg {
		return r.LastProblem
	}
	return nil
}

// warningAge is how long a warning is shown, unless the id was given. A lasting cause warns again. JSON and Devo keep
// older ones.
const warningAge = time.Hour

// notes returns the texts about a collector that are too long for the table.
func (r row) notes(now time.Time) (notes []note) {
	names, why := []string{r.ID}, cause(r.Collector)
	if odd := r.stranger(); odd != "" {
		notes = append(notes, note{names: names, what: "not of this collector", text: odd, remedy: endingOf(r.ID)})
	}
	switch {
	case r.Backfill != nil && r.State != status.Missing:
		notes = append(notes, note{names: names, text: r.progress(now), remedy: r.Remedy.String()})
	case why != "":
		if r.Mistake {
			why += "; nothing was ever collected under this id, so nobody has to do anything"
		}
		notes = append(notes, note{names: names, what: string(r.State), text: why, remedy: r.Remedy.String(), at: r.Ended})
	}
	switch {
	case r.CannotReplay:
		notes = append(notes, note{names: names, what: "last tried", at: r.ReplayedAt, text: r.Unanswered,
			shared: `docs/operating.md, "Cannot replay", says what to do; the status of one id says why`})
	case r.Unanswered != "" && !r.NoWorker && r.ForeignType == "":
		text := r.Unanswered
		if r.Unread {
			text += "; the others are not affected. Look at this one in Temporal's Web UI"
		}
		notes = append(notes, note{names: names, what: r.silence(), text: text})
	}
	if p := r.problem(); p != nil {
		n := problemNote(r.ID, *p)
		n.failures = r.Failures
		notes = append(notes, n)
	}
	warned := r.warnings(now)
	for _, w := range warned {
		n := note{names: names, what: "warning", text: w.Message, at: w.At}
		if w.Count > 1 {
			n.what = fmt.Sprintf("warning, %s times so far", humanize.Comma(int64(w.Count)))
		}
		notes = append(notes, n)
	}
	if odd := oddities(r.Service, r.Checkpoint.Totals.Oddities); odd != "" && (r.asked || warned != nil) {
		notes = append(notes, note{names: names, what: "since the first start", text: odd})
	}
	return notes
}

// warnings are those to show: of the last hour or, if the id was given, all.
func (r row) warnings(now time.Time) (shown workflows.Warnings) {
	all := r.Warnings
	if all == nil && r.LastWarning != nil {
		all = workflows.Warnings{*r.LastWarning} // a workflow of an earlier version has no others
	}
	for _, w := range all {
		if r.asked || now.Sub(w.At) < warningAge {
			shown = append(shown, w)
		}
	}
	return shown
}

// obstacle says why a backfill does not go on, or why its status is not known; empty if neither.
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

// share is the part of its range that a backfill has done, in percent; empty if it has no range.
func share(c status.Collector) string {
	if c.Backfill == nil || c.Backfill.Progress == nil {
		return ""
	}
	return fmt.Sprintf("%.1f %%", math.Floor(1000**c.Backfill.Progress)/10) // rounded down: 100 % means that nothing is left
}

// ending says how a collector or a backfill has ended.
func ending(c status.Collector) string {
	shipped := fmt.Sprintf("%s events, %s", humanize.Comma(c.Checkpoint.Totals.Events), humanize.Bytes(uint64(c.Checkpoint.Totals.Bytes)))
	switch {
	case c.State == status.Missing:
		return cause(c)
	case c.Unanswered != "":
		return fmt.Sprintf("%s, and its position cannot be read: %s", c.State, c.Unanswered)
	case c.EndedUnasked():
		return fmt.Sprintf("%s: %s", c.State, cause(c))
	case c.State == workflows.StateDone:
		return "done: " + shipped
	case share(c) != "":
		return fmt.Sprintf("stopped at %s, after %s", share(c), shipped)
	}
	return "stopped after " + shipped
}

// cause says why something is missing or has ended unasked; empty if neither.
func cause(c status.Collector) string {
	err := checkService(c.Service)
	switch {
	case !c.EndedUnasked():
		return ""
	case c.Failure != "":
		return c.Failure
	case c.State != status.Missing:
		return "ended without being stopped"
	case err != nil:
		return err.Error()
	case c.Decision != nil && c.Decision.Decision == workflows.Started:
		return "it was started and not stopped, and Temporal has no run of it any more"
	}
	return "never started, or ended longer ago than the namespace keeps closed workflows"
}

// endingAndRemedy says how a collector or a backfill has ended, and what to do about it.
func endingAndRemedy(c status.Collector) string { return join(ending(c), remedyFor(c).String()) }

// remedy is the command that continues what has ended; zero if nothing is left to do, or nothing can be done.
type remedy struct {
	// What the command is for, such as "start it with".
	What    string `json:"what"`
	Command string `json:"command"`
}

func (m remedy) String() string {
	if m == (remedy{}) {
		return ""
	}
	return m.What + ": " + m.Command
}

func remedyFor(c status.Collector) remedy {
	collector := workflows.WorkflowID(c.Tenant, c.Service)
	bounds, backfill := workflows.RangeOf(c.ID)
	switch {
	case !c.HasEnded(), c.State == workflows.StateDone, checkService(c.Service) != nil:
		return remedy{}
	case !backfill:
		return remedy{"start it with", "starter start " + quoted(collector)}
	case c.State == status.Missing, c.Checkpoint.IsZero(), bounds == (checkpoint.Range{}):
		return remedy{"start it with", backfillCommand(collector, bounds)}
	}
	bounds.Since = c.Checkpoint.Position.Reached(bounds.Since)
	return remedy{"fetch the rest with", backfillCommand(collector, bounds)}
}

// backfillCommand starts the backfill of a range, or of all if there is none.
func backfillCommand(collector string, r checkpoint.Range) string {
	command := "starter backfill " + quoted(collector)
	if r == (checkpoint.Range{}) {
		return command
	}
	return fmt.Sprintf("%s --since %s --until %s", command, r.Since.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
}

// endingOf is the command that ends a workflow without a worker.
func endingOf(id string) string { return "temporal workflow terminate --workflow-id " + quoted(id) }

// plainWord matches a word that means itself to a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quoted returns a word of a command line that a person may copy: anybody who can write to the namespace chooses ids. bash
// reads the escapes of [printable.Text] in $'…'.
func quoted(word string) string {
	shown := printable.Line(word)
	switch {
	case plainWord.MatchString(word):
		return word
	case shown != word:
		return "$'" + printable.Line(strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`).Replace(word)) + "'"
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// oneLine joins the lines of a message from elsewhere.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// join joins texts, each of which may be empty.
func join(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; ")
}
