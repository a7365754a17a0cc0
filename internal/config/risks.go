package config

import (
	"net/url"
	"strings"

	"okta-collector/internal/risk"
)

// risks returns what is dangerous about a tenant's settings. What is wrong with them is reported elsewhere.
func (t tenant) risks() (all []risk.Risk) {
	if strings.HasPrefix(strings.ToLower(t.OktaURL), "http:") { // only a loopback address may be
		all = append(all, risk.Risk{Tenant: t.name, Setting: t.variable("OKTA_URL"), Kind: risk.Simulator, At: hostOf(t.OktaURL)})
	}
	if strings.HasPrefix(t.DevoURL, "tcp:") {
		all = append(all, risk.Clear(t.name, t.variable("DEVO_URL"), hostOf(t.DevoURL))...)
	}
	for _, file := range [][2]string{
		{"OKTA_API_TOKEN_FILE", t.OktaAPITokenFile}, {"OKTA_PRIVATE_KEY_FILE", t.OktaPrivateKeyFile}, {"OKTA_CLIENT_SECRET_FILE", t.OktaClientSecretFile},
		{"OKTA_REDACT_KEY_FILE", t.RedactKeyFile}, {"DEVO_TOKEN_FILE", t.DevoTokenFile}, {"DEVO_KEY_FILE", t.DevoKeyFile},
	} {
		all = append(all, risk.Secret(t.name, t.variable(file[0]), file[1])...)
	}
	return all
}

// hostOf returns the host and port of a URL; empty if it is none.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
