package config

import (
	"context"
	"regexp"
	"strings"

	"okta-collector/internal/okta"
)

// signIn returns the only way to sign in: an API token, or a service app.
func (t tenant) signIn() (okta.Authorizer, *okta.ServiceApp) {
	app := t.firstSet("OKTA_CLIENT_ID", "OKTA_PRIVATE_KEY", "OKTA_PRIVATE_KEY_FILE", "OKTA_PRIVATE_KEY_ID", "OKTA_CLIENT_SECRET", "OKTA_CLIENT_SECRET_FILE")
	token := t.firstSet("OKTA_API_TOKEN", "OKTA_API_TOKEN_FILE")
	switch {
	case app == "":
		return okta.APIToken(t.oktaToken()), nil
	case token != "":
		t.wrong(token, "and %s are both set; want one way to sign in: an API token or a service app", t.variable(app))
	}
	return nil, t.serviceApp()
}

// firstSet returns the first of the settings that has a value; "" if none has.
func (t tenant) firstSet(settings ...string) string {
	for _, setting := range settings {
		if isSet(t.variable(setting)) {
			return setting
		}
	}
	return ""
}

var (
	// clientID has the characters of Okta's ids, and of ids that were chosen for an app.
	clientID = regexp.MustCompile(`^[A-Za-z0-9_.*+-]{1,100}$`)
	keyID    = regexp.MustCompile(`^[!-~]{1,255}$`)
)

// serviceApp returns the app to sign in as. Its problems do not repeat an id, because somebody may have mistaken a secret
// for one.
func (t tenant) serviceApp() *okta.ServiceApp {
	app := &okta.ServiceApp{
		ClientID:     t.OktaClientID,
		PrivateKey:   t.secret("OKTA_PRIVATE_KEY", t.OktaPrivateKey, t.OktaPrivateKeyFile),
		KeyID:        t.OktaPrivateKeyID,
		ClientSecret: t.secret("OKTA_CLIENT_SECRET", t.OktaClientSecret, t.OktaClientSecretFile),
	}
	switch {
	case app.ClientID == "":
		t.wrong("OKTA_CLIENT_ID", "is missing; want the client id of the service app")
	case !clientID.MatchString(app.ClientID):
		t.wrong("OKTA_CLIENT_ID", "has %d characters, or some that no client id has; want one such as 0oa1b2c3d4e5f6g7h8i9", len(app.ClientID))
	}
	if app.KeyID != "" && !keyID.MatchString(app.KeyID) {
		t.wrong("OKTA_PRIVATE_KEY_ID", "has a blank, a character that is not ASCII, or more than 255; want the key's id in Okta (kid)")
	}
	key, secretSetting := t.firstSet("OKTA_PRIVATE_KEY_FILE", "OKTA_PRIVATE_KEY"), t.firstSet("OKTA_CLIENT_SECRET_FILE", "OKTA_CLIENT_SECRET")
	switch {
	case strings.Contains(t.OktaPrivateKeyFile, "-----BEGIN"), strings.HasPrefix(t.OktaPrivateKeyFile, "{"):
		t.wrong("OKTA_PRIVATE_KEY_FILE", "has the key itself; want the name of a file, or the key in %s", t.variable("OKTA_PRIVATE_KEY"))
	case key != "" && secretSetting != "":
		t.wrong(key, "and %s are both set; want one of them", t.variable(secretSetting))
	case key == "" && secretSetting == "":
		t.wrong("OKTA_PRIVATE_KEY_FILE", "is missing; want the private key of the service app, or the secret of an API service integration in %s",
			t.variable("OKTA_CLIENT_SECRET_FILE"))
	case key == "" && app.KeyID != "":
		t.wrong("OKTA_PRIVATE_KEY_ID", "is set, but a client secret has no key's id; want %s", t.variable("OKTA_PRIVATE_KEY_FILE"))
	default:
		if _, err := app.Key(context.Background()); err != nil {
			t.wrong(key+secretSetting, "cannot be used: %v", err)
		}
	}
	return app
}
