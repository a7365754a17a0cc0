package test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// turningOrg deletes objects, and tells of it in its log, several times a second.
func turningOrg(seed uint64) oktasim.Config {
	counts := map[string]int{"logs": 200, "policies": 5, "policy_rules": 2, "group_members": 6, "app_users": 6, "app_groups": 6}
	for _, service := range []string{"users", "groups", "apps", "devices", "api_tokens", "idps", "zones"} {
		counts[service] = 60
	}
	return oktasim.Config{Seed: seed, Counts: counts, LiveEvery: 40 * time.Millisecond, TurnEvery: 2, Unlimited: true}
}

// droppedDeletions are the types of events that OKTA_DROP_EVENTS leaves out.
var droppedDeletions = []string{"user.lifecycle.delete.completed", "group.user_membership.remove", "application.lifecycle.delete", "device.lifecycle.delete"}

// logLine is what is read of a line of the System Log's: an event, or a record of my.app.okta.deleted.
type logLine struct {
	UUID      string
	ID        string
	Table     string `json:"@okta_table"`
	Group     string `json:"@okta_group_id"`
	App       string `json:"@okta_app_id"`
	Policy    string `json:"@okta_policy_id"`
	Event     string `json:"@okta_event"`
	Published string
}

// told is where the records and the events are among some lines, by the uuids of the events.
type told struct {
	records, events map[string][]int
	lines           []logLine
}

func toldBy(t *testing.T, lines []string) told {
	t.Helper()
	all := told{records: map[string][]int{}, events: map[string][]int{}}
	for n, line := range lines {
		var l logLine
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		all.lines = append(all.lines, l)
		if l.Event != "" {
			all.records[l.Event] = append(all.records[l.Event], n)
		} else {
			all.events[l.UUID] = append(all.events[l.UUID], n)
		}
	}
	return all
}

// has says whether everything is there that the log tells of some deletions.
func (all told) has(deletions []oktasim.Deletion) bool {
	return !slices.ContainsFunc(deletions, func(d oktasim.Deletion) bool {
		return all.records[d.Event] == nil || all.events[d.Event] == nil && !slices.Contains(droppedDeletions, d.EventType)
	})
}

// TestADeletionIsToldBeforeItsEventThroughTwoKills: into files exactly once, else at least once.
func TestADeletionIsToldBeforeItsEventThroughTwoKills(t *testing.T) {
	t.Parallel()
	for name, arrive := range map[string]func(s *stack) (lines func() []string){
		"into files": func(s *stack) func() []string {
			s.intoDirectory("logs")
			return func() []string { return s.lines("logs") }
		},
		"over TLS": func(s *stack) func() []string {
			arrived := s.keepEverything()
			return func() []string { return wholeLines(arrived.String()) }
		},
		"over HTTPS": func(s *stack) func() []string {
			arrived := s.keepEverything()
			s.env["DEVO_URL"], s.env["DEVO_DOMAIN"], s.env["DEVO_TOKEN"] = s.devo.HTTPURL(), "acme", "devo-"+s.token
			return func() []string { return wholeLines(arrived.String()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, turningOrg(90))
			s.env["OKTA_POLL_LOGS"] = "1s"
			s.setOkta("DROP_EVENTS", strings.Join(droppedDeletions, ","))
			lines := arrive(s)
			s.startWorker()
			s.start("logs")
			for _, deletions := range []int{20, 60} {
				s.eventually("some deletions are told", func() bool { return strings.Count(strings.Join(lines(), "\n"), `"@okta_event"`) > deletions })
				s.worker.kill()
				s.startWorker()
			}
			deletions := s.org.Deletions()
			s.eventually("all deletions are told", func() bool { return toldBy(t, lines()).has(deletions) })
			require.Zero(t, s.worker.terminate(t))

			all := toldBy(t, lines())
			types := map[string]bool{}
			for _, d := range deletions {
				types[d.EventType] = true
				records, events := all.records[d.Event], all.events[d.Event]
				for _, n := range records {
					require.Equal(t, s.deletedLine(d), all.lines[n])
				}
				if name == "into files" {
					require.Len(t, records, 1, d)
				}
				if slices.Contains(droppedDeletions, d.EventType) {
					require.Empty(t, events, d)
				} else {
					require.Less(t, records[0], events[0], d)
				}
			}
			require.Len(t, types, 12, "each kind of deletion that the org has")
			happened := map[string]bool{}
			for _, d := range s.org.Deletions() {
				happened[d.Event] = true
			}
			for event := range all.records {
				require.True(t, happened[event], "nothing else was deleted")
			}
		})
	}
}

