package oktasim

import "time"

// list answers for every collection but logs. The cursor is the id of the last object of the page before:
// what comes after it is served, whatever has changed meanwhile.
func (o *Org) list(c *collection, parentID string, q parameters, limit int, dst []byte, now time.Time) (page, *refusal) {
	known := []string{"after", "limit"}
	passes := predicate(func(*Org, int, int) bool { return true })
	if attributes[c.name] != nil {
		known = append(known, "filter")
	}
	if why := q.only(known...); why != nil {
		return page{}, why
	}
	if text, given := q["filter"]; given {
		var err error
		if passes, err = parseFilter(text, attributes[c.name]); err != nil {
			return page{}, &badSearch
		}
	} else if c.name == "users" {
		passes = func(_ *Org, i, _ int) bool { return present.has(i) }
	}

	parent, total := 0, o.counts[c.name]
	if c.parent != "" {
		var ok bool
		if parent, ok = o.indexOfID(collections[c.parent], parentID); !ok {
			return page{}, &parentNotFound
		}
		if !inhabited.has(parent) {
			total = 0
		}
	}
	first := 0
	if cursor, given := q["after"]; given {
		last, ok := o.rankOf(c, parent, total, cursor)
		if !ok {
			return page{}, &badCursor
		}
		first = last + 1
	}

	changes := o.changes(now)
	found := page{body: append(dst, '[')}
	last := 0
	for i := first; i < total; i++ {
		if !passes(o, i, changes) {
			continue
		}
		if found.objects == limit {
			found.next = q.with(o.cursor(c, parent, last), "after", "limit", "filter")
			break
		}
		if found.objects > 0 {
			found.body = append(found.body, ',')
		}
		found.body = o.render(found.body, c, o.item(c, parent, i, changes))
		found.objects++
		last = i
	}
	found.body = append(found.body, ']')
	return found, nil
}

// cursor names object i under a parent.
func (o *Org) cursor(c *collection, parent, i int) string {
	if c.parent != "" {
		kind, target := o.child(c, parent, i)
		return string(o.appendID(nil, kind, target))
	}
	return string(o.appendID(nil, c, i))
}

// rankOf is the inverse of cursor.
func (o *Org) rankOf(c *collection, parent, total int, id string) (int, bool) {
	if c.parent != "" {
		i, ok := o.childRank(c, parent, id)
		return i, ok && i < total
	}
	return o.indexOfID(c, id)
}
