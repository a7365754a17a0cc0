package workflows

import (
	"time"

	"okta-collector/internal/checkpoint"
)

// SliceInput is the input of the activity CollectSlice.
type SliceInput struct {
	Tenant  string     `json:"tenant"`
	Service string     `json:"service"`
	Since   *time.Time `json:"since,omitempty"`
	// Began is when the service was first started. OKTA_LOGS_HISTORY counts back from there, not from the first page,
	// which may come much later.
	Began      time.Time             `json:"began,omitzero"`
	Backfill   *checkpoint.Range     `json:"backfill,omitempty"` // nil for live collection
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	// HandBacks is how many times in a row the slice may still be handed back. A workflow of an earlier version allows
	// none.
	HandBacks int `json:"handBacks,omitempty"`
	// Shares: the workflow understands [SignalShare]. One that an earlier version began does not, so that its service is
	// never alone on a window.
	Shares bool `json:"shares,omitempty"`
}

// SliceResult is the result of a slice that did not fail.
type SliceResult struct {
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	End        End                   `json:"end"`
	// Wait is how long to wait before the next slice. It is a duration because clocks differ.
	Wait time.Duration `json:"wait,omitempty"`
	// Warnings are what did not stop the slice, and what a person should read. The workflow sets their times.
	Warnings Warnings `json:"warnings,omitempty"`
	// Warning is what a worker of an earlier version sends instead.
	Warning string `json:"warning,omitempty"`
}

// End says why a slice ended.
type End string

const (
	EndMore        End = "more"         // its time is over
	EndCaughtUp    End = "caught up"    // there is nothing more for now
	EndRateLimited End = "rate limited" // the share of a rate limit is used up, or Okta answered 429
	EndYielded     End = "yielded"      // a backfill has left the budget to live collection
	EndStopped     End = "stopped"      // the worker stops, or the slice was cancelled
	// EndHandedBack: the worker does not reach Okta or Devo, and has not begun the slice. The next one begins at once,
	// because another worker may get it. A workflow of an earlier version does the same.
	EndHandedBack End = "handed back"
)

var waits = map[End]WaitReason{EndCaughtUp: WaitPoll, EndRateLimited: WaitRateLimit, EndYielded: WaitYield}

// Wait is the reason for the wait that follows; empty if the next slice begins at once.
func (e End) Wait() WaitReason { return waits[e] }

// Class says what the workflow does about a failed slice. It is also the type of the activity's ApplicationError, whose
// details are a [Failure].
type Class string

const (
	ClassPassing Class = "passing" // is tried again with a growing pause
	ClassPerson  Class = "blocked" // blocks the service until a person has fixed something
	// ClassCursorRefused starts the pull again: logs and their backfills from the newest event shipped, listings from
	// the top.
	ClassCursorRefused  Class = "cursor refused"
	ClassNotInOrg       Class = "not in this org" // is looked for again daily; nobody has to do anything
	ClassUnknownTenant  Class = "unknown tenant"  // blocks: this worker has no settings for the tenant
	ClassUnknownService Class = "unknown service" // fails a fresh workflow and blocks one that has a position
)

// classes are all that a problem can have.
var classes = []Class{ClassPassing, ClassPerson, ClassCursorRefused, ClassNotInOrg, ClassUnknownTenant, ClassUnknownService}

// Failure is the details of a failed slice's error.
type Failure struct {
	// Checkpoint is where the next slice goes on.
	Checkpoint checkpoint.Checkpoint `json:"checkpoint"`
	// Warnings and Warning are as in [SliceResult].
	Warnings Warnings `json:"warnings,omitempty"`
	Warning  string   `json:"warning,omitempty"`
	Problem  Problem  `json:"problem,omitzero"`
}
