package main

// smallOrg has the objects of each service of a small company: of what is listed under others, for each of these.
var smallOrg = map[string]int{
	"logs": 10_000, "users": 1000, "groups": 200, "apps": 50, "clients": 50, "idps": 10, "zones": 20,
	"app_users": 40, "app_groups": 5, "group_members": 60,

	"group_rules": 12, "group_owners": 1, "role_assignees": 15, "user_roles": 3, "user_role_apps": 3, "user_role_groups": 3,
	"group_roles": 1, "group_role_apps": 2, "group_role_groups": 2, "client_roles": 1, "client_role_apps": 1, "client_role_groups": 1,
	"roles": 6, "role_permissions": 5, "resource_sets": 4, "resource_set_resources": 3, "resource_set_bindings": 2, "resource_set_members": 3,
	"api_tokens": 8, "devices": 400, "authenticators": 8, "authenticator_methods": 2, "policies": 3, "policy_rules": 3,

	"policy_mappings": 2, "auth_servers": 3, "auth_server_scopes": 8, "auth_server_claims": 4, "auth_server_policies": 2,
	"auth_server_policy_rules": 2, "behaviors": 14, "brands": 2, "email_templates": 22, "email_customizations": 1, "domains": 2,
	"email_domains": 1, "email_servers": 1, "event_hooks": 2, "inline_hooks": 2, "hook_keys": 1, "features": 57, "log_streams": 1,
	"mappings": 60, "user_types": 2, "linked_objects": 2, "ui_schemas": 3, "trusted_origins": 6, "realms": 3, "realm_assignments": 3,
	"agent_pools": 1, "device_assurances": 4, "device_integrations": 2, "device_posture_checks": 2, "push_providers": 1,
	"security_events_providers": 1, "rate_limits": 4, "captchas": 1, "sms_templates": 1, "api_services": 2, "service_accounts": 3,
	"okta_service_accounts": 2, "org_contacts": 2,

	"app_grants": 2, "app_keys": 1, "app_jwks": 1, "app_features": 2, "app_push_groups": 2, "app_tokens": 3, "idp_keys": 6, "idp_users": 10,
	"user_factors": 2, "user_devices": 1, "user_grants": 1, "user_clients": 1, "user_idps": 1,
}