// deletedLine is the record of a deletion.
func (s *stack) deletedLine(d oktasim.Deletion) logLine {
	s.t.Helper()
	n, ok := s.org.Find("logs", "", d.Event)
	require.True(s.t, ok)
	var event struct{ Published string }
	require.NoError(s.t, json.Unmarshal(s.org.Object("logs", n), &event))
	line := logLine{ID: s.org.ID(d.Service, d.Number), Table: tables[d.Service], Event: d.Event, Published: event.Published}
	parent := s.org.ParentID(d.Service, d.Number)
	switch d.Service {
	case "group_members":
		line.Group = parent
	case "app_users", "app_groups":
		line.App = parent
	case "policy_rules":
		line.Policy = parent
	}
	return line
}

// membership is what is read of a line of group_members.
type membership struct {
	ID    string
	Group string `json:"@okta_group_id"`
	Pull  int64  `json:"@devo_pulling_id"`
}

// TestTheListingOfAChangedGroupEndsWithARecordThatNamesIt: what came before the record is the whole group.
func TestTheListingOfAChangedGroupEndsWithARecordThatNamesIt(t *testing.T) {
	t.Parallel()
	s := newStack(t, turningOrg(91))
	s.setOkta("POLL", "group_members=1s")
	s.intoDirectory("group_members")
	s.startWorker()
	s.start("group_members")
	s.caughtUp("group_members")
	before := len(s.org.Deletions())
	s.eventually("a changed group is listed", func() bool { return len(s.listings()) > 0 })
	s.worker.kill()
	s.startWorker()
	var removed []oktasim.Deletion
	s.eventually("members are removed", func() bool {
		removed = slices.DeleteFunc(s.org.Deletions()[before:], func(d oktasim.Deletion) bool { return d.Service != "group_members" })
		return len(removed) >= 10
	})
	s.eventually("the newest listing of each changed group is without them", func() bool {
		listings := s.listings()
		return !slices.ContainsFunc(removed, func(d oktasim.Deletion) bool {
			members, listed := listings[s.org.ParentID(d.Service, d.Number)]
			return !listed || slices.Contains(members, s.org.ID(d.Service, d.Number))
		})
	})
}

// listings are the members of each group whose listing has ended with a record that names it, as the newest one has them.
func (s *stack) listings() map[string][]string {
	s.t.Helper()
	members := map[membership][]string{} // by pull and group
	ended := map[pullLine]bool{}
	newest := map[string][]string{}
	for _, line := range s.lines("group_members") {
		if p, ok := pullOf(s.t, line); ok {
			if p.Group == "" {
				continue
			}
			require.False(s.t, ended[p], "a listing ends once: %s", line)
			ended[p] = true
			listed := members[membership{Group: p.Group, Pull: p.Pull}]
			require.Equal(s.t, pullLine{
				What: "end", Table: tables["group_members"], Service: "group_members", Pull: p.Pull, Group: p.Group, Objects: len(listed), Complete: true,
			}, p)
			newest[p.Group] = listed
			continue
		}
		var m membership
		require.NoError(s.t, json.Unmarshal([]byte(line), &m))
		of := membership{Group: m.Group, Pull: m.Pull}
		members[of] = append(members[of], m.ID)
	}
	return newest
}
