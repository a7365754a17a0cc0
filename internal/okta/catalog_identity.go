package okta

import "net/url"

var (
	group      = underGroup[0]
	assignee   = Level{Of: "role_assignees", Param: "user", Member: "@okta_user_id"}
	client     = Level{Of: "clients", Param: "client", Member: "@okta_client_id"}
	policyType = Level{Param: "type", Values: []string{
		"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT",
		"POST_AUTH_SESSION", "ENTITY_RISK", "DEVICE_SIGNAL_COLLECTION", "SESSION_VIOLATION_DETECTION", "CLIENT_UPDATE",
		"IDENTITY_CLAIM_SOURCING",
	}}
	underAssignee      = []Level{assignee}
	underClient        = []Level{client}
	underRole          = []Level{{Of: "roles", Param: "role", Member: "@okta_role_id"}}
	underResourceSet   = []Level{{Of: "resource_sets", Param: "set", Member: "@okta_resource_set_id"}}
	underBinding       = append(underResourceSet[:1:1], Level{Of: "resource_set_bindings", Param: "role", Member: "@okta_role_id"})
	underAuthenticator = []Level{{Of: "authenticators", Param: "authenticator", Member: "@okta_authenticator_id"}}
	underPolicy        = []Level{policyType, {Of: "policies", Param: "policy", Member: "@okta_policy_id"}}
)

// appRole and groupRole are the levels of the role assignments that can be limited to apps, or to groups. Okta answers
// other assignments with an error.
func appRole(of string) Level {
	return Level{Of: of, Param: "role", Member: "@okta_role_assignment_id", Where: Where{"type", []string{"APP_ADMIN"}}}
}

func groupRole(of string) Level {
	return Level{
		Of: of, Param: "role", Member: "@okta_role_assignment_id",
		Where: Where{"type", []string{"USER_ADMIN", "HELP_DESK_ADMIN", "GROUP_MEMBERSHIP_ADMIN"}},
	}
}

