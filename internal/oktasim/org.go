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
	"strings"
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
	// parents are, of each collection that has parents, those that have something.
	parents map[string]func() []int
	// samlApps are the apps that users sign in to with SAML.
	samlApps func() []int
	// off are the features that the org has not got.
	off map[string]bool
	// catalogues are the shapes of the objects.
	catalogues map[form]catalogue
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
		cfg: cfg, signIn: newSignIn(cfg, apps), timeline: newTimeline(cfg), counts: map[string]int{}, parents: map[string]func() []int{}, off: map[string]bool{},
		limiter: newLimiter(cfg), token: cfg.Token, faults: cfg.Faults,
		pages: sync.Pool{New: func() any { return new([]byte) }},
	}
	o.samlApps = sync.OnceValue(func() []int { return o.numbers(o.counts["apps"], ofApp("saml")) })
	for name := range collections {
		o.counts[name] = cfg.Counts[name]
	}
	if o.catalogues, err = o.loadCatalogues(); err != nil {
		return nil, fmt.Errorf("simulated org: %w", err)
	}
	for _, name := range cfg.Off {
		o.off[name] = true
	}
	for i := range listed {
		c := &listed[i]
		o.counts[c.name] = o.limited(c)
		o.parents[c.name] = o.level(c)
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

// limited returns how many objects there can be, which is less than what is wanted if there is not so much to refer to.
func (o *Org) limited(c *collection) int {
	wanted := o.cfg.Counts[c.name]
	switch {
	case c.items == ".":
		return 1
	case c.names != nil:
		return min(wanted, len(c.names))
	case c.pool != nil:
		return min(wanted, c.pool.size(o))
	case isRoles(c):
		return min(wanted, len(roleTypes))
	default:
		return wanted
	}
}

// Count says how many objects of a service there are now: of logs with the live events so far, of what is
// listed under parents those of all parents together. An unknown service has none. Their numbers begin at 0; in an org in which
// something is deleted or off there are gaps, which [Org.All] leaves out.
func (o *Org) Count(service string) int {
	c, ok := collections[service]
	if !ok {
		return 0
	}
	count := o.total(c)
	if !o.wanes() || c.name == "logs" {
		return count
	}
	at := o.moment(o.cfg.Now())
	for n := range count {
		if !o.exists(c, n, at) {
			count--
		}
	}
	return count
}

// ID returns the identity of object i of a service: uuid of a log event, client_id of a client, kid of a key, name, type or
// label of what has no id, and id of anything else. For what is listed under parents it is unique only together with
// [Org.ParentID]. An endpoint that answers with one object has none.
func (o *Org) ID(service string, i int) string {
	c, ok := collections[service]
	if !ok || i < 0 || c.nested() && i >= o.total(c) {
		return ""
	}
	return string(o.appendIdentity(nil, c, i))
}

// ParentID returns the ids in the path that object i of a service is listed by, the outermost first, with / between them:
// that of its app or group, say. It is "" if there is none.
func (o *Org) ParentID(service string, i int) string {
	c, ok := collections[service]
	if !ok || c.params() == 0 || i < 0 || i >= o.total(c) {
		return ""
	}
	return o.pathIDs(c, o.parentOf(c, i))
}

// Find is the inverse of [Org.ID] and [Org.ParentID]: it returns the number of the object with this
// identity, if there is such an object.
func (o *Org) Find(service, parentID, id string) (int, bool) {
	c, ok := collections[service]
	if !ok {
		return 0, false
	}
	ids := []string{id}
	if parentID != "" {
		ids = append(strings.Split(parentID, "/"), id)
	}
	return o.locate(c, ids)
}

// Object returns object i of a service as it is now, compact. It is nil if there is no such object.
func (o *Org) Object(service string, i int) []byte { return o.AppendObject(nil, service, i) }

// AppendObject appends what [Org.Object] returns.
func (o *Org) AppendObject(dst []byte, service string, i int) []byte {
	c, ok := collections[service]
	at := o.moment(o.cfg.Now())
	if !ok || i < 0 || i >= o.total(c) || !o.exists(c, i, at) {
		return dst
	}
	it := o.itemAt(c, i, at)
	return o.render(dst, &it)
}

// Revisions returns every form that object i of a service has had so far, the oldest first; what a collector shipped of an
// object that changes, or was deleted, is one of them. If the order of its members differs from answer to answer, each order
// is a form.
func (o *Org) Revisions(service string, i int) [][]byte {
	c, ok := collections[service]
	if !ok || i < 0 || i >= o.total(c) {
		return nil
	}
	var all [][]byte
	for _, at := range o.moments(c, i, o.moment(o.cfg.Now())) {
		it := o.itemAt(c, i, at)
		for it.order = range c.orders() {
			all = append(all, o.render(nil, &it))
		}
	}
	return all
}

// All iterates over the objects of a service that there are when it begins, by number. The bytes are valid until the next one.
func (o *Org) All(service string) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		c, ok := collections[service]
		if !ok {
			return
		}
		var buf []byte
		for i := range o.total(c) {
			if buf = o.AppendObject(buf[:0], service, i); len(buf) > 0 && !yield(i, buf) {
				return
			}
		}
	}
}
