package okta

import (
	"net/url"
	"time"
)

// hourly is how often the configuration of an org is pulled.
const hourly = time.Hour

var (
	underAuthServer = []Level{{Of: "auth_servers", Param: "server", Member: "@okta_auth_server_id"}}
	underBrand      = []Level{{Of: "brands", Param: "brand", Member: "@okta_brand_id"}}
	underPrincipal  = []Level{{Values: []string{"SSWS_TOKEN", "OAUTH_CLIENT"}, Param: "type"}}

	// under two levels
	underAuthServerPolicy = append(underAuthServer[:1:1], Level{Of: "auth_server_policies", Param: "policy", Member: "@okta_policy_id"})
	underTemplate         = append(underBrand[:1:1], Level{Of: "email_templates", Param: "template", Member: "@okta_template"})
)

// configuration are the collections that say how an org is set up.
var configuration = Catalog{
	{
		Name: "policy_mappings", Path: "/api/v1/policies/{policy}/mappings",
		Under: underPolicy, Window: "/api/v1/policies",
		Table: "my.app.okta.policy_mappings", Scopes: []string{"okta.policies.read"},
	},
	{
		Name: "auth_servers", Path: "/api/v1/authorizationServers", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.auth_servers", Scopes: []string{"okta.authorizationServers.read"}, Every: hourly,
	},
	{
		Name: "auth_server_scopes", Path: "/api/v1/authorizationServers/{server}/scopes",
		Under: underAuthServer, Window: "/api/v1/authorizationServers",
		Table: "my.app.okta.auth_server_scopes", Scopes: []string{"okta.authorizationServers.read"},
	},
	{
		Name: "auth_server_claims", Path: "/api/v1/authorizationServers/{server}/claims",
		Under: underAuthServer, Window: "/api/v1/authorizationServers",
		Table: "my.app.okta.auth_server_claims", Scopes: []string{"okta.authorizationServers.read"},
	},
	{
		Name: "auth_server_policies", Path: "/api/v1/authorizationServers/{server}/policies",
		Under: underAuthServer, Window: "/api/v1/authorizationServers",
		Table: "my.app.okta.auth_server_policies", Scopes: []string{"okta.authorizationServers.read"},
	},
	{
		Name: "auth_server_policy_rules", Path: "/api/v1/authorizationServers/{server}/policies/{policy}/rules",
		Under: underAuthServerPolicy, Window: "/api/v1/authorizationServers",
		Table: "my.app.okta.auth_server_policy_rules", Scopes: []string{"okta.authorizationServers.read"},
	},
	{
		Name: "behaviors", Path: "/api/v1/behaviors",
		Table: "my.app.okta.behaviors", Scopes: []string{"okta.behaviors.read"}, Every: hourly,
	},
	{
		Name: "brands", Path: "/api/v1/brands", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.brands", Scopes: []string{"okta.brands.read"}, Every: hourly,
	},
	{
		Name: "email_templates", Path: "/api/v1/brands/{brand}/templates/email", Limit: 200, MinLimit: 1,
		Under: underBrand, Window: "/api/v1/brands",
		Table: "my.app.okta.email_templates", Scopes: []string{"okta.templates.read"},
		Key: "name",
	},
	{
		Name: "email_customizations", Path: "/api/v1/brands/{brand}/templates/email/{template}/customizations", Limit: 200, MinLimit: 1,
		Under: underTemplate, Window: "/api/v1/brands",
		Table: "my.app.okta.email_customizations", Scopes: []string{"okta.templates.read"},
	},
	{
		Name: "domains", Path: "/api/v1/domains",
		Table: "my.app.okta.domains", Scopes: []string{"okta.domains.read"}, Every: hourly,
		Items: "domains", Next: BodyLink,
	},
	{
		Name: "email_domains", Path: "/api/v1/email-domains",
		Table: "my.app.okta.email_domains", Scopes: []string{"okta.emailDomains.read"}, Every: hourly,
	},
	{
		Name: "email_servers", Path: "/api/v1/email-servers",
		Table: "my.app.okta.email_servers", Scopes: []string{"okta.emailServers.read"}, Every: hourly,
		Items: "email-servers", Next: BodyLink,
		Secret: []string{"password", "clientSecret", "privateKey"},
	},
	{
		Name: "event_hooks", Path: "/api/v1/eventHooks",
		Table: "my.app.okta.event_hooks", Scopes: []string{"okta.eventHooks.read"}, Every: hourly,
		Secret: hookSecrets,
	},
	{
		Name: "inline_hooks", Path: "/api/v1/inlineHooks",
		Table: "my.app.okta.inline_hooks", Scopes: []string{"okta.inlineHooks.read"}, Every: hourly,
		Secret: hookSecrets,
	},
	{
		Name: "hook_keys", Path: "/api/v1/hook-keys",
		Table: "my.app.okta.hook_keys", Scopes: []string{"okta.inlineHooks.read"}, Every: hourly,
		Secret: privateKey("_embedded."),
	},
	{
		Name: "features", Path: "/api/v1/features",
		Table: "my.app.okta.features", Scopes: []string{"okta.features.read"}, Every: hourly,
	},
	{
		Name: "log_streams", Path: "/api/v1/logStreams", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.log_streams", Scopes: []string{"okta.logStreams.read"}, Every: hourly,
		Secret: []string{"settings.token"},
	},
	{
		Name: "mappings", Path: "/api/v1/mappings", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.mappings", Scopes: []string{"okta.profileMappings.read"}, Every: hourly,
	},
	{
		Name: "user_types", Path: "/api/v1/meta/types/user",
		Table: "my.app.okta.user_types", Scopes: []string{"okta.userTypes.read"}, Every: hourly,
	},
	{
		Name: "linked_objects", Path: "/api/v1/meta/schemas/user/linkedObjects",
		Table: "my.app.okta.linked_objects", Scopes: []string{"okta.linkedObjects.read"}, Every: hourly,
	},
	{
		Name: "ui_schemas", Path: "/api/v1/meta/uischemas",
		Table: "my.app.okta.ui_schemas", Scopes: []string{"okta.uischemas.read"}, Every: hourly,
	},
	{
		Name: "trusted_origins", Path: "/api/v1/trustedOrigins", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.trusted_origins", Scopes: []string{"okta.trustedOrigins.read"}, Every: hourly,
	},
	{
		Name: "realms", Path: "/api/v1/realms", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.realms", Scopes: []string{"okta.realms.read"}, Every: hourly,
	},
	{
		Name: "realm_assignments", Path: "/api/v1/realm-assignments", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.realm_assignments", Scopes: []string{"okta.realmAssignments.read"}, Every: hourly,
	},
	{
		Name: "agent_pools", Path: "/api/v1/agentPools",
		Table: "my.app.okta.agent_pools", Scopes: []string{"okta.agentPools.read"}, Every: hourly,
	},
	{
		Name: "device_assurances", Path: "/api/v1/device-assurances",
		Table: "my.app.okta.device_assurances", Scopes: []string{"okta.deviceAssurance.read"}, Every: hourly,
	},
	{
		Name: "device_integrations", Path: "/api/v1/device-integrations",
		Table: "my.app.okta.device_integrations", Scopes: []string{"okta.deviceIntegrations.read"}, Every: hourly,
	},
	{
		Name: "device_posture_checks", Path: "/api/v1/device-posture-checks",
		Table: "my.app.okta.device_posture_checks", Scopes: []string{"okta.devicePostureChecks.read"}, Every: hourly,
	},
	{
		Name: "push_providers", Path: "/api/v1/push-providers",
		Table: "my.app.okta.push_providers", Scopes: []string{"okta.pushProviders.read"}, Every: hourly,
		Secret: []string{"configuration.tokenSigningKey", "configuration.serviceAccountJson"},
	},
	{
		Name: "security_events_providers", Path: "/api/v1/security-events-providers",
		Table: "my.app.okta.security_events_providers", Scopes: []string{"okta.securityEventsProviders.read"}, Every: hourly,
	},
	{
		Name: "rate_limits", Path: "/api/v1/principal-rate-limits", Limit: 50, MinLimit: 1,
		Under: underPrincipal,
		Table: "my.app.okta.rate_limits", Scopes: []string{"okta.principalRateLimits.read"}, Every: hourly,
		Query: url.Values{"filter": {`principalType eq "{type}"`}},
	},
	{
		Name: "captchas", Path: "/api/v1/captchas",
		Table: "my.app.okta.captchas", Scopes: []string{"okta.captchas.read"}, Every: hourly,
		Secret: []string{"secretKey"},
	},
	{
		Name: "sms_templates", Path: "/api/v1/templates/sms",
		Table: "my.app.okta.sms_templates", Scopes: []string{"okta.templates.read"}, Every: hourly,
	},
	{
		Name: "api_services", Path: "/integrations/api/v1/api-services",
		Table: "my.app.okta.api_services", Scopes: []string{"okta.oauthIntegrations.read"}, Every: hourly,
		Secret: []string{"properties"}, // whatever the integration asks the administrator for
	},
	{
		Name: "service_accounts", Path: "/privileged-access/api/v1/service-accounts", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.service_accounts", Scopes: []string{"okta.serviceAccounts.read"}, Every: hourly,
		Secret: []string{"password"},
	},
	{
		Name: "okta_service_accounts", Path: "/privileged-access/api/v1/okta-service-accounts", Limit: 200, MinLimit: 1,
		Table: "my.app.okta.okta_service_accounts", Scopes: []string{"okta.serviceAccounts.okta.read"}, Every: hourly,
		Secret: []string{"password"},
	},
	{
		Name: "threat_configuration", Path: "/api/v1/threats/configuration",
		Table: "my.app.okta.threat_configuration", Scopes: []string{"okta.threatInsights.read"}, Every: hourly,
		Items: ".",
	},
	{
		Name: "bot_protection", Path: "/api/v1/bot-protection/configuration",
		Table: "my.app.okta.bot_protection", Scopes: []string{"okta.botProtection.read"}, Every: hourly,
		Items: ".",
	},
	{
		Name: "org_contacts", Path: "/api/v1/org/contacts",
		Table: "my.app.okta.org_contacts", Scopes: []string{"okta.orgs.read"}, Every: hourly,
		Key: "contactType",
	},
}
