package test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// deletedLine is what a file of the System Log has of a deletion, or of the event that tells of it.
type deletedLine struct {
	ID    string
	Table string `json:"@okta_table"`
	Event string `json:"@okta_event"`
	UUID  string
}

// TestEachDeletionHasOneRecordBeforeItsEvent collects the log of an org in which objects are deleted, with two kills. Events of
// one kind of deletion are not shipped themselves.
func TestEachDeletionHasOneRecordBeforeItsEvent(t *testing.T) {
	t.Parallel()
	counts := map[string]int{"logs": 100}
	for _, service := range oktasim.Services() {
		if counts[service] == 0 {
			counts[service] = 24
		}
	}
	counts["group_members"], counts["app_users"], counts["app_groups"] = 4, 4, 4
	s := newStack(t, oktasim.Config{Seed: 81, Counts: counts, LiveEvery: 20 * time.Millisecond, TurnEvery: 2, Unlimited: true})
	dropped := "group.user_membership.remove"
	s.setOkta("DROP_EVENTS", dropped)
	s.setOkta("POLL_LOGS", "1s")
	s.env["DEVO_URL"] = "file://" + s.dir + "/out"
	s.startWorker()
	s.start("logs")
	for range 2 {
		had := len(s.lines("logs"))
		s.eventually("more of the log arrives", func() bool { return len(s.lines("logs")) > had+100 })
		s.worker.kill()
		s.startWorker()
	}
	deletions := s.org.Deletions()
	require.Greater(t, len(deletions), 20)
	last := deletions[len(deletions)-1].Event

	var records map[string][]deletedLine
	var shipped map[string]bool
	s.eventually("the last deletion has a record", func() bool {
		records, shipped = map[string][]deletedLine{}, map[string]bool{}
		for _, line := range s.lines("logs") {
			var l deletedLine
			if json.Unmarshal([]byte(line), &l) != nil {
				return false // it is being written
			}
			if l.Event == "" {
				shipped[l.UUID] = true
				continue
			}
			require.False(t, shipped[l.Event], "the record goes before its event")
			records[l.Event] = append(records[l.Event], l)
		}
		return records[last] != nil
	})
	for _, d := range deletions {
		c, _ := okta.Lookup(d.Service)
		require.Equal(t, []deletedLine{{ID: s.org.ID(d.Service, d.Number), Table: c.Table, Event: d.Event}}, records[d.Event])
		if d.Event != last {
			require.Equal(t, d.EventType != dropped, shipped[d.Event], d.EventType)
		}
	}
}
