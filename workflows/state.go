package workflows

import (
	"strconv"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/printable"
)

// State is everything that Collect remembers. A run that continues as new hands it to the next one, and a run that is
// stopped returns it.
type State struct {
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	Paused     bool                  `json:"paused,omitempty"`  // between the signals pause and resume
	Blocked    bool                  `json:"blocked,omitempty"` // a person has to do something; see LastProblem
	// Failures counts consecutive failed slices without progress. It restarts when the service becomes blocked.
	Failures    int      `json:"failures,omitempty"`
	Problems    int      `json:"problems,omitempty"` // all failed slices
	LastProblem *Problem `json:"lastProblem,omitempty"`
	LastWarning *Warning `json:"lastWarning,omitempty"`
	Warnings    Warnings `json:"warnings,omitempty"`
	// WakeAt is when a wait ends, and WakeReason why there is one; zero while a slice runs.
	WakeAt     time.Time  `json:"wakeAt,omitzero"`
	WakeReason WaitReason `json:"wakeReason,omitempty"`
	// Restarts counts consecutive pulls that started again because Okta refused the cursor.
	Restarts int `json:"restarts,omitempty"`
	// CaughtUp reports whether the last slice found the end. CaughtUpAt is when a slice last did.
	CaughtUp   bool       `json:"caughtUp,omitempty"`
	CaughtUpAt time.Time  `json:"caughtUpAt,omitzero"`
	Slices     int64      `json:"slices"`          // the activities that ended
	Began      time.Time  `json:"began,omitzero"`  // when the service, or the backfill, was first started
	Since      *time.Time `json:"since,omitempty"` // as in [CollectInput]
}

// Problem is why a slice failed.
type Problem struct {
	At    time.Time `json:"at,omitzero"`
	Class Class     `json:"class"`
	// Message says what happened. It does not repeat the other fields.
	Message string `json:"message"`
	// Endpoint is the path of the request that Okta refused or did not answer, and RequestID Okta's id of it. Both are
	// empty where the problem is not Okta's.
	Endpoint  string `json:"endpoint,omitempty"`
	RequestID string `json:"requestID,omitempty"`
	// Remedy says what a person has to do; empty if nothing.
	Remedy string `json:"remedy,omitempty"`
}

const (
	// MaxText limits each text of a problem or a warning, and maxName each name, in bytes.
	MaxText = 1000
	maxName = 200
)

// Bounded returns the problem with printable texts that are short enough for a history.
func (p Problem) Bounded() Problem {
	p.Message, p.Remedy = Cut(p.Message, MaxText), Cut(p.Remedy, MaxText)
	p.Class = Class(Cut(string(p.Class), maxName))
	p.Endpoint, p.RequestID = Cut(p.Endpoint, maxName), Cut(p.RequestID, maxName)
	return p
}

// Cut makes a text printable, and limits it in bytes. Every text that enters Temporal goes through it, so that neither
// the Web UI nor a history shows what Okta, Devo or a certificate wants a terminal to do.
func Cut(text string, limit int) string { return printable.Cut(text, limit) }

// Quoted returns a name that came from outside, as it may stand in an error.
func Quoted(name string) string {
	return Cut(strconv.Quote(name[:min(len(name), MaxRepeated)]), MaxRepeated/2)
}

// String is the problem in one text for people.
func (p Problem) String() string {
	text := p.Message
	if p.Endpoint != "" {
		text = "asking Okta for " + p.Endpoint + ": " + text
	}
	if p.RequestID != "" {
		text += " [request " + p.RequestID + "]"
	}
	if p.Remedy != "" {
		text += "; " + p.Remedy
	}
	return text
}

// WaitReason says why nothing is being fetched.
type WaitReason string

const (
	WaitPoll      WaitReason = "poll"         // caught up; the next poll is due later
	WaitRateLimit WaitReason = "rate limited" // a rate-limit window has to end
	WaitYield     WaitReason = "yielding"     // a backfill leaves the budget to live collection
	WaitBackoff   WaitReason = "backoff"      // a passing problem
	WaitBlocked   WaitReason = "blocked"      // a person is needed; tried again now and then
	WaitPaused    WaitReason = "paused"       // until the signal resume; only in a [Status]
	// WaitNotInOrg: the org does not have what the service collects; it is looked for again daily.
	WaitNotInOrg WaitReason = "not in this org"
	// WaitTurn: the first pulls of services that were started together are spread; as in [CollectInput.Delay].
	WaitTurn WaitReason = "first pull"
)

// CollectorState is the state in a [Status].
type CollectorState string

const (
	StateRunning CollectorState = "running"
	StateWaiting CollectorState = "waiting"
	StatePaused  CollectorState = "paused"
	StateBlocked CollectorState = "blocked"
	StateDone    CollectorState = "done" // a backfill that has ended
)

// Status is the answer to [QueryStatus].
type Status struct {
	Tenant  string         `json:"tenant"`
	Service string         `json:"service"`
	State   CollectorState `json:"state"`
	// Reason says why nothing is fetched, and WakeAt until when. Both are empty while a slice runs.
	Reason WaitReason `json:"reason,omitempty"`
	WakeAt *time.Time `json:"wakeAt,omitempty"`
	// Checkpoint is the position after the last finished slice. The position of a running slice is in the heartbeat of
	// its pending activity.
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	// CaughtUp reports whether the last slice found the end. If it did not, everything before BehindSince is known to
	// be shipped, so the lag is the time since then. BehindSince is zero in a first pull of anything but logs.
	CaughtUp    bool      `json:"caughtUp"`
	BehindSince time.Time `json:"behindSince,omitzero"`
	Slices      int64     `json:"slices"`
	Failures    int       `json:"failures"`
	Problems    int       `json:"problems"`
	LastProblem *Problem  `json:"lastProblem,omitempty"`
	LastWarning *Warning  `json:"lastWarning,omitempty"`
	Warnings    Warnings  `json:"warnings,omitempty"`
	// Recent are the totals at some past moments of this run, oldest first: at most 8, at least a minute apart.
	Recent []Sample `json:"recent,omitempty"`
	// Backfill is nil for live collection.
	Backfill *BackfillStatus `json:"backfill,omitempty"`
}

// Sample is the totals at one moment.
type Sample struct {
	At     time.Time `json:"at"`
	Events int64     `json:"events"`
	Bytes  int64     `json:"bytes"`
}
