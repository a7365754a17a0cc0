package okta

var (
	oidcApp   = Level{Of: "apps", Param: "id", Member: "@okta_app_id", Where: Where{"signOnMode", []string{"OPENID_CONNECT"}}}
	underIDP  = []Level{{Of: "idps", Param: "id", Member: "@okta_idp_id"}}
	underUser = []Level{{Of: "users", Param: "user", Member: "@okta_user_id"}}
)

// details are the collections that cost a request for each app, identity provider or user.
var details = Catalog{
	{
		Name: "app_grants", Path: "/api/v1/apps/{id}/grants",
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_grants", Scopes: []string{"okta.appGrants.read"},
	},
	{
		Name: "app_keys", Path: "/api/v1/apps/{id}/credentials/keys",
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_keys", Scopes: []string{"okta.apps.read"},
		Key: "kid", Secret: privateKey(""),
	},
	{
		Name: "app_jwks", Path: "/api/v1/apps/{id}/credentials/jwks",
		Under: []Level{oidcApp}, Window: "/api/v1/apps",
		Table: "my.app.okta.app_jwks", Scopes: []string{"okta.apps.read"},
		Secret: privateKey(""),
	},
	{
		Name: "app_features", Path: "/api/v1/apps/{id}/features",
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_features", Scopes: []string{"okta.apps.read"},
		Key:  "name",
		None: []string{"E0000001"}, // "Provisioning is not supported."
	},
	{
		Name: "app_push_groups", Path: "/api/v1/apps/{id}/group-push/mappings", Limit: 1000, MinLimit: 1,
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_push_groups", Scopes: []string{"okta.apps.read", "okta.groups.read"},
	},
	{
		Name: "app_tokens", Path: "/api/v1/apps/{id}/tokens", Limit: 200, MinLimit: 1,
		Under: underApp, Window: "/api/v1/apps",
		Table: "my.app.okta.app_tokens", Scopes: []string{"okta.apps.read"},
		Secret: []string{"token"},
	},
	{
		Name: "idp_keys", Path: "/api/v1/idps/credentials/keys", Limit: 200, MinLimit: 1,
		Window: "/api/v1/idps",
		Table:  "my.app.okta.idp_keys", Scopes: []string{"okta.idps.read"}, Every: hourly,
		Key: "kid", Secret: privateKey(""),
	},
	{
		Name: "idp_users", Path: "/api/v1/idps/{id}/users", Limit: 200, MinLimit: 1,
		Under: underIDP, Window: "/api/v1/idps",
		Table: "my.app.okta.idp_users", Scopes: []string{"okta.idps.read"},
	},
	{
		Name: "user_factors", Path: "/api/v1/users/{user}/factors",
		Under: underUser, Window: "/api/v1/users",
		Table: "my.app.okta.user_factors", Scopes: []string{"okta.users.read"},
		Secret: []string{
			"profile.answer", "profile.sharedSecret", "profile.deviceToken", "verify.passCode", "verify.nextPassCode", "sharedSecret",
			"_embedded.activation", // of a factor that is being enrolled: its shared secret, and links to it
		},
	},
	{
		Name: "user_devices", Path: "/api/v1/users/{user}/devices",
		Under: underUser, Window: "/api/v1/users",
		Table: "my.app.okta.user_devices", Scopes: []string{"okta.users.read"},
		Key: "deviceUserId",
	},
	{
		Name: "user_grants", Path: "/api/v1/users/{user}/grants", Limit: 200, MinLimit: 1,
		Under: underUser, Window: "/api/v1/users",
		Table: "my.app.okta.user_grants", Scopes: []string{"okta.users.read"},
	},
	{
		Name: "user_clients", Path: "/api/v1/users/{user}/clients",
		Under: underUser, Window: "/api/v1/users",
		Table: "my.app.okta.user_clients", Scopes: []string{"okta.users.read"},
		Secret: []string{"client_secret"},
	},
	{
		Name: "user_idps", Path: "/api/v1/users/{user}/idps",
		Under: underUser, Window: "/api/v1/users",
		Table: "my.app.okta.user_idps", Scopes: []string{"okta.users.read"},
		Secret: idpSecrets,
	},
}
