package okta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"okta-collector/internal/ledger"
)

const (
	// surveyPages is how many pages of a list are asked for at most.
	surveyPages = 5
	// surveySamples is how many lists are asked of those below the objects of another collection.
	surveySamples = 3
)

// Survey asks an org a few requests about several of its collections. It remembers the lists that others are below, and asks
// for each of them once. It is not safe for concurrent use.
type Survey struct {
	// Waiting is told how long a request of [Survey.Estimate] waits for a rate-limit window to end; nil tells nobody.
	Waiting func(path string, wait time.Duration)

	r      *Reader
	firsts map[string]firstPage // by the cursor
	lists  map[string]list      // by the collection's name and what of it is selected
}

// Survey begins a survey.
func (o *Org) Survey() *Survey {
	return &Survey{
		r:      &Reader{org: o, now: time.Now, member: o.budget.Join(ledger.LiveList)},
		firsts: map[string]firstPage{}, lists: map[string]list{},
	}
}

// Close ends the survey.
func (s *Survey) Close() { s.r.Close() }

// Estimate is what a full pull of a collection takes, as far as a few requests tell.
type Estimate struct {
	// Objects are those of the pull, and Requests what it takes, the lists of the parents included.
	Objects, Requests int
	// AtLeast: a list has more pages than were asked for, and these do not count.
	AtLeast bool
	// Sampled: a few lists stand for those below all objects of another collection.
	Sampled bool
	// Limit is that of the collection's own endpoint; zero if it was not asked, because there is nothing to list it below.
	Limit EndpointLimit
}

// list is what is known of a collection's lists.
type list struct {
	Estimate
	some [][]string // at most surveySamples objects, each with the ids of its parents before its own
	err  error
}

// Estimate estimates a full pull of a collection. It sends at most five requests for each list, and waits within the share
// for a rate limit. Its error is an [Error], the cause of ctx, or about an unknown service.
func (s *Survey) Estimate(ctx context.Context, service string) (Estimate, error) {
	c, ok := s.r.org.cfg.Catalog.Lookup(service)
	if !ok {
		return Estimate{}, errUnknownService(service)
	}
	s.r.collection = c
	l := s.list(ctx, c, Level{})
	if e, ok := errors.AsType[*Error](l.err); ok && e.off {
		return Estimate{}, e.notInOrg(c)
	}
	return l.Estimate, l.err
}

// list returns what is known of the lists of a collection, and counts the objects that the level selects.
func (s *Survey) list(ctx context.Context, c Collection, level Level) list {
	key := fmt.Sprint(c.Name, level.Where)
	known, ok := s.lists[key]
	if !ok {
		known = s.ask(ctx, c, level)
		s.lists[key] = known
	}
	return known
}

// ask asks for the lists of a collection, or for some of them.
func (s *Survey) ask(ctx context.Context, c Collection, selects Level) (l list) {
	parents, lists, pages := [][]string{nil}, 1, surveyPages
	if len(c.Under) > 0 {
		parents, pages = nil, 1
		if level := c.Under[len(c.Under)-1]; level.Of != "" {
			above, _ := s.r.org.cfg.Catalog.Lookup(level.Of) // a test checks that the catalog has it
			p := s.list(ctx, above, level)
			if p.err != nil {
				return list{err: p.err}
			}
			l.Requests, l.AtLeast, l.Sampled = p.Requests, p.AtLeast, p.Sampled || p.Objects > len(p.some)
			parents, lists = p.some, p.Objects
		} else {
			for _, value := range level.Values {
				parents = append(parents, []string{value})
			}
			lists = len(parents)
		}
	}
	objects, requests := 0, 0
	var lacking error
	answered := false
	for _, under := range parents {
		n, asked, err := s.count(ctx, c, selects, under, pages, &l)
		if e, ok := errors.AsType[*Error](err); ok && len(under) > 0 && (e.Class == ofParent || e.Class == NotInOrg) {
			lacking, err = err, nil
		} else {
			answered = answered || err == nil
		}
		if err != nil {
			return list{err: err}
		}
		objects, requests = objects+n, requests+asked
	}
	if len(parents) == 0 {
		return l
	}
	if !answered {
		return list{err: lacking}
	}
	of := func(sampled int) int { return (sampled*lists + len(parents) - 1) / len(parents) }
	l.Objects, l.Requests = of(objects), l.Requests+of(requests)
	return l
}

// count asks for at most this many pages of one list, and notes in l what it sees. If the list has more pages, count adds one
// request for them, and the estimate is a lower bound.
func (s *Survey) count(ctx context.Context, c Collection, selects Level, under []string, pages int, l *list) (objects, requests int, err error) {
	size := c.Limit
	if c.Polled {
		size = c.MinLimit // its events are not counted
	}
	start, next := c.firstCursor(under, size, c.Full), ""
	for requests < pages {
		a, err := s.fetch(ctx, c, under, start, next)
		requests++
		if err != nil {
			return objects, requests, err
		}
		shown, allowed := s.r.member.Limit(c.Path)
		l.Limit = EndpointLimit{c.Path, shown, allowed}
		found, _ := selects.ids(a.objects)
		if objects += len(found); selects.Of == "" {
			objects += len(a.objects) - len(found) // an object without an id counts too, unless something is below it
		}
		for _, id := range found[:min(len(found), surveySamples-len(l.some))] {
			l.some = append(l.some, append(slices.Clone(under), id))
		}
		next = a.next
		empty := len(a.objects) == 0
		a.release()
		if next == "" || empty || c.Polled {
			return objects, requests, nil
		}
	}
	l.AtLeast = true
	return objects, requests + 1, nil
}

// fetch fetches a page, and waits as long as the rate limit demands.
func (s *Survey) fetch(ctx context.Context, c Collection, under []string, start, next string) (*answer, error) {
	for {
		a, err := s.r.fetch(ctx, c, under, start, next)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Class != RateLimited {
			return a, err
		}
		wait := max(e.Wait, time.Second)
		if s.Waiting != nil {
			s.Waiting(cmp.Or(e.Path, c.Path), wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// FullInterval is the time from the start of one full pull of a collection to the start of the next; 0 for the System Log,
// which has none.
func (cfg Config) FullInterval(c Collection) time.Duration {
	switch every := cfg.Interval(c); {
	case c.Polled:
		return 0
	case c.byChanges():
		return max(cfg.FullSync, every)
	default:
		return every
	}
}
