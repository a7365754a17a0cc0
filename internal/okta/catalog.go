package okta

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Collection is one kind of object that an org lists: a row of the catalog. Everything that distinguishes a
// collection is here, so that a new one is one more row.
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
	// Items says where the objects are in an answer: "" the answer is their array, "." the answer is the one
	// object, else the name of the member that holds the array.
	Items string
	// Next says where the link to the next page is.
	Next Next
	// Key is the member that names an object. Default: the first of id, uuid and client_id.
	Key string

	// Under are the levels above, outermost first: the collection is listed once for each object of the innermost.
	Under []Level
	// Window names the rate-limit window that it shares, until its own answers show another one. Default: its Path.
	Window string

	// Polled marks the System Log: `next` is followed forever, and a page shorter than the limit is the end for
	// now. All others end where there is no next page.
	Polled bool
	// Changed returns what is added to the query to ask for objects changed after since. Nil where Okta has no
	// such filter: every pull is then a full one.
	Changed func(since time.Time) url.Values
	// Full is added to the query of a full pull, where the plain listing leaves objects out.
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
	// Of names the collection whose objects these are. The levels above that one are the same as those before
	// this level.
	Of string
	// Values are constants, where Of is empty.
	Values []string
	// Param is the name in braces that the object's id replaces in Path and Query.
	Param string
	// Member is added to each object listed under it, with the id. Empty: nothing is added.
	Member string
}

// Catalog is the collections that there are, in the order in which they are shown.
type Catalog []Collection

// Lookup finds a collection by its name.
func (c Catalog) Lookup(name string) (Collection, bool) {
	i := slices.IndexFunc(c, func(one Collection) bool { return one.Name == name })
	if i < 0 {
		return Collection{}, false
	}
	return c[i], true
}

const filterTime = "2006-01-02T15:04:05.000Z"

// changedSince returns a function that renders the query parameter `filter`: each of the members is later than a time.
func changedSince(members ...string) func(time.Time) url.Values {
	return func(since time.Time) url.Values {
		var terms []string
		for _, m := range members {
			terms = append(terms, m+` gt "`+since.UTC().Format(filterTime)+`"`)
		}
		return url.Values{"filter": {strings.Join(terms, " or ")}}
	}
}

var (
	underApp   = []Level{{Of: "apps", Param: "id", Member: "@okta_app_id"}}
	underGroup = []Level{{Of: "groups", Param: "id", Member: "@okta_group_id"}}
)

// catalog has the paths, limits and filters of Okta's Management API 2026.06.
var catalog = Catalog{
	{
		Name: "logs", Path: "/api/v1/logs", Limit: 1000, MinLimit: 1,
		Table: "auth.okta.system", Scopes: []string{"okta.logs.read"}, Polled: true,
	},
	{
		Name: "users", Path: "/api/v1/users", Limit: 200, MinLimit: 1,
		Table: "auth.okta.users", Scopes: []string{"okta.users.read"}, TimesOut: true,
		Changed: changedSince("lastUpdated"),
		// The plain listing leaves DEPROVISIONED users out; a filter includes them.
		Full: changedSince("lastUpdated")(time.Unix(0, 0)),
	},
	{
		Name: "groups", Path: "/api/v1/groups", Limit: 200, MinLimit: 1,
		Table: "auth.okta.groups", Scopes: []string{"okta.groups.read"}, TimesOut: true,
		Changed: changedSince("lastUpdated", "lastMembershipUpdated"),
	},
	{
		Name: "apps", Path: "/api/v1/apps", Limit: 200, MinLimit: 1,
		Table: "auth.okta.apps", Scopes: []string{"okta.apps.read"},
	},
	{
		Name: "clients", Path: "/oauth2/v1/clients", Limit: 200, MinLimit: 1,
		Table: "auth.okta.clients", Scopes: []string{"okta.clients.read"},
	},
	{
		Name: "idps", Path: "/api/v1/idps", Limit: 200, MinLimit: 1,
		Table: "auth.okta.idps", Scopes: []string{"okta.idps.read"},
	},
	{
		Name: "zones", Path: "/api/v1/zones", Limit: 200, MinLimit: 1,
		Table: "auth.okta.zones", Scopes: []string{"okta.networkZones.read"},
	},
	{
		Name: "app_users", Path: "/api/v1/apps/{id}/users", Limit: 500, MinLimit: 1, Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_users", Scopes: []string{"okta.apps.read"},
	},
	{
		Name: "app_groups", Path: "/api/v1/apps/{id}/groups", Limit: 200, MinLimit: 20, Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_groups", Scopes: []string{"okta.apps.read"},
	},
	{
		Name: "group_members", Path: "/api/v1/groups/{id}/users", Limit: 200, MinLimit: 1, Under: underGroup, Window: "/api/v1/groups",
		Table: "my.app.okta.group_members", Scopes: []string{"okta.groups.read"},
	},
}

// DefaultServices are those that `starter start` starts unless OKTA_SERVICES says otherwise.
var DefaultServices = []string{"logs", "users", "groups", "apps", "clients", "idps", "zones"}

// Services returns the whole catalog, in the order in which it is shown.
func Services() Catalog { return slices.Clone(catalog) }

// Lookup finds a collection of the catalog by its name.
func Lookup(name string) (Collection, bool) { return catalog.Lookup(name) }

// ServiceNames returns the names of all collections of the catalog.
func ServiceNames() []string {
	names := make([]string, len(catalog))
	for i, c := range catalog {
		names[i] = c.Name
	}
	return names
}

// window names the rate-limit window that it shares or has to itself.
func (c Collection) window() string { return cmp.Or(c.Window, c.Path) }

// perObject says whether the collection is listed once for each object of another one.
func (c Collection) perObject() bool {
	return slices.ContainsFunc(c.Under, func(l Level) bool { return l.Of != "" })
}

// begin returns the first request of a listing: a path and query. under are the ids of the levels above, outermost
// first. limit is the page size, extra what is added to the query.
func (c Collection) begin(under []string, limit string, extra url.Values) string {
	var inPath, inQuery []string
	for i, id := range under {
		param := "{" + c.Under[i].Param + "}"
		inPath, inQuery = append(inPath, param, url.PathEscape(id)), append(inQuery, param, id)
	}
	query := url.Values{}
	for _, values := range []url.Values{c.Query, extra} {
		for name, list := range values {
			for _, value := range list {
				query.Add(name, strings.NewReplacer(inQuery...).Replace(value))
			}
		}
	}
	if limit != "" {
		query.Set("limit", limit)
	}
	path := strings.NewReplacer(inPath...).Replace(c.Path)
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}
