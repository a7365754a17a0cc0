package temporalclient

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"okta-collector/workflows"
)

// ofWorker ends the identity of each worker of the collector.
const ofWorker = "/okta-collector"

// WorkerIdentity returns the identity of this worker in Temporal, such as 7@host/okta-collector. It tells workers apart in
// the Web UI and in reports.
func WorkerIdentity() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%d@%s%s", os.Getpid(), cmp.Or(host, "unknown"), ofWorker)
}

// IsWorker reports whether an identity is that of a worker of the collector. It notices a mistake, but proves nothing:
// whoever may poll a task queue can give any identity.
func IsWorker(identity string) bool { return strings.HasSuffix(identity, ofWorker) }

// maxNamed is how many pollers a warning names.
const maxNamed = 5

// StrangersWarning says who polls a task queue and is no worker of the collector; empty if nobody does.
func StrangersWarning(queue string, identities []string) string {
	if len(identities) == 0 {
		return ""
	}
	var named []string
	for _, identity := range identities[:min(len(identities), maxNamed)] {
		named = append(named, workflows.Quoted(identity))
	}
	if more := len(identities) - maxNamed; more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("task queue %s is polled by %s, which is no worker of this version or a later one, and takes slices: "+
		"end it, unless it is a worker of an earlier version", queue, strings.Join(named, ", "))
}
