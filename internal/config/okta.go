package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/risk"
	"okta-collector/internal/secret"
)

// okta returns the settings of the tenant's org.
func (t tenant) okta() okta.Config {
	org, err := parseOrgURL(t.OktaURL)
	if err != nil {
		t.wrong("OKTA_URL", "%v; want https://acme.okta.com", err)
	}
	share, err := strconv.ParseFloat(t.RateShare, 64)
	if err != nil || !(share > 0 && share <= 1) { // negated, so that NaN is refused too
		t.wrong("OKTA_RATE_SHARE", "is %s; want a number above 0 and at most 1, such as 0.5", secret.Shown(t.RateShare))
	}
	cfg := t.intervals()
	cfg.URL, cfg.RateShare = org, share
	cfg.Authorizer, cfg.ServiceApp = t.signIn()
	cfg.LogsHistory = t.duration("OKTA_LOGS_HISTORY", t.LogsHistory, checkpoint.MaxHistory)
	cfg.Redact, cfg.RedactKey, cfg.DropEvents = t.redact(), t.redactKey(), t.dropEvents()
	return cfg
}

// intervals returns the settings that say how often an org is asked.
func (t tenant) intervals() okta.Config {
	return okta.Config{
		Tenant:        t.name,
		PollLogs:      t.duration("OKTA_POLL_LOGS", t.PollLogs, 24*time.Hour),
		PollResources: t.duration("OKTA_POLL_RESOURCES", t.PollResources, 7*24*time.Hour),
		Poll:          t.poll(),
		FullSync:      t.duration("OKTA_FULL_SYNC", t.FullSync, 30*24*time.Hour),
	}
}

var hostName = regexp.MustCompile(`^[a-z0-9._-]{1,253}$`)

// parseOrgURL checks an org's address, and removes a slash at its end. Its errors do not repeat the address, which may
// contain a password.
func parseOrgURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("is missing")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return "", errors.New("is not a URL")
	}
	host := strings.ToLower(u.Hostname())
	_, notIP := netip.ParseAddr(host)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("does not begin with https://")
	case u.User != nil:
		return "", errors.New("has a user or password in it")
	case notIP != nil && !hostName.MatchString(host), !strings.Contains(host, ".") && secret.MayBe(host): // a token
		return "", errors.New("has no usable host name")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("has a path or query")
	case u.Scheme == "http" && !risk.IsLoopback(host):
		return "", errors.New("is http, which would send the token in the clear")
	case strings.Contains(host, "-admin.okta"):
		org := strings.Replace(host, "-admin.okta", ".okta", 1)
		return "", fmt.Errorf("is the address of the Admin Console; the org's own is https://%s", org)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

func (t tenant) oktaToken() secret.Secret {
	token := t.secret("OKTA_API_TOKEN", t.OktaAPIToken, t.OktaAPITokenFile)
	_, err := token.Read()
	setting, text := "OKTA_API_TOKEN", os.Getenv(t.variable("OKTA_API_TOKEN"))
	if t.OktaAPITokenFile != "" {
		content, _ := secret.ReadFile(t.OktaAPITokenFile, maxVariable) // err says why it cannot be read
		setting, text = "OKTA_API_TOKEN_FILE", string(content)
	}
	switch {
	case !token.IsSet():
		t.wrong(setting, "and %s are both missing; want one of them: an API token of the org (Security > API > Tokens); or %s: a service app",
			t.variable("OKTA_API_TOKEN_FILE"), t.variable("OKTA_CLIENT_ID"))
	case err != nil && strings.HasPrefix(strings.ToUpper(strings.TrimSpace(text)), "SSWS "): // as in the HTTP header
		t.wrong(setting, "begins with SSWS; want the token alone, without it")
	case err != nil:
		t.wrong(setting, "cannot be used: %v", err)
	}
	return token
}
