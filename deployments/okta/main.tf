# A service app for okta-collector: the app, the scopes of its services, and an admin role. See docs/okta.md.

locals {
  # The scopes of each service. A test compares them with the collector's catalog.
  scopes = {
    logs          = ["okta.logs.read"]
    users         = ["okta.users.read"]
    groups        = ["okta.groups.read"]
    apps          = ["okta.apps.read"]
    clients       = ["okta.clients.read"]
    idps          = ["okta.idps.read"]
    zones         = ["okta.networkZones.read"]
    app_users     = ["okta.apps.read"]
    app_groups    = ["okta.apps.read"]
    group_members = ["okta.groups.read"]
  }
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
  scopes = toset(flatten([for service in var.services : local.scopes[service]]))
}

resource "okta_app_oauth_role_assignment" "collector" {
  client_id = okta_app_oauth.collector.client_id
  type      = var.role
}
