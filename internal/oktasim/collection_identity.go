package oktasim

import "net/http"

// policyTypes are the values of `type` without which policies are not listed.
var policyTypes = &constants{parameter: "type", values: []string{
	"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT", "POST_AUTH_SESSION", "ENTITY_RISK",
	"DEVICE_SIGNAL_COLLECTION", "SESSION_VIOLATION_DETECTION", "CLIENT_UPDATE", "IDENTITY_CLAIM_SOURCING",
}}

// The roles whose assignments can be limited to apps, and to groups.
var (
	appRoles   = []string{"APP_ADMIN"}
	groupRoles = []string{"USER_ADMIN", "HELP_DESK_ADMIN", "GROUP_MEMBERSHIP_ADMIN"}
)

// noTargets is the answer for the targets of a role that has none. The others are how Okta says that an org has not got a
// feature.
var (
	noTargets    = refusal{status: http.StatusBadRequest, code: "E0000001", summary: "Api validation failed: the role does not support targets"}
	pathNotOfOrg = noSuchPath.withoutLimits()
	flagMissing  = missingFeature.withoutLimits()
	notAllowed   = badMethod.withoutLimits()
	notEnabled   = refusal{status: http.StatusUnauthorized, code: "E0000015", summary: "You do not have permission to access the feature you are requesting"}.withoutLimits()
)

// identities are the collections that say who may do what. They repeat nothing of the catalog in internal/okta, so that a
// mistake there is not made here too.
var identities = []collection{
	{name: "group_rules", path: "/api/v1/groups/rules", bucket: bucketGroups, scope: "okta.groups.read", standard: 50, min: 1, max: 200, prefix: "0pr"},
	{name: "group_owners", path: "/api/v1/groups/{}/owners", scope: "okta.groups.read", parent: "groups", pool: people},
	{name: "role_assignees", path: "/api/v1/iam/assignees/users", perMinute: 100, scope: "okta.roles.read", standard: 100, min: 1, max: 100, items: "value", bodyNext: true, pool: people},
	{name: "user_roles", path: "/api/v1/users/{}/roles", scope: "okta.roles.read", parent: "users", prefix: "ra1", under: (*Org).assignee},
	{name: "user_role_apps", path: "/api/v1/users/{}/roles/{}/targets/catalog/apps", scope: "okta.roles.read", standard: 20, min: 1, max: 200, parent: "user_roles", pool: catalogApps, under: ofRole("user_roles", appRoles), otherwise: &noTargets},
	{name: "user_role_groups", path: "/api/v1/users/{}/roles/{}/targets/groups", scope: "okta.roles.read", standard: 20, min: 1, max: 200, parent: "user_roles", pool: all("groups"), whole: true, under: ofRole("user_roles", groupRoles), otherwise: &noTargets},
	{name: "group_roles", path: "/api/v1/groups/{}/roles", scope: "okta.roles.read", parent: "groups", prefix: "gra", under: fourth},
	{name: "group_role_apps", path: "/api/v1/groups/{}/roles/{}/targets/catalog/apps", scope: "okta.roles.read", standard: 20, min: 1, max: 200, parent: "group_roles", pool: catalogApps, under: ofRole("group_roles", appRoles), otherwise: &noTargets},
	{name: "group_role_groups", path: "/api/v1/groups/{}/roles/{}/targets/groups", scope: "okta.roles.read", standard: 20, min: 1, max: 200, parent: "group_roles", pool: all("groups"), whole: true, under: ofRole("group_roles", groupRoles), otherwise: &noTargets},
	{name: "client_roles", path: "/oauth2/v1/clients/{}/roles", scope: "okta.roles.read", parent: "clients", prefix: "irb", under: fourth},
	{name: "client_role_apps", path: "/oauth2/v1/clients/{}/roles/{}/targets/catalog/apps", scope: "okta.roles.read", standard: 20, min: 1, max: 200, parent: "client_roles", pool: catalogApps, under: ofRole("client_roles", appRoles), otherwise: &noTargets},
	{name: "client_role_groups", path: "/oauth2/v1/clients/{}/roles/{}/targets/groups", scope: "okta.roles.read", standard: 20, min: 1, max: 200, parent: "client_roles", pool: all("groups"), whole: true, under: ofRole("client_roles", groupRoles), otherwise: &noTargets},
	{name: "roles", path: "/api/v1/iam/roles", perMinute: 100, scope: "okta.roles.read", standard: 20, items: "roles", bodyNext: true, prefix: "cr0"},
	{name: "role_permissions", path: "/api/v1/iam/roles/{}/permissions", scope: "okta.roles.read", items: "permissions", parent: "roles", names: permissions},
	{name: "resource_sets", path: "/api/v1/iam/resource-sets", perMinute: 100, scope: "okta.roles.read", standard: 20, items: "resource-sets", bodyNext: true, prefix: "iam"},
	{name: "resource_set_resources", path: "/api/v1/iam/resource-sets/{}/resources", scope: "okta.roles.read", standard: 100, min: 1, max: 100, items: "resources", bodyNext: true, parent: "resource_sets", prefix: "ire"},
	{name: "resource_set_bindings", path: "/api/v1/iam/resource-sets/{}/bindings", scope: "okta.roles.read", standard: 20, items: "roles", bodyNext: true, parent: "resource_sets", pool: all("roles")},
	{name: "resource_set_members", path: "/api/v1/iam/resource-sets/{}/bindings/{}/members", scope: "okta.roles.read", standard: 20, items: "members", bodyNext: true, parent: "resource_set_bindings", prefix: "irb"},
	{name: "api_tokens", path: "/api/v1/api-tokens", perMinute: 300, scope: "okta.apiTokens.read", prefix: "00T"},
	{name: "devices", path: "/api/v1/devices", perMinute: 50, scope: "okta.devices.read", standard: 200, min: 1, max: 200, prefix: "guo", search: "search", expand: "user", unordered: true, off: &notEnabled},
	{name: "authenticators", path: "/api/v1/authenticators", perMinute: 500, scope: "okta.authenticators.read", prefix: "aut", off: &notEnabled},
	{name: "authenticator_methods", path: "/api/v1/authenticators/{}/methods", scope: "okta.authenticators.read", parent: "authenticators", names: methods},
	{name: "policies", path: "/api/v1/policies", bucket: "/api/v1/policies", perMinute: 500, scope: "okta.policies.read", constants: policyTypes, prefix: "00p", off: &flagMissing},
	{name: "policy_rules", path: "/api/v1/policies/{}/rules", scope: "okta.policies.read", parent: "policies", prefix: "rul"},
}
