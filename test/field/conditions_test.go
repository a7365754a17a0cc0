package field

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
)

// The services in the order in which they are looked at.
var services = []string{"logs", "users", "groups", "apps", "clients", "idps", "zones", "app_users", "app_groups", "group_members"}

// counts are such that most listings have several pages, and each of these its oddity.
var counts = map[string]int{
	"logs": 4600, "users": 700, "groups": 300, "apps": 20, "clients": 200, "idps": 60, "zones": 30,
	"app_users": 520, "app_groups": 30, "group_members": 10,
}

// condition is a row of the table: what is odd in the org, and how the status explains it.
type condition struct {
	name string
	of   string // the service
	odd  []oktasim.Odd
	// warns are the kinds of the warnings in the status of the service.
	warns []string
	// counts are the least that the service's totals say.
	counts checkpoint.Oddities
	// says matches what the status says besides.
	says string
}

// conditions are all of one org at once. Of those that are about the same answers, the first comes first.
var conditions = []condition{
	{
		name: "a 429 whose reset is in the past", of: "logs",
		odd: []oktasim.Odd{{Name: "reset-in-past", N: 2}},
	},
	{
		name: "elements that are unreadable", of: "logs",
		odd: []oktasim.Odd{
			{Name: "null", At: 10}, {Name: "number", At: 11}, {Name: "text", At: 20}, {Name: "control-character", At: 30},
			{Name: "bad-escape", At: 40}, {Name: "nan", At: 50}, {Name: "trailing-comma", At: 60}, {Name: "too-deep", At: 999},
			{Name: "trailing-comma-in-array", At: 70}, {Name: "unclosed-string", At: 4400},
		},
		warns:  []string{"unreadable"},
		counts: checkpoint.Oddities{Unreadable: 9},
	},
	{
		name: "bytes that are no UTF-8", of: "logs",
		odd:    []oktasim.Odd{{Name: "not-utf8", At: 80}},
		warns:  []string{"replaced"},
		counts: checkpoint.Oddities{Replaced: 1},
	},
	{
		name: "next is the page itself, then goes in a circle, then is missing", of: "logs",
		odd:   []oktasim.Odd{{Name: "next-is-self", N: 1}, {Name: "next-in-circle", At: 1, N: 2}, {Name: "no-next", At: 4, N: 1}},
		warns: []string{"next link"},
	},
	{
		name: "a bounded query that always has a next page", of: "logs",
		odd: []oktasim.Odd{{Name: "endless-range"}},
	},
	{
		name: "a full page without a Link, next links with blanks, and a page that cannot be split", of: "users",
		odd:    []oktasim.Odd{{Name: "no-link", N: 1}, {Name: "blanks-in-next"}, {Name: "unclosed-string", At: 450}},
		warns:  []string{"unreadable"},
		counts: checkpoint.Oddities{Unreadable: 1},
	},
	{
		name: "cursors that expire while the members of groups are listed", of: "groups",
		odd: []oktasim.Odd{{Name: "cursor-expires", For: cursorLasts}},
	},
	{
		name: "bytes that are no UTF-8 in a parent", of: "apps",
		odd:    []oktasim.Odd{{Name: "not-utf8", At: 3}},
		warns:  []string{"replaced"},
		counts: checkpoint.Oddities{Replaced: 1},
	},
	{
		name: "an invalid session, full pages that never have a Link, and an unreadable object among secrets", of: "clients",
		odd:    []oktasim.Odd{{Name: "invalid-session"}, {Name: "no-link"}, {Name: "nan", At: 7}},
		warns:  []string{"unreadable", "incomplete"},
		counts: checkpoint.Oddities{Unreadable: 1, Incomplete: 1},
	},
	{
		name: "a firewall, a lock, bodies that are cut, and an unreadable object among secrets", of: "idps",
		odd:    []oktasim.Odd{{Name: "firewall"}, {Name: "reconciling"}, {Name: "too-much-cut", N: 100}, {Name: "bad-escape", At: 11}},
		warns:  []string{"unreadable", "smaller page"},
		counts: checkpoint.Oddities{Unreadable: 1},
	},
	{
		name: "a collection that the org has not got", of: "zones",
		odd:  []oktasim.Odd{{Name: "feature-flag"}},
		says: "not in this org.*Missing Required Feature Flag",
	},
	{
		name: "parents that fail for good, for a while and in the middle", of: "app_users",
		odd: []oktasim.Odd{
			{Name: "parent-forbidden", At: 2}, {Name: "parent-html", At: 6}, {Name: "parent-fails", At: 18},
			{Name: "parent-refused", At: 10, N: 1}, {Name: "parent-locked", At: 14, N: 1},
		},
		warns:  []string{"put aside", "incomplete"},
		counts: checkpoint.Oddities{Aside: 6, Missing: 3, Incomplete: 1},
	},
	{
		name: "an unreadable object under a parent", of: "app_users",
		odd:    []oktasim.Odd{{Name: "trailing-comma", At: 3}},
		warns:  []string{"unreadable"},
		counts: checkpoint.Oddities{Unreadable: 1},
	},
	{
		name: "a plain 500 to what is too much", of: "app_groups",
		odd:   []oktasim.Odd{{Name: "too-much-500", N: 190}},
		warns: []string{"smaller page"},
	},
	{
		name: "a parent that is gone", of: "group_members",
		odd:    []oktasim.Odd{{Name: "parent-gone", At: 3}},
		counts: checkpoint.Oddities{Gone: 1},
		says:   "deleted",
	},
}

