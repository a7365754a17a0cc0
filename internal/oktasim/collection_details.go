package oktasim

import "net/http"

var (
	noProvisioning = refusal{status: http.StatusBadRequest, code: "E0000001", summary: "Provisioning is not supported."}
	noOAuthClient  = refusal{status: http.StatusBadRequest, code: "E0000001", summary: "Api validation failed: the app is no OAuth 2.0 client"}
)

// details are the collections that cost a request for each app, identity provider or user.
var details = []collection{
	{name: "app_grants", path: "/api/v1/apps/{}/grants", scope: "okta.appGrants.read", parent: "apps", prefix: "oag"},
	{name: "app_keys", path: "/api/v1/apps/{}/credentials/keys", scope: "okta.apps.read", parent: "apps", prefix: "kid"},
	{name: "app_jwks", path: "/api/v1/apps/{}/credentials/jwks", scope: "okta.apps.read", parent: "apps", prefix: "pks", under: ofApp("oidc"), otherwise: &noOAuthClient},
	{name: "app_features", path: "/api/v1/apps/{}/features", scope: "okta.apps.read", parent: "apps", names: provisioning, under: ofApp("saml"), otherwise: &noProvisioning},
	{name: "app_push_groups", path: "/api/v1/apps/{}/group-push/mappings", scope: "okta.apps.read okta.groups.read", standard: 100, min: 1, max: 1000, parent: "apps", prefix: "gPm", under: ofApp("saml")},
	{name: "app_tokens", path: "/api/v1/apps/{}/tokens", scope: "okta.apps.read", standard: 20, min: 1, max: 200, parent: "apps", prefix: "oar", under: ofApp("oidc")},
	{name: "idp_keys", path: "/api/v1/idps/credentials/keys", bucket: bucketIdPs, scope: "okta.idps.read", standard: 20, min: 1, max: 200, prefix: "kid"},
	{name: "idp_users", path: "/api/v1/idps/{}/users", scope: "okta.idps.read", standard: 20, min: 1, max: 200, parent: "idps", pool: people},
	{name: "user_factors", path: "/api/v1/users/{}/factors", scope: "okta.users.read", parent: "users", prefix: "fac", under: (*Org).person},
	{name: "user_devices", path: "/api/v1/users/{}/devices", scope: "okta.users.read", parent: "users", prefix: "lnk", under: (*Org).person},
	{name: "user_grants", path: "/api/v1/users/{}/grants", scope: "okta.users.read", standard: 20, min: 1, max: 200, parent: "users", prefix: "oag", under: (*Org).person},
	{name: "user_clients", path: "/api/v1/users/{}/clients", scope: "okta.users.read", parent: "users", pool: all("clients"), under: (*Org).person},
	{name: "user_idps", path: "/api/v1/users/{}/idps", scope: "okta.users.read", parent: "users", pool: all("idps"), whole: true, under: (*Org).person},
}
