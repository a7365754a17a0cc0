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

// Collection is one kind of object that an org lists: a row of the catalog. Everything that distinguishes a collection
// is here, so that a new one is one more row.
type Collection struct {
	// Name is the name of the service in settings, workflow ids and messages.
	Name string
	// Table is the Devo table, unless DEVO_TABLES names another one.
	Table string
	// Scopes are the OAuth 2.0 scopes that the requests need, and the permissions that a 403 names.
	Scopes []string

	// Path is the list endpoint. {param} stands for the object of the level with that Param.
	Path string
	// Query is sent with the first request of each listing. {param} in a value is as in Path.
	Query url.Values
	// Limit is the page size to ask for, MinLimit the smallest that Okta accepts. 0: the endpoint has no limit.
	Limit, MinLimit int
	// Items says where the objects are in an answer: "" the answer is their array, "." the answer is the one object,
	// else the name of the member that holds the array.
	Items string
	// Next says where the link to the next page is.
	Next Next
	// Key is the member that names an object. Default: the first of id, uuid and client_id.
	Key string

	// Under are the levels above, outermost first: the collection is listed once for each object of the innermost.
	Under []Level
	// Window names the rate-limit window that it shares, until its own answers show another one. Default: its Path.
	Window string

	// Polled marks the System Log: `next` is followed forever, and a page shorter than the limit is the end for now.
	// All others end where there is no next page.
	Polled bool
	// Changed returns what is added to the query to ask for objects changed after since. Nil: Okta has no such filter,
	// and every pull is a full one.
	Changed func(since time.Time) url.Values
	// Full is added to the query of a full pull, if the plain listing leaves objects out.
	Full url.Values
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
	// NoNext: one answer has everything, whatever its headers say.
	NoNext
)

// Level is one level above a collection: the objects of another collection, or constants.
type Level struct {
	// Of names the collection whose objects these are. That collection is under the levels before this one.
	Of string
	// Values are constants, where Of is empty.
	Values []string
	// Param is the name in braces that the object's id replaces in Path and Query.
	Param string
	// Member is added to each object listed under it, with the id. Empty: nothing is added.
	Member string
}

// window names the rate-limit window that it shares or has to itself.
func (c Collection) window() string { return cmp.Or(c.Window, c.Path) }

// perObject says whether the collection is listed once for each object of another one.
func (c Collection) perObject() bool {
	return slices.ContainsFunc(c.Under, func(l Level) bool { return l.Of != "" })
}

// firstCursor returns the path and query of a listing's first page. under are the ids of the levels above, outermost
// first. limit is the page size, 0 if the endpoint takes none. extra is added to the query.
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
