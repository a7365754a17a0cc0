package config

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"okta-collector/internal/devo"
)

func (t tenant) oktaURL(found *findings) string {
	variable := t.own("OKTA_URL")
	if t.OktaURL == "" {
		found.add(variable, "is missing; want https://acme.okta.com")
		return ""
	}
	org, err := parseOrgURL(t.OktaURL)
	if err != nil {
		found.add(variable, "%v; want https://acme.okta.com", err)
	}
	return org
}

// parseOrgURL checks an org's address and takes the slash off its end. Its errors do not
// repeat the URL, which may have a password in it.
func parseOrgURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return "", errors.New("is not a URL")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("does not begin with https://")
	case u.User != nil:
		return "", errors.New("has a user or password in it")
	case !hostName.MatchString(host) && !address(host):
		return "", errors.New("has no usable host name")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("has a path or query")
	case u.Scheme == "http" && !devo.IsLoopback(host):
		return "", errors.New("is http, which would send the token in the clear")
	case strings.Contains(host, "-admin.okta"):
		return "", errors.New("is the address of the Admin Console; the org's own is https://" + strings.Replace(host, "-admin.okta", ".okta", 1))
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

var hostName = regexp.MustCompile(`^[a-z0-9._-]{1,253}$`)

func address(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
