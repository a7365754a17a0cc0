output "client_id" {
  description = "For OKTA_CLIENT_ID"
  value       = okta_app_oauth.collector.client_id
}

output "settings" {
  description = "The collector's settings, but for OKTA_PRIVATE_KEY_FILE"
  value = {
    OKTA_URL            = var.org_url
    OKTA_CLIENT_ID      = okta_app_oauth.collector.client_id
    OKTA_PRIVATE_KEY_ID = var.public_keys[length(var.public_keys) - 1].kid
    OKTA_SERVICES       = join(",", sort(var.services))
  }
}
