package oktasim

// collection is one list endpoint of the Okta Management API 2026.06.
type collection struct {
	name string
	// path is the endpoint; {id} stands for the parent's id.
	path string
	// bucket names the rate-limit window that its requests draw on.
	bucket string
	// scope is the one that an access token needs.
	scope string
	// standard is the page size when none is asked for; what is outside min and max is refused.
	standard, min, max int
	// prefix begins the ids of its objects.
	prefix string
	// parent is the collection that it is listed under.
	parent string
	// salt keeps the collections' random values apart.
	salt uint64
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

// collections by name. Zones have no documented page size; they are given that of their neighbours.
var collections = map[string]*collection{
	"logs":          {path: "/api/v1/logs", bucket: bucketLogs, scope: "okta.logs.read", standard: 100, min: 0, max: 1000, salt: 1},
	"users":         {path: "/api/v1/users", bucket: bucketUsers, scope: "okta.users.read", standard: 200, min: 1, max: 200, prefix: "00u", salt: 2},
	"groups":        {path: "/api/v1/groups", bucket: bucketGroups, scope: "okta.groups.read", standard: 10000, min: 1, max: 10000, prefix: "00g", salt: 3},
	"apps":          {path: "/api/v1/apps", bucket: bucketApps, scope: "okta.apps.read", standard: 20, min: 1, max: 200, prefix: "0oa", salt: 4},
	"clients":       {path: "/oauth2/v1/clients", bucket: bucketClients, scope: "okta.clients.read", standard: 20, min: 1, max: 200, prefix: "0oa", salt: 5},
	"idps":          {path: "/api/v1/idps", bucket: bucketIdPs, scope: "okta.idps.read", standard: 20, min: 1, max: 200, prefix: "0oa", salt: 6},
	"zones":         {path: "/api/v1/zones", bucket: bucketZones, scope: "okta.networkZones.read", standard: 20, min: 1, max: 200, prefix: "nzo", salt: 7},
	"app_users":     {path: "/api/v1/apps/{id}/users", bucket: bucketApps, scope: "okta.apps.read", standard: 50, min: 1, max: 500, parent: "apps", salt: 8},
	"app_groups":    {path: "/api/v1/apps/{id}/groups", bucket: bucketApps, scope: "okta.apps.read", standard: 20, min: 20, max: 200, parent: "apps", salt: 9},
	"group_members": {path: "/api/v1/groups/{id}/users", bucket: bucketGroups, scope: "okta.groups.read", standard: 1000, min: 1, max: 1000, parent: "groups", salt: 10},
}

// tokenEndpoint is where service apps get their access tokens. It is no list, but is counted, limited and spoilt as the
// lists are.
var tokenEndpoint = &collection{name: "token", path: "/oauth2/v1/token", bucket: bucketToken}

func init() {
	for name, c := range collections {
		c.name = name
	}
}

// sparse numbers what is left of 0, 1, 2, … when one in every so many is taken out.
type sparse struct {
	// of every consecutive numbers, the one at is taken out.
	every, at int
}

var (
	// present are the users that are not DEPROVISIONED.
	present = sparse{every: 25, at: 24}
	// inhabited are the parents that have anything under them.
	inhabited = sparse{every: 8, at: 5}
)

func (s sparse) has(i int) bool { return i%s.every != s.at }

// among says how many of the first n are left.
func (s sparse) among(n int) int { return n - (n+s.every-1-s.at)/s.every }

// nth returns the k-th that is left.
func (s sparse) nth(k int) int {
	q, r := k/(s.every-1), k%(s.every-1)
	if r >= s.at {
		r++
	}
	return q*s.every + r
}

// rank is the inverse of nth, for an i that is left.
func (s sparse) rank(i int) int {
	r := i % s.every
	if r > s.at {
		r--
	}
	return i/s.every*(s.every-1) + r
}
