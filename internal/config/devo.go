package config

import (
	"errors"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// devoEndpoint matches Devo's own endpoints. They refuse every client without a certificate.
var devoEndpoint = regexp.MustCompile(`^tls://[^/]+\.devo\.io(:|/|$)`)

// devo returns the destination of the tenant's events. devo.New checks these settings.
func (t tenant) devo() devo.Config {
	c := devo.Config{
		URL:         t.DevoURL,
		Tenant:      t.name,
		ChainFile:   t.DevoChainFile,
		CertFile:    t.DevoCertFile,
		KeyFile:     t.DevoKeyFile,
		ServerName:  t.DevoServerName,
		Domain:      t.DevoDomain,
		Token:       t.devoToken(),
		Environment: t.DevoEnvironment,
		EventTime:   devo.EventTime(t.DevoEventTime),
		Hostname:    t.DevoHostname,
		Confirm:     devo.Confirm(t.DevoConfirm),
		MaxEvent:    t.maxEvent(),
	}
	if c.URL == "" {
		t.wrong("DEVO_URL", "is missing; want tls://collector-us.devo.io:443, tcp://relay:13000, "+
			"https://http-us.devo.io, file:///dir or stdout:")
		return c
	}
	_, err := devo.New(c)
	wrong, _ := errors.AsType[devo.SettingErrors](err)
	for _, w := range wrong {
		problem := w.Problem
		if w.Or != "" {
			problem = "or " + t.variable(w.Or) + " " + problem
		}
		t.wrong(w.Setting, "%s", problem)
	}
	if c.CertFile == "" && c.KeyFile == "" && devoEndpoint.MatchString(c.URL) {
		t.wrong("DEVO_CERT_FILE", "and %s are missing; want the PEM files of the client certificate and key "+
			"that Devo asks for (Administration > Credentials > X.509 certificates)", t.variable("DEVO_KEY_FILE"))
	}
	return c
}

// devoToken chooses between DEVO_TOKEN and DEVO_TOKEN_FILE. A tenant that sets one does not inherit the other.
func (t tenant) devoToken() secret.Secret {
	value, file := t.DevoToken, t.DevoTokenFile
	ownValue, ownFile := os.Getenv(t.prefix+"DEVO_TOKEN") != "", os.Getenv(t.prefix+"DEVO_TOKEN_FILE") != ""
	if ownValue && !ownFile {
		file = ""
	}
	if ownFile && !ownValue {
		value = credential{}
	}
	return t.secret("DEVO_TOKEN", value, file)
}

// maxEvent reads a size in bytes such as 1MiB, 64KiB or 65536.
func (t tenant) maxEvent() int {
	n, err := humanize.ParseBytes(t.DevoMaxEvent)
	if err != nil || n == 0 || n > math.MaxInt32 {
		t.wrong("DEVO_MAX_EVENT", "is %s; want a size such as 1MiB or 65536", secret.Shown(t.DevoMaxEvent))
		return 0 // devo.New then uses its default, and reports no second problem
	}
	return int(n)
}

// report resolves DEVO_REPORT. auto is off for files and stdout, because there the reports would stand between the
// events.
func (t tenant) report() bool {
	if !slices.Contains([]string{"auto", "on", "off"}, t.DevoReport) {
		t.wrong("DEVO_REPORT", "is %s; want auto, on or off", secret.Shown(t.DevoReport))
	}
	isLocal := strings.HasPrefix(t.DevoURL, "file:") || strings.HasPrefix(t.DevoURL, "stdout:")
	return t.DevoReport == "on" || t.DevoReport == "auto" && !isLocal
}

// tables returns the Devo table of every service, and those of records: the one in DEVO_TABLES, such as
// app_users=my.app.acme.users, or the usual one.
func (t tenant) tables() map[string]string {
	tables := maps.Clone(okta.RecordTables)
	for _, s := range okta.Services() {
		tables[s.Name] = s.Table
	}
	items, err := splitList(t.DevoTables)
	if err != nil {
		t.wrong("DEVO_TABLES", "%v", err)
	}
	given := make(map[string]bool)
	for _, item := range items {
		service, tag, _ := strings.Cut(item, "=")
		service, tag = strings.TrimSpace(service), strings.TrimSpace(tag)
		switch {
		case tables[service] == "":
			records := slices.Sorted(maps.Keys(okta.RecordTables))
			t.wrong("DEVO_TABLES", "has %s, which is not a service; want service=table,... with services, %s; %s",
				secret.Shown(service), strings.Join(records, " or "), okta.Suggestion(service, records...))
		case given[service]:
			t.wrong("DEVO_TABLES", "has %s twice", service)
		case devo.CheckTag(tag) != nil:
			t.wrong("DEVO_TABLES", "gives %s the table %s; want 2 to 6 levels of letters, digits, _ and -, joined by dots, "+
				"such as my.app.acme.users", service, secret.Shown(tag))
		default:
			tables[service] = tag
			given[service] = true
		}
	}
	return tables
}
