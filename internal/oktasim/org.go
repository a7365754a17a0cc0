// Package oktasim is a stand-in for an Okta org: the list endpoints that the collector uses, as strict as
// Okta's and never kinder. It pages, limits, filters and refuses as Okta does, and what it does not model
// it refuses too, rather than let a mistake pass.
//
// Every object follows from the seed and its number alone, so an org of a million events takes no memory
// and a verifier knows each of them, byte for byte, without having stored it. Facts about Okta are those of
// its Management API 2026.06 and of recorded answers; where neither says, the unkinder choice is made.
package oktasim

import (
	"fmt"
	"iter"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Org is a simulated org. It implements [http.Handler] and is safe for concurrent use.
type Org struct {
	cfg      Config
	timeline timeline
	// counts are the numbers of objects: of logs those in the backlog, of what has parents those under each.
	counts map[string]int
	// catalogues are the shapes of the objects.
	catalogues map[string]catalogue
	limiter    *limiter
	requests   requestLog
	signIn     signIn
	numbered   atomic.Int64
	// skew is how far the clock that clients see is ahead, in nanoseconds.
	skew  atomic.Int64
	pages sync.Pool

	mu     sync.RWMutex
	token  string
	faults func(r *http.Request, n int) Fault

	oddMu sync.Mutex
	odd   []*switched
}

// New makes an org, or says everything that is wrong with its configuration.
func New(cfg Config) (*Org, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	apps, err := wholeApps(cfg.Apps)
	if err != nil {
		return nil, fmt.Errorf("simulated org: %w", err)
	}
	o := &Org{
		cfg: cfg, signIn: newSignIn(cfg, apps), timeline: newTimeline(cfg), counts: map[string]int{}, catalogues: map[string]catalogue{},
		limiter: newLimiter(cfg), token: cfg.Token, faults: cfg.Faults,
		pages: sync.Pool{New: func() any { return new([]byte) }},
	}
	for name := range collections {
		o.counts[name] = cfg.Counts[name]
	}
	people := present.among(o.counts["users"])
	o.counts["app_users"] = min(o.counts["app_users"], people)
	o.counts["group_members"] = min(o.counts["group_members"], people)
	o.counts["app_groups"] = min(o.counts["app_groups"], o.counts["groups"])

	for _, shape := range []string{"users", "groups", "directory_groups", "apps", "clients", "idps", "zones", "app_users", "app_groups"} {
		if o.catalogues[shape], err = o.loadCatalogue(shape, nil); err != nil {
			return nil, fmt.Errorf("simulated org: %w", err)
		}
	}
	sizes := []int{cfg.EventBytes * 93 / 100, cfg.EventBytes, cfg.EventBytes * 107 / 100}
	if o.catalogues["logs"], err = o.loadCatalogue("logs", sizes); err != nil {
		return nil, fmt.Errorf("simulated org: %w", err)
	}
	if _, err := o.SwitchOn(cfg.Odd...); err != nil {
		return nil, fmt.Errorf("simulated org: %w", err)
	}
	return o, nil
}

// SetToken replaces the API token that requests may bear. With "" every API token is refused.
func (o *Org) SetToken(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token = token
}

// SetFaults replaces what decides on faults; nil: no more of them.
func (o *Org) SetFaults(faults func(r *http.Request, n int) Fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = faults
}

// Epoch returns when the org began to live.
func (o *Org) Epoch() time.Time { return o.cfg.Epoch }

// Count says how many objects of a service there are now: of logs with the live events so far, of what is
// listed under parents those of all parents together. An unknown service has none.
func (o *Org) Count(service string) int {
	c, ok := collections[service]
	switch {
	case !ok:
		return 0
	case service == "logs":
		return o.timeline.count(o.cfg.Now())
	case c.parent != "":
		return inhabited.among(o.counts[c.parent]) * o.counts[service]
	default:
		return o.counts[service]
	}
}

// ID returns the identity of object i of a service: uuid of a log event, client_id of a client, id of
// anything else, which for what is listed under parents is unique only together with [Org.ParentID].
func (o *Org) ID(service string, i int) string {
	c, ok := collections[service]
	if !ok || i < 0 {
		return ""
	}
	if service == "logs" {
		return string(o.appendUUID(nil, i))
	}
	if c.parent != "" {
		if o.counts[service] == 0 {
			return ""
		}
		kind, target := o.child(c, o.parentOf(c, i), i%o.counts[service])
		return string(o.appendID(nil, kind, target))
	}
	return string(o.appendID(nil, c, i))
}

// ParentID returns the id of the app or group that object i of a service is listed under, or "".
func (o *Org) ParentID(service string, i int) string {
	c, ok := collections[service]
	if !ok || c.parent == "" || i < 0 || o.counts[service] == 0 {
		return ""
	}
	return string(o.appendID(nil, collections[c.parent], o.parentOf(c, i)))
}

// Find is the inverse of [Org.ID] and [Org.ParentID]: it returns the number of the object with this
// identity, if there is such an object.
func (o *Org) Find(service, parentID, id string) (int, bool) {
	c, ok := collections[service]
	switch {
	case !ok:
		return 0, false
	case service == "logs":
		return o.indexOfUUID(id)
	case c.parent == "":
		return o.indexOfID(c, id)
	}
	parent, ok := o.indexOfID(collections[c.parent], parentID)
	if !ok || !inhabited.has(parent) {
		return 0, false
	}
	j, ok := o.childRank(c, parent, id)
	return inhabited.rank(parent)*o.counts[service] + j, ok
}

// Object returns object i of a service as it is now, compact. It is nil if there is no such object.
func (o *Org) Object(service string, i int) []byte { return o.AppendObject(nil, service, i) }

// AppendObject appends what [Org.Object] returns.
func (o *Org) AppendObject(dst []byte, service string, i int) []byte {
	if i < 0 || i >= o.Count(service) {
		return dst
	}
	return o.appendObject(dst, service, i, o.cfg.Now())
}

func (o *Org) appendObject(dst []byte, service string, i int, now time.Time) []byte {
	c, it := o.itemAt(service, i, o.changes(now))
	return o.render(dst, c, it)
}

// Revisions returns every form that object i of a service has had so far, the oldest first; what a
// collector shipped of a user or group that changes is one of them.
func (o *Org) Revisions(service string, i int) [][]byte {
	if i < 0 || i >= o.Count(service) {
		return nil
	}
	c, now := o.itemAt(service, i, o.changes(o.cfg.Now()))
	var all [][]byte
	for r := 0; r <= now.revision; r++ {
		it := now
		it.revision = r
		all = append(all, o.render(nil, c, it))
	}
	return all
}

// All iterates over the objects of a service that there are when it begins, by number. The bytes are valid until the next one.
func (o *Org) All(service string) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		var buf []byte
		for i := range o.Count(service) {
			buf = o.AppendObject(buf[:0], service, i)
			if !yield(i, buf) {
				return
			}
		}
	}
}