// identities are the collections that say who may do what: the group `identity` of OKTA_SERVICES.
var identities = Catalog{
	{
		Name: "group_rules", Path: "/api/v1/groups/rules", Limit: 200, MinLimit: 1,
		Window: "/api/v1/groups",
		Table:  "my.app.okta.group_rules", Scopes: []string{"okta.groups.read"}, Identity: true,
	},
	{
		Name: "group_owners", Path: "/api/v1/groups/{id}/owners",
		Under: underGroup, Window: "/api/v1/groups",
		Table: "my.app.okta.group_owners", Scopes: []string{"okta.groups.read"}, Identity: true,
	},
	{
		Name: "role_assignees", Path: "/api/v1/iam/assignees/users", Limit: 100, MinLimit: 1,
		Table: "my.app.okta.role_assignees", Scopes: []string{"okta.roles.read"}, Identity: true,
		Items: "value", Next: BodyLink,
	},
	{
		Name: "user_roles", Path: "/api/v1/users/{user}/roles",
		Under: underAssignee, Window: "/api/v1/users",
		Table: "my.app.okta.user_roles", Scopes: []string{"okta.roles.read"}, Identity: true,
	},
	{
		Name: "user_role_apps", Path: "/api/v1/users/{user}/roles/{role}/targets/catalog/apps", Limit: 200, MinLimit: 1,
		Under: []Level{assignee, appRole("user_roles")}, Window: "/api/v1/users",
		Table: "my.app.okta.user_role_apps", Scopes: []string{"okta.roles.read"}, Identity: true,
		Key: "name",
	},
	{
		Name: "user_role_groups", Path: "/api/v1/users/{user}/roles/{role}/targets/groups", Limit: 200, MinLimit: 1,
		Under: []Level{assignee, groupRole("user_roles")}, Window: "/api/v1/users",
		Table: "my.app.okta.user_role_groups", Scopes: []string{"okta.roles.read"}, Identity: true,
	},
	{
		Name: "group_roles", Path: "/api/v1/groups/{id}/roles",
		Under: underGroup, Window: "/api/v1/groups",
		Table: "my.app.okta.group_roles", Scopes: []string{"okta.roles.read"}, Identity: true,
	},
	{
		Name: "group_role_apps", Path: "/api/v1/groups/{id}/roles/{role}/targets/catalog/apps", Limit: 200, MinLimit: 1,
		Under: []Level{group, appRole("group_roles")}, Window: "/api/v1/groups",
		Table: "my.app.okta.group_role_apps", Scopes: []string{"okta.roles.read"}, Identity: true,
		Key: "name",
	},
	{
		Name: "group_role_groups", Path: "/api/v1/groups/{id}/roles/{role}/targets/groups", Limit: 200, MinLimit: 1,
		Under: []Level{group, groupRole("group_roles")}, Window: "/api/v1/groups",
		Table: "my.app.okta.group_role_groups", Scopes: []string{"okta.roles.read"}, Identity: true,
	},
	{
		Name: "client_roles", Path: "/oauth2/v1/clients/{client}/roles",
		Under: underClient, Window: "/oauth2/v1/clients",
		Table: "my.app.okta.client_roles", Scopes: []string{"okta.roles.read"}, Identity: true,
	},
	{
		Name: "client_role_apps", Path: "/oauth2/v1/clients/{client}/roles/{role}/targets/catalog/apps", Limit: 200, MinLimit: 1,
		Under: []Level{client, appRole("client_roles")}, Window: "/oauth2/v1/clients",
		Table: "my.app.okta.client_role_apps", Scopes: []string{"okta.roles.read"}, Identity: true,
		Key: "name",
	},
	{
		Name: "client_role_groups", Path: "/oauth2/v1/clients/{client}/roles/{role}/targets/groups", Limit: 200, MinLimit: 1,
		Under: []Level{client, groupRole("client_roles")}, Window: "/oauth2/v1/clients",
		Table: "my.app.okta.client_role_groups", Scopes: []string{"okta.roles.read"}, Identity: true,
	},
	{
		Name: "roles", Path: "/api/v1/iam/roles",
		Table: "my.app.okta.roles", Scopes: []string{"okta.roles.read"}, Every: hourly, Identity: true,
		Items: "roles", Next: BodyLink,
	},
	{
		Name: "role_permissions", Path: "/api/v1/iam/roles/{role}/permissions",
		Under: underRole, Window: "/api/v1/iam/roles",
		Table: "my.app.okta.role_permissions", Scopes: []string{"okta.roles.read"}, Identity: true,
		Items: "permissions", Next: BodyLink,
		Key: "label",
	},
	{
		Name: "resource_sets", Path: "/api/v1/iam/resource-sets",
		Table: "my.app.okta.resource_sets", Scopes: []string{"okta.roles.read"}, Every: hourly, Identity: true,
		Items: "resource-sets", Next: BodyLink,
	},
	{
		Name: "resource_set_resources", Path: "/api/v1/iam/resource-sets/{set}/resources", Limit: 100, MinLimit: 1,
		Under: underResourceSet, Window: "/api/v1/iam/resource-sets",
		Table: "my.app.okta.resource_set_resources", Scopes: []string{"okta.roles.read"}, Identity: true,
		Items: "resources", Next: BodyLink,
	},
	{
		Name: "resource_set_bindings", Path: "/api/v1/iam/resource-sets/{set}/bindings",
		Under: underResourceSet, Window: "/api/v1/iam/resource-sets",
		Table: "my.app.okta.resource_set_bindings", Scopes: []string{"okta.roles.read"}, Identity: true,
		Items: "roles", Next: BodyLink,
	},
	{
		Name: "resource_set_members", Path: "/api/v1/iam/resource-sets/{set}/bindings/{role}/members",
		Under: underBinding, Window: "/api/v1/iam/resource-sets",
		Table: "my.app.okta.resource_set_members", Scopes: []string{"okta.roles.read"}, Identity: true,
		Items: "members", Next: BodyLink,
	},
	{
		Name: "api_tokens", Path: "/api/v1/api-tokens",
		Table: "my.app.okta.api_tokens", Scopes: []string{"okta.apiTokens.read"}, Identity: true,
		Secret: []string{"token"},
	},
	{
		Name: "devices", Path: "/api/v1/devices", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.devices", Scopes: []string{"okta.devices.read"}, Identity: true,
		Query:   url.Values{"expand": {"user"}},
		Changed: changedSince("search", "lastUpdated"),
		Secret:  within("_embedded.users.user.", userSecrets),
	},
	{
		Name: "authenticators", Path: "/api/v1/authenticators",
		Table: "my.app.okta.authenticators", Scopes: []string{"okta.authenticators.read"}, Every: hourly, Identity: true,
		Secret: []string{"provider.configuration.secretKey", "provider.configuration.sharedSecret"},
	},
	{
		Name: "authenticator_methods", Path: "/api/v1/authenticators/{authenticator}/methods",
		Under: underAuthenticator, Window: "/api/v1/authenticators",
		Table: "my.app.okta.authenticator_methods", Scopes: []string{"okta.authenticators.read"}, Identity: true,
		Key: "type",
	},
	{
		Name: "policies", Path: "/api/v1/policies",
		Under: []Level{policyType},
		Table: "auth.okta.policies", Scopes: []string{"okta.policies.read"}, Every: hourly, Identity: true,
		Query: url.Values{"type": {"{type}"}},
	},
	{
		Name: "policy_rules", Path: "/api/v1/policies/{policy}/rules",
		Under: underPolicy, Window: "/api/v1/policies",
		Table: "my.app.okta.policy_rules", Scopes: []string{"okta.policies.read"}, Identity: true,
	},
}
