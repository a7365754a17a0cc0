package config

import (
	"errors"
	"math"
	"os"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// devoEndpoint matches Devo's own endpoints. They refuse every client without a certificate.
var devoEndpoint = regexp.MustCompile(`^tls://[^/]+\.devo\.io(:|/|$)`)

// devo returns the destination of the tenant's events. The sink checks its own settings.
func (t tenant) devo(found *Problems) devo.Config {
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
		MaxEvent:    t.maxEvent(found),
	}
	if c.URL == "" {
		found.add(t.source("DEVO_URL"), "is missing; want tls://collector-us.devo.io:443, tcp://relay:13000, "+
			"https://http-us.devo.io, file:///dir or stdout:")
		return c
	}
	_, err := devo.New(c)
	var wrong devo.SettingErrors
	if errors.As(err, &wrong) {
		for _, w := range wrong {
			problem := w.Problem
			if w.Or != "" {
				problem = "or " + t.source(w.Or) + " " + problem
			}
			found.add(t.source(w.Setting), "%s", problem)
		}
	}
	if c.CertFile == "" && c.KeyFile == "" && devoEndpoint.MatchString(c.URL) {
		found.add(t.source("DEVO_CERT_FILE"), "and %s are missing; want the PEM files of the client certificate and key "+
			"that Devo asks for (Administration > Credentials > X.509 certificates)", t.source("DEVO_KEY_FILE"))
	}
	return c
}

// devoToken chooses between DEVO_TOKEN and DEVO_TOKEN_FILE. A tenant that sets one of them does not inherit the other.
func (t tenant) devoToken(found *Problems) secret.Secret {
	value, file := t.DevoToken, t.DevoTokenFile
	ownValue, ownFile := os.Getenv(t.own("DEVO_TOKEN")) != "", os.Getenv(t.own("DEVO_TOKEN_FILE")) != ""
	switch {
	case ownValue && !ownFile:
		file = ""
	case ownFile && !ownValue:
		value = credential{}
	}
	return valueOrFile(t.source("DEVO_TOKEN"), t.source("DEVO_TOKEN_FILE"), value, file, found)
}

// maxEvent reads a number of bytes such as 1MiB, 64KiB or 65536.
func (t tenant) maxEvent(found *Problems) int {
	n, err := humanize.ParseBytes(t.DevoMaxEvent)
	if err != nil || n == 0 || n > math.MaxInt32 {
		found.add(t.source("DEVO_MAX_EVENT"), "is %q; want a size such as 1MiB or 65536", t.DevoMaxEvent)
		return 0 // the sink takes it for its default, and reports no second problem
	}
	return int(n)
}

// report says whether Devo is told about the collector itself. The default for files and stdout is off: whoever reads
// those looks for events.
func (t tenant) report(found *Problems) bool {
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

// tables returns the Devo table of every service: that of DEVO_TABLES, such as app_users=my.app.acme.users, or else the
// catalog's.
func (t tenant) tables(found *Problems) map[string]string {
	variable := t.source("DEVO_TABLES")
	tables := make(map[string]string)
	for _, s := range okta.Services() {
		tables[s.Name] = s.Table
	}
	items, err := splitList(t.DevoTables)
	if err != nil {
		found.add(variable, "%v", err)
	}
	given := make(map[string]bool)
	for _, item := range items {
		service, tag, _ := strings.Cut(item, "=")
		service, tag = strings.TrimSpace(service), strings.TrimSpace(tag)
		switch {
		case tables[service] == "":
			found.add(variable, "has %q, which is no service; want service=table,... with services of %s",
				service, strings.Join(okta.ServiceNames(), ", "))
		case given[service]:
			found.add(variable, "has %s twice", service)
		case devo.CheckTag(tag) != nil:
			found.add(variable, "gives %s the table %q; want 2 to 6 levels of letters, digits, _ and -, joined by dots, "+
				"such as my.app.acme.users", service, tag)
		default:
			tables[service] = tag
			given[service] = true
		}
	}
	return tables
}