// itemAt prepares object i of a service, numbered over all parents, as it is after so many changes.
func (o *Org) itemAt(service string, i, changes int) (*collection, item) {
	c := collections[service]
	if c.parent == "" {
		return c, o.item(c, 0, i, changes)
	}
	return c, o.item(c, o.parentOf(c, i), i%o.counts[service], changes)
}

// item prepares the i-th object of a collection, under a parent if it has one.
func (o *Org) item(c *collection, parent, i, changes int) item {
	it := item{Org: o, i: i, parent: parent, h: o.hash(c.salt, i)}
	switch c.name {
	case "logs":
		it.user = it.some("users", 2)
	case "users":
		it.user = i
		it.revision = revision(i, o.counts["users"], changes)
	case "groups":
		it.revision = revision(i, o.counts["groups"], changes)
	case "group_members":
		_, it.user = o.child(c, parent, i)
		it.h = o.userHash(it.user)
		it.i = it.user
		it.revision = revision(it.user, o.counts["users"], changes)
	case "app_users":
		it.h = mix(o.hash(c.salt, parent) + uint64(i))
		_, it.user = o.child(c, parent, i)
	case "app_groups":
		it.h = mix(o.hash(c.salt, parent) + uint64(i))
		_, it.i = o.child(c, parent, i)
	}
	return it
}

func (o *Org) render(dst []byte, c *collection, it item) []byte {
	shape := c.name
	switch {
	case c.name == "group_members":
		shape = "users"
	case c.name == "groups" && o.groupType(it.i) == "APP_GROUP":
		shape = "directory_groups"
	}
	return o.catalogues[shape].pick(it.h).append(dst, &it)
}

// parentOf returns the index of the parent of child i, numbered over all parents.
func (o *Org) parentOf(c *collection, i int) int {
	return inhabited.nth(i / o.counts[c.name])
}

// child returns the object that the j-th entry under a parent stands for: users or groups, from a place
// that differs between parents. Deprovisioned users are in no group and no app.
func (o *Org) child(c *collection, parent, j int) (*collection, int) {
	start := o.hash(c.salt, parent)
	if c.name == "app_groups" {
		n := o.counts["groups"]
		return collections["groups"], (int(start%uint64(n)) + j) % n
	}
	n := present.among(o.counts["users"])
	return collections["users"], present.nth((int(start%uint64(n)) + j) % n)
}

// childRank is the inverse of child.
func (o *Org) childRank(c *collection, parent int, id string) (int, bool) {
	start := o.hash(c.salt, parent)
	of := collections["users"]
	if c.name == "app_groups" {
		of = collections["groups"]
	}
	i, ok := o.indexOfID(of, id)
	if !ok {
		return 0, false
	}
	n := o.counts["groups"]
	if of.name == "users" {
		if !present.has(i) {
			return 0, false
		}
		i, n = present.rank(i), present.among(o.counts["users"])
	}
	j := (i - int(start%uint64(n)) + n) % n
	return j, j < o.counts[c.name]
}
