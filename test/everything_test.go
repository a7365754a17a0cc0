package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// wholeOrg has something of everything that the catalog lists.
func wholeOrg() map[string]int {
	counts := map[string]int{
		"logs": 2000, "users": 500, "groups": 100, "apps": 60, "clients": 30, "idps": 5, "zones": 10,
		"app_users": 20, "app_groups": 5, "group_members": 12, "policies": 20, "auth_servers": 5, "brands": 10,
		"role_assignees": 40,
	}
	for _, c := range okta.Services() {
		if counts[c.Name] == 0 {
			counts[c.Name] = 2
		}
	}
	return counts
}

// TestEverythingThatAnOrgHasArrivesExactlyOnce collects the whole catalog into files, with two kills at any moment.
func TestEverythingThatAnOrgHasArrivesExactlyOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 80, Counts: wholeOrg(), Unlimited: true, Faults: slowly(5 * time.Millisecond)})
	s.oncePerDay()
	s.env["DEVO_URL"] = "file://" + s.dir + "/out"
	s.startWorker()
	s.collectThroughTwoKills(func(service string) int { return len(s.lines(service)) })
	for _, c := range okta.Services() {
		s.wholeInFile(c)
	}
}

// collectThroughTwoKills collects the whole catalog. Once some objects of either part have arrived, it kills the worker.
func (s *stack) collectThroughTwoKills(arrived func(service string) int) {
	s.t.Helper()
	s.inTwoParts(okta.Services(), func(part okta.Catalog) {
		s.eventually("a part of all objects arrives", func() bool {
			sum := 0
			for _, c := range part {
				sum += arrived(c.Name)
			}
			return sum > 300
		})
		s.worker.kill()
		s.startWorker()
		s.caughtUp(names(part)...)
	})
}

// inTwoParts starts services, and none waits for its turn: first those that have a rate-limit window of their own, and then
// those that share one. Nobody knows the limit of a window before the first answer. Several that began at once would wait for
// its end. settled waits until a part is done.
func (s *stack) inTwoParts(services okta.Catalog, settled func(part okta.Catalog)) {
	s.t.Helper()
	for _, sharing := range []bool{false, true} {
		part := slices.DeleteFunc(slices.Clone(services), func(c okta.Collection) bool { return (c.Window != "") != sharing })
		for _, c := range part {
			options := client.StartWorkflowOptions{ID: s.id(c.Name), TaskQueue: s.env["COLLECTOR_TASK_QUEUE"]}
			_, err := s.client.ExecuteWorkflow(s.t.Context(), options, workflows.CollectName, workflows.CollectInput{Tenant: s.tenant, Service: c.Name})
			require.NoError(s.t, err)
		}
		settled(part)
	}
}

// oncePerDay has each list be pulled once in a test.
func (s *stack) oncePerDay() {
	var settings []string
	for _, c := range okta.Services() {
		if c.Every != 0 {
			settings = append(settings, c.Name+"=24h")
		}
	}
	s.setOkta("POLL_RESOURCES", "24h")
	s.setOkta("POLL", strings.Join(settings, ","))
}

// lines are those of a service's file.
func (s *stack) lines(service string) []string {
	data, err := os.ReadFile(filepath.Join(s.dir, "out", "okta", s.tenant, service+".jsonl"))
	if err != nil {
		return nil
	}
	return wholeLines(string(data))
}

// wholeLines are the lines of a text, without one that is still being written.
func wholeLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line, whole := strings.CutSuffix(line, "\n"); whole {
			lines = append(lines, line)
		}
	}
	return lines
}

// pullLine is a record of my.app.okta.pulls.
type pullLine struct {
	What     string `json:"@okta_pull"`
	Table    string `json:"@okta_table"`
	Service  string
	Pull     int64  `json:"@devo_pulling_id"`
	Group    string `json:"@okta_group_id"`
	Objects  int
	Complete bool
}

// pullOf is the record that a line is, if it is one.
func pullOf(t *testing.T, line string) (p pullLine, ok bool) {
	t.Helper()
	if !strings.HasPrefix(line, `{"@okta_pull":`) {
		return p, false
	}
	require.NoError(t, json.Unmarshal([]byte(line), &p))
	return p, true
}

// wholeInFile compares a service's file with what the org has: each object once between the two records of its pull.
func (s *stack) wholeInFile(c okta.Collection) {
	s.t.Helper()
	var objects []string
	var pulls []pullLine
	lines := s.lines(c.Name)
	for n, line := range lines {
		if p, ok := pullOf(s.t, line); ok {
			require.Contains(s.t, []int{0, len(lines) - 1}, n, "%s: the records of a pull are around its objects", c.Name)
			pulls = append(pulls, p)
			continue
		}
		objects = append(objects, line)
	}
	require.Zero(s.t, s.whole(c, objects), "%s: objects came twice", c.Name)
	s.addsUp(c, pulls)
}

// whole compares what was shipped of a service with what the org has: each object, byte for byte, with the ids of its
// parents. It returns how many came again.
func (s *stack) whole(c okta.Collection, objects []string) (again int) {
	s.t.Helper()
	wanted, got := map[string]int{}, map[string]int{}
	for i, object := range s.org.All(c.Name) {
		wanted[s.org.ParentID(c.Name, i)+" "+compared(c, oktasim.Redacted(object))]++
	}
	for _, line := range objects {
		object, members, found := strings.Cut(line, `,"@`)
		require.True(s.t, found, line)
		key := parents(s.t, c, members) + " " + compared(c, []byte(object+"}"))
		if wanted[key] == 0 {
			s.t.Fatalf("%s: an object arrived that Okta does not have: %s", c.Name, line)
		}
		if got[key]++; got[key] > wanted[key] {
			again++
		}
	}
	for key, n := range wanted {
		if got[key] < n {
			s.t.Fatalf("%s: of %d objects, %d are missing: %s", c.Name, n, n-got[key], key)
		}
	}
	return again
}

// addsUp compares the records of a service's only pull with what the org has.
func (s *stack) addsUp(c okta.Collection, pulls []pullLine) {
	s.t.Helper()
	if c.Polled {
		require.Empty(s.t, pulls)
		return
	}
	require.NotEmpty(s.t, pulls, c.Name)
	id := pulls[0].Pull
	require.Equal(s.t, []pullLine{
		{What: "begin", Table: c.Table, Service: c.Name, Pull: id},
		{What: "end", Table: c.Table, Service: c.Name, Pull: id, Objects: s.org.Count(c.Name), Complete: true},
	}, pulls)
}

// parents are the ids that a record has of the parents of its object, as [oktasim.Org.ParentID] has them. rest is what
// follows the `@` of the first member that was added to it.
func parents(t *testing.T, c okta.Collection, rest string) string {
	var added map[string]any
	require.NoError(t, json.Unmarshal([]byte(`{"@`+rest), &added))
	var ids []string
	for _, level := range c.Under {
		if level.Member != "" {
			require.Contains(t, added, level.Member)
			ids = append(ids, fmt.Sprint(added[level.Member]))
		}
	}
	return strings.Join(ids, "/")
}

// compared is an object as it is compared: byte for byte, unless Okta sends its members in an order that changes.
func compared(c okta.Collection, object []byte) string {
	if !slices.Contains([]string{"devices", "device_assurances"}, c.Name) {
		return string(object)
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return string(object)
	}
	sorted, _ := json.Marshal(value) // cannot fail for what was decoded
	return string(sorted)
}
