package okta

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Catalog is a list of collections, in the order in which they are shown.
type Catalog []Collection

// Lookup finds a collection by its name.
func (c Catalog) Lookup(name string) (Collection, bool) {
	for _, collection := range c {
		if collection.Name == name {
			return collection, true
		}
	}
	return Collection{}, false
}

const filterTime = "2006-01-02T15:04:05.000Z"

// changedSince returns a function that builds a parameter, filter or search: at least one member is later than since.
func changedSince(parameter string, members ...string) func(time.Time) url.Values {
	return func(since time.Time) url.Values {
		var terms []string
		for _, m := range members {
			terms = append(terms, m+` gt "`+since.UTC().Format(filterTime)+`"`)
		}
		return url.Values{parameter: {strings.Join(terms, " or ")}}
	}
}

var (
	underApp   = []Level{{Of: "apps", Param: "id", Member: "@okta_app_id"}}
	underGroup = []Level{{Of: "groups", Param: "id", Member: "@okta_group_id"}}

	// underChangedGroup are the groups too, of which Okta says when their members last changed.
	underChangedGroup = []Level{{
		Of: "groups", Param: "id", Member: "@okta_group_id", Changed: changedSince("filter", "lastMembershipUpdated"),
	}}
)

// catalog has the paths, limits and filters of Okta's Management API 2026.06.
var catalog = slices.Concat(first, identities, configuration, details)

// first are the collections of the group `default` of OKTA_SERVICES, and the assignments to apps and groups.
var first = Catalog{
	{
		Name: "logs", Path: "/api/v1/logs", Limit: 1000, MinLimit: 1,
		Table: "auth.okta.system", Scopes: []string{"okta.logs.read"}, Polled: true, Time: "published",
	},
	{
		Name: "users", Path: "/api/v1/users", Limit: 200, MinLimit: 1,
		Table: "auth.okta.users", Scopes: []string{"okta.users.read"}, TimesOut: true, Secret: userSecrets,
		Changed: changedSince("filter", "lastUpdated"),
		// The plain listing leaves out DEPROVISIONED users; a filter includes them.
		Full: changedSince("filter", "lastUpdated")(time.Unix(0, 0)),
	},
	{
		Name: "groups", Path: "/api/v1/groups", Limit: 200, MinLimit: 1,
		Table: "auth.okta.groups", Scopes: []string{"okta.groups.read"}, TimesOut: true,
		Changed: changedSince("filter", "lastUpdated", "lastMembershipUpdated"),
	},
	{
		Name: "apps", Path: "/api/v1/apps", Limit: 200, MinLimit: 1,
		Table: "auth.okta.apps", Scopes: []string{"okta.apps.read"},
		Secret: appSecrets,
	},
	{
		Name: "clients", Path: "/oauth2/v1/clients", Limit: 200, MinLimit: 1,
		Table: "auth.okta.clients", Scopes: []string{"okta.clients.read"}, Secret: clientSecrets,
	},
	{
		Name: "idps", Path: "/api/v1/idps", Limit: 200, MinLimit: 1,
		Table: "auth.okta.idps", Scopes: []string{"okta.idps.read"}, Secret: idpSecrets,
	},
	{
		Name: "zones", Path: "/api/v1/zones", Limit: 200, MinLimit: 1,
		Table: "auth.okta.zones", Scopes: []string{"okta.networkZones.read"},
	},
	{
		Name: "app_users", Path: "/api/v1/apps/{id}/users", Limit: 500, MinLimit: 1,
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_users", Scopes: []string{"okta.apps.read"}, Secret: []string{"credentials.password.value"},
	},
	{
		Name: "app_groups", Path: "/api/v1/apps/{id}/groups", Limit: 200, MinLimit: 20,
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_groups", Scopes: []string{"okta.apps.read"},
	},
	{
		Name: "group_members", Path: "/api/v1/groups/{id}/users", Limit: 200, MinLimit: 1,
		Under: underChangedGroup, Window: "/api/v1/groups",
		Table: "my.app.okta.group_members", Scopes: []string{"okta.groups.read"}, Secret: userSecrets,
	},
}

// DefaultServices are the services that `starter start` starts unless OKTA_SERVICES names others.
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
