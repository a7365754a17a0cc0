package okta

import (
	"slices"
	"strings"
	"time"
)

// Service is one kind of thing collected: an entry of the catalog. Everything that
// distinguishes a collection is here; a new one is one more entry.
type Service struct {
	// Name is the service's name in settings, workflow ids and messages.
	Name string
	// Path is the list endpoint. For a service under another it has {id} where the
	// parent's id goes.
	Path string
	// Limit is the page size asked for; MinLimit the smallest that Okta accepts.
	Limit, MinLimit int
	// Table is the Devo tag that it is shipped to unless DEVO_TABLES says otherwise.
	Table string
	// Bucket is the rate-limit bucket that its requests draw on.
	Bucket string
	// Scope is the OAuth 2.0 scope, and the name of the permission that is missing on a 403.
	Scope string
	// Polled marks the System Log: `next` is followed forever, and a page shorter
	// than the limit is the end for now. All others end where `next` is absent.
	Polled bool
	// Changed renders the `filter` that asks for objects changed after t. Nil where
	// Okta has none: every pull is then a full one.
	Changed func(t time.Time) string
	// FullFilter is the `filter` of a full pull, where the plain listing leaves objects out.
	FullFilter string
	// SlowList marks collections whose plain 500 usually means that the listing timed out.
	SlowList bool
	// Parent is the service above, whose ids this one is listed under, and ParentMember the
	// member that carries that id in each object.
	Parent, ParentMember string
}

const filterTime = "2006-01-02T15:04:05.000Z"

// catalog is in the order in which services are shown. Paths, limits and filters are those of
// Okta's Management API 2026.06; bucket names those of its published rate limits.
var catalog = []Service{
	{
		Name: "logs", Path: "/api/v1/logs", Limit: 1000, MinLimit: 1, Table: "auth.okta.system",
		Bucket: "/api/v1/logs", Scope: "okta.logs.read", Polled: true,
	},
	{
		Name: "users", Path: "/api/v1/users", Limit: 200, MinLimit: 1, Table: "auth.okta.users",
		Bucket: "/api/v1/users", Scope: "okta.users.read", SlowList: true,
		Changed: func(t time.Time) string {
			return `lastUpdated gt "` + t.UTC().Format(filterTime) + `"`
		},
		// The plain listing leaves DEPROVISIONED users out; a filter includes them.
		FullFilter: `lastUpdated gt "1970-01-01T00:00:00.000Z"`,
	},
	{
		Name: "groups", Path: "/api/v1/groups", Limit: 200, MinLimit: 1, Table: "auth.okta.groups",
		Bucket: "/api/v1/groups", Scope: "okta.groups.read", SlowList: true,
		Changed: func(t time.Time) string {
			s := t.UTC().Format(filterTime)
			return `lastUpdated gt "` + s + `" or lastMembershipUpdated gt "` + s + `"`
		},
	},
	{
		Name: "apps", Path: "/api/v1/apps", Limit: 200, MinLimit: 1, Table: "auth.okta.apps",
		Bucket: "/api/v1/apps", Scope: "okta.apps.read",
	},
	{
		Name: "clients", Path: "/oauth2/v1/clients", Limit: 200, MinLimit: 1, Table: "auth.okta.clients",
		Bucket: "/oauth2/v1/clients", Scope: "okta.clients.read",
	},
	{
		Name: "idps", Path: "/api/v1/idps", Limit: 200, MinLimit: 1, Table: "auth.okta.idps",
		Bucket: "/api/v1", Scope: "okta.idps.read",
	},
	{
		Name: "zones", Path: "/api/v1/zones", Limit: 200, MinLimit: 1, Table: "auth.okta.zones",
		Bucket: "/api/v1", Scope: "okta.networkZones.read",
	},
	{
		Name: "app_users", Path: "/api/v1/apps/{id}/users", Limit: 500, MinLimit: 1, Table: "my.app.okta.app_users",
		Bucket: "/api/v1/apps", Scope: "okta.apps.read", Parent: "apps", ParentMember: "@okta_app_id",
	},
	{
		Name: "app_groups", Path: "/api/v1/apps/{id}/groups", Limit: 200, MinLimit: 20, Table: "my.app.okta.app_groups",
		Bucket: "/api/v1/apps", Scope: "okta.apps.read", Parent: "apps", ParentMember: "@okta_app_id",
	},
	{
		Name: "group_members", Path: "/api/v1/groups/{id}/users", Limit: 200, MinLimit: 1, Table: "my.app.okta.group_members",
		Bucket: "/api/v1/groups", Scope: "okta.groups.read", Parent: "groups", ParentMember: "@okta_group_id",
	},
}

// DefaultServices are those that `starter start` starts unless OKTA_SERVICES says otherwise.
var DefaultServices = []string{"logs", "users", "groups", "apps", "clients", "idps", "zones"}

// Services returns the whole catalog, in the order in which it is shown.
func Services() []Service { return slices.Clone(catalog) }

// Lookup finds a service by its name.
func Lookup(name string) (Service, bool) {
	i := slices.IndexFunc(catalog, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return catalog[i], true
}

// ServiceNames returns the names of all services.
func ServiceNames() []string {
	names := make([]string, len(catalog))
	for i, s := range catalog {
		names[i] = s.Name
	}
	return names
}

// path returns the list endpoint for a parent's id.
func (s Service) path(parentID string) string {
	return strings.Replace(s.Path, "{id}", parentID, 1)
}
