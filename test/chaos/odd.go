package main

import (
	"context"
	"strings"
	"sync"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// excuses are what oddities of the org may have done to what arrives. An object that Okta sent unreadable arrives as a
// record that says so. A pull may end without everything, but never as a complete one.
type excuses struct {
	mu sync.Mutex
	// unreadable are the records that may stand for objects, by service and number.
	unreadable map[string]map[int][]devosim.Identity
	// parents are those under which Okta refused to list, services those whose listings Okta cut off.
	parents, services map[string]bool
}

func newExcuses() *excuses {
	return &excuses{unreadable: map[string]map[int][]devosim.Identity{}, parents: map[string]bool{}, services: map[string]bool{}}
}

// sent notes that Okta sent object i unreadable. On a page of one, where it cannot be told from the page, the record has
// the brackets too.
func (e *excuses) sent(service string, i int, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unreadable[service] == nil {
		e.unreadable[service] = map[int][]devosim.Identity{}
	}
	e.unreadable[service][i] = append(e.unreadable[service][i],
		devosim.UnreadableIdentityOf("", text), devosim.UnreadableIdentityOf("", "["+text+"]"))
}

// take removes the records that stand for object i from what arrived, and says whether there was one.
func (e *excuses) take(arrived map[devosim.Identity]uint64, service string, i int) (found bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, record := range e.unreadable[service][i] {
		if _, ok := arrived[record]; ok {
			found = true
			delete(arrived, record)
		}
	}
	return found
}

// refused notes that Okta refuses to list what is under a parent.
func (e *excuses) refused(parent string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parents[parent] = true
}

// cutOff notes that Okta cuts off the listings of services.
func (e *excuses) cutOff(services ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, service := range services {
		e.services[service] = true
	}
}

// incomplete says whether an incomplete pull may lack an object of a service under a parent.
func (e *excuses) incomplete(service, parent string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.parents[parent] || e.services[service]
}

// odd switches oddities on until ctx ends.
func (s *stage) odd(ctx context.Context, odds ...oktasim.Odd) error {
	off, err := s.org.SwitchOn(odds...)
	if err != nil {
		return err
	}
	<-ctx.Done()
	for _, o := range odds {
		// What there is not yet was not sent.
		if text, readable := s.org.Sent(o.Of, o.At); !readable {
			s.excuses.sent(o.Of, o.At, string(text))
		}
	}
	off()
	return nil
}

// oneOf is one of several ways.
func oneOf(ways []string, amount float64) string { return ways[int(amount*float64(len(ways)))] }

// waysOf says in words which of several ways it is.
func waysOf(ways []string) func(float64) string {
	return func(amount float64) string { return strings.ReplaceAll(oneOf(ways, amount), "-", " ") }
}

// unreadable are the oddities of objects that leave enough of them to know which one it was.
var unreadable = []string{"control-character", "bad-escape", "nan", "trailing-comma", "too-deep", "unclosed-string"}

// sendsUnreadable makes some objects unreadable: events that are yet to come, a zone and a group. Of other services no
// byte of an unreadable object arrives.
func sendsUnreadable(ctx context.Context, s *stage, f fault) error {
	name := oneOf(unreadable, f.amount)
	odds := []oktasim.Odd{
		{Name: name, Of: "zones", At: int(f.amount * float64(counts["zones"]))},
		{Name: name, Of: "groups", At: int(f.amount * float64(counts["groups"]))},
	}
	for k := range 3 {
		odds = append(odds, oktasim.Odd{Name: name, Of: "logs", At: s.org.Count("logs") + 300*(k+1)})
	}
	return s.odd(ctx, odds...)
}

var refusals = []string{"parent-forbidden", "parent-html", "parent-refused", "parent-locked", "parent-fails"}

// refusesParents refuses to list the users of three apps, with others between them.
func refusesParents(ctx context.Context, s *stage, f fault) error {
	var odds []oktasim.Odd
	for k := range 3 {
		app := (int(f.amount*float64(counts["apps"])) + 7*k) % counts["apps"]
		s.excuses.refused(s.org.ID("apps", app))
		odds = append(odds, oktasim.Odd{Name: oneOf(refusals, f.amount), Of: "app_users", At: app})
	}
	return s.odd(ctx, odds...)
}

var wrongWays = []string{"next-is-self", "next-in-circle", "no-next"}

// losesTheWay has the next links of the log lead back, or nowhere.
func losesTheWay(ctx context.Context, s *stage, f fault) error {
	return s.odd(ctx, oktasim.Odd{Name: oneOf(wrongWays, f.amount), Of: "logs"})
}

// sendsNoLinks leaves the links out of full pages.
func sendsNoLinks(ctx context.Context, s *stage, _ fault) error {
	s.excuses.cutOff("users", "groups")
	return s.odd(ctx, oktasim.Odd{Name: "no-link", Of: "users"}, oktasim.Odd{Name: "no-link", Of: "groups"})
}

var tooMuch = []string{"too-much-500", "too-much-503", "too-much-504", "too-much-cut", "too-much-silent"}

// sendsSmallPages fails whenever more than some objects are asked for.
func sendsSmallPages(ctx context.Context, s *stage, f fault) error {
	var odds []oktasim.Odd
	for service, most := range map[string]int{"logs": 100, "users": 50, "groups": 50, "clients": 20, "apps": 50, "app_users": 100} {
		odds = append(odds, oktasim.Odd{Name: oneOf(tooMuch, f.amount), Of: service, N: most, For: 2 * second})
	}
	return s.odd(ctx, odds...)
}
