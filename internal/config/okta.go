package config

import (
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

const day = 24 * time.Hour

// okta is the tenant's org.
func (t tenant) okta(found *findings) okta.Config {
	c := okta.Config{Tenant: t.name, URL: t.oktaURL(found)}

	for _, variable := range refused {
		if os.Getenv(t.own(variable)) != "" {
			found.add(t.own(variable), "is set, but OAuth 2.0 service apps are not supported yet; want an API token in %s", t.own("OKTA_API_TOKEN"))
		}
	}
	c.Authorizer = okta.APIToken(t.oktaToken(found))

	share, err := parseShare(t.RateShare)
	if err != nil {
		found.add(t.source("OKTA_RATE_SHARE"), "%v", err)
	}
	c.RateShare = share

	for _, d := range []struct {
		variable, text string
		most           time.Duration
		value          *time.Duration
	}{
		{"OKTA_LOGS_HISTORY", t.LogsHistory, checkpoint.MaxHistory, &c.LogsHistory},
		{"OKTA_POLL_LOGS", t.PollLogs, day, &c.PollLogs},
		{"OKTA_POLL_RESOURCES", t.PollResources, 7 * day, &c.PollResources},
		{"OKTA_FULL_SYNC", t.FullSync, 30 * day, &c.FullSync},
	} {
		value, err := parseDuration(d.text, time.Second, d.most)
		if err != nil {
			found.add(t.source(d.variable), "%v", err)
		}
		*d.value = value
	}
	return c
}

func (t tenant) oktaToken(found *findings) secret.Secret {
	value, file := t.own("OKTA_API_TOKEN"), t.own("OKTA_API_TOKEN_FILE")
	token := valueOrFile(value, file, t.OktaAPIToken, t.OktaAPITokenFile, found)
	if !token.IsSet() {
		found.add(value, "and %s are both missing; want one of them: an API token of the org (Security > API > Tokens)", file)
		return token
	}
	if _, err := token.Read(); err != nil {
		variable := value
		if t.OktaAPITokenFile != "" {
			variable = file
		}
		if hasScheme(os.Getenv(value), t.OktaAPITokenFile) {
			found.add(variable, "begins with SSWS; want the token alone, without it")
		} else {
			found.add(variable, "cannot be used: %v", err)
		}
	}
	return token
}

// hasScheme says whether a token, or what is in its file, begins as the header does in which it is sent.
func hasScheme(token, file string) bool {
	const scheme = "SSWS "
	if f, err := os.Open(file); err == nil {
		defer f.Close()
		begin := make([]byte, len(scheme))
		_, _ = io.ReadFull(f, begin) // what is shorter is something else
		token = string(begin)
	}
	return strings.HasPrefix(strings.ToUpper(strings.TrimLeft(token, " \n")), scheme)
}

// services are the names in OKTA_SERVICES, in the catalog's order.
func (t tenant) services(found *findings) []string {
	variable := t.source("OKTA_SERVICES")
	names, err := splitList(t.Services)
	switch {
	case err != nil:
		found.add(variable, "%v", err)
	case slices.Equal(names, []string{"all"}):
		return okta.ServiceNames()
	case len(names) == 0:
		found.add(variable, "names no service; want some of %s, or all", strings.Join(okta.ServiceNames(), ", "))
	}
	for _, name := range names {
		if _, ok := okta.Lookup(name); !ok {
			found.add(variable, "has %q, which is no service; want some of %s, or all", name, strings.Join(okta.ServiceNames(), ", "))
		}
	}
	var services []string
	for _, s := range okta.Services() {
		if slices.Contains(names, s.Name) {
			services = append(services, s.Name)
		}
	}
	return services
}
