package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// devo is where the tenant's events go. What a sink needs is checked by the sink itself, which
// names the settings; here they get the tenant's prefix.
func (t tenant) devo(found *findings) devo.Config {
	c := devo.Config{
		URL:         t.DevoURL,
		ChainFile:   t.DevoChainFile,
		CertFile:    t.DevoCertFile,
		KeyFile:     t.DevoKeyFile,
		ServerName:  t.DevoServerName,
		Domain:      t.DevoDomain,
		Token:       t.devoToken(found),
		Environment: t.DevoEnvironment,
		Hostname:    t.DevoHostname,
		Confirm:     devo.Confirm(t.DevoConfirm),
	}
	size, err := parseSize(t.DevoMaxEvent)
	if err != nil {
		found.add(t.source("DEVO_MAX_EVENT"), "%v", err)
	}
	c.MaxEvent = size

	if c.URL == "" {
		found.add(t.source("DEVO_URL"), "is missing; want tls://collector-us.devo.io:443, tcp://relay:13000, https://http-us.devo.io, file:///dir or stdout:")
		return c
	}
	_, err = devo.New(c)
	for _, problem := range flatten(err) {
		variable, text, _ := strings.Cut(devoVariable.ReplaceAllStringFunc(problem.Error(), t.source), " ")
		found.add(variable, "%s", text)
	}
	if c.CertFile == "" && c.KeyFile == "" && devoEndpoint.MatchString(c.URL) {
		found.add(t.source("DEVO_CERT_FILE"), "and %s are missing; want the PEM files of the client certificate and key that Devo asks for (Administration > Credentials > X.509 certificates)", t.source("DEVO_KEY_FILE"))
	}
	return c
}

var (
	devoVariable = regexp.MustCompile(`\bDEVO_[A-Z_]+\b`)
	// devoEndpoint are Devo's own endpoints, which let nobody in without a certificate.
	devoEndpoint = regexp.MustCompile(`^tls://[^/]+\.devo\.io(:|/|$)`)
)

// flatten lists the errors that were joined.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// devoToken chooses between DEVO_TOKEN and DEVO_TOKEN_FILE. A tenant that sets one of them
// for itself inherits neither.
func (t tenant) devoToken(found *findings) secret.Secret {
	value, file := t.DevoToken, t.DevoTokenFile
	ownValue, ownFile := os.Getenv(t.own("DEVO_TOKEN")) != "", os.Getenv(t.own("DEVO_TOKEN_FILE")) != ""
	if ownValue && !ownFile {
		file = ""
	}
	if ownFile && !ownValue {
		value = credential{}
	}
	return valueOrFile(t.source("DEVO_TOKEN"), t.source("DEVO_TOKEN_FILE"), value, file, found)
}

// report says whether Devo is told about the collector itself. Files and stdout are looked at for
// the events, so there it has to be asked for.
func (t tenant) report(found *findings) bool {
	switch t.DevoReport {
	case "on":
		return true
	case "off":
		return false
	case "auto":
		return !strings.HasPrefix(t.DevoURL, "file:") && !strings.HasPrefix(t.DevoURL, "stdout:")
	}
	found.add(t.source("DEVO_REPORT"), "is %q; want auto, on or off", t.DevoReport)
	return false
}

// tables gives every service its Devo table, that of DEVO_TABLES or the catalog's.
func (t tenant) tables(found *findings) map[string]string {
	tables := make(map[string]string)
	for _, s := range okta.Services() {
		tables[s.Name] = s.Table
	}
	overrides, err := parseTables(t.DevoTables)
	if err != nil {
		found.add(t.source("DEVO_TABLES"), "%v", err)
	}
	for service, tag := range overrides {
		tables[service] = tag
	}
	return tables
}

// parseTables reads app_users=my.app.acme.users,logs=auth.okta.system.
func parseTables(text string) (map[string]string, error) {
	items, err := splitList(text)
	if err != nil {
		return nil, err
	}
	tables := make(map[string]string)
	var problems []string
	for _, item := range items {
		service, tag, _ := strings.Cut(item, "=")
		service, tag = strings.TrimSpace(service), strings.TrimSpace(tag)
		_, known := okta.Lookup(service)
		_, twice := tables[service]
		switch {
		case !known:
			problems = append(problems, fmt.Sprintf("has %q, which is no service; want service=table,... with services of %s", service, strings.Join(okta.ServiceNames(), ", ")))
		case twice:
			problems = append(problems, fmt.Sprintf("has %s twice", service))
		case devo.CheckTag(tag) != nil:
			problems = append(problems, fmt.Sprintf("gives %s the table %q; want 2 to 6 levels of letters, digits, _ and -, joined by dots, such as my.app.acme.users", service, tag))
		default:
			tables[service] = tag
		}
	}
	if problems != nil {
		return nil, errors.New(strings.Join(problems, ", and "))
	}
	return tables, nil
}
