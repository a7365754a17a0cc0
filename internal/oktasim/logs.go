package oktasim

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// retention is how long Okta keeps log events; older ones are absent without a word.
	retention = 90 * day
	// oldestSince is how long ago since may be.
	oldestSince = 180 * day
	// defaultSince is how far back a query goes that does not say.
	defaultSince = 7 * day
)

// position is a place in the System Log: after the first n events of a millisecond.
type position struct {
	ms int64
	n  int
}

// String renders the cursor as Okta does: after=1658862453660_1.
func (p position) String() string {
	return strconv.FormatInt(p.ms, 10) + "_" + strconv.Itoa(p.n)
}

func parsePosition(s string) (position, bool) {
	ms, n, found := strings.Cut(s, "_")
	p := position{}
	var err1, err2 error
	p.ms, err1 = strconv.ParseInt(ms, 10, 64)
	p.n, err2 = strconv.Atoi(n)
	return p, found && err1 == nil && err2 == nil && p.ms >= 0 && p.n > 0
}

// listLogs answers a polling query, which has no until and never ends, or a bounded one, which has.
func (o *Org) listLogs(q parameters, limit int, dst []byte, now time.Time) (page, *refusal) {
	if why := q.only("since", "until", "limit", "after", "sortOrder"); why != nil {
		return page{}, why
	}
	if order, given := q["sortOrder"]; given && order != "ASCENDING" {
		why := notModelled("sortOrder")
		return page{}, &why
	}
	until, bounded := now, false
	if text, given := q["until"]; given {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return page{}, &badDate
		}
		until, bounded = t, true
	}
	since := until.Add(-defaultSince)
	if text, given := q["since"]; given {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return page{}, &badDate
		}
		since = t
	}
	switch {
	case now.Sub(since) > oldestSince:
		return page{}, &tooLongAgo
	case bounded && until.Before(since):
		return page{}, &badSearch
	}
	var after position
	if text, given := q["after"]; given {
		var ok bool
		if after, ok = parsePosition(text); !ok {
			return page{}, &badCursor
		}
	}
	// What Okta no longer keeps it no longer finds.
	oldest := now.Add(-retention).UnixMilli()
	if bounded {
		return o.searchLogs(q, limit, dst, now, max(since.UnixMilli(), oldest), until.UnixMilli(), after)
	}
	return o.pollLogs(q, limit, dst, now, max(since.UnixMilli(), oldest), after)
}

// pollLogs serves events in the order in which they were persisted. There is always a next page; after an
// empty one it is the same again.
func (o *Org) pollLogs(q parameters, limit int, dst []byte, now time.Time, since int64, after position) (page, *refusal) {
	t := o.timeline
	total := t.count(now)
	first := t.from(since, total)
	if after.n > 0 {
		last := t.from(after.ms, total) + after.n - 1
		if last >= total || t.persisted(last) != after.ms {
			return page{}, &badCursor
		}
		first = max(first, last+1)
	}
	end := first
	indices := func(yield func(int) bool) {
		for served := 0; end < total && served < limit; end++ {
			if o.cfg.SinceIsPublished && t.published(end, o.hash(collections["logs"].salt, end)) < since {
				continue
			}
			if !yield(end) {
				return
			}
			served++
		}
	}
	found := o.renderLogs(dst, indices)
	if found.objects == 0 {
		found.next = self
		return found, nil
	}
	ms := t.persisted(end - 1)
	found.next = q.with(position{ms, end - t.from(ms, total)}.String(), "since", "limit", "sortOrder", "after")
	return found, nil
}

// searchLogs serves the events published in since ≤ t < until, in that order. A full page has a next one,
// which may be empty; any other is the last.
func (o *Org) searchLogs(q parameters, limit int, dst []byte, now time.Time, since, until int64, after position) (page, *refusal) {
	type event struct {
		published int64
		i         int
	}
	t := o.timeline
	total := t.count(now)
	from := max(since, after.ms)
	var events []event
	// An event is published before it is persisted, by maxDelay at most. Whatever follows once there are
	// enough, and that much time has passed, comes after all of them.
	enough, horizon := limit+after.n, int64(0)
	for i := t.from(from, total); i < total; i++ {
		persisted := t.persisted(i)
		if persisted-t.maxDelay() > until || len(events) >= enough && persisted-t.maxDelay() > horizon {
			break
		}
		if at := t.published(i, o.hash(collections["logs"].salt, i)); at >= from && at < until {
			events = append(events, event{at, i})
			if len(events) <= enough {
				horizon = max(horizon, at)
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		if a.published != b.published {
			return cmp.Compare(a.published, b.published)
		}
		return cmp.Compare(a.i, b.i)
	})
	if after.n > 0 {
		if len(events) < after.n || events[after.n-1].published != after.ms {
			return page{}, &badCursor
		}
		events = events[after.n:]
	}
	events = events[:min(limit, len(events))]
	indices := func(yield func(int) bool) {
		for _, e := range events {
			if !yield(e.i) {
				return
			}
		}
	}
	found := o.renderLogs(dst, indices)
	found.after = self
	if found.objects > 0 {
		last := position{ms: events[found.objects-1].published}
		if last.ms == after.ms {
			last.n = after.n
		}
		for k := found.objects - 1; k >= 0 && events[k].published == last.ms; k-- {
			last.n++
		}
		found.after = q.with(last.String(), "since", "until", "limit", "sortOrder", "after")
		if found.objects == limit {
			found.next = found.after
		}
	}
	return found, nil
}

func (o *Org) renderLogs(dst []byte, indices func(yield func(int) bool)) page {
	c := collections["logs"]
	found := page{body: append(dst, c.opening()...)}
	for i := range indices {
		if found.objects > 0 {
			found.body = append(found.body, ',')
		}
		it := o.item(c, 0, i, moment{})
		found.body = o.render(found.body, &it)
		found.objects++
	}
	return found
}
