package oktasim

import (
	"slices"
	"strings"
)

// collection is one list endpoint of the Okta Management API 2026.06.
type collection struct {
	name string
	// path is the endpoint; each {} stands for the id of a parent, the outermost first.
	path string
	// bucket names the rate-limit window that its requests draw on. Default: that of its parent, or its path.
	bucket string
	// perMinute is the limit of a bucket that is not a plan's: the header's number in recorded answers of workforce orgs.
	perMinute int
	// scope has the scopes that an access token needs, with blanks between them.
	scope string
	// standard is the page size when none is asked for, 0: everything is in one page. What is outside min and max is
	// refused; if max is 0 the endpoint has no limit, and ignores one.
	standard, min, max int
	// items is the member of the answer that holds the objects: "" if the answer is their array, "." if it is the object.
	items string
	// bodyNext: the link to the next page is in the answer's _links, and in no header.
	bodyNext bool

	// An object is identified by an id that begins with prefix, which may be "uuid", by that of an object of pool, or by one
	// of names.
	prefix string
	pool   *pool
	names  []string
	// whole: an object is that of the pool, as its own collection lists it.
	whole bool

	// parent is the collection that it is listed under.
	parent string
	// constants are what it is listed for, in place of a parent.
	constants *constants
	// under says which parents have something. Default: seven in eight.
	under func(o *Org, parent int) bool
	// otherwise is the answer for a parent that has nothing. Default: an empty list.
	otherwise *refusal
	// off is the answer of an org that has not got the feature.
	off *refusal
	// search is the parameter that selects objects by [attributes].
	search string
	// expand is the only value of the parameter expand that is simulated. Objects have what it adds with it only.
	expand string
	// unordered: the order of an object's members differs from answer to answer.
	unordered bool
	// cursor is what begins the names by which pages go on, in place of the last object's id; its number follows.
	cursor string
	// salt keeps the collections' random values apart.
	salt uint64
}

// constants are the values of a parameter without which an endpoint refuses.
type constants struct {
	parameter string
	// before and after are what the parameter has around a value.
	before, after string
	values        []string
}

const (
	bucketLogs    = "/api/v1/logs"
	bucketUsers   = "/api/v1/users"
	bucketGroups  = "/api/v1/groups"
	bucketApps    = "/api/v1/apps"
	bucketClients = "/oauth2/v1/clients"
	bucketIdPs    = "/api/v1/idps"
	bucketZones   = "/api/v1/zones"
	bucketToken   = "/oauth2/v1/token"
	// bucketOther is that of paths that are no endpoint.
	bucketOther = "/api/v1"
)

// listed are all collections. Zones have no documented page size; they are given that of their neighbours.
var listed = slices.Concat([]collection{
	{name: "logs", path: bucketLogs, scope: "okta.logs.read", standard: 100, min: 0, max: 1000, prefix: uuidPrefix},
	{name: "users", path: bucketUsers, scope: "okta.users.read", standard: 200, min: 1, max: 200, prefix: "00u", search: "filter"},
	{name: "groups", path: bucketGroups, scope: "okta.groups.read", standard: 10000, min: 1, max: 10000, prefix: "00g", search: "filter"},
	{name: "apps", path: bucketApps, scope: "okta.apps.read", standard: 20, min: 1, max: 200, prefix: "0oa"},
	{name: "clients", path: bucketClients, scope: "okta.clients.read", standard: 20, min: 1, max: 200, prefix: "0oa"},
	{name: "idps", path: bucketIdPs, scope: "okta.idps.read", standard: 20, min: 1, max: 200, prefix: "0oa"},
	{name: "zones", path: bucketZones, scope: "okta.networkZones.read", standard: 20, min: 1, max: 200, prefix: "nzo"},
	{name: "app_users", path: "/api/v1/apps/{}/users", scope: "okta.apps.read", standard: 50, min: 1, max: 500, parent: "apps", pool: people},
	{name: "app_groups", path: "/api/v1/apps/{}/groups", scope: "okta.apps.read", standard: 20, min: 20, max: 200, parent: "apps", pool: all("groups")},
	{name: "group_members", path: "/api/v1/groups/{}/users", scope: "okta.groups.read", standard: 1000, min: 1, max: 1000, parent: "groups", pool: people, whole: true},
}, identities, configuration, details)

// collections by name.
var collections = map[string]*collection{}

// tokenEndpoint is where service apps get their access tokens. It is no list, but is counted, limited and spoilt as the
// lists are.
var tokenEndpoint = &collection{name: "token", path: "/oauth2/v1/token", bucket: bucketToken}

func init() {
	for i := range listed {
		c := &listed[i]
		c.salt = uint64(i + 1)
		collections[c.name] = c
		switch {
		case c.bucket != "":
		case c.parent != "":
			c.bucket = collections[c.parent].bucket
		default:
			c.bucket = c.path
		}
	}
}

// Services returns the names of all collections, parents first.
func Services() []string {
	names := make([]string, len(listed))
	for i, c := range listed {
		names[i] = c.name
	}
	return names
}

// Path returns the path of a service's endpoint, with {} for the id of each parent. An unknown service has none.
func Path(service string) string {
	if c, ok := collections[service]; ok {
		return c.path
	}
	return ""
}

// nested says whether it is listed for each of several things.
func (c *collection) nested() bool { return c.parent != "" || c.constants != nil }

// params is how many ids of parents its path has.
func (c *collection) params() int { return strings.Count(c.path, "{}") }