const (
	// cursorLasts is how long a cursor of the groups works. The groups alone are listed sooner.
	cursorLasts = 5 * time.Second
	// memberDelay is how long the org takes for the members of one group. Those of a page of groups take longer than cursorLasts.
	memberDelay = 40 * time.Millisecond
)

// halfway is the app whose list of users is refused once, on its second page.
const halfway = 8

// secret are the services whose objects may hold secrets.
var secret = map[string]bool{"apps": true, "clients": true, "idps": true, "users": true, "app_users": true, "group_members": true}

// oddOrg is an org in which all conditions come at once.
func oddOrg() oktasim.Config {
	cfg := oktasim.Config{Seed: 9, Counts: counts}
	for _, c := range conditions {
		for _, odd := range c.odd {
			odd.Of = c.of
			cfg.Odd = append(cfg.Odd, odd)
		}
	}
	return cfg
}

// spoilTheMiddle has the org take its time for members, so that cursors grow old, and refuse the second page of a parent once.
func spoilTheMiddle(org *oktasim.Org) {
	path := "/api/v1/apps/" + org.ID("apps", halfway) + "/users"
	var refused atomic.Bool
	org.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		if r.URL.Path == path && r.URL.Query().Has("after") && refused.CompareAndSwap(false, true) {
			return oktasim.Refuse(http.StatusForbidden, "E0000006")
		}
		if strings.HasPrefix(r.URL.Path, "/api/v1/groups/") {
			return oktasim.Delay(memberDelay)
		}
		return oktasim.Delay(10 * time.Millisecond)
	})
}

// reachable says whether object i of a service can be listed: nothing is under a parent that fails for good.
func reachable(org *oktasim.Org, service string) func(i int) bool {
	lost := map[string]bool{}
	for _, c := range conditions {
		for _, odd := range c.odd {
			if parents, nested := parentsOf[service]; nested && c.of == service && forGood[odd.Name] && odd.N == 0 {
				lost[org.ID(parents, odd.At)] = true
			}
		}
	}
	return func(i int) bool { return !lost[org.ParentID(service, i)] }
}

var parentsOf = map[string]string{"app_users": "apps", "app_groups": "apps", "group_members": "groups"}

// forGood are the oddities of parents.
var forGood = map[string]bool{"parent-forbidden": true, "parent-html": true, "parent-fails": true, "parent-gone": true}
