# A service app for okta-collector: the app, the scopes of its services, and an admin role. See docs/okta.md.

locals {
  # The scopes of each service, with those of the lists that it is below. A test compares them with the collector's catalog.
  scopes = {
    logs                      = ["okta.logs.read"]
    users                     = ["okta.users.read"]
    groups                    = ["okta.groups.read"]
    apps                      = ["okta.apps.read"]
    clients                   = ["okta.clients.read"]
    idps                      = ["okta.idps.read"]
    zones                     = ["okta.networkZones.read"]
    app_users                 = ["okta.apps.read"]
    app_groups                = ["okta.apps.read"]
    group_members             = ["okta.groups.read"]
    group_rules               = ["okta.groups.read"]
    group_owners              = ["okta.groups.read"]
    role_assignees            = ["okta.roles.read"]
    user_roles                = ["okta.roles.read"]
    user_role_apps            = ["okta.roles.read"]
    user_role_groups          = ["okta.roles.read"]
    group_roles               = ["okta.groups.read", "okta.roles.read"]
    group_role_apps           = ["okta.groups.read", "okta.roles.read"]
    group_role_groups         = ["okta.groups.read", "okta.roles.read"]
    client_roles              = ["okta.clients.read", "okta.roles.read"]
    client_role_apps          = ["okta.clients.read", "okta.roles.read"]
    client_role_groups        = ["okta.clients.read", "okta.roles.read"]
    roles                     = ["okta.roles.read"]
    role_permissions          = ["okta.roles.read"]
    resource_sets             = ["okta.roles.read"]
    resource_set_resources    = ["okta.roles.read"]
    resource_set_bindings     = ["okta.roles.read"]
    resource_set_members      = ["okta.roles.read"]
    api_tokens                = ["okta.apiTokens.read"]
    devices                   = ["okta.devices.read"]
    authenticators            = ["okta.authenticators.read"]
    authenticator_methods     = ["okta.authenticators.read"]
    policies                  = ["okta.policies.read"]
    policy_rules              = ["okta.policies.read"]
    policy_mappings           = ["okta.policies.read"]
    auth_servers              = ["okta.authorizationServers.read"]
    auth_server_scopes        = ["okta.authorizationServers.read"]
    auth_server_claims        = ["okta.authorizationServers.read"]
    auth_server_policies      = ["okta.authorizationServers.read"]
    auth_server_policy_rules  = ["okta.authorizationServers.read"]
    behaviors                 = ["okta.behaviors.read"]
    brands                    = ["okta.brands.read"]
    email_templates           = ["okta.brands.read", "okta.templates.read"]
    email_customizations      = ["okta.brands.read", "okta.templates.read"]
    domains                   = ["okta.domains.read"]
    email_domains             = ["okta.emailDomains.read"]
    email_servers             = ["okta.emailServers.read"]
    event_hooks               = ["okta.eventHooks.read"]
    inline_hooks              = ["okta.inlineHooks.read"]
    hook_keys                 = ["okta.inlineHooks.read"]
    features                  = ["okta.features.read"]
    log_streams               = ["okta.logStreams.read"]
    mappings                  = ["okta.profileMappings.read"]
    user_types                = ["okta.userTypes.read"]
    linked_objects            = ["okta.linkedObjects.read"]
    ui_schemas                = ["okta.uischemas.read"]
    trusted_origins           = ["okta.trustedOrigins.read"]
    realms                    = ["okta.realms.read"]
    realm_assignments         = ["okta.realmAssignments.read"]
    agent_pools               = ["okta.agentPools.read"]
    device_assurances         = ["okta.deviceAssurance.read"]
    device_integrations       = ["okta.deviceIntegrations.read"]
    device_posture_checks     = ["okta.devicePostureChecks.read"]
    push_providers            = ["okta.pushProviders.read"]
    security_events_providers = ["okta.securityEventsProviders.read"]
    rate_limits               = ["okta.principalRateLimits.read"]
    captchas                  = ["okta.captchas.read"]
    sms_templates             = ["okta.templates.read"]
    api_services              = ["okta.oauthIntegrations.read"]
    service_accounts          = ["okta.serviceAccounts.read"]
    okta_service_accounts     = ["okta.serviceAccounts.okta.read"]
    threat_configuration      = ["okta.threatInsights.read"]
    bot_protection            = ["okta.botProtection.read"]
    org_contacts              = ["okta.orgs.read"]
    app_grants                = ["okta.appGrants.read", "okta.apps.read"]
    app_keys                  = ["okta.apps.read"]
    app_jwks                  = ["okta.apps.read"]
    app_features              = ["okta.apps.read"]
    app_push_groups           = ["okta.apps.read", "okta.groups.read"]
    app_tokens                = ["okta.apps.read"]
    idp_keys                  = ["okta.idps.read"]
    idp_users                 = ["okta.idps.read"]
    user_factors              = ["okta.users.read"]
    user_devices              = ["okta.users.read"]
    user_grants               = ["okta.users.read"]
    user_clients              = ["okta.users.read"]
    user_idps                 = ["okta.users.read"]
  }

  # The groups of OKTA_SERVICES.
  groups = {
    default = ["logs", "users", "groups", "apps", "clients", "idps", "zones"]
    identity = [
      "group_rules",
      "group_owners",
      "role_assignees",
      "user_roles",
      "user_role_apps",
      "user_role_groups",
      "group_roles",
      "group_role_apps",
      "group_role_groups",
      "client_roles",
      "client_role_apps",
      "client_role_groups",
      "roles",
      "role_permissions",
      "resource_sets",
      "resource_set_resources",
      "resource_set_bindings",
      "resource_set_members",
      "api_tokens",
      "devices",
      "authenticators",
      "authenticator_methods",
      "policies",
      "policy_rules",
    ]
    # All but those that cost a request for each user.
    all = setsubtract(keys(local.scopes), ["user_factors", "user_devices", "user_grants", "user_clients", "user_idps"])
  }

  # As OKTA_SERVICES is read: services and groups, of which those with a - before them are left out.
  left_out = flatten([for s in var.services : try(local.groups[trimprefix(s, "-")], [trimprefix(s, "-")]) if substr(s, 0, 1) == "-"])
  named    = flatten([for s in var.services : try(local.groups[s], [s]) if substr(s, 0, 1) != "-"])
  services = setsubtract(length(local.named) > 0 ? local.named : local.groups.default, local.left_out)
}

resource "okta_app_oauth" "collector" {
  label                      = var.label
  type                       = "service"
  grant_types                = ["client_credentials"]
  response_types             = ["token"]
  token_endpoint_auth_method = "private_key_jwt"
  omit_secret                = true
  admin_note                 = "Read by okta-collector, which ships to Devo."

  dynamic "jwks" {
    for_each = var.public_keys
    content {
      kid = jwks.value.kid
      kty = jwks.value.kty
      e   = jwks.value.e
      n   = jwks.value.n
      x   = jwks.value.x
      y   = jwks.value.y
    }
  }
}

resource "okta_app_oauth_api_scope" "collector" {
  app_id = okta_app_oauth.collector.id
  issuer = var.org_url
  scopes = toset(flatten([for service in local.services : local.scopes[service]]))
}

resource "okta_app_oauth_role_assignment" "collector" {
  client_id = okta_app_oauth.collector.client_id
  type      = var.role
}
