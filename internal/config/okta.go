package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

const day = 24 * time.Hour

// okta returns the tenant's org.
func (t tenant) okta(found *Problems) okta.Config {
	for _, variable := range unsupported {
		if os.Getenv(t.own(variable)) != "" {
			found.add(t.own(variable), "is set, but OAuth 2.0 service apps are not supported yet; want an API token in %s",
				t.own("OKTA_API_TOKEN"))
		}
	}
	return okta.Config{
		Tenant:        t.name,
		URL:           t.oktaURL(found),
		Authorizer:    okta.APIToken(t.oktaToken(found)),
		RateShare:     t.rateShare(found),
		LogsHistory:   t.duration("OKTA_LOGS_HISTORY", t.LogsHistory, checkpoint.MaxHistory, found),
		PollLogs:      t.duration("OKTA_POLL_LOGS", t.PollLogs, day, found),
		PollResources: t.duration("OKTA_POLL_RESOURCES", t.PollResources, 7*day, found),
		FullSync:      t.duration("OKTA_FULL_SYNC", t.FullSync, 30*day, found),
	}
}

func (t tenant) oktaURL(found *Problems) string {
	org, err := parseOrgURL(t.OktaURL)
	if err != nil {
		found.add(t.own("OKTA_URL"), "%v; want https://acme.okta.com", err)
	}
	return org
}

// parseOrgURL checks an org's address and removes a slash from its end. Its errors do not repeat the address, which may
// have a password in it.
func parseOrgURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("is missing")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return "", errors.New("is not a URL")
	}
	host := strings.ToLower(u.Hostname())
	_, err = netip.ParseAddr(host)
	isIP := err == nil
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("does not begin with https://")
	case u.User != nil:
		return "", errors.New("has a user or password in it")
	case !hostName.MatchString(host) && !isIP:
		return "", errors.New("has no usable host name")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("has a path or query")
	case u.Scheme == "http" && !devo.IsLoopback(host):
		return "", errors.New("is http, which would send the token in the clear")
	case strings.Contains(host, "-admin.okta"):
		org := strings.Replace(host, "-admin.okta", ".okta", 1)
		return "", fmt.Errorf("is the address of the Admin Console; the org's own is https://%s", org)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

var hostName = regexp.MustCompile(`^[a-z0-9._-]{1,253}$`)

func (t tenant) oktaToken(found *Problems) secret.Secret {
	value, file := t.own("OKTA_API_TOKEN"), t.own("OKTA_API_TOKEN_FILE")
	token := valueOrFile(value, file, t.OktaAPIToken, t.OktaAPITokenFile, found)
	variable := value
	if t.OktaAPITokenFile != "" {
		variable = file
	}
	_, err := token.Read()
	switch {
	case !token.IsSet():
		found.add(value, "and %s are both missing; want one of them: an API token of the org (Security > API > Tokens)", file)
	case err != nil && hasScheme(os.Getenv(value), t.OktaAPITokenFile):
		found.add(variable, "begins with SSWS; want the token alone, without it")
	case err != nil:
		found.add(variable, "cannot be used: %v", err)
	}
	return token
}

// hasScheme reports whether a token, or the content of its file, begins with SSWS, as the HTTP header with the token
// does.
func hasScheme(token, file string) bool {
	if file != "" {
		content, _ := secret.ReadFile(file, maxVariable) // a file that cannot be read has no scheme
		token = string(content)
	}
	return strings.HasPrefix(strings.ToUpper(strings.TrimSpace(token)), "SSWS ")
}

func (t tenant) rateShare(found *Problems) float64 {
	share, err := strconv.ParseFloat(t.RateShare, 64)
	// The comparison is negated so that it refuses NaN too.
	if err != nil || !(share > 0 && share <= 1) {
		found.add(t.source("OKTA_RATE_SHARE"), "is %q; want a number above 0 and at most 1, such as 0.5", t.RateShare)
	}
	return share
}

// services returns the names in OKTA_SERVICES, in the catalog's order.
func (t tenant) services(found *Problems) []string {
	variable := t.source("OKTA_SERVICES")
	all := okta.ServiceNames()
	names, err := splitList(t.Services)
	switch {
	case err != nil:
		found.add(variable, "%v", err)
	case slices.Equal(names, []string{"all"}):
		return all
	case len(names) == 0:
		found.add(variable, "names no service; want some of %s, or all", strings.Join(all, ", "))
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			found.add(variable, "has %q, which is no service; want some of %s, or all", name, strings.Join(all, ", "))
		}
	}
	return slices.DeleteFunc(all, func(service string) bool { return !slices.Contains(names, service) })
}
