package okta

import "slices"

// The members of Okta's objects that hold secrets, or could. Many are documented as members of requests only: an answer that
// has one all the same must not leave.
var (
	userSecrets = []string{"credentials.password.value", "credentials.password.hash", "credentials.recovery_question.answer"}
	appSecrets  = slices.Concat(
		[]string{"credentials.oauthClient.client_secret", "credentials.password.value", "credentials.password.hash"},
		privateKey("settings.oauthClient.jwks.keys."),
	)
	clientSecrets = slices.Concat([]string{"client_secret"}, privateKey("jwks.keys."))
	idpSecrets    = []string{
		"protocol.credentials.client.client_secret", // Okta was seen to answer with it in clear
		"protocol.credentials.signing.privateKey", "protocol.credentials.bearer.apiKey",
	}
	// hookSecrets: an administrator can put a password or a token into any header.
	hookSecrets = []string{"channel.config.authScheme.value", "channel.config.headers.value", "channel.config.clientSecret"}
)

// privateKey returns the private members of a JSON Web Key (RFC 7518, section 6).
func privateKey(at string) []string {
	return within(at, []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
}

// within returns the paths of members inside of another one.
func within(at string, members []string) []string {
	paths := make([]string, len(members))
	for i, m := range members {
		paths[i] = at + m
	}
	return paths
}
