package okta

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Collection is one kind of object that an org lists: a row of the catalog. It holds all differences between
// collections, so that a new collection is one more row.
type Collection struct {
	// Name is the name of the service in settings, workflow ids and messages.
	Name string
	// Table is the Devo table, unless DEVO_TABLES names another one.
	Table string
	// Scopes are the OAuth 2.0 scopes that the requests need, and the permissions that a 403 names.
	Scopes []string

	// Path is the list endpoint. {param} stands for the id of the object in the parent level with that Param.
	Path string
	// Query is sent with the first request of each listing. {param} in a value is as in Path.
	Query url.Values
	// Limit is the page size to ask for, MinLimit the smallest that Okta accepts. 0: the endpoint has no limit.
	Limit, MinLimit int
	// Items says where the objects are. "": the answer is their array. ".": the answer is the only object. Otherwise Items
	// names the member that holds their array.
	Items string
	// Next says where the link to the next page is.
	Next Next
	// Time is the member with the time of an event. It is empty for other objects.
	Time string
	// Key is the member that identifies an object. Default: the first of id, uuid and client_id.
	Key string

	// Under are the parent levels, outermost first. The collection is listed once for each object of the innermost.
	Under []Level
	// Window names the shared rate-limit window, until answers show another one. Default: Path.
	Window string

	// Polled marks the System Log. Its `next` link is followed forever, and a page shorter than the limit is the end for
	// now. Every other listing ends at a page without a next link.
	Polled bool
	// Changed returns the part of the query that selects the objects changed after since. Nil: Okta has no such filter,
	// and every pull is a full one.
	Changed func(since time.Time) url.Values
	// Full is added to the query of a full pull. It is for listings that leave out objects without it.
	Full url.Values
	// Secret are the members that hold secrets, as paths like those of [redact.Rule]. Their values never leave, and neither do
	// the bytes of an object that cannot be read.
	Secret []string
	// Identity: the group `identity` of OKTA_SERVICES has the collection.
	Identity bool
	// Every is the time from the start of one pull to the start of the next one, unless OKTA_POLL says otherwise. Default:
	// OKTA_POLL_RESOURCES, or OKTA_FULL_SYNC for listings per object that are not pulled by changes.
	Every time.Duration
	// None are the error codes of a 400 that only says that a parent has no such objects.
	None []string
	// TimesOut marks lists whose plain 500 usually means that the query took too long.
	TimesOut bool
}

// Next says where the link to the next page is.
type Next int

const (
	// LinkHeader is a Link header with rel="next".
	LinkHeader Next = iota
	// BodyLink is the member _links.next.href of the answer.
	BodyLink
)

// Level is one parent level of a collection: the objects of another collection, or constants.
type Level struct {
	// Of names the collection of the objects. Its own parents are the levels before this one.
	Of string
	// Values are the constants if Of is empty.
	Values []string
	// Where selects objects of Of; the others have nothing below them.
	Where Where
	// Changed returns the part of the query that selects the objects of Of under which something changed after since. The
	// collection is then pulled by changes: each object so found is listed whole. Only the innermost level may have it. Nil:
	// Okta has no such filter.
	Changed func(since time.Time) url.Values
	// Param is the name in braces, in Path and Query, that the object's id replaces.
	Param string
	// Member is added to each object listed under this level, with the id of the level's object. Empty: nothing is added.
	Member string
}

// name is what messages call the level.
func (l Level) name() string { return cmp.Or(l.Of, l.Param) }

// Where selects the objects in which the member Member has one of Values. Its zero value selects all.
type Where struct {
	Member string
	Values []string
}

// selects reports whether an object is selected. Nobody knows the members of an unreadable one: it is selected.
func (w Where) selects(o object) bool {
	return w.Member == "" || o.fault != nil || slices.Contains(w.Values, member(o.raw, w.Member))
}

// window names the rate-limit window of the collection.
func (c Collection) window() string { return cmp.Or(c.Window, c.Path) }

// perObject reports whether the collection is listed once for each object of another one.
func (c Collection) perObject() bool {
	return slices.ContainsFunc(c.Under, func(l Level) bool { return l.Of != "" })
}

// byChanges reports whether the collection is pulled by changes between its full pulls.
func (c Collection) byChanges() bool {
	return c.Changed != nil || len(c.Under) > 0 && c.Under[len(c.Under)-1].Changed != nil
}

// firstCursor returns the path and query of the first page of a listing. under are the ids of the parent levels,
// outermost first. limit is the page size, 0 for none. extra is added to the query.
func (c Collection) firstCursor(under []string, limit int, extra url.Values) string {
	var inPath, inQuery []string
	for i, id := range under {
		param := "{" + c.Under[i].Param + "}"
		inPath, inQuery = append(inPath, param, url.PathEscape(id)), append(inQuery, param, id)
	}
	query := url.Values{}
	maps.Copy(query, extra)
	for name, values := range c.Query {
		for _, value := range values {
			query.Add(name, strings.NewReplacer(inQuery...).Replace(value))
		}
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	cursor := strings.NewReplacer(inPath...).Replace(c.Path)
	if len(query) > 0 {
		cursor += "?" + query.Encode()
	}
	return cursor
}
