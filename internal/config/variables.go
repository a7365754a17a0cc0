package config

import (
	"errors"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kelseyhightower/envconfig"

	"okta-collector/internal/secret"
)

// All values are read as text and interpreted later. envconfig stops at the first value that it cannot convert, but all
// problems have to be reported together.
//
// docs/settings.md repeats the names, defaults and descriptions. A test compares them.

// processVariables are the settings of the process.
type processVariables struct {
	Tenants   string `envconfig:"COLLECTOR_TENANTS" default:"default" desc:"the orgs to collect: acme,globex; each then has its own ACME_OKTA_URL, ..."`
	TaskQueue string `envconfig:"COLLECTOR_TASK_QUEUE" default:"okta-collector" desc:"Temporal's task queue"`
	Start     string `envconfig:"COLLECTOR_START" default:"off" desc:"new: the worker starts each service of OKTA_SERVICES that was never started; or off"`
	Listen    string `envconfig:"COLLECTOR_LISTEN" default:"127.0.0.1:9464" desc:"address of /metrics, /healthz and /readyz"`
	LogLevel  string `envconfig:"COLLECTOR_LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	LogFormat string `envconfig:"COLLECTOR_LOG_FORMAT" default:"auto" desc:"console, json, or auto: console on a terminal, json elsewhere"`
}

// ownVariables are the settings that a tenant never inherits. They must not have an `envconfig:"NAME"` tag. With it,
// envconfig would fall back to NAME without the prefix, and one org would get another org's token.
type ownVariables struct {
	OktaURL          string     `split_words:"true" desc:"https://acme.okta.com"`
	OktaAPIToken     credential `split_words:"true" desc:"API token of the org, or:"`
	OktaAPITokenFile string     `split_words:"true" desc:"a file with the token, read again at each use"`

	OktaClientID         string     `split_words:"true" desc:"client id of a service app, instead of an API token, with one of these:"`
	OktaPrivateKey       credential `split_words:"true" desc:"private key of the service app: PEM (PKCS#1, PKCS#8, SEC1) or a JWK, or:"`
	OktaPrivateKeyFile   string     `split_words:"true" desc:"a file with the key, read again at each use"`
	OktaPrivateKeyID     string     `split_words:"true" desc:"the key's id (kid) in Okta; default: the JWK's own"`
	OktaClientSecret     credential `split_words:"true" desc:"client secret of an API service integration, or:"`
	OktaClientSecretFile string     `split_words:"true" desc:"a file with the secret, read again at each use"`
}

// sharedVariables are the settings that a tenant inherits from the variable without its prefix.
type sharedVariables struct {
	Services      string `envconfig:"OKTA_SERVICES" default:"default" desc:"services and groups (default, identity, all) to start; -name leaves out"`
	RateShare     string `envconfig:"OKTA_RATE_SHARE" default:"0.5" desc:"share of the limits that Okta shows this token, not of the org's; above 0, at most 1"`
	LogsHistory   string `envconfig:"OKTA_LOGS_HISTORY" default:"24h" desc:"how far back the first run of logs goes; at most 90d"`
	PollLogs      string `envconfig:"OKTA_POLL_LOGS" default:"10s" desc:"pause between polls of the System Log"`
	PollResources string `envconfig:"OKTA_POLL_RESOURCES" default:"15m" desc:"time between pulls of users, groups, ..."`
	Poll          string `envconfig:"OKTA_POLL" desc:"time between pulls of single services: devices=1h,policies=6h,..."`
	FullSync      string `envconfig:"OKTA_FULL_SYNC" default:"24h" desc:"time between full pulls of what is pulled by changes or listed under other objects"`

	Redact        string `envconfig:"OKTA_REDACT" desc:"members to remove or to hash: users:profile.mobilePhone,logs:client.ipAddress=hash,..."`
	RedactKeyFile string `envconfig:"OKTA_REDACT_KEY_FILE" desc:"a file with the key of hashes, read again at each use; secrets are hashed too"`
	DropEvents    string `envconfig:"OKTA_DROP_EVENTS" desc:"events of the System Log not to ship: user.session.start,..."`

	DevoURL         string     `envconfig:"DEVO_URL" desc:"tls://collector-us.devo.io:443, tcp://relay:13000, https://http-us.devo.io, file:///dir or stdout:"`
	DevoChainFile   string     `envconfig:"DEVO_CHAIN_FILE" desc:"tls, https: PEM file of the CAs that the server is verified with; default: the system's"`
	DevoCertFile    string     `envconfig:"DEVO_CERT_FILE" desc:"tls, https: PEM file of the client certificate"`
	DevoKeyFile     string     `envconfig:"DEVO_KEY_FILE" desc:"tls, https: PEM file of its key"`
	DevoServerName  string     `envconfig:"DEVO_SERVER_NAME" desc:"tls, https: the server's name when it is not that of DEVO_URL"`
	DevoDomain      string     `envconfig:"DEVO_DOMAIN" desc:"https: the Devo domain"`
	DevoToken       credential `envconfig:"DEVO_TOKEN" desc:"https: a Devo token, or:"`
	DevoTokenFile   string     `envconfig:"DEVO_TOKEN_FILE" desc:"https: a file with the token"`
	DevoEnvironment string     `envconfig:"DEVO_ENVIRONMENT" desc:"added to every object as @devo_environment"`
	DevoHostname    string     `envconfig:"DEVO_HOSTNAME" desc:"the host in each record; default: this machine's name"`
	DevoEventTime   string     `envconfig:"DEVO_EVENT_TIME" default:"sent" desc:"tls, tcp, stdout: the date of a log event's record: when it was sent, or published"`
	DevoConfirm     string     `envconfig:"DEVO_CONFIRM" default:"auto" desc:"tls, tcp: proof of delivery: auto (the best that the server ever gave), close or kernel"`
	DevoTables      string     `envconfig:"DEVO_TABLES" desc:"other tables than the usual ones: app_users=my.app.acme.users,pulls=my.app.acme.pulls,..."`
	DevoMaxEvent    string     `envconfig:"DEVO_MAX_EVENT" default:"1MiB" desc:"larger objects are shipped cut and marked"`
	DevoReport      string     `envconfig:"DEVO_REPORT" default:"auto" desc:"reports to Devo about the collector: on, off, or auto (on for tls, tcp and https)"`
}

// The names of the settings, without a tenant's prefix.
var (
	processNames = names(&processVariables{})
	ownNames     = names(&ownVariables{})
	sharedNames  = names(&sharedVariables{})
)

// names returns the variables of a struct, in the order of its fields.
func names(variables any) []string {
	var list strings.Builder
	// Usagef fails only if it is not given a pointer to a struct.
	_ = envconfig.Usagef("", variables, &list, "{{range .}}{{usage_key .}} {{end}}")
	return strings.Fields(list.String())
}

// credential is a variable that is never held as plain text.
type credential struct{ secret.Secret }

// Decode implements envconfig.Decoder.
func (c *credential) Decode(value string) error {
	c.Secret = secret.Value(strings.TrimSpace(value))
	return nil
}

// Usage writes the names, defaults and descriptions of all settings. It writes no values.
func Usage(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	err := list(table, "{{range .}}  {{usage_key .}}\t{{usage_default .}}\t{{usage_description .}}\n{{end}}")
	return errors.Join(err, table.Flush())
}

// list writes all settings in a format of envconfig.Usagef.
func list(w io.Writer, format string) error {
	return errors.Join(
		envconfig.Usagef("", &ownVariables{}, w, format),
		envconfig.Usagef("", &sharedVariables{}, w, format),
		envconfig.Usagef("", &processVariables{}, w, format),
	)
}
