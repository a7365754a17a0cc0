package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
)

// record is a record of one of the data sets in queries.md.
type record struct {
	table string

	ID         string `json:"id"`
	UUID       string `json:"uuid"`
	Type       string `json:"type"`
	Status     string `json:"status"`
	Assignment string `json:"assignmentType"`
	Published  string `json:"published"`
	Service    string `json:"service"`
	Complete   bool   `json:"complete"`
	Pull       string `json:"@okta_pull"`
	PullID     int64  `json:"@devo_pulling_id"`
	Table      string `json:"@okta_table"`
	Event      string `json:"@okta_event"`
	Group      string `json:"@okta_group_id"`
	User       string `json:"@okta_user_id"`
	Actor      struct {
		AlternateID string `json:"alternateId"`
	} `json:"actor"`
	Embedded struct {
		Users []struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
		} `json:"users"`
	} `json:"_embedded"`
}

const (
	pulls   = "my.app.okta.pulls"
	deleted = "my.app.okta.deleted"
)

type data []record

// of are the records of a table.
func (d data) of(table string) (all data) {
	for _, r := range d {
		if r.table == table {
			all = append(all, r)
		}
	}
	return all
}

// newest is the newest complete full pull of a service, or the newest complete listing of a group after it.
func (d data) newest(service, group string) (id int64) {
	for _, r := range d.of(pulls) {
		if r.Pull == "end" && r.Service == service && r.Complete && (r.Group == "" || r.Group == group) {
			id = max(id, r.PullID)
		}
	}
	return id
}

// gone reports whether an object was deleted, since a pull began or at all.
func (d data) gone(table, id, group string, since int64) bool {
	return slices.ContainsFunc(d.of(deleted), func(r record) bool {
		at, _ := time.Parse(time.RFC3339, r.Published)
		return r.Table == table && r.ID == id && r.Group == group && at.UnixMilli() >= since
	})
}

// existing are the newest objects of what exists now.
func (d data) existing(table, service string) map[string]record {
	all := map[string]record{}
	for _, r := range d.of(table) {
		if r.PullID >= d.newest(service, "") && r.PullID >= all[r.ID].PullID && !d.gone(table, r.ID, "", 0) {
			all[r.ID] = r
		}
	}
	return all
}

// answers are the questions of queries.md, answered by the steps that the page gives.
var answers = map[string]func(data) []string{
	"Who exists now?": func(d data) (rows []string) {
		for id := range d.existing("auth.okta.users", "users") {
			rows = append(rows, id)
		}
		return rows
	},
	"Who was deleted, and by whom?": func(d data) (rows []string) {
		for _, r := range d.of(deleted) {
			what := r.Table + " " + r.ID
			if r.Group != "" {
				what += " of " + r.Group
			}
			for _, event := range d.of("auth.okta.system") {
				if event.UUID == r.Event {
					rows = append(rows, what+" by "+event.Actor.AlternateID)
				}
			}
		}
		return rows
	},
	"Who is an administrator, and through what?": func(d data) (rows []string) {
		for _, r := range d.of("my.app.okta.user_roles") {
			if r.PullID == d.newest("user_roles", "") && r.Assignment == "USER" {
				rows = append(rows, r.User+" "+r.Type+" directly")
			}
		}
		const members = "my.app.okta.group_members"
		for _, role := range d.of("my.app.okta.group_roles") {
			listing := d.newest("group_members", role.Group)
			for _, m := range d.of(members) {
				if role.PullID == d.newest("group_roles", "") && m.Group == role.Group && m.PullID == listing && !d.gone(members, m.ID, m.Group, listing) {
					rows = append(rows, m.ID+" "+role.Type+" through "+m.Group)
				}
			}
		}
		return rows
	},
	"Which devices are there, and whose?": func(d data) (rows []string) {
		for id, r := range d.existing("my.app.okta.devices", "devices") {
			row := id + " " + r.Status + " of"
			for _, u := range r.Embedded.Users {
				row += " " + u.User.ID
			}
			rows = append(rows, row)
		}
		return rows
	},
}

// block returns the only fenced block of a kind in a section.
func block(t *testing.T, section, kind string) []string {
	t.Helper()
	_, after, ok := strings.Cut(section, "```"+kind+"\n")
	require.True(t, ok, "a block of %s", kind)
	text, rest, ok := strings.Cut(after, "\n```")
	require.True(t, ok)
	require.NotContains(t, rest, "```"+kind+"\n", "one block of %s", kind)
	return strings.Split(text, "\n")
}

func TestTheQueriesHaveTheAnswersOfThePage(t *testing.T) {
	page, err := os.ReadFile("queries.md")
	require.NoError(t, err)
	tables := []string{pulls, deleted}
	for _, c := range okta.Services() {
		tables = append(tables, c.Table)
	}
	answered := 0
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		question, _, _ := strings.Cut(section, "\n")
		answer, ok := answers[question]
		require.Equal(t, strings.Contains(section, "```jsonl"), ok, question)
		if !ok {
			continue
		}
		answered++
		t.Run(question, func(t *testing.T) {
			require.Contains(t, section, "```linq\nfrom ")
			var d data
			for _, line := range block(t, section, "jsonl") {
				table, text, _ := strings.Cut(line, " ")
				r := record{table: table}
				require.NoError(t, json.Unmarshal([]byte(text), &r), line)
				require.Contains(t, tables, table)
				require.Equal(t, table == deleted, r.PullID == 0, line)
				d = append(d, r)
			}
			rows := answer(d)
			slices.Sort(rows)
			require.Equal(t, block(t, section, "text"), slices.Compact(rows))
		})
	}
	require.Len(t, answers, answered, "each question is on the page")
}

func TestThePageHasEachEventOfADeletion(t *testing.T) {
	page, err := os.ReadFile("queries.md")
	require.NoError(t, err)
	for event, service := range okta.DeletionEvents() {
		require.Regexp(t, fmt.Sprintf("(?m)^\\| .*`%s`.* \\| %s \\|$", event, service), string(page))
	}
}
